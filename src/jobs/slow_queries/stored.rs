//! Reads the tables of pgtend's own schema that this job keeps.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::postgres::types::Oid;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};

use super::delta::{Key, Marks, Snapshot};
use super::pack::{FORMAT, Unpacked, unpack};
use super::redact::Class;
use super::state::{Baseline, Open, Stored, Text};
use crate::pg::catalog::own::has_table;
use crate::pg::fault::{Fault, Kind};
use crate::telemetry::{CoverageGap, SlowReason};

fn failed(error: &sqlx::Error) -> Fault {
    Fault::from_sqlx("read the stored state of", error).on("slow_queries")
}

/// Counters are never negative; should one be so all the same, it counts as nothing.
#[must_use]
pub fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// The parts of keys, each as an array to bind.
#[must_use]
pub fn key_arrays(keys: &[Key]) -> (Vec<Oid>, Vec<bool>, Vec<i64>) {
    (
        keys.iter().map(|key| Oid(key.role)).collect(),
        keys.iter().map(|key| key.toplevel).collect(),
        keys.iter().map(|key| key.queryid).collect(),
    )
}

#[derive(FromRow)]
struct BaselineRow {
    taken_at: DateTime<Utc>,
    marks: serde_json::Value,
    gaps: serde_json::Value,
    format: i32,
    packed: Vec<u8>,
    packed_changes: Vec<u8>,
}

/// The last poll; none before the first, and none where pgtend's schema does not exist yet.
///
/// # Errors
/// What the server reports; `Bug` where the row makes no sense.
pub async fn baseline(conn: &mut PgConnection) -> Result<Option<Stored>, Fault> {
    let there =
        has_table(&mut *conn, "statement_baseline").await.map_err(|error| failed(&error))?;
    if !there {
        return Ok(None);
    }
    let row: Option<BaselineRow> = sqlx::query_as(
        "SELECT taken_at, marks, gaps, format, packed, packed_changes FROM statement_baseline",
    )
    .fetch_optional(&mut *conn)
    .await
    .map_err(|error| failed(&error))?;
    row.map(stored).transpose()
}

fn stored(row: BaselineRow) -> Result<Stored, Fault> {
    let taken_at = row.taken_at;
    if row.format != FORMAT {
        return Ok(Stored { taken_at, baseline: None });
    }
    let baseline = unpack(&row.packed, &row.packed_changes).and_then(|unpacked| {
        let Unpacked { entries: statements, changed } = unpacked;
        let marks: Marks = serde_json::from_value(row.marks).ok()?;
        let gaps: BTreeSet<CoverageGap> = serde_json::from_value(row.gaps).ok()?;
        Some(Baseline { snapshot: Snapshot { marks, statements }, changed, gaps })
    });
    match baseline {
        Some(baseline) => Ok(Stored { taken_at, baseline: Some(baseline) }),
        None => Err(Fault::new(Kind::Bug, "read", "the stored poll makes no sense")
            .on("statement_baseline")
            .with_hint(
                "DELETE FROM statement_baseline in pgtend's schema; the next poll begins anew",
            )),
    }
}

#[derive(FromRow)]
struct OpenRow {
    role: Oid,
    toplevel: bool,
    queryid: i64,
    reason: Json<SlowReason>,
    opened_at: DateTime<Utc>,
    slow_at: DateTime<Utc>,
    told_at: DateTime<Utc>,
    reminders: i32,
    mean_before_us: Option<i64>,
}

/// The open statements.
///
/// # Errors
/// What the server reports.
pub async fn open(conn: &mut PgConnection) -> Result<BTreeMap<Key, Open>, Fault> {
    let rows: Vec<OpenRow> = sqlx::query_as(
        "SELECT role, toplevel, queryid, to_jsonb(reason) AS reason, opened_at, slow_at, told_at, \
                reminders, mean_before_us FROM statement_slow",
    )
    .fetch_all(&mut *conn)
    .await
    .map_err(|error| failed(&error))?;
    let open = |row: OpenRow| {
        let key = Key { role: row.role.0, toplevel: row.toplevel, queryid: row.queryid };
        let open = Open {
            reason: row.reason.0,
            opened_at: row.opened_at,
            slow_at: row.slow_at,
            told_at: row.told_at,
            reminders: row.reminders.unsigned_abs(),
            mean_before_us: row.mean_before_us.map(natural),
        };
        (key, open)
    };
    Ok(rows.into_iter().map(open).collect())
}

#[derive(FromRow)]
struct TextRow {
    role: Oid,
    toplevel: bool,
    queryid: i64,
    role_name: String,
    query: String,
    fingerprint: String,
    class: String,
}

/// Of these statements, the texts that are stored.
///
/// # Errors
/// What the server reports.
pub async fn texts(conn: &mut PgConnection, keys: &[Key]) -> Result<BTreeMap<Key, Text>, Fault> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (roles, toplevels, queryids) = key_arrays(keys);
    let rows: Vec<TextRow> = sqlx::query_as(
        "SELECT role, toplevel, queryid, role_name, query, fingerprint, class \
         FROM statement_text \
         JOIN unnest($1::oid[], $2::boolean[], $3::bigint[]) AS k (role, toplevel, queryid) \
         USING (role, toplevel, queryid)",
    )
    .bind(roles)
    .bind(toplevels)
    .bind(queryids)
    .fetch_all(&mut *conn)
    .await
    .map_err(|error| failed(&error))?;
    let text = |row: TextRow| {
        let key = Key { role: row.role.0, toplevel: row.toplevel, queryid: row.queryid };
        let class = Class::ALL.into_iter().find(|class| class.as_str() == row.class);
        let text = Text {
            role_name: row.role_name,
            query: row.query,
            fingerprint: row.fingerprint,
            class: class.unwrap_or(Class::Query),
        };
        (key, text)
    };
    Ok(rows.into_iter().map(text).collect())
}
