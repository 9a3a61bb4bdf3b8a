//! The one action of a poll: remember what was seen, then tell what changed.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::delta::{Comparison, Key, Marks};
use super::pack::{Base, FORMAT, Packed, pack};
use super::state::{Decision, Seen};
use crate::job::Action;
use crate::pg::step::{Expect, LockWait, Mode, Statement, Step};
use crate::telemetry::{CoverageGap, Event};

/// Only pgtend itself locks its tables, and never for long.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// Texts kept; the oldest that no open statement needs go first.
const TEXTS_KEPT: u32 = 2_000;

/// The first poll, and every one that packs all entries anew.
const STORE_ALL: &str = "\
INSERT INTO statement_baseline AS stored
    (taken_at, marks, gaps, format, packed, packed_changes)
VALUES ($2::timestamptz, $3::jsonb, $4::jsonb, $5::integer, $6::bytea, '')
ON CONFLICT (the_one) DO UPDATE
SET (taken_at, marks, gaps, format, packed, packed_changes)
  = (excluded.taken_at, excluded.marks, excluded.gaps, excluded.format, excluded.packed, '')
WHERE stored.taken_at = $1::timestamptz
RETURNING true";

/// Every other poll: what is packed already stays untouched.
const STORE_CHANGES: &str = "\
UPDATE statement_baseline
SET (taken_at, marks, gaps, packed_changes)
  = ($2::timestamptz, $3::jsonb, $4::jsonb, $6::bytea)
WHERE taken_at = $1::timestamptz AND format = $5::integer
RETURNING true";

const STORE_TEXTS: &str = "\
INSERT INTO statement_text
    (role, toplevel, queryid, role_name, query, fingerprint, class, stored_at)
SELECT role, toplevel, queryid, role_name, query, fingerprint, class, $2::timestamptz
FROM jsonb_to_recordset($1::jsonb) AS t
    (role oid, toplevel boolean, queryid bigint, role_name text, query text, fingerprint text,
     class text)
ON CONFLICT DO NOTHING";

const STORE_OPEN: &str = "\
INSERT INTO statement_slow
    (role, toplevel, queryid, reason, opened_at, slow_at, told_at, reminders, mean_before_us)
SELECT role, toplevel, queryid, reason, opened_at, slow_at, told_at, reminders, mean_before_us
FROM jsonb_to_recordset($1::jsonb) AS t
    (role oid, toplevel boolean, queryid bigint, reason text, opened_at timestamptz,
     slow_at timestamptz, told_at timestamptz, reminders integer, mean_before_us bigint)
ON CONFLICT (queryid, role, toplevel) DO UPDATE
SET (slow_at, told_at, reminders) = (excluded.slow_at, excluded.told_at, excluded.reminders)";

const FORGET_RESOLVED: &str = "\
DELETE FROM statement_slow
USING jsonb_to_recordset($1::jsonb) AS t (role oid, toplevel boolean, queryid bigint)
WHERE (statement_slow.role, statement_slow.toplevel, statement_slow.queryid)
    = (t.role, t.toplevel, t.queryid)";

/// Remembers a poll and tells what changed.
#[derive(Debug, Clone)]
pub struct Record {
    /// What is stored, in one transaction.
    pub step: Step,
    /// What is logged once that is committed.
    pub events: Vec<Event>,
    /// What the poll found.
    pub summary: String,
}

impl Record {
    /// From what was decided.
    #[must_use]
    pub fn new(seen: &Seen, decision: Decision, now: DateTime<Utc>) -> Self {
        let mut statements = vec![baseline(seen, &decision.gaps)];
        statements.extend(texts(seen, now));
        statements.extend(open(&decision));
        statements.extend(resolved(&decision));
        let step = Step {
            doing: "store the poll of",
            object: "pg_stat_statements".to_owned(),
            mode: Mode::Transaction,
            lock: LockWait::patient(LOCK_TIMEOUT),
            statements,
        };
        Self { step, events: decision.events, summary: summary(seen) }
    }
}

impl Action for Record {
    fn kind(&self) -> &'static str {
        "record_statements"
    }

    fn object(&self) -> String {
        self.step.object.clone()
    }

    fn reason(&self) -> String {
        let mut reason = self.summary.clone();
        for event in &self.events {
            // Writing to a string cannot fail.
            let _ = write!(reason, "; logs: {}", event.msg());
        }
        reason
    }

    fn sql(&self) -> Vec<String> {
        self.step.sql().collect()
    }

    /// A poll in which nothing changed leaves no trace but the next baseline.
    fn is_upkeep(&self) -> bool {
        self.events.is_empty()
    }
}

fn summary(seen: &Seen) -> String {
    let Marks { entries, entries_max, .. } = seen.now.marks;
    let house = format!("{entries} of {entries_max} entries");
    match &seen.comparison {
        Comparison::Anew(_) => format!("{house}; the baseline of the next poll"),
        Comparison::Since(interval) => {
            let called = interval.deltas.len();
            let seconds = interval.length.as_secs_f64();
            format!("{house}, {called} statements called in {seconds:.1} s")
        }
    }
}

/// Stands on the baseline the poll was compared with: if another process has stored one since, the
/// step is rolled back.
fn baseline(seen: &Seen, gaps: &BTreeSet<CoverageGap>) -> Statement {
    let continued = seen.baseline().filter(|_| matches!(seen.comparison, Comparison::Since(_)));
    let base = continued.map(|baseline| Base {
        entries: &baseline.snapshot.statements,
        changed: &baseline.changed,
    });
    let (sql, bytes) = match pack(base, &seen.now.statements) {
        Packed::Full(bytes) => (STORE_ALL, bytes),
        Packed::Changed(bytes) => (STORE_CHANGES, bytes),
    };
    Statement::new(sql)
        .bind(vec![
            seen.stored.as_ref().map(|stored| instant(stored.taken_at)),
            Some(instant(seen.now.marks.taken_at)),
            Some(json!(seen.now.marks).to_string()),
            Some(json!(gaps).to_string()),
            Some(FORMAT.to_string()),
            Some(hex(&bytes)),
        ])
        .expect(Expect::True("another process has polled since"))
}

fn texts(seen: &Seen, now: DateTime<Utc>) -> Vec<Statement> {
    if seen.texts.fetched.is_empty() {
        return Vec::new();
    }
    let fetched = seen.texts.fetched.iter();
    let rows = fetched.filter_map(|key| seen.texts.by_key.get(key).map(|text| (key, text)));
    let rows = rows.map(|(key, text)| {
        json!({
            "role": key.role, "toplevel": key.toplevel, "queryid": key.queryid,
            "role_name": text.role_name, "query": text.query, "fingerprint": text.fingerprint,
            "class": text.class.as_str(),
        })
    });
    let forget_oldest = format!(
        "DELETE FROM statement_text t
WHERE t.stored_at < (SELECT stored_at FROM statement_text ORDER BY stored_at DESC
                     OFFSET {TEXTS_KEPT} LIMIT 1)
  AND NOT EXISTS (SELECT FROM statement_slow s
                  WHERE (s.queryid, s.role, s.toplevel) = (t.queryid, t.role, t.toplevel))"
    );
    vec![
        Statement::new(STORE_TEXTS).bind(vec![Some(array(rows)), Some(instant(now))]),
        Statement::new(forget_oldest),
    ]
}

fn open(decision: &Decision) -> Option<Statement> {
    let rows = decision.open.iter().map(|(key, open)| {
        json!({
            "role": key.role, "toplevel": key.toplevel, "queryid": key.queryid,
            "reason": open.reason, "opened_at": open.opened_at, "slow_at": open.slow_at,
            "told_at": open.told_at,
            "reminders": open.reminders, "mean_before_us": open.mean_before_us,
        })
    });
    let statement = Statement::new(STORE_OPEN).bind(vec![Some(array(rows))]);
    (!decision.open.is_empty()).then_some(statement)
}

fn resolved(decision: &Decision) -> Option<Statement> {
    let row =
        |key: &Key| json!({ "role": key.role, "toplevel": key.toplevel, "queryid": key.queryid });
    let rows = array(decision.resolved.iter().map(row));
    let statement = Statement::new(FORGET_RESOLVED).bind(vec![Some(rows)]);
    (!decision.resolved.is_empty()).then_some(statement)
}

fn array(rows: impl Iterator<Item = Value>) -> String {
    Value::Array(rows.collect()).to_string()
}

/// With the server's precision, so that what is stored compares equal.
fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// `\x0a…`: bytes as PostgreSQL reads them from text.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
