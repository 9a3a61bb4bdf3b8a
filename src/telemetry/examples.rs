//! Every event, with all of its fields and with as few as it can have.

use chrono::{DateTime, Utc};

mod actions;

use super::event::Event;
use super::fields::JobState;
use super::run::{RunFields, RunFinished};
use super::slow_query::{Coverage, CoverageGap, SlowQuery, SlowReason};
use crate::job::Verdict;
use crate::pg::fault::{Blocker, Fault, Kind};
use crate::pg::wal::Wal;

/// What must never be in a line: a fault's DETAIL, which can hold a row.
pub(super) const CANARY: &str = "canary-in-the-detail";

pub(super) fn run_fields() -> RunFields {
    RunFields {
        job: "archive",
        run_id: i64::MAX,
        slot: at("2025-01-01T02:30:00Z"),
        trigger: "schedule",
        attempt: 1,
        database: "app".into(),
        address: "db.internal".into(),
    }
}

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// With every part a fault can have.
pub(super) fn full_fault() -> Fault {
    Fault {
        sqlstate: Some("55P03".into()),
        detail: Some(CANARY.into()),
        blockers: vec![blocker()],
        ..Fault::new(
            Kind::LockNotHad,
            "attach partition",
            "canceling statement due to lock timeout",
        )
        .on("public.events_2025_02")
        .with_hint("tried again at the next run")
    }
}

fn bare_fault() -> Fault {
    Fault::new(Kind::Refused, "check table", "it has a referencing foreign key")
}

fn blocker() -> Blocker {
    Blocker {
        pid: 4711,
        application: "psql".into(),
        user: "app".into(),
        state: "idle in transaction".into(),
        age_s: 61,
    }
}

pub(super) fn slow_query() -> SlowQuery {
    SlowQuery {
        reason: SlowReason::NewMax,
        database: "app".into(),
        user: "web".into(),
        queryid: i64::MIN,
        fingerprint: "9f86d081884c7d65".into(),
        toplevel: true,
        query: "SELECT * FROM ml_jobs WHERE status = $1".into(),
        opened_at: at("2025-01-01T02:25:00Z"),
        interval_s: 60.000_4,
        calls: 120,
        mean_ms: 250.123_456,
        total_ms: 30_014.8,
        max_ms: 1_900.0,
        max_is_new: true,
        baseline_mean_ms: Some(12.5),
        share_pct: Some(41.7),
        rows_per_call: 3.0,
        blocks_hit: 90_000,
        blocks_read: 10_000,
        hit_pct: Some(90.0),
        temp_bytes: 8192,
        io_ms: Some(1_200.0),
        wal_bytes: 0,
        plan: Some("Seq Scan on ml_jobs".into()),
        partial: false,
    }
}

fn bare_slow_query() -> SlowQuery {
    SlowQuery {
        reason: SlowReason::Mean,
        baseline_mean_ms: None,
        share_pct: None,
        hit_pct: None,
        io_ms: None,
        plan: None,
        ..slow_query()
    }
}

fn finished(outcome: Verdict, actions_done: u64) -> RunFinished {
    RunFinished {
        job: "archive",
        outcome,
        duration_ms: 1234,
        actions_done,
        actions_failed: 0,
        spared: 2,
        rows: 4000 * actions_done,
        batches: 4 * actions_done,
        wal: None,
        next_run_at: None,
        fault: None,
    }
}

fn runs() -> Vec<Event> {
    vec![
        Event::RunStarted { job: "archive", lag_ms: 12, actions_planned: 2 },
        Event::RunFinished(finished(Verdict::Succeeded, 0)),
        Event::RunFinished(finished(Verdict::Succeeded, 3)),
        Event::RunFinished(RunFinished {
            wal: Some(Wal::Servers(1 << 20)),
            ..finished(Verdict::Cancelled, 1)
        }),
        Event::RunFinished(RunFinished {
            actions_failed: 1,
            wal: Some(Wal::Ours(1 << 20)),
            next_run_at: Some(at("2025-01-02T02:30:00Z")),
            fault: Some(full_fault()),
            ..finished(Verdict::Partial, 3)
        }),
        Event::RunSkipped {
            job: "archive",
            slot: at("2025-01-01T02:30:00Z"),
            reason: Verdict::SkippedOverlap,
            next_run_at: Some(at("2025-01-02T02:30:00Z")),
        },
        Event::RunSkipped {
            job: "archive",
            slot: at("2025-01-01T02:30:00Z"),
            reason: Verdict::SkippedPaused,
            next_run_at: None,
        },
        Event::RunMissed {
            job: "archive",
            slots: 3,
            first_slot: at("2024-12-29T02:30:00Z"),
            last_slot: at("2024-12-31T02:30:00Z"),
            catchup: "latest",
        },
        Event::RunRetried {
            job: "archive",
            next_attempt: 2,
            max_attempts: 3,
            next_attempt_in_ms: 1000,
            fault: full_fault(),
        },
        Event::RunRetried {
            job: "archive",
            next_attempt: 3,
            max_attempts: 3,
            next_attempt_in_ms: 2000,
            fault: bare_fault(),
        },
        Event::RunWarned { job: "archive", warning: "public.old is not there".into() },
        Event::HistoryWriteFailed { job: "archive", fault: full_fault() },
        Event::HistoryWriteFailed { job: "archive", fault: bare_fault() },
        Event::LeaseLost { job: "archive", since_renewal_ms: 45_000, fault: Some(full_fault()) },
        Event::LeaseLost { job: "archive", since_renewal_ms: 45_000, fault: None },
    ]
}

fn seen_whole() -> Coverage {
    Coverage {
        gaps: vec![],
        interval_s: 60.0,
        entries: 4950,
        entries_max: 5000,
        evictions: Some(3),
        entries_gone: 700,
        hidden: 17,
    }
}

fn slow_queries() -> Vec<Event> {
    vec![
        Event::SlowQueryOpened(slow_query()),
        Event::SlowQueryOpened(bare_slow_query()),
        Event::SlowQueryContinuing(slow_query()),
        Event::SlowQueryContinuing(bare_slow_query()),
        Event::SlowQueryResolved(slow_query()),
        Event::SlowQueryResolved(bare_slow_query()),
        Event::SlowQuerySuppressed { suppressed: 12, max_lines: 20 },
        Event::SlowQueryResolved(SlowQuery { calls: 0, ..bare_slow_query() }),
        Event::SlowQueryCoverage(Coverage {
            gaps: vec![CoverageGap::Evictions, CoverageGap::Hidden, CoverageGap::Off],
            ..seen_whole()
        }),
        Event::SlowQueryCoverage(Coverage { evictions: None, ..seen_whole() }),
    ]
}

fn daemon() -> Vec<Event> {
    vec![
        Event::DaemonStarted {
            pid: 1,
            config_file: Some("/etc/pgtend/pgtend.toml".into()),
            jobs: vec!["partitions", "archive"],
        },
        Event::DaemonStarted { pid: 1, config_file: None, jobs: vec![] },
        Event::DaemonReady { startup_ms: 80, next_run_at: Some(at("2025-01-01T02:30:00Z")) },
        Event::DaemonReady { startup_ms: 80, next_run_at: None },
        Event::DaemonStopping {
            signal: "SIGTERM",
            running: vec!["archive"],
            drain_timeout_ms: 30_000,
        },
        Event::DaemonStopping { signal: "SIGINT", running: vec![], drain_timeout_ms: 30_000 },
        Event::DaemonStopped { exit_code: 0, uptime_s: 86_400, fault: None },
        Event::DaemonStopped { exit_code: 75, uptime_s: 5, fault: Some(full_fault()) },
        Event::DaemonPanicked {
            location: "src/job/run.rs:12:5".into(),
            thread: "tokio-runtime-worker".into(),
            fault: full_fault(),
            backtrace: Some("0: pgtend::job::run".into()),
        },
        Event::DaemonPanicked {
            location: "src/job/run.rs:12:5".into(),
            thread: "main".into(),
            fault: bare_fault(),
            backtrace: None,
        },
        Event::ConfigReloaded {
            changed: vec!["archive.schedule".into()],
            restart_needed: vec!["database.url".into()],
        },
        Event::ConfigReloaded { changed: vec![], restart_needed: vec![] },
        Event::ConfigRejected {
            problems: vec!["pgtend.toml:3: unknown key archive.scedule".into()],
            fault: full_fault(),
        },
        Event::ConfigRejected {
            problems: vec![],
            fault: Fault::new(Kind::Configuration, "reload configuration", "1 problem"),
        },
        Event::SchemaMigrated {
            schema: "pgtend".into(),
            from_version: Some(1),
            to_version: 2,
            migrations: 1,
            duration_ms: 40,
        },
        Event::SchemaMigrated {
            schema: "pgtend".into(),
            from_version: None,
            to_version: 2,
            migrations: 2,
            duration_ms: 40,
        },
    ]
}

fn database() -> Vec<Event> {
    vec![
        Event::DatabaseConnected {
            database: "app".into(),
            address: "db.internal".into(),
            user: "pgtend".into(),
            server_version: "18.1".into(),
            outage_ms: Some(7_384_000),
        },
        Event::DatabaseConnected {
            database: "app".into(),
            address: "/run/postgresql".into(),
            user: "pgtend".into(),
            server_version: "13.23".into(),
            outage_ms: None,
        },
        Event::DatabaseUnreachable {
            address: "db.internal".into(),
            tries: 2,
            next_try_ms: 2000,
            fault: full_fault(),
        },
        Event::DatabaseUnreachable {
            address: "db.internal".into(),
            tries: 1,
            next_try_ms: 1000,
            fault: Fault::new(Kind::Unreachable, "connect", "connection refused"),
        },
        Event::DatabaseStandby { address: "db.internal".into(), next_try_ms: 30_000 },
        Event::ClockOffset { offset_ms: -5200, limit_ms: 1000 },
    ]
}

fn operators() -> Vec<Event> {
    vec![
        Event::StatusReported {
            job: "archive",
            state: JobState::Running,
            last_outcome: Some(Verdict::TimedOut),
            last_run_at: Some(at("2024-12-31T02:30:00Z")),
            running_ms: Some(90_000),
            next_run_at: Some(at("2025-01-02T02:30:00Z")),
        },
        Event::StatusReported {
            job: "analyze",
            state: JobState::Paused,
            last_outcome: None,
            last_run_at: None,
            running_ms: None,
            next_run_at: None,
        },
        Event::JobPaused { job: "archive", by: Some("alice".into()) },
        Event::JobPaused { job: "archive", by: None },
        Event::JobResumed { job: "archive", by: Some("alice".into()) },
        Event::JobResumed { job: "archive", by: None },
        Event::JobTriggered { job: "archive", by: Some("alice".into()) },
        Event::JobTriggered { job: "archive", by: None },
        Event::LogWriteFailed { path: "/var/log/pgtend/pgtend.jsonl".into(), fault: full_fault() },
        Event::LogWriteFailed { path: "/var/log/pgtend/pgtend.jsonl".into(), fault: bare_fault() },
        Event::LogWriteRecovered { path: "/var/log/pgtend/pgtend.jsonl".into(), lines_lost: 3 },
        Event::LogPruneFailed { fault: full_fault() },
        Event::LogPruneFailed { fault: bare_fault() },
        Event::LibraryMessage {
            target: "sqlx_core::pool".into(),
            level: tracing::Level::WARN,
            message: "pool timed out".into(),
        },
    ]
}

impl Event {
    /// Every event. A variant missing here is found by comparing names with the source.
    pub(super) fn examples() -> Vec<Self> {
        [daemon(), database(), runs(), actions::all(), slow_queries(), operators()].concat()
    }
}
