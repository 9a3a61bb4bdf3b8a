//! An event as one sentence that reads alone.

use std::fmt::{self, Write as _};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use super::event::Event;
use super::run::RunFinished;
use super::slow_query::{Coverage, CoverageGap, SlowQuery, SlowReason};
use crate::job::Verdict;
use crate::time::duration;

impl Event {
    /// The sentence. One line, no secrets, no row contents.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table: one sentence per event")]
    pub fn msg(&self) -> String {
        match self {
            Self::DaemonStarted { jobs, .. } => {
                format!("pgtend {} started, jobs: {}", env!("CARGO_PKG_VERSION"), list(jobs))
            }
            Self::DaemonReady { next_run_at, .. } => format!("ready{}", next(*next_run_at)),
            Self::DaemonStopping { signal, running, drain_timeout_ms } => match running.len() {
                0 => format!("{signal}: stopping, nothing is running"),
                _ => format!(
                    "{signal}: stopping, waiting up to {} for {}",
                    Millis(*drain_timeout_ms),
                    list(running)
                ),
            },
            Self::DaemonStopped { exit_code, fault: None, .. } => {
                format!("stopped, exit code {exit_code}")
            }
            Self::DaemonStopped { exit_code, fault: Some(fault), .. } => {
                format!("stopped, exit code {exit_code}: {fault}")
            }
            Self::DaemonPanicked { location, fault, .. } => {
                format!("bug in pgtend at {location}: {}", fault.message)
            }
            Self::ConfigReloaded { changed, restart_needed } => reloaded(changed, restart_needed),
            Self::ConfigRejected { fault, .. } => {
                format!("the configuration in force stays: {fault}")
            }
            Self::DatabaseConnected { database, address, user, server_version, outage_ms } => {
                let outage = outage_ms.map(|ms| format!(" again after {}", Millis(ms)));
                format!(
                    "connected{} to database {database} at {address} as {user}, PostgreSQL \
                     {server_version}",
                    outage.unwrap_or_default()
                )
            }
            Self::DatabaseUnreachable { address, next_try_ms, fault, .. } => {
                format!("no connection to {address}, next try in {}: {fault}", Millis(*next_try_ms))
            }
            Self::DatabaseStandby { address, next_try_ms } => format!(
                "{address} is a standby, asking again in {}; nothing runs until it is a primary",
                Millis(*next_try_ms)
            ),
            Self::ClockOffset { offset_ms, .. } => format!(
                "this host's clock is {} {} the server's, which decides",
                Millis(offset_ms.unsigned_abs()),
                if *offset_ms < 0 { "behind" } else { "ahead of" }
            ),
            Self::SchemaMigrated { schema, from_version: None, to_version, .. } => {
                format!("created schema {schema} at version {to_version}")
            }
            Self::SchemaMigrated { schema, from_version: Some(from), to_version, .. } => {
                format!("upgraded schema {schema} from version {from} to {to_version}")
            }
            Self::RunStarted { job, lag_ms, .. } => {
                format!("{job} started {} after it was due", Millis(*lag_ms))
            }
            Self::RunFinished(run) => finished(run),
            Self::RunSkipped { job, slot, reason, .. } => {
                format!("{job} not run for {}: {}", instant(*slot), why_skipped(*reason))
            }
            Self::RunMissed { job, slots, first_slot, last_slot, catchup } => format!(
                "{job} missed {slots} slots from {} to {}, not made up (catchup = {catchup})",
                instant(*first_slot),
                instant(*last_slot)
            ),
            Self::RunRetried { job, next_attempt, max_attempts, next_attempt_in_ms, fault } => {
                format!(
                    "{job} is tried again in {} (attempt {next_attempt} of {max_attempts}): {fault}",
                    Millis(*next_attempt_in_ms)
                )
            }
            Self::RunWarned { job, warning } => format!("{job}: {warning}"),
            Self::HistoryWriteFailed { job, fault } => {
                format!("the outcome of {job} is not in the history yet: {fault}")
            }
            Self::ActionDone { kind, object, rows, duration_ms, wal, note, .. } => {
                let wal = wal.map(|wal| format!(", {wal}")).unwrap_or_default();
                let rows = rows.map(|rows| format!(", {rows} rows")).unwrap_or_default();
                let note = note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
                format!("{kind} {object} done in {}{rows}{wal}{note}", Millis(*duration_ms))
            }
            Self::ActionFailed { kind, object, fault, .. } => {
                format!("{kind} {object} failed: {fault}")
            }
            Self::TableRefused { object, fault } => format!("{object} is refused: {fault}"),
            Self::LockWaited { doing, object, tries, lock_wait_ms, blockers } => {
                let mut msg = format!(
                    "{doing} {object}: the lock was had at try {tries}, after {}",
                    Millis(*lock_wait_ms)
                );
                for blocker in blockers {
                    let _ = write!(msg, "; held by {blocker}");
                }
                msg
            }
            Self::BatchProgress { object, rows, rows_total, rows_per_s, left_s, .. } => {
                let total = rows_total.map(|total| format!(" of about {total}"));
                let mut msg = format!("{object}: {rows}{} rows", total.unwrap_or_default());
                if rows_per_s.is_finite() {
                    let _ = write!(msg, ", {rows_per_s:.0} per second");
                }
                if let Some(left) = left_s {
                    let left = duration::format(Duration::from_secs(*left));
                    let _ = write!(msg, ", about {left} left");
                }
                msg
            }
            Self::BatchThrottled { object, because, .. } => format!("{object} waits: {because}"),
            Self::BatchResumed { object, cause, waited_ms } => {
                format!("{object} goes on after {} of {cause}", Millis(*waited_ms))
            }
            Self::LeaseLost { job, since_renewal_ms, .. } => format!(
                "{job} lost its claim, last renewed {} ago; it stops here",
                Millis(*since_renewal_ms)
            ),
            Self::SlowQueryOpened(query) => format!("slow: {}", slow(query)),
            Self::SlowQueryContinuing(query) => {
                format!("slow since {}: {}", instant(query.opened_at), slow(query))
            }
            Self::SlowQueryResolved(query) => {
                format!("no longer slow (since {}): {}", instant(query.opened_at), slow(query))
            }
            Self::SlowQuerySuppressed { suppressed, max_lines } => format!(
                "{suppressed} more statements changed, beyond the {max_lines} lines per poll"
            ),
            Self::SlowQueryCoverage(coverage) => coverage_changed(coverage),
            Self::StatusReported { job, state, last_outcome, last_run_at, next_run_at, .. } => {
                let mut msg = format!("{job} is {state}");
                if let (Some(outcome), Some(at)) = (last_outcome, last_run_at) {
                    let _ = write!(msg, ", last run {} at {}", outcome.as_str(), instant(*at));
                }
                msg + &next(*next_run_at)
            }
            Self::JobPaused { job, by } => format!("{job} paused{}", by_whom(by.as_deref())),
            Self::JobResumed { job, by } => format!("{job} resumed{}", by_whom(by.as_deref())),
            Self::JobTriggered { job, by } => format!("{job} triggered{}", by_whom(by.as_deref())),
            Self::LogWriteFailed { fault, .. } => {
                format!("{fault}; lines go to standard error only, each one tries the file again")
            }
            Self::LogWriteRecovered { path, lines_lost } => {
                format!("log file {path} is written again, {lines_lost} lines are missing in it")
            }
            Self::LogPruneFailed { fault } => fault.to_string(),
            Self::LibraryMessage { message, .. } => message.clone(),
        }
    }
}

fn finished(run: &RunFinished) -> String {
    let verdict = match run.outcome {
        Verdict::Succeeded if run.actions_done == 0 => "found nothing to do",
        Verdict::Succeeded => "succeeded",
        Verdict::Partial => "partly failed",
        Verdict::Failed => "failed",
        Verdict::Cancelled => "was cancelled",
        Verdict::TimedOut => "timed out",
        Verdict::Abandoned => "was abandoned",
        Verdict::SkippedOverlap | Verdict::SkippedLate | Verdict::SkippedPaused => "was skipped",
    };
    let mut msg = format!("{} {verdict} after {}", run.job, Millis(run.duration_ms));
    let counts = [
        (run.actions_done, "done"),
        (run.actions_failed, "failed"),
        (run.rows, "rows"),
        (run.spared, "left alone"),
    ];
    let mut separator = ": ";
    for (count, what) in counts.into_iter().filter(|&(count, _)| count > 0) {
        let _ = write!(msg, "{separator}{count} {what}");
        separator = ", ";
    }
    msg += &next(run.next_run_at);
    if let Some(fault) = &run.fault {
        let _ = write!(msg, "; {fault}");
    }
    msg
}

/// A duration a person reads: `350 ms`, `1.2 s`, `2 min 5 s`, `3 h 4 min`.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        match self.0 {
            0..1_000 => write!(f, "{} ms", self.0),
            1_000..60_000 => write!(f, "{seconds}.{} s", self.0 % 1000 / 100),
            60_000..3_600_000 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            _ => write!(f, "{} h {} min", seconds / 3600, seconds % 3600 / 60),
        }
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn next(at: Option<DateTime<Utc>>) -> String {
    at.map(|at| format!(", next run {}", instant(at))).unwrap_or_default()
}

fn list(words: &[&str]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn by_whom(by: Option<&str>) -> String {
    by.map(|by| format!(" by {by}")).unwrap_or_default()
}

fn why_skipped(reason: Verdict) -> &'static str {
    match reason {
        Verdict::SkippedOverlap => "the run before is still going",
        Verdict::SkippedLate => "too late for start_deadline",
        Verdict::SkippedPaused => "the job is paused",
        other => other.as_str(),
    }
}

fn reloaded(changed: &[String], restart_needed: &[String]) -> String {
    let mut msg = match changed.len() {
        0 => "configuration read again, nothing changed".to_owned(),
        _ => format!("configuration reloaded: {}", changed.join(", ")),
    };
    if !restart_needed.is_empty() {
        let _ = write!(msg, "; only after a restart: {}", restart_needed.join(", "));
    }
    msg
}

fn slow(query: &SlowQuery) -> String {
    let SlowQuery { calls, mean_ms, max_ms, interval_s, database, user, query: text, .. } = query;
    if *calls == 0 {
        return format!("not called any more by {user} in {database}: {text}");
    }
    let what = match query.reason {
        SlowReason::Mean => "",
        SlowReason::NewMax => ", a new maximum",
    };
    format!(
        "mean {mean_ms:.1} ms, max {max_ms:.1} ms{what}, {calls} calls in {interval_s:.0} s by \
         {user} in {database}: {text}"
    )
}

fn coverage_changed(coverage: &Coverage) -> String {
    let Coverage { gaps, entries_max, entries_gone, hidden, .. } = coverage;
    let reasons: Vec<String> = gaps
        .iter()
        .map(|gap| match gap {
            CoverageGap::Evictions => format!(
                "{entries_gone} statements were thrown out (raise pg_stat_statements.max, now \
                 {entries_max})"
            ),
            CoverageGap::Hidden => {
                format!("{hidden} statements are hidden (GRANT pg_read_all_stats to this role)")
            }
            CoverageGap::Off => "nothing is recorded (set compute_query_id = auto)".to_owned(),
        })
        .collect();
    match reasons.len() {
        0 => "slow statements are all seen again".to_owned(),
        _ => format!("slow statements may be missed: {}", reasons.join("; ")),
    }
}
