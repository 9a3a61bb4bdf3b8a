//! Figures of a statement as its log line gives them.

use std::collections::BTreeSet;

use super::delta::{Counter, Delta, Interval, Key};
use super::state::{Open, Seen, Text};
use crate::telemetry::{Coverage, CoverageGap, Event, SlowQuery};

/// What all statements of an interval did together.
pub struct Totals {
    time_us: u64,
}

impl Totals {
    /// Statements inside functions are left out: their time is in the statement that called them.
    #[must_use]
    pub fn of(interval: &Interval) -> Self {
        let outer = interval.deltas.iter().filter(|(key, _)| key.toplevel);
        Self { time_us: outer.map(|(_, delta)| delta.sums[Counter::Time]).sum() }
    }
}

/// The fields of a statement's line.
#[must_use]
pub fn slow_query(
    seen: &Seen,
    totals: &Totals,
    key: Key,
    text: &Text,
    delta: &Delta,
    open: &Open,
) -> SlowQuery {
    let sum = |counter| delta.sums[counter];
    let (calls, hit, read) = (sum(Counter::Calls), sum(Counter::Hit), sum(Counter::Read));
    SlowQuery {
        reason: open.reason,
        database: seen.database.clone(),
        user: text.role_name.clone(),
        queryid: key.queryid,
        fingerprint: text.fingerprint.clone(),
        toplevel: key.toplevel,
        query: text.query.clone(),
        opened_at: open.opened_at,
        interval_s: delta.length.as_secs_f64(),
        calls,
        mean_ms: millis(delta.mean_us()),
        total_ms: millis(sum(Counter::Time)),
        max_ms: millis(delta.max_us),
        max_is_new: delta.max_is_new,
        baseline_mean_ms: open.mean_before_us.map(millis),
        share_pct: percent(sum(Counter::Time), totals.time_us).filter(|_| key.toplevel),
        rows_per_call: ratio(sum(Counter::Rows), calls).unwrap_or(0.0),
        blocks_hit: hit,
        blocks_read: read,
        hit_pct: percent(hit, hit + read),
        temp_bytes: sum(Counter::TempWritten).saturating_mul(seen.server.block_bytes),
        io_ms: seen.server.times_io.then(|| millis(sum(Counter::Io))),
        wal_bytes: sum(Counter::Wal),
        plan: None,
        partial: delta.partial,
    }
}

/// The line about what keeps polls from seeing everything, or about everything being seen again.
#[must_use]
pub fn coverage(seen: &Seen, interval: &Interval, gaps: &BTreeSet<CoverageGap>) -> Event {
    Event::SlowQueryCoverage(Coverage {
        gaps: gaps.iter().copied().collect(),
        interval_s: interval.length.as_secs_f64(),
        entries: seen.now.marks.entries,
        entries_max: seen.now.marks.entries_max,
        evictions: interval.evictions,
        entries_gone: interval.vanished,
        hidden: seen.now.marks.hidden,
    })
}

#[expect(clippy::cast_precision_loss, reason = "figures for people: 15 digits are enough")]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    ratio(part, whole).map(|ratio| ratio * 100.0)
}

fn millis(micros: u64) -> f64 {
    ratio(micros, 1000).unwrap_or(0.0)
}
