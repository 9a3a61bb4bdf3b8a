//! What is slow, and how long what is remembered counts.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::delta::{Counter, Delta};
use super::redact::Class;
use super::state::Open;
use crate::config::checked;
use crate::telemetry::SlowReason;

/// An open statement is fast again below this share of the threshold: 4 of 5. One that hovers
/// about the threshold would otherwise open and resolve with each poll.
const FAST_SHARE: (u64, u64) = (4, 5);
/// Reminders double their distance this often: from 1 hour to 32.
const DOUBLINGS_MAX: u32 = 5;
/// A baseline is used up to this age, whatever the schedule says: a `CronJob` may have its own.
const STALE_AFTER_MIN: Duration = Duration::from_hours(1);
/// Otherwise up to this many intervals of the schedule.
const STALE_INTERVALS: u32 = 3;

/// What is slow.
#[derive(Debug, Clone)]
pub struct Policy(pub checked::SlowQueries);

impl Policy {
    /// The age up to which a baseline is used.
    #[must_use]
    pub fn stale_after(&self, now: DateTime<Utc>) -> Duration {
        let checked::Schedule { cron, timezone, .. } = &self.0.schedule;
        let first = cron.next_after(now, *timezone);
        let second = first.and_then(|first| cron.next_after(first, *timezone));
        let interval = first.zip(second).and_then(|(first, second)| (second - first).to_std().ok());
        interval.unwrap_or_default().saturating_mul(STALE_INTERVALS).max(STALE_AFTER_MIN)
    }

    /// Whether a statement of this class was slow, and by what.
    #[must_use]
    pub fn slowness(&self, delta: &Delta, class: Class) -> Option<SlowReason> {
        let calls = delta.sums[Counter::Calls];
        if class == Class::Own {
            None
        } else if calls >= self.0.min_calls && delta.mean_us() >= self.threshold_us(class) {
            Some(SlowReason::Mean)
        } else if delta.max_is_new && delta.max_us >= micros(self.0.slow_max) {
            Some(SlowReason::NewMax)
        } else {
            None
        }
    }

    /// Whether an open statement is fast again.
    #[must_use]
    pub fn is_fast(&self, delta: &Delta, class: Class) -> bool {
        let (share, of) = FAST_SHARE;
        delta.mean_us() < self.threshold_us(class) / of * share
    }

    /// Commands (VACUUM, COPY, CREATE INDEX) are meant to take a while: one is slow where a single
    /// call of another statement would be.
    fn threshold_us(&self, class: Class) -> u64 {
        micros(if class == Class::Utility { self.0.slow_max } else { self.0.slow_mean })
    }

    /// Whether an open statement is to be mentioned again.
    #[must_use]
    pub fn is_reminder_due(&self, open: &Open, now: DateTime<Utc>) -> bool {
        let wait = self.0.remind_after.saturating_mul(1 << open.reminders.min(DOUBLINGS_MAX));
        has_passed(wait, open.told_at, now)
    }

    /// Whether an open statement that is no longer called counts as resolved.
    #[must_use]
    pub fn is_forgotten(&self, open: &Open, now: DateTime<Utc>) -> bool {
        has_passed(self.0.remind_after, open.slow_at, now)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn has_passed(wait: Duration, since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (now - since).to_std().is_ok_and(|passed| passed >= wait)
}
