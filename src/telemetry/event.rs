//! The closed list of events and their fields.
//!
//! To add one: a variant here, its level in `level.rs`, its sentence in `msg.rs`, examples in
//! `examples.rs`, its entry in `docs/log.schema.json`. The compiler and the tests name what is
//! missing. Units are in the names; 64-bit ids are strings; absent fields are left out; no field
//! may hold a secret or the contents of a row.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::fields::{JobState, decimals, error_fields, optional_error_fields};
use super::run::RunFinished;
use super::slow_query::{Coverage, SlowQuery};
use crate::job::Verdict;
use crate::pg::fault::{Blocker, Fault};
use crate::pg::wal::Wal;

/// Something that happened. Jobs and kinds are words of the code (`archive`, `attach`), objects
/// are named as SQL names them, a [`Fault`] becomes the fields `error.*`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event")]
#[expect(missing_docs, reason = "fields are named as the log line has them, with their units")]
pub enum Event {
    /// The daemon has read its configuration and begins.
    #[serde(rename = "daemon.started")]
    DaemonStarted { pid: u32, config_file: Option<String>, jobs: Vec<&'static str> },

    /// Connected and scheduled: from here on slots are served.
    #[serde(rename = "daemon.ready")]
    DaemonReady { startup_ms: u64, next_run_at: Option<DateTime<Utc>> },

    /// Told to stop; the runs in hand are given `drain_timeout_ms`.
    #[serde(rename = "daemon.stopping")]
    DaemonStopping { signal: &'static str, running: Vec<&'static str>, drain_timeout_ms: u64 },

    /// The last line of a daemon. `fault` is why it ended, if nobody asked it to.
    #[serde(rename = "daemon.stopped")]
    DaemonStopped {
        exit_code: u8,
        uptime_s: u64,
        #[serde(flatten, serialize_with = "optional_error_fields")]
        fault: Option<Fault>,
    },

    /// A bug. `backtrace` only if `RUST_BACKTRACE` asks for it.
    #[serde(rename = "daemon.panicked")]
    DaemonPanicked {
        location: String,
        thread: String,
        #[serde(flatten, serialize_with = "error_fields")]
        fault: Fault,
        backtrace: Option<String>,
    },

    /// A changed configuration is in force; `restart_needed` names the keys that are not yet.
    #[serde(rename = "config.reloaded")]
    ConfigReloaded { changed: Vec<String>, restart_needed: Vec<String> },

    /// A changed configuration is wrong; the one before stays in force.
    #[serde(rename = "config.rejected")]
    ConfigRejected {
        problems: Vec<String>,
        #[serde(flatten, serialize_with = "error_fields")]
        fault: Fault,
    },

    /// The first connection, or the first after an outage of `outage_ms`.
    #[serde(rename = "database.connected")]
    DatabaseConnected {
        #[serde(rename = "db.namespace")]
        database: String,
        #[serde(rename = "server.address")]
        address: String,
        user: String,
        server_version: String,
        outage_ms: Option<u64>,
    },

    /// No connection; tried again in `next_try_ms`.
    #[serde(rename = "database.unreachable")]
    DatabaseUnreachable {
        #[serde(rename = "server.address")]
        address: String,
        tries: u32,
        next_try_ms: u64,
        #[serde(flatten, serialize_with = "error_fields")]
        fault: Fault,
    },

    /// The server is a standby; asked again in `next_try_ms`.
    #[serde(rename = "database.standby")]
    DatabaseStandby {
        #[serde(rename = "server.address")]
        address: String,
        next_try_ms: u64,
    },

    /// This host's clock minus the server's is beyond `limit_ms`. The server's decides.
    #[serde(rename = "clock.offset")]
    ClockOffset { offset_ms: i64, limit_ms: u64 },

    /// pgtend's own schema was created or upgraded.
    #[serde(rename = "schema.migrated")]
    SchemaMigrated {
        schema: String,
        from_version: Option<i64>,
        to_version: i64,
        migrations: u64,
        duration_ms: u64,
    },

    /// A slot was claimed, `lag_ms` after it was due, and its plan is made.
    #[serde(rename = "run.started")]
    RunStarted { job: &'static str, lag_ms: u64, actions_planned: u64 },

    /// The totals of a run: exactly one per `run.started`.
    #[serde(rename = "run.finished")]
    RunFinished(RunFinished),

    /// A slot got no run; `reason` is one of the three `skipped_*`.
    #[serde(rename = "run.skipped")]
    RunSkipped {
        job: &'static str,
        slot: DateTime<Utc>,
        reason: Verdict,
        next_run_at: Option<DateTime<Utc>>,
    },

    /// Slots passed while nobody ran, and `catchup` says not to make them up.
    #[serde(rename = "run.missed")]
    RunMissed {
        job: &'static str,
        slots: u64,
        first_slot: DateTime<Utc>,
        last_slot: DateTime<Utc>,
        catchup: &'static str,
    },

    /// An attempt failed for a temporary reason; the same slot is tried again.
    #[serde(rename = "run.retried")]
    RunRetried {
        job: &'static str,
        next_attempt: u32,
        max_attempts: u32,
        next_attempt_in_ms: u64,
        #[serde(flatten, serialize_with = "error_fields")]
        fault: Fault,
    },

    /// A sentence of the plan that an operator should read.
    #[serde(rename = "run.warned")]
    RunWarned { job: &'static str, warning: String },

    /// The outcome of a run could not be written to the history, and is tried again.
    #[serde(rename = "history.write_failed")]
    HistoryWriteFailed {
        job: &'static str,
        #[serde(flatten, serialize_with = "error_fields")]
        fault: Fault,
    },

    /// One action of a plan was carried out.
    #[serde(rename = "action.done")]
    ActionDone {
        kind: &'static str,
        object: String,
        rows: Option<u64>,
        batches: u64,
        duration_ms: u64,
        #[serde(flatten)]
        wal: Option<Wal>,
        note: Option<String>,
    },

    /// One action of a plan was not carried out; the others go on.
    #[serde(rename = "action.failed")]
    ActionFailed {
        kind: &'static str,
        object: String,
        duration_ms: u64,
        #[serde(flatten, serialize_with = "error_fields")]
        fault: Fault,
    },

    /// Policy forbids a table as it is.
    #[serde(rename = "table.refused")]
    TableRefused {
        object: String,
        #[serde(flatten, serialize_with = "error_fields")]
        fault: Fault,
    },

    /// A lock was not had at once, but was in the end; `blockers` held it.
    #[serde(rename = "lock.waited")]
    LockWaited {
        doing: String,
        object: String,
        tries: u32,
        lock_wait_ms: u64,
        blockers: Vec<Blocker>,
    },

    /// A long action moves on. At most one per object each 10 s.
    #[serde(rename = "batch.progress")]
    BatchProgress {
        object: String,
        rows: u64,
        rows_total: Option<u64>,
        batches: u64,
        #[serde(serialize_with = "decimals")]
        rows_per_s: f64,
        /// How long the rest takes at that rate, where both are known.
        left_s: Option<u64>,
    },

    /// A long action stops between two batches, because the server has enough to bear; looked at
    /// again and again. At most one per object and cause each minute.
    #[serde(rename = "batch.throttled")]
    BatchThrottled { object: String, cause: &'static str, because: String },

    /// It goes on.
    #[serde(rename = "batch.resumed")]
    BatchResumed { object: String, cause: &'static str, waited_ms: u64 },

    /// The claim could not be renewed in time; the run stops before another holder begins.
    #[serde(rename = "lease.lost")]
    LeaseLost {
        job: &'static str,
        since_renewal_ms: u64,
        #[serde(flatten, serialize_with = "optional_error_fields")]
        fault: Option<Fault>,
    },

    /// A statement became slow.
    #[serde(rename = "slow_query.opened")]
    SlowQueryOpened(SlowQuery),

    /// A statement is still slow: a reminder, ever rarer.
    #[serde(rename = "slow_query.continuing")]
    SlowQueryContinuing(SlowQuery),

    /// A statement is no longer slow.
    #[serde(rename = "slow_query.resolved")]
    SlowQueryResolved(SlowQuery),

    /// More changes than `max_lines` in one poll.
    #[serde(rename = "slow_query.suppressed")]
    SlowQuerySuppressed { suppressed: u64, max_lines: u32 },

    /// An interval was not seen whole.
    #[serde(rename = "slow_query.coverage")]
    SlowQueryCoverage(Coverage),

    /// One line per job, asked for by SIGUSR1.
    #[serde(rename = "status.reported")]
    StatusReported {
        job: &'static str,
        state: JobState,
        last_outcome: Option<Verdict>,
        last_run_at: Option<DateTime<Utc>>,
        running_ms: Option<u64>,
        next_run_at: Option<DateTime<Utc>>,
    },

    /// A person paused a job.
    #[serde(rename = "job.paused")]
    JobPaused { job: &'static str, by: Option<String> },

    /// A person resumed a job.
    #[serde(rename = "job.resumed")]
    JobResumed { job: &'static str, by: Option<String> },

    /// A person asked for a run now.
    #[serde(rename = "job.triggered")]
    JobTriggered { job: &'static str, by: Option<String> },

    /// The log file cannot be written. Said once, on standard error; each next line tries again.
    #[serde(rename = "log.write_failed")]
    LogWriteFailed {
        path: String,
        #[serde(flatten, serialize_with = "error_fields")]
        fault: Fault,
    },

    /// The log file can be written again; `lines_lost` are on standard error only.
    #[serde(rename = "log.write_recovered")]
    LogWriteRecovered { path: String, lines_lost: u64 },

    /// Old log files could not be removed. Said once per new file.
    #[serde(rename = "log.prune_failed")]
    LogPruneFailed {
        #[serde(flatten, serialize_with = "error_fields")]
        fault: Fault,
    },

    /// A remark in passing: by another crate, or a detail of our own for debugging. Only the
    /// sentence is kept, its fields could hold anything.
    #[serde(rename = "library.message")]
    LibraryMessage {
        /// The module that made it, `sqlx_core::pool`.
        target: String,
        #[serde(skip)]
        level: tracing::Level,
        #[serde(skip)]
        message: String,
    },
}

impl Event {
    /// The event's fields and its sentence, as the JSON object that travels in the one field of
    /// our tracing events. An object, not tracing's own fields, because those know no arrays and
    /// cannot be chosen at run time.
    pub(super) fn payload(&self) -> String {
        serde_json::Value::Object(self.fields()).to_string()
    }

    /// The event's fields, `msg` and `event` among them.
    pub(super) fn fields(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut fields = serde_json::Map::new();
        fields.insert("msg".into(), self.msg().into());
        if let Ok(serde_json::Value::Object(own)) = serde_json::to_value(self) {
            fields.extend(own.into_iter().filter(|(_, value)| !value.is_null()));
        }
        fields
    }
}
