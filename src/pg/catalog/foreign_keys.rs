//! Foreign keys that point at a table.

use sqlx::PgConnection;
use sqlx::postgres::types::Oid;

use super::{failed, ident, table_name};
use crate::pg::fault::Fault;
use crate::pg::ident::{Ident, TableName};

/// A foreign key, seen from the table it points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// The constraint.
    pub constraint: Ident,
    /// The table that has it.
    pub table: TableName,
}

/// One line per constraint as somebody declared it: the copies that the server makes for each
/// partition are left out.
const REFERRERS: &str = "\
SELECT f.conname::text, n.nspname::text, c.relname::text \
FROM pg_constraint AS f \
JOIN pg_class AS c ON c.oid = f.conrelid \
JOIN pg_namespace AS n ON n.oid = c.relnamespace \
WHERE f.contype = 'f' AND f.confrelid = ANY ($1) \
  AND NOT EXISTS (SELECT FROM pg_constraint AS p \
                  WHERE p.oid = f.conparentid AND p.confrelid = ANY ($1)) \
ORDER BY n.nspname, c.relname, f.conname";

/// The foreign keys that point at any of these tables.
///
/// # Errors
/// Where the server does not answer.
pub async fn pointing_at(conn: &mut PgConnection, tree: &[Oid]) -> Result<Vec<Referrer>, Fault> {
    let rows = sqlx::query(REFERRERS).bind(tree).fetch_all(conn).await.map_err(failed)?;
    rows.iter()
        .map(|row| Ok(Referrer { constraint: ident(row, 0)?, table: table_name(row, 1)? }))
        .collect()
}
