//! A table's columns.

use sqlx::postgres::types::Oid;
use sqlx::{PgConnection, Row};

use super::{failed, ident};
use crate::pg::fault::Fault;
use crate::pg::ident::Ident;

/// A column that is not dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Ident,
    /// Its type's identity.
    pub type_id: Oid,
    /// What stands in parentheses after the type, as the server encodes it; −1: nothing.
    pub modifier: i32,
    /// Its type as SQL writes it, schema-qualified where that is needed.
    pub type_sql: String,
    /// The type a domain stands on, else the type itself: `timestamp with time zone`.
    pub base_type: String,
    /// Its comparison operators are the server's own, so that they are found whatever the
    /// `search_path` says.
    pub has_own_order: bool,
    /// NULL is refused.
    pub is_not_null: bool,
    /// It is filled where an INSERT leaves it out: by a default, an identity or a generator.
    pub has_default: bool,
    /// The expression of a generated column.
    pub generated: Option<String>,
    /// `GENERATED ALWAYS AS IDENTITY`: an INSERT must say that it overrides.
    pub is_identity_always: bool,
}

const COLUMNS: &str = "\
SELECT a.attname::text, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod), \
       format_type(b.oid, NULL), \
       b.typnamespace = 'pg_catalog'::regnamespace OR b.typtype = 'e', \
       a.attnotnull, a.atthasdef OR a.attidentity <> '', \
       CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END, \
       a.attidentity = 'a' \
FROM pg_attribute AS a \
JOIN pg_type AS t ON t.oid = a.atttypid \
JOIN pg_type AS b ON b.oid = coalesce(nullif(t.typbasetype, 0), t.oid) \
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped \
ORDER BY a.attnum";

/// The columns in the table's order.
///
/// # Errors
/// Where the server does not answer.
pub async fn of(conn: &mut PgConnection, table: Oid) -> Result<Vec<Column>, Fault> {
    let rows = sqlx::query(COLUMNS).bind(table).fetch_all(conn).await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            Ok(Column {
                name: ident(row, 0)?,
                type_id: row.try_get(1).map_err(failed)?,
                modifier: row.try_get(2).map_err(failed)?,
                type_sql: row.try_get(3).map_err(failed)?,
                base_type: row.try_get(4).map_err(failed)?,
                has_own_order: row.try_get(5).map_err(failed)?,
                is_not_null: row.try_get(6).map_err(failed)?,
                has_default: row.try_get(7).map_err(failed)?,
                generated: row.try_get(8).map_err(failed)?,
                is_identity_always: row.try_get(9).map_err(failed)?,
            })
        })
        .collect()
}
