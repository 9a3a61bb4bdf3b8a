//! Logical replication of a table's deletes.

use sqlx::PgConnection;

use super::relation::Relation;
use super::{failed, ident, table_name};
use crate::pg::fault::Fault;
use crate::pg::ident::{Ident, TableName};

/// Who replicates a table's deletes, and whether the server lets them happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publishing {
    /// The publications whose subscribers repeat the table's deletes.
    pub publications: Vec<Ident>,
    /// Of the table and its partitions, those without a replica identity: the server refuses to
    /// delete from them while they are published.
    pub without_identity: Vec<TableName>,
}

const PUBLICATIONS: &str = "\
SELECT DISTINCT p.pubname::text \
FROM pg_publication AS p JOIN pg_publication_tables AS t ON t.pubname = p.pubname \
JOIN pg_namespace AS n ON n.nspname = t.schemaname \
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.tablename \
WHERE p.pubdelete AND c.oid = ANY ($1) ORDER BY 1";

/// A primary key that is DEFERRABLE identifies nothing.
const WITHOUT_IDENTITY: &str = "\
SELECT n.nspname::text, c.relname::text \
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
WHERE c.oid = ANY ($1) AND c.relkind = 'r' AND c.relreplident <> 'f' \
  AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisvalid \
                  AND CASE c.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate \
                                          WHEN 'i' THEN i.indisreplident ELSE false END) \
ORDER BY 1, 2";

/// Looks up the table, its partitions and what it is a partition of.
///
/// # Errors
/// Where the server does not answer.
pub async fn of(conn: &mut PgConnection, relation: &Relation) -> Result<Publishing, Fault> {
    let family = [relation.tree.as_slice(), relation.ancestors.as_slice()].concat();
    let publications =
        sqlx::query(PUBLICATIONS).bind(&family).fetch_all(&mut *conn).await.map_err(failed)?;
    if publications.is_empty() {
        return Ok(Publishing::default());
    }
    let bare = sqlx::query(WITHOUT_IDENTITY).bind(&relation.tree).fetch_all(conn).await;
    Ok(Publishing {
        publications: publications.iter().map(|row| ident(row, 0)).collect::<Result<_, _>>()?,
        without_identity: bare
            .map_err(failed)?
            .iter()
            .map(|row| table_name(row, 0))
            .collect::<Result<_, _>>()?,
    })
}
