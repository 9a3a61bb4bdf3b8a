//! Whether anything of these tables has changed, told by one short answer.
//!
//! Every change of a row of the catalog gives it another `xmin`, and a bound cannot change while its
//! partition is attached. So one sum over the rows of `pg_inherits` stands for all bounds, and none of
//! them is read. Not in it: what a partition may differ in from its parent, and roles. VACUUM and ANALYZE
//! change rows of `pg_class` in place and leave the sum alone.

use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::own::has_table;
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;

/// Two that are equal: nothing has changed in between.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Stamp {
    /// The tables, their partitions, and how many rows default partitions hold.
    tables: Option<String>,
    /// pgtend's record of partitions.
    record: Option<String>,
}

/// Of tables and partitions. A default partition also counts with its rows, as far as they are known.
const TABLES: &str = "\
WITH parent AS MATERIALIZED ( \
  SELECT c.oid, c.xmin, p.partdefid \
  FROM unnest($1::text[], $2::text[]) AS asked(schema, name) \
  JOIN pg_namespace n ON n.nspname = asked.schema \
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name \
  LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid \
), one AS ( \
  SELECT hashtextextended(concat_ws(' ', oid, xmin), 0) AS hash FROM parent \
  UNION ALL SELECT hashint8extended((inhrelid::int8 << 32) # xmin::text::int8, 1) FROM pg_inherits \
  WHERE inhparent = ANY (ARRAY(SELECT oid FROM parent)) \
  UNION ALL SELECT hashtextextended( \
    concat_ws(' ', c.oid, GREATEST(c.reltuples, pg_stat_get_live_tuples(c.oid))), 2) \
  FROM parent JOIN pg_class c ON c.oid = partdefid \
) \
SELECT (SELECT concat_ws(' ', count(*), sum(hash)) FROM one) AS tables";

/// Of what is on record, and of the tables that it is about.
const RECORD: &str = "\
SELECT hashtextextended(q::text || (SELECT xmin::text FROM pg_class WHERE oid = q.relation), 0) \
FROM partition_quarantine q \
UNION ALL SELECT hashtextextended(q::text, 1) FROM partition_policy q \
UNION ALL SELECT hashtextextended(q::text, 2) FROM partition_carve q \
UNION ALL SELECT hashtextextended(q::text, 3) FROM partition_adoption q";

/// Of these tables as they are now; absent where pgtend's own schema is missing or older.
///
/// # Errors
/// Where the server does not answer.
pub async fn stamp(conn: &mut PgConnection, names: &[&TableName]) -> Result<Option<Stamp>, Fault> {
    let failed = |error| Fault::from_sqlx("look whether the partitions have changed", &error);
    let has_record = has_table(&mut *conn, "partition_adoption").await.map_err(failed)?;
    if !has_record {
        return Ok(None);
    }
    let (schemas, tables): (Vec<&str>, Vec<&str>) =
        names.iter().map(|name| (name.schema.as_str(), name.table.as_str())).unzip();
    let sql =
        format!("{TABLES}, (SELECT sum(hash)::text FROM ({RECORD}) AS known(hash)) AS record");
    sqlx::query_as(AssertSqlSafe(sql))
        .bind(schemas)
        .bind(tables)
        .fetch_one(conn)
        .await
        .map(Some)
        .map_err(failed)
}
