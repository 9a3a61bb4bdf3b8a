//! Logical replication of a table's deletes.

use sqlx::postgres::PgRow;
use sqlx::postgres::types::Oid;
use sqlx::{PgConnection, Row};

use super::relation::Relation;
use super::{failed, ident, table_name};
use crate::pg::fault::Fault;
use crate::pg::ident::{Ident, TableName};
use crate::pg::version::Version;

/// Who replicates a table's deletes, and whether the server lets them happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publishing {
    /// The publications whose subscribers repeat the table's deletes.
    pub publications: Vec<Ident>,
    /// Of the table and its partitions, those without a replica identity: the server refuses to
    /// delete from them while they are published.
    pub without_identity: Vec<TableName>,
    /// Where a filter or a list of columns keeps the server from publishing a delete, and so from
    /// deleting.
    pub in_the_way: Vec<Narrowed>,
}

/// What a publication holds of a table, and with what the server refuses to delete from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrowed {
    /// The table.
    pub table: TableName,
    /// The publication.
    pub publication: Ident,
    /// Columns of its row filter that are not in the replica identity.
    pub filtered: Vec<Ident>,
    /// Columns of the replica identity that its list of columns lacks.
    pub unlisted: Vec<Ident>,
    /// It has a list of columns, and the replica identity is FULL.
    pub lists_of_full: bool,
}

/// Asks the function behind `pg_publication_tables`: the view joins catalogs whose rows nobody needs
/// here, and its planning alone took 3.5 ms in every run.
const PUBLICATIONS: &str = "\
SELECT p.pubname::text FROM pg_publication AS p \
WHERE p.pubdelete AND EXISTS ( \
  SELECT FROM pg_get_publication_tables(p.pubname::text) AS t WHERE t.relid = ANY ($1)) ORDER BY 1";

/// A primary key that is DEFERRABLE identifies nothing.
const WITHOUT_IDENTITY: &str = "\
SELECT n.nspname::text, c.relname::text \
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
WHERE c.oid = ANY ($1) AND c.relkind = 'r' AND c.relreplident <> 'f' \
  AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisvalid \
                  AND CASE c.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate \
                                          WHEN 'i' THEN i.indisreplident ELSE false END) \
ORDER BY 1, 2";

/// As the server looks before a DELETE. A filter's columns show in what the entry depends on; a listed
/// column is there once more.
const IN_THE_WAY: &str = "\
WITH entry AS ( \
  SELECT c.oid AS leaf, c.relreplident AS kind, p.pubname, r.oid, r.prrelid, r.prattrs \
  FROM pg_publication AS p JOIN pg_publication_rel AS r ON r.prpubid = p.oid \
  JOIN pg_class AS c ON c.oid = ANY ($1) AND c.relkind = 'r' \
   AND (r.prrelid = c.oid \
        OR p.pubviaroot AND r.prrelid IN (SELECT relid FROM pg_partition_ancestors(c.oid))) \
  WHERE p.pubdelete AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL)), \
known AS ( \
  SELECT e.*, \
    ARRAY(SELECT a.attname::text FROM pg_index AS i \
          JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) \
          WHERE i.indrelid = e.leaf AND i.indisvalid \
            AND CASE e.kind WHEN 'd' THEN i.indisprimary AND i.indimmediate \
                            WHEN 'i' THEN i.indisreplident ELSE false END) AS identity, \
    ARRAY(SELECT a.attname::text FROM pg_attribute AS a \
          WHERE a.attrelid = e.prrelid AND a.attnum = ANY (e.prattrs)) AS listed, \
    ARRAY(SELECT a.attname::text FROM pg_depend AS d \
          JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
          WHERE d.classid = 'pg_publication_rel'::regclass AND d.objid = e.oid \
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = e.prrelid AND d.refobjsubid > 0 \
          GROUP BY a.attname, a.attnum \
          HAVING count(*) > coalesce(a.attnum = ANY (e.prattrs), false)::int) AS filtered \
  FROM entry AS e), \
found AS ( \
  SELECT leaf, pubname, \
    ARRAY(SELECT unnest(filtered) EXCEPT SELECT unnest(identity) ORDER BY 1) AS filtered, \
    ARRAY(SELECT unnest(identity) EXCEPT SELECT unnest(listed) ORDER BY 1) AS unlisted, \
    kind = 'f' AS is_full, prattrs IS NOT NULL AS has_list \
  FROM known) \
SELECT n.nspname::text, c.relname::text, pubname::text, \
  CASE WHEN is_full THEN '{}' ELSE filtered END, CASE WHEN has_list THEN unlisted ELSE '{}' END, \
  is_full AND has_list \
FROM found JOIN pg_class AS c ON c.oid = leaf JOIN pg_namespace AS n ON n.oid = c.relnamespace \
WHERE NOT is_full AND cardinality(filtered) > 0 OR has_list AND (is_full OR cardinality(unlisted) > 0) \
ORDER BY 1, 2, 3";

/// Looks up the table, its partitions and what it is a partition of.
///
/// # Errors
/// Where the server does not answer.
pub async fn of(
    conn: &mut PgConnection,
    relation: &Relation,
    version: Version,
) -> Result<Publishing, Fault> {
    let family = [relation.tree.as_slice(), relation.ancestors.as_slice()].concat();
    let publications =
        sqlx::query(PUBLICATIONS).bind(&family).fetch_all(&mut *conn).await.map_err(failed)?;
    if publications.is_empty() {
        return Ok(Publishing::default());
    }
    let bare = sqlx::query(WITHOUT_IDENTITY).bind(&relation.tree).fetch_all(&mut *conn).await;
    let in_the_way = if version.has_published_columns() {
        narrowed(conn, &relation.tree).await?
    } else {
        Vec::new()
    };
    Ok(Publishing {
        in_the_way,
        publications: publications.iter().map(|row| ident(row, 0)).collect::<Result<_, _>>()?,
        without_identity: bare
            .map_err(failed)?
            .iter()
            .map(|row| table_name(row, 0))
            .collect::<Result<_, _>>()?,
    })
}

async fn narrowed(conn: &mut PgConnection, tree: &[Oid]) -> Result<Vec<Narrowed>, Fault> {
    let rows = sqlx::query(IN_THE_WAY).bind(tree).fetch_all(conn).await.map_err(failed)?;
    let columns = |row: &PgRow, index: usize| -> Result<Vec<Ident>, Fault> {
        let names: Vec<String> = row.try_get(index).map_err(failed)?;
        // A name of the catalog is always an identifier.
        Ok(names.into_iter().filter_map(|name| Ident::new(name).ok()).collect())
    };
    rows.iter()
        .map(|row| {
            Ok(Narrowed {
                table: table_name(row, 0)?,
                publication: ident(row, 2)?,
                filtered: columns(row, 3)?,
                unlisted: columns(row, 4)?,
                lists_of_full: row.try_get(5).map_err(failed)?,
            })
        })
        .collect()
}
