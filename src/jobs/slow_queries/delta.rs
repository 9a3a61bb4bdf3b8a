//! What statements did between two polls: exact differences of cumulative counters.
//!
//! Entries of `pg_stat_statements` come and go: a full or targeted reset, an eviction when it is
//! full, a restart or a crash. A re-created entry counts from zero, so its difference to the
//! previous poll means nothing, while its current value means everything. Extension 1.11 says when
//! an entry was created. Before that a re-creation shows only in its traces: a counter fell, the
//! minimum rose, the maximum fell (84 of 100 are found so, none wrongly). What cannot be known is
//! marked `partial`. Nothing here is ever negative.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// Which statement: the key of an entry within one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The role that ran it (oid).
    pub role: u32,
    /// Called by a client; false for a statement inside a function.
    pub toplevel: bool,
    /// The server's hash of its parse tree.
    pub queryid: i64,
}

/// A counter that only grows while its entry lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Executions that ended without an error.
    Calls,
    /// Planning and execution, in microseconds.
    Time,
    /// Rows returned or changed.
    Rows,
    /// Blocks found in shared buffers.
    Hit,
    /// Blocks not found there.
    Read,
    /// Blocks of temporary files written.
    TempWritten,
    /// Waiting for reads and writes, in microseconds; 0 without `track_io_timing`.
    Io,
    /// Bytes of WAL.
    Wal,
}

/// How many there are.
pub const COUNTERS: usize = Counter::Wal as usize + 1;

/// One value for each [`Counter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums(pub [u64; COUNTERS]);

impl Index<Counter> for Sums {
    type Output = u64;
    fn index(&self, counter: Counter) -> &u64 {
        &self.0[counter as usize]
    }
}

impl IndexMut<Counter> for Sums {
    fn index_mut(&mut self, counter: Counter) -> &mut u64 {
        &mut self.0[counter as usize]
    }
}

impl Sums {
    fn combine(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|at| f(self.0[at], other.0[at])))
    }

    fn mean_us(&self) -> Option<u64> {
        self[Counter::Time].checked_div(self[Counter::Calls])
    }

    fn any_below(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(&mine, other)| mine < other)
    }
}

/// An entry as one poll saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry {
    /// Its counters.
    pub sums: Sums,
    /// The shortest execution, in microseconds.
    pub min_us: u64,
    /// The longest execution, in microseconds.
    pub max_us: u64,
    /// Its age; from extension 1.11 on.
    pub since: Option<Since>,
}

/// Since when an entry counts, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// When it was created.
    pub entry: i64,
    /// When its minimum and maximum began to count: then, or at a reset of these alone.
    pub minmax: i64,
}

impl Entry {
    /// Joins two entries that this version of the extension does not tell apart: on a server from
    /// 14 on with extension 1.8, a statement inside and outside a function.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            sums: self.sums.combine(other.sums, u64::saturating_add),
            min_us: self.min_us.min(other.min_us),
            max_us: self.max_us.max(other.max_us),
            ..self
        }
    }

    /// Whether this is a new life of the entry `before`.
    fn is_recreated(&self, before: &Self) -> bool {
        match (self.since, before.since) {
            (Some(now), Some(then)) => now.entry != then.entry,
            _ => {
                self.sums.any_below(&before.sums)
                    || self.min_us > before.min_us
                    || self.max_us < before.max_us
            }
        }
    }
}

/// What one poll saw: also the baseline of the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What concerns all entries.
    pub marks: Marks,
    /// The entries of this database that we may see.
    pub statements: BTreeMap<Key, Entry>,
}

/// What concerns all entries.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Marks {
    /// Which counters these are.
    pub origin: Origin,
    /// The server's clock when they were read.
    pub taken_at: DateTime<Utc>,
    /// When the server started.
    pub started_at: DateTime<Utc>,
    /// When all entries were reset last; from extension 1.9 on.
    pub stats_reset: Option<DateTime<Utc>>,
    /// How often entries were evicted because there were too many; from extension 1.9 on.
    pub evictions: Option<u64>,
    /// Entries of all databases, hidden ones included.
    pub entries: u64,
    /// `pg_stat_statements.max`
    pub entries_max: u64,
    /// Entries of this database that belong to others and that we may not see.
    pub hidden: u64,
}

/// Counters of different origin cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Origin {
    /// The cluster's system identifier.
    pub system: i64,
    /// The database (oid): a copy of it may live in the same cluster.
    pub database: u32,
    /// The extension's version: it decides which columns there are.
    pub extension: String,
}

impl Marks {
    /// Whether there are so many entries that some may have been evicted: an eviction needs a full
    /// house and leaves 95 % of it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.saturating_mul(10) >= self.entries_max.saturating_mul(9)
    }
}

/// What came out of comparing a poll with its baseline.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// There is nothing to compare with; the poll only becomes the baseline of the next one.
    Anew(Anew),
    /// What happened since.
    Since(Interval),
}

/// Why there is nothing to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anew {
    /// No baseline yet.
    First,
    /// The baseline is of another server, database or version of the extension.
    OtherOrigin,
    /// The baseline is too old: a difference over so long a time says little about now.
    Stale(Duration),
    /// The server's clock stands before the baseline's.
    ClockWentBack,
}

/// What happened between two polls.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// From the previous poll to this one.
    pub length: Duration,
    /// All entries began anew: a reset of everything, or a crash.
    pub was_reset: bool,
    /// Evictions in between; not known before extension 1.9.
    pub evictions: Option<u64>,
    /// Entries of the previous poll that are gone.
    pub vanished: u64,
    /// The statements that were called, each at least once.
    pub deltas: BTreeMap<Key, Delta>,
}

/// What one statement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delta {
    /// How long its counters have counted this: shorter than the interval if its entry is younger.
    pub length: Duration,
    /// By how much they grew; calls are never 0.
    pub sums: Sums,
    /// The longest execution on record, in microseconds.
    pub max_us: u64,
    /// That execution was in this interval.
    pub max_is_new: bool,
    /// Earlier calls of this interval may be missing.
    pub partial: bool,
    /// The mean of all calls before this interval, in microseconds, where there were any.
    pub mean_before_us: Option<u64>,
}

impl Delta {
    /// The mean duration of a call, in microseconds; 0 without calls.
    #[must_use]
    pub fn mean_us(&self) -> u64 {
        self.sums.mean_us().unwrap_or(0)
    }
}

/// Compares a poll with the one before it. A baseline older than `stale_after` is not used.
#[must_use]
pub fn compare(before: Option<&Snapshot>, now: &Snapshot, stale_after: Duration) -> Comparison {
    let Some(before) = before else { return Comparison::Anew(Anew::First) };
    if before.marks.origin != now.marks.origin {
        return Comparison::Anew(Anew::OtherOrigin);
    }
    match (now.marks.taken_at - before.marks.taken_at).to_std() {
        Err(_) => Comparison::Anew(Anew::ClockWentBack),
        Ok(age) if age.is_zero() => Comparison::Anew(Anew::ClockWentBack),
        Ok(age) if age > stale_after => Comparison::Anew(Anew::Stale(age)),
        Ok(length) => Comparison::Since(interval(before, now, length)),
    }
}

fn interval(before: &Snapshot, now: &Snapshot, length: Duration) -> Interval {
    let facts = Facts::of(before, now);
    let vanished = before.statements.keys().filter(|key| !now.statements.contains_key(key));
    let vanished = u64::try_from(vanished.count()).unwrap_or(u64::MAX);
    let deltas = now
        .statements
        .iter()
        .filter_map(|(key, entry)| {
            let delta = match before.statements.get(key) {
                Some(previous) => facts.of_known(previous, entry),
                None => facts.of_unknown(entry)?,
            };
            (delta.sums[Counter::Calls] > 0).then_some((*key, delta))
        })
        .collect();
    let evictions = match (before.marks.evictions, now.marks.evictions) {
        (Some(then), Some(now)) => Some(now.checked_sub(then).unwrap_or(now)),
        _ => None,
    };
    Interval { length, was_reset: facts.reset_at.is_some(), evictions, vanished, deltas }
}

/// What holds for all entries of an interval.
struct Facts {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// All entries began anew, at this time or later.
    reset_at: Option<DateTime<Utc>>,
    /// An entry may have been evicted and created again without a trace.
    may_evict: bool,
    /// Entries may appear that are old but were hidden from us.
    may_reveal: bool,
}

impl Facts {
    fn of(before: &Snapshot, now: &Snapshot) -> Self {
        let may_evict = may_evict(&before.marks, &now.marks);
        Self {
            from: before.marks.taken_at,
            to: now.marks.taken_at,
            reset_at: reset_at(before, now, may_evict),
            may_evict,
            may_reveal: now.marks.hidden < before.marks.hidden,
        }
    }

    fn of_known(&self, before: &Entry, now: &Entry) -> Delta {
        if self.reset_at.is_some() || now.is_recreated(before) {
            let is_exact = self.reset_at.is_some() || now.since.is_some();
            let mean_before_us = before.sums.mean_us();
            return Delta { partial: !is_exact, mean_before_us, ..self.whole(now) };
        }
        Delta {
            length: self.length_from(self.from),
            sums: now.sums.combine(before.sums, u64::saturating_sub),
            max_us: now.max_us,
            max_is_new: now.max_us > before.max_us || now.since != before.since,
            partial: self.may_evict && now.since.is_none(),
            mean_before_us: before.sums.mean_us(),
        }
    }

    /// An entry that was not there: it was created in this interval and its value is all its own,
    /// unless it had only been hidden. Then there is nothing to compare it with.
    fn of_unknown(&self, now: &Entry) -> Option<Delta> {
        let is_old = match now.since {
            Some(since) => since.entry < self.from.timestamp_micros(),
            None => self.may_reveal,
        };
        let partial = self.may_evict && now.since.is_none();
        (!is_old).then(|| Delta { partial, ..self.whole(now) })
    }

    /// The entry's value is the interval's value.
    fn whole(&self, now: &Entry) -> Delta {
        let since = now.since.and_then(|since| DateTime::from_timestamp_micros(since.entry));
        Delta {
            length: self.length_from(since.or(self.reset_at).unwrap_or(self.from)),
            sums: now.sums,
            max_us: now.max_us,
            max_is_new: true,
            partial: false,
            mean_before_us: None,
        }
    }

    fn length_from(&self, begin: DateTime<Utc>) -> Duration {
        (self.to - begin.max(self.from)).to_std().unwrap_or_default()
    }
}

/// Whether entries were, or may have been, evicted between two polls. Before extension 1.9 nobody
/// counts.
fn may_evict(before: &Marks, now: &Marks) -> bool {
    match (before.evictions, now.evictions) {
        (Some(then), Some(now)) => then != now,
        _ => now.is_full(),
    }
}

/// Since when all entries have counted anew, if everything was reset or lost in between. A loss (a
/// crash, or a restart without `pg_stat_statements.save`) moves `stats_reset` too. Before extension
/// 1.9 there is none; then a restart with lost entries tells, a clean one keeps them all.
fn reset_at(before: &Snapshot, now: &Snapshot, may_evict: bool) -> Option<DateTime<Utc>> {
    if now.marks.stats_reset.is_some() {
        return now.marks.stats_reset.filter(|_| now.marks.stats_reset != before.marks.stats_reset);
    }
    let lost_entries = || {
        before.statements.iter().any(|(key, entry)| match now.statements.get(key) {
            Some(same) => same.is_recreated(entry),
            None => true,
        })
    };
    let restarted = now.marks.started_at != before.marks.started_at;
    (restarted && !may_evict && lost_entries()).then_some(now.marks.started_at)
}
