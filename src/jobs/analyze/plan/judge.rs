//! Whether a table's statistics are missing, stale or fresh.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::forest::Forest;
use super::names;
use crate::config::checked;
use crate::jobs::analyze::seen::{Leaf, Memory, Seen, Table, TableKind};

/// A parent without a record of its leaves' counters is analyzed once, so that there is one; but
/// not one that somebody else has just analyzed.
const UNRECORDED_AGE: TimeDelta = TimeDelta::days(1);

/// What is to be done about a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Analyze it. The weight is the number of rows that the statistics do not know.
    Due { why: String, weight: u64 },
    /// Not now: this many rows have changed, which is not enough.
    Fresh { why: String, changed: u64 },
    /// ANALYZE has been tried and does not help.
    Hopeless { why: String },
    /// Nothing to say: empty, or unchanged.
    Idle,
}

/// What is known of a table, and the policy it is held against.
pub(super) struct Judge<'a> {
    pub(super) policy: &'a checked::Analyze,
    pub(super) seen: &'a Seen,
    pub(super) forest: &'a Forest<'a>,
    pub(super) now: DateTime<Utc>,
}

impl Judge<'_> {
    pub(super) fn judge(&self, table: &Table) -> Verdict {
        let memory = self.seen.memory.get(&table.oid);
        match table.kind {
            TableKind::Plain => self.plain(table, memory),
            TableKind::Parent => self.parent(table, memory),
            TableKind::Foreign => Verdict::Idle,
        }
    }

    fn plain(&self, table: &Table, memory: Option<&Memory>) -> Verdict {
        if !has_rows(table) {
            return Verdict::Idle;
        }
        let rows = table.rows();
        let due_above = self.due_above(rows).max(table.own_due_from.unwrap_or(0));
        let changed = table.changed;
        if let Some(why) = missing(table, memory) {
            return Verdict::Due { why, weight: changed.max(rows) };
        }
        let count = format!("changed since its last ANALYZE: {changed} of about {rows} rows");
        by_change(table, &count, changed, due_above)
    }

    fn parent(&self, parent: &Table, memory: Option<&Memory>) -> Verdict {
        let leaves = self.forest.leaves(parent);
        if !leaves.iter().any(|leaf| has_rows(leaf) || leaf.live > 0) {
            return Verdict::Idle;
        }
        let rows = leaves.iter().map(|leaf| leaf.rows()).sum();
        if let Some(why) = missing(parent, memory) {
            return Verdict::Due { why, weight: rows };
        }
        let recorded = memory.and_then(|memory| memory.leaves.as_deref());
        let (changed, words) = match recorded {
            Some(recorded) => since(recorded, &leaves),
            None if self.is_unrecorded(parent, &leaves) => {
                let why = "a partitioned table has no counter of changes, and nothing is on record \
                           of how many there were since its last ANALYZE";
                return Verdict::Due { why: why.to_owned(), weight: 0 };
            }
            None => estimate(parent, rows, &leaves),
        };
        let count = format!(
            "changed in its partitions since its last ANALYZE: {words} of about {rows} rows"
        );
        by_change(parent, &count, changed, self.due_above(rows))
    }

    /// The number of changed rows that is not yet stale.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of an estimate"
    )]
    fn due_above(&self, rows: u64) -> u64 {
        self.policy.stale_rows.max((rows as f64 * self.policy.stale_fraction) as u64)
    }

    /// Whether a parent that pgtend has not analyzed yet could have changed without notice: its last
    /// ANALYZE is long ago or unknown, and a leaf has been written to since.
    fn is_unrecorded(&self, parent: &Table, leaves: &[&Table]) -> bool {
        // 13 keeps no time for a parent. Its ANALYZE goes through every leaf, so that the oldest of
        // theirs is no earlier.
        let filled = leaves.iter().filter(|leaf| leaf.rows() > 0);
        let oldest = || filled.map(|leaf| leaf.analyzed_at).min().flatten();
        let Some(at) = parent.analyzed_at.or_else(oldest) else { return true };
        let written =
            |leaf: &&Table| leaf.changed > 0 || leaf.autoanalyzed_at.is_some_and(|auto| auto > at);
        self.now - at > UNRECORDED_AGE && leaves.iter().any(written)
    }
}

/// The verdict on a table that is not missing anything new.
fn by_change(table: &Table, count: &str, changed: u64, due_above: u64) -> Verdict {
    let why = format!("{count}; due above {due_above}");
    if changed > due_above {
        Verdict::Due { why, weight: changed }
    } else if !table.lacking.is_empty() {
        let what = names(&table.lacking);
        Verdict::Hopeless { why: format!("ANALYZE makes no statistics for {what}; {why}") }
    } else if changed > 0 {
        Verdict::Fresh { why, changed }
    } else {
        Verdict::Idle
    }
}

/// Whether there is anything to sample. Where the server has not counted yet, any trace of rows
/// will do; a partition made for next month has none, and is better off unanalyzed: the planner then
/// expects it to fill.
fn has_rows(table: &Table) -> bool {
    let traced = table.live > 0 || table.writes > 0 || table.touched;
    table.reltuples.is_some_and(|rows| rows > 0)
        || table.changed > 0
        || is_unanalyzed(table) && traced
}

fn is_unanalyzed(table: &Table) -> bool {
    table.analyzed_at.is_none() && table.autoanalyzed_at.is_none()
}

/// What has no statistics, but for what an ANALYZE was already tried on.
fn missing(table: &Table, memory: Option<&Memory>) -> Option<String> {
    if !table.visible {
        let unknown = is_unanalyzed(table) && memory.is_none();
        return unknown.then(|| "never analyzed, as far as the server's counters reach".to_owned());
    }
    let tried = |what: &&String| memory.is_some_and(|memory| memory.lacking.contains(what));
    let new: Vec<&String> = table.lacking.iter().filter(|what| !tried(what)).collect();
    if new.is_empty() { None } else { Some(format!("no statistics for {}", names(&new))) }
}

/// Rows changed since the leaves' counters were written down: exact, but for TRUNCATE, which the
/// server does not count.
fn since(recorded: &[Leaf], leaves: &[&Table]) -> (u64, String) {
    let mut gone: HashMap<u32, &Leaf> = recorded.iter().map(|leaf| (leaf.oid, leaf)).collect();
    let (mut changed, mut attached) = (0, 0);
    for leaf in leaves {
        if let Some(then) = gone.remove(&leaf.oid) {
            // Counters that went backwards were reset.
            changed += leaf.writes.checked_sub(then.writes).unwrap_or(leaf.writes);
        } else {
            changed += leaf.rows();
            attached += u32::from(leaf.rows() > 0);
        }
    }
    let detached = gone.values().filter(|leaf| leaf.rows > 0).count();
    changed += gone.values().map(|leaf| leaf.rows).sum::<u64>();
    let words = match (attached, detached) {
        (0, 0) => changed.to_string(),
        _ => format!("{changed} (partitions attached: {attached}, detached: {detached})"),
    };
    (changed, words)
}

/// The same without a record: what the leaves' own counters say, or how far the parent's idea of
/// its rows (14 and later) is off.
fn estimate(parent: &Table, rows: u64, leaves: &[&Table]) -> (u64, String) {
    let changed: u64 = leaves.iter().map(|leaf| leaf.changed).sum();
    let off = parent.reltuples.filter(|&known| known > 0).map_or(0, |known| known.abs_diff(rows));
    let most = changed.max(off);
    (most, format!("at least {most}"))
}
