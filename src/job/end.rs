//! When the work on one object has to end, whatever is left of it, and why it ended.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::Context;
use crate::config::checked::Allowance;
use crate::time::{clock, duration};

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing was left to do.
    Done,
    /// `max_rows` was reached.
    AtLimit,
    /// `max_duration` was reached.
    OutOfTime,
    /// Its hours have ended.
    AfterHours,
    /// A stop was asked for.
    Stopped,
}

impl Ended {
    /// `at max_duration = 20m`: what a time limit of this allowance ended.
    #[must_use]
    pub fn words(self, allowance: &Allowance) -> String {
        let hours = allowance.hours.filter(|_| self == Self::AfterHours);
        let length = allowance.max_duration.filter(|_| self == Self::OutOfTime);
        match (hours, length) {
            (Some((hours, tz)), _) => format!("as its hours are over, {hours} in {tz}"),
            (_, Some(max)) => format!("at max_duration = {}", duration::format(max)),
            _ => "before its end".to_owned(),
        }
    }
}

/// A moment of the monotonic clock, and what ends there.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// When.
    pub at: Instant,
    /// What.
    pub why: Ended,
}

impl End {
    /// It is now, or was before.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        clock::monotonic() >= self.at
    }
}

impl Context<'_> {
    /// The server's time, as far as we have followed it since the run began.
    #[must_use]
    pub fn moment(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.started.elapsed()).unwrap_or(TimeDelta::MAX);
        self.now.checked_add_signed(elapsed).unwrap_or(self.now)
    }

    /// When the work on this object has to end; `None`: when it is done.
    #[must_use]
    pub fn end(&self, object: &str, allowance: &Allowance) -> Option<End> {
        let spent = self.spent.get(object).copied().unwrap_or_default();
        let (left, why) = left(allowance, spent, self.moment())?;
        Some(End { at: clock::monotonic() + left, why })
    }

    /// Notes that so much of the time that a run has for this object is spent.
    pub fn spend(&mut self, object: &str, took: Duration) {
        *self.spent.entry(object.to_owned()).or_default() += took;
    }
}

/// How much of the time is left, and by which of both limits.
fn left(
    allowance: &Allowance,
    spent: Duration,
    moment: DateTime<Utc>,
) -> Option<(Duration, Ended)> {
    let length = allowance.max_duration.map(|max| (max.saturating_sub(spent), Ended::OutOfTime));
    let hours = allowance.hours.map(|_| {
        let open = allowance.open_until(moment).and_then(|until| (until - moment).to_std().ok());
        (open.unwrap_or_default(), Ended::AfterHours)
    });
    length.into_iter().chain(hours).min_by_key(|(left, _)| *left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_of_both_limits_ends_it() {
        let minutes = Duration::from_mins;
        let hours = Some(("22:00-06:00".parse().unwrap(), chrono_tz::UTC));
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let all = Allowance { max_duration: Some(minutes(20)), hours };
        for (allowance, spent, moment, expected) in [
            (Allowance::default(), 30, "2026-06-10T12:00:00Z", None),
            (
                Allowance { hours: None, ..all },
                0,
                "2026-06-10T12:00:00Z",
                Some((20, Ended::OutOfTime)),
            ),
            (all, 5, "2026-06-10T23:00:00Z", Some((15, Ended::OutOfTime))),
            (all, 30, "2026-06-10T23:00:00Z", Some((0, Ended::OutOfTime))),
            (all, 0, "2026-06-11T05:50:00Z", Some((10, Ended::AfterHours))),
            (all, 0, "2026-06-11T06:00:00Z", Some((0, Ended::AfterHours))),
            (
                Allowance { max_duration: None, ..all },
                99,
                "2026-06-10T22:00:00Z",
                Some((480, Ended::AfterHours)),
            ),
        ] {
            let expected = expected.map(|(left, why)| (minutes(left), why));
            assert_eq!(left(&allowance, minutes(spent), at(moment)), expected, "{moment} {spent}");
        }
    }
}
