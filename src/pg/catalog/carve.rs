//! A partition that is to be taken apart: its columns, what stands in the way, and our record of it.

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection};

use super::failed;
use super::own::has_table;
use crate::pg::fault::Fault;

/// A partition, as far as its rows are to go into other tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromRow)]
pub struct Source {
    /// Its columns that an INSERT may name: all but the generated ones.
    pub columns: Vec<String>,
    /// The columns of a unique index over NOT NULL columns that its parent has too; empty where
    /// there is none.
    pub identity: Vec<String>,
    /// Their types, as SQL writes them.
    pub identity_types: Vec<String>,
    /// What belongs to it alone and would stay behind, or what looks at it by name: `view public.v`.
    pub obstacles: Vec<String>,
    /// The parent's foreign keys: their names.
    pub foreign_keys: Vec<String>,
    /// Their definitions.
    pub foreign_key_definitions: Vec<String>,
    /// Its own copies of them: their names.
    pub source_foreign_keys: Vec<String>,
    /// Its rows, as the server's statistics estimate them.
    pub rows_estimate: i64,
    /// Its pages with those of its large values, as of the last VACUUM or ANALYZE.
    pub pages: i64,
}

/// A unique index that both have tells rows apart. Only types of the server itself: their operators
/// are found whatever the `search_path`. Then the obstacles, and the parent's foreign keys.
const SOURCE: &str = "
WITH identity AS (
  SELECT x.indexrelid, x.indkey::int2[] AS attnums, x.indnkeyatts
  FROM pg_index x JOIN pg_inherits i ON i.inhrelid = x.indexrelid
  WHERE x.indrelid = $1::int8::oid AND x.indisunique AND x.indisvalid AND x.indimmediate
    AND x.indpred IS NULL AND x.indexprs IS NULL
    AND NOT EXISTS (
      SELECT FROM unnest(x.indkey::int2[]) WITH ORDINALITY k(attnum, place)
      JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum
      JOIN pg_type t ON t.oid = a.atttypid
      WHERE k.place <= x.indnkeyatts AND (NOT a.attnotnull OR a.attgenerated <> ''
        OR NOT (t.typtype = 'e' OR t.typnamespace = 'pg_catalog'::regnamespace)))
  ORDER BY x.indisprimary DESC, x.indnkeyatts, x.indexrelid LIMIT 1
), identity_columns AS (
  SELECT k.place, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type
  FROM identity, unnest(attnums) WITH ORDINALITY k(attnum, place)
  JOIN pg_attribute a ON a.attrelid = $1::int8::oid AND a.attnum = k.attnum
  WHERE k.place <= indnkeyatts
), obstacles AS (
  SELECT DISTINCT CASE c.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || c.oid::regclass
    AS words
  FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
  WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.refobjid = $1::int8::oid AND c.oid <> d.refobjid
  UNION ALL SELECT DISTINCT 'function ' || d.objid::regprocedure FROM pg_depend d
  WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.refobjid = $1::int8::oid
  UNION ALL SELECT 'rule ' || rulename FROM pg_rewrite WHERE ev_class = $1::int8::oid
  UNION ALL SELECT 'policy ' || polname FROM pg_policy o WHERE polrelid = $1::int8::oid
    AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = $2::int8::oid AND p.polname = o.polname)
  UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger
  WHERE tgrelid = $1::int8::oid AND NOT tgisinternal AND tgparentid = 0
    AND tgname NOT IN ('pgtend_capture', 'pgtend_capture_truncate')
  UNION ALL SELECT 'foreign key ' || conname || ' of its own' FROM pg_constraint
  WHERE contype = 'f' AND conrelid = $1::int8::oid AND conparentid = 0
  UNION ALL SELECT DISTINCT 'foreign key ' || conname || ' of ' || conrelid::regclass || ', which points at it'
  FROM pg_constraint WHERE contype = 'f' AND confrelid IN ($1::int8::oid, $2::int8::oid)
    AND (confrelid = $2::int8::oid OR conparentid = 0)
  UNION ALL SELECT 'sequence ' || d.objid::regclass FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.refobjid = $1::int8::oid AND d.refobjsubid > 0 AND s.relkind = 'S'
  UNION ALL SELECT 'publication ' || pubname || ' of all tables' FROM pg_publication WHERE puballtables
  UNION ALL SELECT 'publication ' || pubname FROM pg_publication p
  JOIN pg_publication_rel r ON r.prpubid = p.oid WHERE r.prrelid = $1::int8::oid
)
SELECT ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = $1::int8::oid AND attnum > 0
             AND NOT attisdropped AND attgenerated = '' ORDER BY attnum) AS columns,
       ARRAY(SELECT name FROM identity_columns ORDER BY place) AS identity,
       ARRAY(SELECT type FROM identity_columns ORDER BY place) AS identity_types,
       ARRAY(SELECT words FROM obstacles ORDER BY words) AS obstacles,
       ARRAY(SELECT conname::text FROM pg_constraint WHERE contype = 'f'
             AND conrelid = $2::int8::oid ORDER BY conname) AS foreign_keys,
       ARRAY(SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'
             AND conrelid = $2::int8::oid ORDER BY conname) AS foreign_key_definitions,
       ARRAY(SELECT conname::text FROM pg_constraint WHERE contype = 'f'
             AND conrelid = $1::int8::oid ORDER BY conname) AS source_foreign_keys,
       COALESCE((SELECT greatest(reltuples, 0)::int8 FROM pg_class WHERE oid = $1::int8::oid), 0) AS rows_estimate,
       COALESCE((SELECT sum(t.relpages) FROM pg_class c JOIN pg_class t ON t.oid IN (c.oid, c.reltoastrelid)
                 WHERE c.oid = $1::int8::oid), 0)::int8 AS pages";

/// Publications of whole schemas, since 15.
const PUBLISHED_SCHEMA: &str = "
SELECT 'publication ' || p.pubname || ' of its schema' FROM pg_publication p
JOIN pg_publication_namespace n ON n.pnpubid = p.oid JOIN pg_class c ON c.relnamespace = n.pnnspid
WHERE c.oid = $1::int8::oid";

/// What is known of this partition of that table.
///
/// # Errors
/// Where the server does not answer.
pub async fn source(conn: &mut PgConnection, parent: i64, source: i64) -> Result<Source, Fault> {
    let mut found: Source = sqlx::query_as(SOURCE)
        .bind(source)
        .bind(parent)
        .fetch_one(&mut *conn)
        .await
        .map_err(failed)?;
    let has_schemas: bool =
        sqlx::query_scalar("SELECT to_regclass('pg_catalog.pg_publication_namespace') IS NOT NULL")
            .fetch_one(&mut *conn)
            .await
            .map_err(failed)?;
    if has_schemas {
        let more: Vec<String> = sqlx::query_scalar(PUBLISHED_SCHEMA)
            .bind(source)
            .fetch_all(conn)
            .await
            .map_err(failed)?;
        found.obstacles.extend(more);
    }
    Ok(found)
}

/// A partition to be, in our record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// Its name while it is filled, as SQL writes it.
    pub name: String,
    /// Its lower bound, an SQL literal or `MINVALUE`; absent for a default partition.
    pub from: Option<String>,
    /// Its upper bound.
    pub to: Option<String>,
    /// It is renamed to what the partition is called whose rows it takes.
    pub takes_name: bool,
}

/// What was begun, in our record.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Begun {
    /// The partition that is taken apart.
    pub source: i64,
    /// Its name, or that under which it is kept.
    pub name: String,
    /// What it was a partition of.
    pub parent: i64,
    /// What takes its place.
    #[sqlx(json)]
    pub parts: Vec<PartRecord>,
    /// Its name once it is detached.
    pub retired: String,
    /// How.
    pub method: String,
    /// How far.
    pub stage: String,
    /// It is still that partition, under that name, and all parts are there.
    pub is_whole: bool,
}

const BEGUN: &str = "
SELECT q.source::int8 AS source, q.name, q.parent::int8 AS parent, q.parts, q.retired, q.method, q.stage,
       EXISTS (SELECT FROM pg_inherits WHERE inhrelid = q.source AND inhparent = q.parent)
       AND to_regclass(q.name)::oid = q.source
       AND NOT EXISTS (SELECT FROM jsonb_array_elements(q.parts) p
                       WHERE to_regclass(p ->> 'name') IS NULL
                         AND NOT (q.method = 'whole' AND p ->> 'name' = q.retired)) AS is_whole
FROM partition_carve q WHERE q.stage <> 'done' AND q.parent = ANY ($1::int8[]::oid[])";

/// What was begun on partitions of these tables and is not done. Nothing where pgtend's own schema
/// is missing or older.
///
/// # Errors
/// Where the server does not answer.
pub async fn begun(conn: &mut PgConnection, parents: &[i64]) -> Result<Vec<Begun>, Fault> {
    let exists = has_table(&mut *conn, "partition_carve").await.map_err(failed)?;
    if !exists {
        return Ok(Vec::new());
    }
    sqlx::query_as(BEGUN).bind(parents).fetch_all(conn).await.map_err(failed)
}
