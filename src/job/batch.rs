//! The one batch loop: every job that works through many rows does it here.
//!
//! Between two batches it looks whether to stop, whether a limit is reached, whether it is time to
//! say how far it is, and keeps the [`pace`](super::pace): it sizes the next batch, rests, and waits
//! while the server shows that it has enough to bear.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use super::Context;
use super::end::End;
pub use super::end::Ended;
pub use super::pace::{Measured, Pacing, Portion};
use super::pace::{Pacer, Waits};
use super::progress::Progress;
use crate::config::checked::Allowance;
use crate::pg::blockers;
use crate::pg::fault::Fault;
use crate::pg::session::Session;
use crate::time::clock;

/// What bounds the loop, and what it is called in the log.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The object worked on, as SQL names it.
    pub object: String,
    /// How large batches are, and how they follow each other.
    pub pacing: Pacing,
    /// Rows in all at most; absent: no limit.
    pub max_rows: Option<u64>,
    /// How long in all, and in which hours.
    pub allowance: Allowance,
    /// Rows expected in all, where known.
    pub expected: Option<u64>,
}

/// Where batches come from.
pub trait Batches: Send {
    /// Commits the next batch of at most this and returns what it was. `None`: there is nothing left
    /// to do. After a fault it may be called again, with a smaller portion.
    fn next(
        &mut self,
        session: &mut Session,
        portion: Portion,
    ) -> impl Future<Output = Result<Option<Measured>, Fault>> + Send;
}

/// What the loop did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Rows over all batches.
    pub rows: u64,
    /// Batches committed.
    pub batches: u64,
    /// Rows per second over the whole time.
    pub rows_per_s: u64,
    /// Why it ended.
    pub ended: Ended,
    /// How long it waited at which signs.
    pub waits: Waits,
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
    let started = clock::monotonic();
    let result = all(cx, limits, batches).await;
    cx.spend(&limits.object, started.elapsed());
    result
}

async fn all(
    cx: &mut Context<'_>,
    limits: &Limits,
    batches: &mut impl Batches,
) -> Result<Totals, Fault> {
    let mut count = Count::default();
    let expected = limits.expected.map(|rows| rows.min(limits.max_rows.unwrap_or(rows)));
    let mut progress = Progress::new(&limits.object, expected);
    let end = cx.end(&limits.object, &limits.allowance);
    let mut pacer = Pacer::new(&limits.object, &limits.pacing);
    let ended = loop {
        let room = limits.max_rows.map_or(u64::MAX, |max| max.saturating_sub(count.rows));
        if room == 0 {
            break Ended::AtLimit;
        }
        if cx.stop.is_cancelled() {
            break Ended::Stopped;
        }
        if let Some(end) = end.filter(End::is_reached) {
            break end.why;
        }
        let until = end.map(|end| end.at);
        if !pacer.wait(cx, until).await.map_err(|fault| count.in_message(fault))? {
            continue;
        }
        let portion = pacer.portion(room);
        let begun = clock::monotonic();
        match watched(cx.session, batches, portion, limits.pacing.law.target).await {
            Ok(Some(batch)) => {
                pacer.learn(batch, begun.elapsed());
                count.add(batch.rows);
            }
            Ok(None) => break Ended::Done,
            Err(fault) if pacer.may_try_smaller(portion, &fault) => {}
            Err(fault) => return Err(count.in_message(fault)),
        }
        progress.tell(count.rows, count.batches);
    };
    let Count { rows, batches } = count;
    let rows_per_s = progress.per_s(rows);
    Ok(Totals { rows, batches, rows_per_s, ended, waits: pacer.waits })
}

/// One batch. If it takes longer than it should, a second connection looks whether anybody waits for
/// it; that, and a try that failed for a lock, shows in what is returned.
async fn watched(
    session: &mut Session,
    batches: &mut impl Batches,
    portion: Portion,
    target: Option<Duration>,
) -> Result<Option<Measured>, Fault> {
    let (setbacks, watch) = (session.setbacks(), session.watch());
    let mut is_waited_for = false;
    let result = {
        let mut next = pin!(batches.next(session, portion));
        tokio::select! {
            result = &mut next => result,
            waiting = async {
                match target {
                    Some(target) => tokio::time::sleep(target).await,
                    None => std::future::pending().await,
                }
                blockers::is_waited_for(&watch).await
            } => {
                is_waited_for = waiting;
                next.await
            }
        }
    };
    let is_hurt = is_waited_for || session.setbacks() > setbacks;
    result.map(|batch| batch.map(|batch| Measured { hurt: batch.hurt || is_hurt, ..batch }))
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

    fn in_message(self, mut fault: Fault) -> Fault {
        if self.batches > 0 {
            let Self { rows, batches } = self;
            let before = format!("; {rows} rows in {batches} batches were committed before");
            fault.message.push_str(&before);
        }
        fault
    }
}
