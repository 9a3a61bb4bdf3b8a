//! The one batch loop: every job that works through many rows does it here.
//!
//! Between two batches it looks whether to stop, whether a limit is reached, and whether it is time
//! to say how far it is.

use std::future::Future;
use std::time::{Duration, Instant};

use super::Context;
use crate::pg::fault::Fault;
use crate::pg::session::Session;
use crate::telemetry::{self, Event};
use crate::time::clock;

/// Progress is logged at most this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// What bounds the loop, and what it is called in the log.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The object worked on, as SQL names it.
    pub object: String,
    /// Rows per batch at most, 1 or more.
    pub batch_rows: u32,
    /// Rows in all at most; absent: no limit.
    pub max_rows: Option<u64>,
    /// Rows expected in all, where known.
    pub expected: Option<u64>,
}

/// Where batches come from.
pub trait Batches: Send {
    /// Commits the next batch of at most so many rows and returns how many it had. `None`: there is
    /// nothing left to do.
    fn next(
        &mut self,
        session: &mut Session,
        rows_max: u64,
    ) -> impl Future<Output = Result<Option<u64>, Fault>> + Send;
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing was left to do.
    Done,
    /// `max_rows` was reached.
    AtLimit,
    /// A stop was asked for.
    Stopped,
}

/// What the loop did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Rows over all batches.
    pub rows: u64,
    /// Batches committed.
    pub batches: u64,
    /// Rows per second over the whole time.
    pub rows_per_s: u64,
    /// Why it ended.
    pub ended: Ended,
}

/// Runs batches until nothing is left, a limit is reached or a stop is asked for.
///
/// # Errors
/// The fault of the batch that failed, with what was committed before it in its message.
pub async fn run(
    cx: &mut Context<'_>,
    limits: &Limits,
    batches: &mut impl Batches,
) -> Result<Totals, Fault> {
    let mut count = Count::default();
    let started = clock::monotonic();
    let mut reported = started;
    let ended = loop {
        let room = limits.max_rows.map_or(u64::MAX, |max| max.saturating_sub(count.rows));
        if room == 0 {
            break Ended::AtLimit;
        }
        if cx.stop.is_cancelled() {
            break Ended::Stopped;
        }
        match batches.next(cx.session, room.min(limits.batch_rows.into())).await {
            Ok(Some(rows)) => count.add(rows),
            Ok(None) => break Ended::Done,
            Err(fault) => return Err(count.in_message(fault)),
        }
        if clock::monotonic().saturating_duration_since(reported) >= PROGRESS_EVERY {
            reported = clock::monotonic();
            telemetry::emit(progress(limits, count, started));
        }
    };
    let Count { rows, batches } = count;
    Ok(Totals { rows, batches, rows_per_s: count.per_s(started), ended })
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    rows: u64,
    batches: u64,
}

impl Count {
    fn add(&mut self, rows: u64) {
        self.rows += rows;
        self.batches += 1;
    }

    fn per_s(self, started: Instant) -> u64 {
        self.rows.saturating_mul(1000) / clock::millis_since(started).max(1)
    }

    fn in_message(self, mut fault: Fault) -> Fault {
        if self.batches > 0 {
            let Self { rows, batches } = self;
            let before = format!("; {rows} rows in {batches} batches were committed before");
            fault.message.push_str(&before);
        }
        fault
    }
}

fn progress(limits: &Limits, count: Count, started: Instant) -> Event {
    Event::BatchProgress {
        object: limits.object.clone(),
        rows: count.rows,
        rows_total: limits.expected,
        batches: count.batches,
        rows_per_s: f64::from(u32::try_from(count.per_s(started)).unwrap_or(u32::MAX)),
    }
}
