//! What a poll sees and what is remembered between polls: plain data.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::delta::{Comparison, Key, Snapshot};
use super::redact::Class;
use crate::telemetry::{CoverageGap, Event, SlowReason};

/// What a statement is and how to name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The role that ran it.
    pub role_name: String,
    /// Redacted.
    pub query: String,
    /// Of the redacted text.
    pub fingerprint: String,
    /// Decides on the thresholds.
    pub class: Class,
}

/// A statement that has its line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// What made it slow first.
    pub reason: SlowReason,
    /// When.
    pub opened_at: DateTime<Utc>,
    /// The last interval in which it was slow.
    pub slow_at: DateTime<Utc>,
    /// Its last line.
    pub told_at: DateTime<Utc>,
    /// Lines between the first and the last.
    pub reminders: u32,
    /// The mean before it became slow, in microseconds.
    pub mean_before_us: Option<u64>,
}

/// The row of `statement_baseline`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// When the last poll was.
    pub taken_at: DateTime<Utc>,
    /// What it left; none if another version of pgtend packed it.
    pub baseline: Option<Baseline>,
}

/// What the last poll left.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// What it saw.
    pub snapshot: Snapshot,
    /// See [`super::pack::Unpacked`].
    pub changed: BTreeSet<Key>,
    /// As last told.
    pub gaps: BTreeSet<CoverageGap>,
}

/// Settings the figures depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// `track_io_timing`: without it, I/O times are 0 and mean nothing.
    pub times_io: bool,
    /// Bytes of a block.
    pub block_bytes: u64,
    /// `compute_query_id` is not off.
    pub records: bool,
}

/// Texts of the statements that may have a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// All of them.
    pub by_key: BTreeMap<Key, Text>,
    /// Those not stored yet.
    pub fetched: BTreeSet<Key>,
}

/// What a poll saw.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The database's name.
    pub database: String,
    /// Its server's settings.
    pub server: Server,
    /// The stored state; none before the first poll.
    pub stored: Option<Stored>,
    /// The counters now.
    pub now: Snapshot,
    /// Both compared.
    pub comparison: Comparison,
    /// The open statements.
    pub open: BTreeMap<Key, Open>,
    /// Of what [`super::plan::wanted`] asked for, what there was.
    pub texts: Texts,
}

impl Seen {
    /// What the poll is compared with, if it is.
    #[must_use]
    pub fn baseline(&self) -> Option<&Baseline> {
        self.stored.as_ref().and_then(|stored| stored.baseline.as_ref())
    }
}

/// What follows from a poll.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// What is told, in this order.
    pub events: Vec<Event>,
    /// What keeps polls from seeing everything, now.
    pub gaps: BTreeSet<CoverageGap>,
    /// Statements that are slow: since now, or still.
    pub open: BTreeMap<Key, Open>,
    /// Statements that are no longer.
    pub resolved: BTreeSet<Key>,
}
