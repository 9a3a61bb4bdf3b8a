//! What the server knows of its tables' statistics. Questions, no policy.

use std::collections::HashMap;

use sqlx::postgres::PgRow;
use sqlx::postgres::types::Oid;
use sqlx::{PgConnection, Row};

use super::seen::{Leaf, Memory, Seen, Table, TableKind};
use crate::pg::catalog::own::has_table;
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;
use crate::pg::session::Reader;

const TABLES: &str = include_str!("sql/tables.sql");
const GAPS: &str = include_str!("sql/gaps.sql");
const BUSY: &str = include_str!("sql/busy.sql");

/// Reads it all: catalogs, counters and `pg_stats`, no table and no table's size.
pub(super) async fn observe(reader: &mut Reader<'_>) -> Result<Seen, Fault> {
    let schema = reader.server.schema.as_str();
    let immediate = reader.server.version.has_immediate_counters();
    let found = async {
        settle(reader.conn, immediate).await?;
        read(reader.conn, schema).await
    };
    let found = found.await;
    let (counted, tables, memory) =
        found.map_err(|error| Fault::from_sqlx("read what is known of the statistics", &error))?;
    let Reader { server, .. } = reader;
    Ok(Seen { version: server.version, role: server.user.clone(), counted, tables, memory })
}

/// Up to 14 a collector process writes the counters out, no more than every 0.5 s: older than that
/// is what we could read at once, and perhaps from before the last run's own ANALYZE.
async fn settle(conn: &mut PgConnection, immediate: bool) -> Result<(), sqlx::Error> {
    if !immediate {
        sqlx::query("SELECT pg_sleep(0.5)").execute(conn).await?;
    }
    Ok(())
}

type Read = (bool, Vec<Table>, HashMap<u32, Memory>);

async fn read(conn: &mut PgConnection, own_schema: &str) -> Result<Read, sqlx::Error> {
    let counted = sqlx::query_scalar("SELECT current_setting('track_counts')::bool")
        .fetch_one(&mut *conn)
        .await?;
    let mut lacking: HashMap<Oid, Vec<String>> =
        sqlx::query_as(GAPS).fetch_all(&mut *conn).await?.into_iter().collect();
    let busy: HashMap<Oid, i32> =
        sqlx::query_as(BUSY).fetch_all(&mut *conn).await?.into_iter().collect();
    let rows = sqlx::query(TABLES).bind(own_schema).fetch_all(&mut *conn).await?;
    let mut tables = Vec::with_capacity(rows.len());
    for row in &rows {
        let oid: Oid = row.try_get("oid")?;
        let lacking = lacking.remove(&oid).unwrap_or_default();
        tables.push(table(row, lacking, busy.get(&oid).copied())?);
    }
    Ok((counted, tables, memory(conn).await?))
}

fn table(row: &PgRow, lacking: Vec<String>, busy: Option<i32>) -> Result<Table, sqlx::Error> {
    let reltuples: f64 = row.try_get("reltuples")?;
    let name =
        TableName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
    Ok(Table {
        oid: row.try_get::<Oid, _>("oid")?.0,
        name: name.map_err(|error| sqlx::Error::Decode(error.into()))?,
        kind: match row.try_get("kind")? {
            "p" => TableKind::Parent,
            "f" => TableKind::Foreign,
            _ => TableKind::Plain,
        },
        parent: row.try_get::<Option<Oid>, _>("parent")?.map(|oid| oid.0),
        reltuples: (reltuples >= 0.0).then(|| whole(reltuples)),
        live: count(row, "live")?,
        changed: count(row, "changed")?,
        writes: count(row, "writes")?,
        touched: row.try_get("touched")?,
        analyzed_at: row.try_get("analyzed_at")?,
        autoanalyzed_at: row.try_get("autoanalyzed_at")?,
        own_due_from: row.try_get::<Option<f64>, _>("own_due_from")?.map(whole),
        lacking,
        impossible: row.try_get("impossible")?,
        owner: row.try_get("owner")?,
        owner_is_superuser: row.try_get("owner_is_superuser")?,
        reachable: row.try_get("reachable")?,
        permitted: row.try_get("permitted")?,
        visible: row.try_get("visible")?,
        busy,
    })
}

fn count(row: &PgRow, column: &str) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(column).map(unsigned)
}

/// A counter can be below zero for a moment (a rolled-back transaction arrives late).
fn unsigned(number: i64) -> u64 {
    number.try_into().unwrap_or(0)
}

/// Counts of rows fit: they are estimates in a float4 of the server.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped at zero; `as` saturates above"
)]
fn whole(number: f64) -> u64 {
    number.max(0.0).round() as u64
}

/// Before `migrate` there is nothing to remember; `plan` works all the same.
async fn memory(conn: &mut PgConnection) -> Result<HashMap<u32, Memory>, sqlx::Error> {
    let there = has_table(&mut *conn, "analyze_memory").await?;
    if !there {
        return Ok(HashMap::new());
    }
    let rows =
        sqlx::query("SELECT relation, lacking, leaves, writes, row_counts FROM analyze_memory")
            .fetch_all(&mut *conn)
            .await?;
    rows.iter().map(|row| Ok((row.try_get::<Oid, _>("relation")?.0, remembered(row)?))).collect()
}

fn remembered(row: &PgRow) -> Result<Memory, sqlx::Error> {
    let leaves: Option<Vec<Oid>> = row.try_get("leaves")?;
    let writes: Option<Vec<i64>> = row.try_get("writes")?;
    let rows: Option<Vec<i64>> = row.try_get("row_counts")?;
    let leaves = leaves.zip(writes).zip(rows).map(|((leaves, writes), rows)| {
        leaves
            .into_iter()
            .zip(writes)
            .zip(rows)
            .map(|((oid, writes), rows)| Leaf {
                oid: oid.0,
                writes: unsigned(writes),
                rows: unsigned(rows),
            })
            .collect()
    });
    Ok(Memory { lacking: row.try_get("lacking")?, leaves })
}
