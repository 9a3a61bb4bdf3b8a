//! A table's B-tree indexes.

use sqlx::postgres::types::Oid;
use sqlx::{PgConnection, Row};

use super::{failed, ident};
use crate::pg::fault::Fault;
use crate::pg::ident::Ident;

/// A valid B-tree index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name, without the schema, which is its table's.
    pub name: Ident,
    /// Its key columns in order, `INCLUDE` left out; `None` for an expression.
    pub columns: Vec<Option<Ident>>,
    /// No two rows have the same key.
    pub is_unique: bool,
    /// It is the primary key's.
    pub is_primary: bool,
    /// It holds only the rows of a condition.
    pub is_partial: bool,
}

const INDEXES: &str = "\
SELECT c.relname::text, \
       ARRAY(SELECT a.attname::text \
             FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
             LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
             WHERE k.place <= i.indnkeyatts ORDER BY k.place), \
       i.indisunique, i.indisprimary, i.indpred IS NOT NULL \
FROM pg_index AS i \
JOIN pg_class AS c ON c.oid = i.indexrelid \
JOIN pg_am AS m ON m.oid = c.relam \
WHERE i.indrelid = $1 AND i.indisvalid AND i.indisready AND m.amname = 'btree' \
ORDER BY i.indisprimary DESC, i.indnkeyatts, c.relname";

/// The valid B-tree indexes: the primary key's first, then those with fewer columns.
///
/// # Errors
/// Where the server does not answer.
pub async fn of(conn: &mut PgConnection, table: Oid) -> Result<Vec<Index>, Fault> {
    let rows = sqlx::query(INDEXES).bind(table).fetch_all(conn).await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            let names: Vec<Option<String>> = row.try_get(1).map_err(failed)?;
            Ok(Index {
                name: ident(row, 0)?,
                // A name of the catalog is always an identifier.
                columns: names.into_iter().map(|n| n.and_then(|n| Ident::new(n).ok())).collect(),
                is_unique: row.try_get(2).map_err(failed)?,
                is_primary: row.try_get(3).map_err(failed)?,
                is_partial: row.try_get(4).map_err(failed)?,
            })
        })
        .collect()
}
