//! Whether a partition of one table could be a partition of another: what the server would compare,
//! scan or build to attach it there. Catalogs only; no table is locked.

use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::failed;
use super::own::has_table;
use crate::pg::fault::Fault;
use crate::pg::version::Version;

/// Two partitioned tables, one of whose partitions may move to the other.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The oid of the table that gives.
    pub from: i64,
    /// The oid of the table that takes.
    pub into: i64,
    /// The type of their key, as SQL writes it; one that has an infinity.
    pub key_type: &'a str,
}

/// In what the two tables differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromRow)]
pub struct Pair {
    /// Columns of both that are not the same: type, collation, NULL, generator.
    pub columns: Vec<String>,
    /// CHECK constraints that only the table that takes has.
    pub checks: Vec<String>,
    /// Publications of either, or of all tables of their schemas.
    pub publications: Vec<String>,
    /// Where new partitions of the table that takes are to be kept, if it says so.
    pub tablespace: Option<String>,
    /// Their access method, if it says so.
    pub access_method: Option<String>,
    /// Its owner, as SQL writes it.
    pub owner: String,
}

/// A partition of the table that gives.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Leaf {
    /// Its oid.
    pub oid: i64,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `pg_class.relkind`.
    pub kind: String,
    /// Its bound, `FOR VALUES …`.
    pub bound: String,
    /// Its upper bound is at or below the moment asked about.
    pub is_past: bool,
    /// Its upper bound, as text.
    pub ends: String,
    /// A partition of the table that takes whose range it overlaps.
    pub overlaps: Option<String>,
    /// Its detach was begun, or is on pgtend's own record.
    pub is_leaving: bool,
    /// We have the rights of its owner, and may make indexes in its schema.
    pub is_ours: bool,
    /// It survives a crash of the server.
    pub is_permanent: bool,
    /// Row level security is on.
    pub row_security: bool,
    /// Where it is kept.
    pub tablespace: Option<String>,
    /// How it is kept.
    pub access_method: Option<String>,
    /// Its owner, as SQL writes it.
    pub owner: String,
    /// Triggers and rules of its own.
    pub hooks: Vec<String>,
    /// Foreign keys from it or to it.
    pub foreign_keys: Vec<String>,
    /// Publications that name it.
    pub publications: Vec<String>,
    /// Names of plain indexes of the table that takes without their like here.
    pub missing: Vec<String>,
    /// What follows the table's name in their definitions, in the same order.
    pub missing_as: Vec<String>,
    /// Keys and unique indexes of the table that takes without their like here.
    pub missing_keys: Vec<String>,
    /// Its indexes that were begun and not finished.
    pub unfinished: Vec<String>,
    /// Its indexes whose name begins with the prefix asked about.
    pub own_indexes: Vec<String>,
    /// The CHECK of the name asked about is there, and validated or not.
    pub check: Option<bool>,
    /// Rows, as the last VACUUM or ANALYZE and the counters since know them.
    pub rows_estimate: Option<i64>,
    /// Roles, other than its owner, with privileges on it; as SQL writes them.
    pub grantees: Vec<String>,
    /// Its privileges are not those of the table that takes.
    pub grants_differ: bool,
}

/// A privilege on the table that takes, of another than its owner.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Grant {
    /// The role, as SQL writes it.
    pub grantee: String,
    /// `SELECT, INSERT`
    pub privileges: String,
    /// It may be granted on.
    pub is_grantable: bool,
}

const PAIR: &str = include_str!("hand_over_pair.sql");
const LEAVES: &str = include_str!("hand_over_leaves.sql");

/// Compares the two tables.
///
/// # Errors
/// Where the server does not answer.
pub async fn pair(
    conn: &mut PgConnection,
    version: Version,
    asked: Asked<'_>,
) -> Result<Pair, Fault> {
    let sql = PAIR.replace("PUBLISHED_SCHEMA", published_schema(version));
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(asked.from).bind(asked.into);
    query.persistent(false).fetch_one(conn).await.map_err(failed)
}

/// The partitions of the table that gives which begin before a moment, a value of the key as text;
/// oldest first, so many at most. `check` is a constraint's name, `prefix` what indexes begin with.
///
/// # Errors
/// Where the server does not answer.
pub async fn leaves(
    conn: &mut PgConnection,
    version: Version,
    asked: Asked<'_>,
    moment: &str,
    (check, prefix): (&str, &str),
    at_most: i64,
) -> Result<Vec<Leaf>, Fault> {
    let pending = if version.has_detach_concurrently() { "i.inhdetachpending" } else { "false" };
    let nulls = if version.has_nulls_not_distinct() { "x.indnullsnotdistinct" } else { "false" };
    let recorded = has_table(&mut *conn, "partition_quarantine").await.map_err(failed)?;
    let on_record = if recorded {
        "EXISTS (SELECT FROM partition_quarantine AS q WHERE q.relation = c.oid AND q.restored_at IS NULL)"
    } else {
        "false"
    };
    let sql = LEAVES
        .replace("KEY_TYPE", asked.key_type)
        .replace("PENDING", pending)
        .replace("ON_RECORD", on_record)
        .replace("NULLS_NOT_DISTINCT", nulls);
    sqlx::query_as(AssertSqlSafe(sql))
        .bind(asked.from)
        .bind(asked.into)
        .bind(moment)
        .bind(check)
        .bind(prefix)
        .bind(at_most)
        .persistent(false)
        .fetch_all(conn)
        .await
        .map_err(failed)
}

/// The privileges on a table, of others than its owner.
///
/// # Errors
/// Where the server does not answer.
pub async fn grants(conn: &mut PgConnection, table: i64) -> Result<Vec<Grant>, Fault> {
    sqlx::query_as(
        "SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee, \
                string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges, a.is_grantable \
         FROM pg_class AS c, aclexplode(c.relacl) AS a \
         WHERE c.oid = $1::int8::oid AND a.grantee <> c.relowner \
         GROUP BY a.grantee, a.is_grantable ORDER BY 1, 3",
    )
    .bind(table)
    .fetch_all(conn)
    .await
    .map_err(failed)
}

fn published_schema(version: Version) -> &'static str {
    if version.has_published_columns() {
        "EXISTS (SELECT FROM pg_publication_namespace AS s JOIN pg_class AS c ON c.relnamespace = s.pnnspid \
         WHERE s.pnpubid = p.oid AND c.oid IN ($1::int8::oid, $2::int8::oid))"
    } else {
        "false"
    }
}
