//! How hard an action presses the server: how large its batches are, how long it rests between them,
//! and at which signs it waits.
//!
//! ```text
//!   batch ─▶ how long did it take, did locks stand in its way ─▶ size of the next   (size)
//!     ▲                                                    │
//!     │                        rest: the duty cycle ◀──────┘
//!     │                                 │
//!     └── nothing ◀── what does the server show? (throttle) ── a limit is passed: wait, look again
//! ```
//!
//! `size` and `throttle` decide and are pure; here it is looked, waited and told.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Context;
use crate::config::checked::{Limits, Pace};
use crate::pg::catalog::pressure;
use crate::pg::fault::{Fault, Kind};
use crate::telemetry::{self, Event};
use crate::time::clock;

mod size;
#[cfg(test)]
mod tests;
mod throttle;

pub use size::{Law, Measured, Portion, Sizer};
pub use throttle::{Brake, Cause, blind_spots};

/// What an action's batches are paced by.
#[derive(Debug, Clone)]
pub struct Pacing {
    /// How large they are.
    pub law: Law,
    /// The share of the time in which a batch runs, above 0, up to 1.
    pub duty: f64,
    /// At which signs they wait.
    pub limits: Limits,
}

/// Gentle: a batch takes about this long. See docs/jobs/archive.md for what was measured.
const GENTLE_BATCH: Duration = Duration::from_millis(25);
/// Gentle: a batch runs in this share of the time: the most rows for which the p99 of an application
/// beside it stays below three times that without (measured on 18).
const GENTLE_DUTY: f64 = 0.7;
/// Gentle: the rows of the first batch. Each batch costs the server some 2.5 ms whatever it holds, so the
/// rows of one day out of a million are better moved in one: it takes no longer than two or three of the
/// time that is aimed at.
pub const GENTLE_ROWS_FIRST: u64 = 3_000;
/// Full: whoever waits for a row of a batch waits for this long at most, more or less.
const FULL_BATCH: Duration = Duration::from_millis(250);
/// A batch writes twice this to the WAL, which must go to disk before it is committed.
const BATCH_BYTES_MAX: u64 = 16 << 20;
/// The longest rest, after a batch that was held up.
const REST_MAX: Duration = Duration::from_secs(2);

impl Pacing {
    /// At this pace, with so many rows per batch at most.
    #[must_use]
    pub fn of(pace: Pace, rows_max: u64, limits: Limits) -> Self {
        let (target, duty, rows_first) = match pace {
            Pace::Gentle => (GENTLE_BATCH, GENTLE_DUTY, GENTLE_ROWS_FIRST),
            Pace::Full => (FULL_BATCH, 1.0, rows_max),
        };
        let target = Some(target);
        Self { law: Law { target, rows_first, rows_max, bytes_max: BATCH_BYTES_MAX }, duty, limits }
    }

    /// Batches of always so many rows, one right after the other, whatever the server shows.
    #[must_use]
    pub fn fixed(rows: u64) -> Self {
        let law = Law { target: None, rows_first: rows, rows_max: rows, bytes_max: u64::MAX };
        Self { law, duty: 1.0, limits: Limits::default() }
    }

    /// One batch follows right behind the other.
    #[must_use]
    pub fn is_without_rest(&self) -> bool {
        self.duty >= 1.0
    }

    fn rest(&self, took: Duration) -> Duration {
        took.mul_f64((1.0 / self.duty - 1.0).max(0.0)).min(REST_MAX)
    }
}

/// How long an action has waited at which signs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waits(BTreeMap<&'static str, Duration>);

impl Waits {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.0.values().sum()
    }

    fn add(&mut self, word: &'static str, waited: Duration) {
        *self.0.entry(word).or_default() += waited;
    }
}

/// `12.3 s for replica_wal, 0.5 s for slot_wal`
impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (word, waited)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{:.1} s for {word}", waited.as_secs_f64())?;
        }
        Ok(())
    }
}

/// The pace of one action.
pub(super) struct Pacer<'a> {
    object: &'a str,
    pacing: &'a Pacing,
    sizer: Sizer,
    brake: Brake,
    started: Instant,
    /// How long to rest before the next batch.
    rest: Duration,
    told: BTreeMap<&'static str, Instant>,
    /// How long it has waited, and for what.
    pub(super) waits: Waits,
}

/// The first pause before the server is looked at again, and the longest; each is longer by half.
const AGAIN_FIRST: Duration = Duration::from_millis(200);
const AGAIN_MAX: Duration = Duration::from_secs(5);
/// One cause is told at most this often for one object.
const TELL_EVERY: Duration = Duration::from_mins(1);

impl<'a> Pacer<'a> {
    pub(super) fn new(object: &'a str, pacing: &'a Pacing) -> Self {
        Self {
            object,
            pacing,
            sizer: Sizer::new(pacing.law),
            brake: Brake::new(pacing.limits.clone()),
            started: clock::monotonic(),
            rest: Duration::ZERO,
            told: BTreeMap::new(),
            waits: Waits::default(),
        }
    }

    /// What the next batch may hold.
    pub(super) fn portion(&self, room: u64) -> Portion {
        let portion = self.sizer.portion();
        Portion { rows: portion.rows.min(room), ..portion }
    }

    /// Learns from a batch.
    pub(super) fn learn(&mut self, batch: Measured, took: Duration) {
        self.sizer.learn(batch, took);
        self.rest = self.pacing.rest(took);
    }

    /// Whether it is worth to try a smaller batch after this fault; it is made smaller.
    pub(super) fn may_try_smaller(&mut self, allowed: Portion, fault: &Fault) -> bool {
        if fault.kind != Kind::TimedOut {
            return false;
        }
        self.sizer.shrink();
        self.rest = REST_MAX;
        self.sizer.may_shrink(allowed)
    }

    /// Rests, and waits while a limit is passed. False: a stop was asked for, or that moment has come.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub(super) async fn wait(
        &mut self,
        cx: &mut Context<'_>,
        until: Option<Instant>,
    ) -> Result<bool, Fault> {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_zero() && !pause(cx.stop, rest, until).await {
            return Ok(false);
        }
        let Some(mut cause) = self.look(cx).await? else { return Ok(true) };
        let (begun, mut again, mut is_told) = (clock::monotonic(), AGAIN_FIRST, false);
        loop {
            is_told |= self.tell(&cause);
            let paused = clock::monotonic();
            let goes_on = pause(cx.stop, again.mul_f64(0.8 + 0.4 * fastrand::f64()), until).await;
            let next = if goes_on { self.look(cx).await? } else { None };
            self.waits.add(cause.word(), paused.elapsed());
            again = again.mul_f64(1.5).min(AGAIN_MAX);
            if let Some(next) = next {
                cause = next;
                continue;
            }
            if goes_on && is_told {
                let (object, waited_ms) = (self.object.to_owned(), clock::millis_since(begun));
                telemetry::emit(Event::BatchResumed { object, cause: cause.word(), waited_ms });
            }
            return Ok(goes_on);
        }
    }

    async fn look(&mut self, cx: &mut Context<'_>) -> Result<Option<Cause>, Fault> {
        let Some(wants) = self.brake.wants() else { return Ok(None) };
        let reader = cx.session.reader();
        let seen = pressure::look(reader.conn, reader.server.version, wants).await?;
        Ok(self.brake.judge(&seen, self.started.elapsed()))
    }

    fn tell(&mut self, cause: &Cause) -> bool {
        let now = clock::monotonic();
        let is_due =
            self.told.get(cause.word()).is_none_or(|at| now.duration_since(*at) >= TELL_EVERY);
        if is_due {
            self.told.insert(cause.word(), now);
            telemetry::emit(Event::BatchThrottled {
                object: self.object.to_owned(),
                cause: cause.word(),
                because: cause.to_string(),
            });
        }
        is_due
    }
}

/// False where a stop was asked for meanwhile, or that moment has come.
async fn pause(stop: &CancellationToken, length: Duration, until: Option<Instant>) -> bool {
    let left = until.map(|until| until.saturating_duration_since(clock::monotonic()));
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(left.map_or(length, |left| length.min(left))) => {
            until.is_none_or(|until| clock::monotonic() < until)
        }
    }
}
