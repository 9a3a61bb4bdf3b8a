//! The context that every line of a run carries.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::TARGET;
use super::fields::{id, optional_error_fields};
use crate::job::Verdict;
use crate::pg::fault::Fault;
use crate::pg::wal::Wal;

/// The name of the span the context hangs on.
pub(super) const SPAN: &str = "run";

/// What identifies a run, in every one of its lines.
#[derive(Debug, Clone, Serialize)]
pub struct RunFields {
    /// The job's name.
    pub job: &'static str,
    /// The run's row in the history.
    #[serde(serialize_with = "id")]
    pub run_id: i64,
    /// When it was due.
    pub slot: DateTime<Utc>,
    /// What asked for it: `schedule`, `catchup`, `manual`, …
    pub trigger: &'static str,
    /// Which try of the slot, from 1.
    pub attempt: u32,
    /// The database's name.
    #[serde(rename = "db.namespace")]
    pub database: String,
    /// The server's host name, address or socket directory.
    #[serde(rename = "server.address")]
    pub address: String,
}

/// The span of a run: instrument the run's future with it (`tracing::Instrument`), and every
/// task it spawns.
#[must_use]
pub fn run_span(fields: &RunFields) -> tracing::Span {
    let payload = serde_json::to_string(fields).unwrap_or_default();
    // The most severe level, so that the span is there whatever is filtered: at `level = error`
    // an error still says which run it belongs to.
    tracing::error_span!(target: TARGET, SPAN, payload)
}

/// The totals of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RunFinished {
    /// The job's name.
    pub job: &'static str,
    /// How it ended.
    pub outcome: Verdict,
    /// From claim to end.
    pub duration_ms: u64,
    /// Actions carried out.
    pub actions_done: u64,
    /// Actions that failed, refused tables among them.
    pub actions_failed: u64,
    /// Objects looked at and left alone.
    pub spared: u64,
    /// Rows moved, made or removed.
    pub rows: u64,
    /// Transactions they took.
    pub batches: u64,
    /// WAL written in heavy actions, where it was measured: `wal_bytes`, or `server_wal_bytes`.
    #[serde(flatten)]
    pub wal: Option<Wal>,
    /// The next slot.
    pub next_run_at: Option<DateTime<Utc>>,
    /// What ended it, or the first failure.
    #[serde(flatten, serialize_with = "optional_error_fields")]
    pub fault: Option<Fault>,
}
