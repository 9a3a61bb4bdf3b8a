//! Tables and what is like them.

use sqlx::postgres::types::Oid;
use sqlx::{PgConnection, Row};

use super::{failed, ident};
use crate::pg::fault::Fault;
use crate::pg::ident::{Ident, TableName};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A plain table; it may be a partition.
    Table,
    /// A partitioned table.
    Partitioned,
    /// A foreign table.
    Foreign,
    /// A view or materialized view.
    View,
    /// A sequence, an index, a composite type.
    Other,
}

/// How long its rows last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// Until deleted.
    Permanent,
    /// Until the server crashes.
    Unlogged,
    /// Until the session ends.
    Temporary,
}

/// A row of `pg_class`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its identity, which a rename does not change.
    pub oid: Oid,
    /// What it is.
    pub kind: Kind,
    /// How long its rows last.
    pub persistence: Persistence,
    /// Row level security is switched on.
    pub row_security: bool,
    /// A plain table whose queries also reach tables that inherit from it.
    pub has_heirs: bool,
    /// A partitioned table, some of whose partitions are foreign tables.
    pub has_foreign_parts: bool,
    /// It has triggers or rules, or had some since the last VACUUM. Of itself alone.
    pub may_fire: bool,
    /// Its owner.
    pub owner: Ident,
    /// Itself and its partitions, at any depth.
    pub tree: Vec<Oid>,
    /// The partitioned tables above it.
    pub ancestors: Vec<Oid>,
}

/// A table's blocks, as the last VACUUM or ANALYZE found them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// The file they are in: a table that is rewritten gets another, where rows have other places.
    pub file: u32,
    /// Somebody has counted; otherwise only the file is known.
    pub is_counted: bool,
    /// How many, 1 or more.
    pub count: u64,
    /// Rows in all of them, 1 or more.
    pub rows: u64,
    /// Large values lie in a table beside it.
    pub has_large: bool,
}

const BLOCKS: &str = "\
SELECT c.relfilenode, c.relpages > 0 AND c.reltuples > 0, c.relpages::bigint, c.reltuples::bigint, \
       coalesce(t.relpages > 0, false) \
FROM pg_class AS c LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid \
WHERE c.oid = $1 AND c.relkind = 'r'";

const RELATION: &str = "\
SELECT c.oid, c.relkind::text, c.relpersistence::text, c.relrowsecurity, \
       pg_get_userbyid(c.relowner)::text, c.relhastriggers OR c.relhasrules, \
       c.relhassubclass OR c.relispartition \
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
WHERE n.nspname = $1 AND c.relname = $2";

/// Asked where there may be something to tell: its planning takes longer than the rest of the look.
const FAMILY: &str = "\
SELECT c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid), \
       EXISTS (SELECT FROM pg_partition_tree(c.oid) AS p JOIN pg_class AS f ON f.oid = p.relid \
               WHERE f.relkind = 'f'), \
       ARRAY(SELECT c.oid UNION SELECT relid::oid FROM pg_partition_tree(c.oid)), \
       ARRAY(SELECT relid::oid FROM pg_partition_ancestors(c.oid) WHERE relid <> c.oid) \
FROM pg_class AS c WHERE c.oid = $1";

/// Whether it has heirs, and foreign parts; its tree, and its ancestors.
type Family = (bool, bool, Vec<Oid>, Vec<Oid>);

/// The relation of that name.
///
/// # Errors
/// Where the server does not answer.
pub async fn find(conn: &mut PgConnection, name: &TableName) -> Result<Option<Relation>, Fault> {
    let row = sqlx::query(RELATION)
        .bind(name.schema.as_str())
        .bind(name.table.as_str())
        .fetch_optional(&mut *conn)
        .await
        .map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let oid = row.try_get(0).map_err(failed)?;
    let family: Option<Family> = if row.try_get(6).map_err(failed)? {
        sqlx::query_as(FAMILY).bind(oid).fetch_optional(conn).await.map_err(failed)?
    } else {
        Some((false, false, vec![oid], Vec::new()))
    };
    // It was dropped just now.
    let Some((has_heirs, has_foreign_parts, tree, ancestors)) = family else { return Ok(None) };
    let kind: String = row.try_get(1).map_err(failed)?;
    let persistence: String = row.try_get(2).map_err(failed)?;
    Ok(Some(Relation {
        oid,
        kind: match kind.as_str() {
            "r" => Kind::Table,
            "p" => Kind::Partitioned,
            "f" => Kind::Foreign,
            "v" | "m" => Kind::View,
            _ => Kind::Other,
        },
        persistence: match persistence.as_str() {
            "t" => Persistence::Temporary,
            "u" => Persistence::Unlogged,
            _ => Persistence::Permanent,
        },
        row_security: row.try_get(3).map_err(failed)?,
        has_heirs,
        has_foreign_parts,
        may_fire: row.try_get(5).map_err(failed)?,
        owner: ident(&row, 4)?,
        tree,
        ancestors,
    }))
}

/// The blocks of a plain table; `None`: it has none of its own.
///
/// # Errors
/// Where the server does not answer.
pub async fn blocks(conn: &mut PgConnection, table: Oid) -> Result<Option<Blocks>, Fault> {
    let found: Option<(Oid, bool, i64, i64, bool)> =
        sqlx::query_as(BLOCKS).bind(table).fetch_optional(conn).await.map_err(failed)?;
    Ok(found.map(|(file, is_counted, count, rows, has_large)| Blocks {
        file: file.0,
        is_counted,
        count: u64::try_from(count).unwrap_or(0).max(1),
        // Not -1, by which the catalog says that nobody has counted.
        rows: u64::try_from(rows).unwrap_or(0).max(1),
        has_large,
    }))
}
