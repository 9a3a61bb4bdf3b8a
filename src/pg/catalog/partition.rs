//! Partitioned tables and their partitions, as the catalog has them.
//!
//! Set-based: one query for all tables. Nothing here takes a lock on a table: bounds are read with
//! `pg_get_expr(relpartbound, 0)`, because given the partition's oid it would open the partition and
//! wait behind an `ALTER TABLE` (measured on 13 and 18).

use sqlx::postgres::types::Oid;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use crate::pg::fault::Fault;
use crate::pg::ident::{Ident, TableName};
use crate::pg::version::Version;

/// A table, view or other relation by the name that was asked for.
#[derive(Debug, Clone, FromRow)]
pub struct Relation {
    /// Which of the names asked for, from 0.
    pub asked: i64,
    /// Its oid.
    pub oid: i64,
    /// `pg_class.relkind`.
    pub kind: String,
    /// A temporary table of some session.
    pub temporary: bool,
    /// `r`, `l` or `h`: RANGE, LIST, HASH; absent where it is not partitioned.
    pub strategy: Option<String>,
    /// Columns and expressions in the key.
    pub key_parts: Option<i32>,
    /// The first key column; absent where the key starts with an expression.
    pub key_column: Option<String>,
    /// Its type.
    pub key_type_oid: Option<i64>,
    /// Its type in words.
    pub key_type: Option<String>,
    /// The key is ordered as its type is.
    pub key_order_usual: Option<bool>,
    /// Its own bound, where it is a partition by RANGE of a column of the same name.
    pub own_bound: Option<String>,
    /// The role that owns it.
    pub owner: String,
    /// Foreign keys from it or to it.
    pub foreign_keys: bool,
    /// Its default partition.
    pub default_oid: Option<i64>,
    /// What our role may do.
    #[sqlx(flatten)]
    pub rights: Rights,
}

/// What our role may do with a table and its schema.
#[derive(Debug, Clone, FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "each is a right of its own")]
pub struct Rights {
    /// We have the rights of its owner.
    pub acts_as_owner: bool,
    /// We may make its owner the owner of what we create.
    pub may_give_to_owner: bool,
    /// USAGE and CREATE on its schema.
    pub may_create: bool,
    /// Its owner has them too, as `ALTER TABLE … OWNER TO` asks; or we are superuser.
    pub owner_may_create: bool,
}

/// One partition.
#[derive(Debug, Clone, FromRow)]
pub struct Child {
    /// The table it is a partition of.
    pub parent: i64,
    /// Its oid.
    pub oid: i64,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `pg_class.relkind`: `r`, `p` where it is partitioned itself, `f` for a foreign table.
    pub kind: String,
    /// Its bound as `FOR VALUES …`, written in the session's `DateStyle` and `TimeZone`.
    pub bound: String,
    /// A `DETACH … CONCURRENTLY` of it was begun and not finished.
    pub detach_pending: bool,
    /// Something of it in `pg_class` is not as its parent's, or may not be: see [`super::likeness`].
    pub stands_out: bool,
}

const RELATIONS: &str = "
SELECT asked.ord - 1 AS asked, c.oid::int8 AS oid, c.relkind::text AS kind,
       c.relpersistence = 't' AS temporary, p.partstrat::text AS strategy,
       p.partnatts::int4 AS key_parts, a.attname::text AS key_column,
       a.atttypid::int8 AS key_type_oid, format_type(a.atttypid, a.atttypmod) AS key_type,
       o.opcdefault AS key_order_usual,
       (SELECT pg_get_expr(c.relpartbound, 0)
        FROM pg_inherits i
        JOIN pg_partitioned_table u ON u.partrelid = i.inhparent
        JOIN pg_attribute ua ON ua.attrelid = i.inhparent AND ua.attnum = u.partattrs[0]
        WHERE i.inhrelid = c.oid AND c.relispartition AND u.partstrat = 'r' AND u.partnatts = 1
          AND u.partattrs[0] > 0 AND ua.attname = a.attname) AS own_bound,
       pg_get_userbyid(c.relowner)::text AS owner,
       c.oid IN (SELECT unnest(ARRAY[f.conrelid, f.confrelid]) FROM pg_constraint f
                 WHERE f.contype = 'f') AS foreign_keys,
       NULLIF(p.partdefid, 0)::int8 AS default_oid,
       pg_has_role(c.relowner, 'USAGE') AS acts_as_owner,
       pg_has_role(c.relowner, $3) AS may_give_to_owner,
       has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE') AS may_create,
       me.rolsuper OR has_schema_privilege(c.relowner, n.oid, 'CREATE') AS owner_may_create
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked(schema, name, ord)
JOIN pg_namespace n ON n.nspname = asked.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name
JOIN pg_roles me ON me.rolname = current_user
LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0] AND a.attnum > 0
LEFT JOIN pg_opclass o ON o.oid = p.partclass[0]";

/// Relations by name, those that exist.
///
/// # Errors
/// Where the server does not answer.
pub async fn relations(
    conn: &mut PgConnection,
    version: Version,
    names: &[&TableName],
) -> Result<Vec<Relation>, Fault> {
    let (schemas, tables): (Vec<&str>, Vec<&str>) =
        names.iter().map(|name| (name.schema.as_str(), name.table.as_str())).unzip();
    let give = if version.has_grant_with_set() { "SET" } else { "MEMBER" };
    sqlx::query_as(RELATIONS)
        .bind(schemas)
        .bind(tables)
        .bind(give)
        .fetch_all(conn)
        .await
        .map_err(failed("read the partitioned tables"))
}

/// The partitions of these tables, in no order.
///
/// # Errors
/// Where the server does not answer.
pub async fn children(
    conn: &mut PgConnection,
    version: Version,
    parents: &[i64],
) -> Result<Vec<Child>, Fault> {
    let pending = if version.has_detach_concurrently() { "i.inhdetachpending" } else { "false" };
    sqlx::query_as(AssertSqlSafe(children_sql(pending, "i.inhparent = ANY($1::int8[]::oid[])")))
        .bind(parents)
        .fetch_all(conn)
        .await
        .map_err(failed("read the partitions"))
}

/// One partition by its name; absent where it is none. Whether its detach is pending is not asked.
///
/// # Errors
/// Where the server does not answer.
pub async fn by_name(conn: &mut PgConnection, names: &[TableName]) -> Result<Vec<Child>, Fault> {
    let which = "i.inhrelid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS asked (name))";
    sqlx::query_as(AssertSqlSafe(children_sql("false", which)))
        .bind(names.iter().map(TableName::to_string).collect::<Vec<_>>())
        .fetch_all(conn)
        .await
        .map_err(failed("read new partitions"))
}

/// The first look, as far as `pg_class` goes: `c` is a partition of `p`, and they are not plainly alike.
/// With the same letter for it, the index that is the replica identity may still be another.
const STANDS_OUT: &str = "\
(p.relowner <> c.relowner OR p.relacl IS DISTINCT FROM c.relacl \
 OR p.relrowsecurity <> c.relrowsecurity OR p.relforcerowsecurity <> c.relforcerowsecurity \
 OR p.relreplident <> c.relreplident OR p.relreplident = 'i' \
 OR (p.relam <> 0 AND p.relam <> c.relam) \
 OR (p.reltablespace <> 0 AND p.reltablespace <> c.reltablespace))";

fn children_sql(pending: &str, which: &str) -> String {
    format!(
        "SELECT i.inhparent::int8 AS parent, c.oid::int8 AS oid, n.nspname::text AS schema, \
                c.relname::text AS name, c.relkind::text AS kind, \
                pg_get_expr(c.relpartbound, 0) AS bound, \
                {pending} AS detach_pending, {STANDS_OUT} AS stands_out \
         FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent \
         JOIN pg_class c ON c.oid = i.inhrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE {which} AND c.relpartbound IS NOT NULL"
    )
}

/// Which of these names are taken, by a relation of whatever kind or by a type.
///
/// # Errors
/// Where the server does not answer.
pub async fn taken_names(
    conn: &mut PgConnection,
    names: &[TableName],
) -> Result<Vec<(String, String)>, Fault> {
    let (schemas, tables): (Vec<&str>, Vec<&str>) =
        names.iter().map(|name| (name.schema.as_str(), name.table.as_str())).unzip();
    sqlx::query_as(
        "SELECT asked.schema, asked.name FROM unnest($1::text[], $2::text[]) AS asked(schema, name) \
         JOIN pg_namespace n ON n.nspname = asked.schema \
         WHERE EXISTS (SELECT FROM pg_class \
                       WHERE relname = asked.name::name AND relnamespace = n.oid) \
            OR EXISTS (SELECT FROM pg_type \
                       WHERE typname = asked.name::name AND typnamespace = n.oid)",
    )
    .bind(schemas)
    .bind(tables)
    .fetch_all(conn)
    .await
    .map_err(failed("look for taken names"))
}

fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> Fault {
    move |error| Fault::from_sqlx(doing, &error)
}

/// Whether a table is partitioned by ranges that begin with this column.
///
/// # Errors
/// Where the server does not answer.
pub async fn is_ranged_by(
    conn: &mut PgConnection,
    table: Oid,
    column: &Ident,
) -> Result<bool, Fault> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_partitioned_table AS p \
           JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] \
         WHERE p.partrelid = $1 AND p.partstrat = 'r' AND a.attname = $2)",
    )
    .bind(table)
    .bind(column.as_str())
    .fetch_one(conn)
    .await
    .map_err(failed("look how a table is partitioned"))
}
