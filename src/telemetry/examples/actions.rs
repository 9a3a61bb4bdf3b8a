//! What actions tell.

use super::{bare_fault, blocker, full_fault};
use crate::pg::wal::Wal;
use crate::telemetry::event::Event;

pub(super) fn all() -> Vec<Event> {
    vec![
        Event::ActionDone {
            kind: "move",
            object: "public.ml_jobs".into(),
            rows: Some(12_000),
            batches: 12,
            duration_ms: 65_000,
            wal: Some(Wal::Ours(11 << 20)),
            note: Some("limit of max_rows reached".into()),
        },
        Event::ActionDone {
            kind: "attach",
            object: "public.events_2025_02".into(),
            rows: None,
            batches: 0,
            duration_ms: 12,
            wal: Some(Wal::Servers(16_384)),
            note: None,
        },
        Event::ActionFailed {
            kind: "attach",
            object: "public.events_2025_02".into(),
            duration_ms: 900,
            fault: full_fault(),
        },
        Event::ActionFailed {
            kind: "move",
            object: "public.ml_jobs".into(),
            duration_ms: 3,
            fault: bare_fault(),
        },
        Event::TableRefused { object: "public.ml_jobs".into(), fault: full_fault() },
        Event::TableRefused { object: "public.ml_jobs".into(), fault: bare_fault() },
        Event::LockWaited {
            doing: "attach partition".into(),
            object: "public.events_2025_02".into(),
            tries: 3,
            lock_wait_ms: 540,
            blockers: vec![blocker()],
        },
        Event::BatchProgress {
            object: "public.ml_jobs".into(),
            rows: 40_000,
            rows_total: Some(120_000),
            batches: 40,
            rows_per_s: 4_000.123_4,
            left_s: Some(20),
        },
        Event::BatchProgress {
            object: "public.ml_jobs".into(),
            rows: 1000,
            rows_total: None,
            batches: 1,
            rows_per_s: f64::INFINITY,
            left_s: None,
        },
        Event::BatchThrottled {
            object: "public.ml_jobs".into(),
            cause: "replica_wal",
            because: "replica replica1 has 300 MiB of WAL to replay, limit 256 MiB".into(),
        },
        Event::BatchResumed {
            object: "public.ml_jobs".into(),
            cause: "replica_wal",
            waited_ms: 12_300,
        },
    ]
}
