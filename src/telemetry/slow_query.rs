//! The fields of the `slow_query` events.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::fields::{decimals, id, optional_decimals};

/// What made a statement slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlowReason {
    /// The mean of the interval's calls.
    Mean,
    /// One call took longer than any before.
    NewMax,
}

/// One statement in one interval, from exact deltas of `pg_stat_statements`.
#[derive(Debug, Clone, Serialize)]
pub struct SlowQuery {
    /// What made it slow.
    pub reason: SlowReason,
    /// The database it ran in.
    pub database: String,
    /// The role that ran it.
    pub user: String,
    /// The server's number for it; differs between servers and major versions.
    #[serde(serialize_with = "id")]
    pub queryid: i64,
    /// Stable over servers and major versions.
    pub fingerprint: String,
    /// Called by a client, not from within a function.
    pub toplevel: bool,
    /// The statement without its literals and comments, 2 KiB at most.
    pub query: String,
    /// When it became slow.
    pub opened_at: DateTime<Utc>,
    /// The interval the numbers below are about.
    #[serde(serialize_with = "decimals")]
    pub interval_s: f64,
    /// Calls that ended in the interval.
    pub calls: u64,
    /// Their mean time, planning included where the extension tracks it.
    #[serde(serialize_with = "decimals")]
    pub mean_ms: f64,
    /// Their total execution time.
    #[serde(serialize_with = "decimals")]
    pub total_ms: f64,
    /// The longest call since the statistics began.
    #[serde(serialize_with = "decimals")]
    pub max_ms: f64,
    /// Whether that call ended in this interval.
    pub max_is_new: bool,
    /// The mean before it became slow.
    #[serde(serialize_with = "optional_decimals")]
    pub baseline_mean_ms: Option<f64>,
    /// Its share of the execution time of all statements.
    #[serde(serialize_with = "optional_decimals")]
    pub share_pct: Option<f64>,
    /// Rows per call.
    #[serde(serialize_with = "decimals")]
    pub rows_per_call: f64,
    /// Blocks found in the buffer cache.
    pub blocks_hit: u64,
    /// Blocks asked of the operating system.
    pub blocks_read: u64,
    /// Blocks hit, of both; absent if there were none.
    #[serde(serialize_with = "optional_decimals")]
    pub hit_pct: Option<f64>,
    /// Written to temporary files: sorts and hashes beyond `work_mem`.
    pub temp_bytes: u64,
    /// Time reading and writing blocks; only with `track_io_timing`.
    #[serde(serialize_with = "optional_decimals")]
    pub io_ms: Option<f64>,
    /// WAL written.
    pub wal_bytes: u64,
    /// The plan, in short.
    pub plan: Option<String>,
    /// The numbers may miss calls, see `slow_query.coverage`.
    pub partial: bool,
}

/// Whether polls see everything, told when that changes.
#[derive(Debug, Clone, Serialize)]
pub struct Coverage {
    /// What keeps them from it; empty where nothing does any more.
    pub gaps: Vec<CoverageGap>,
    /// The interval.
    #[serde(serialize_with = "decimals")]
    pub interval_s: f64,
    /// Statements the extension holds.
    pub entries: u64,
    /// `pg_stat_statements.max`.
    pub entries_max: u64,
    /// Times it threw out statements in the interval; each took calls with it. Not counted before
    /// version 1.9 of the extension.
    pub evictions: Option<u64>,
    /// Statements of the previous poll that are gone.
    pub entries_gone: u64,
    /// Statements of others that are not shown to us, for want of `pg_read_all_stats`.
    pub hidden: u64,
}

/// What keeps polls from seeing everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoverageGap {
    /// Statements are thrown out all the time.
    Evictions,
    /// Statements of other roles are hidden from ours.
    Hidden,
    /// The server computes no query ids, so nothing is recorded.
    Off,
}
