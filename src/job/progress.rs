//! Telling how far a long action is: in the log now and then, on a terminal all the while.

use std::time::{Duration, Instant};

use crate::telemetry::{self, Event};
use crate::time::clock;

/// Progress is logged at most this often.
const LOGGED_EVERY: Duration = Duration::from_secs(10);
/// A terminal shows it at most this often: more nobody can read.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

/// How far an action is.
pub(super) struct Progress {
    object: String,
    expected: Option<u64>,
    started: Instant,
    logged: Instant,
    shown: Instant,
}

impl Progress {
    /// It begins; so many rows are expected, where that is known.
    pub(super) fn new(object: &str, expected: Option<u64>) -> Self {
        let started = clock::monotonic();
        Self { object: object.to_owned(), expected, started, logged: started, shown: started }
    }

    /// Rows per second so far.
    pub(super) fn per_s(&self, rows: u64) -> u64 {
        rows.saturating_mul(1000) / clock::millis_since(self.started).max(1)
    }

    /// Tells it, where it is time to.
    pub(super) fn tell(&mut self, rows: u64, batches: u64) {
        let now = clock::monotonic();
        if now.saturating_duration_since(self.logged) >= LOGGED_EVERY {
            self.logged = now;
            telemetry::emit(self.event(rows, batches));
        }
        if now.saturating_duration_since(self.shown) >= SHOWN_EVERY {
            self.shown = now;
            telemetry::show(&self.event(rows, batches));
        }
    }

    fn event(&self, rows: u64, batches: u64) -> Event {
        let per_s = self.per_s(rows);
        Event::BatchProgress {
            object: self.object.clone(),
            rows,
            rows_total: self.expected,
            batches,
            rows_per_s: f64::from(u32::try_from(per_s).unwrap_or(u32::MAX)),
            left_s: self.expected.and_then(|expected| left_s(expected, rows, per_s)),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        telemetry::clear();
    }
}

/// How long the rest takes at the rate so far; `None`: there is no telling, or no rest.
fn left_s(expected: u64, rows: u64, per_s: u64) -> Option<u64> {
    let left = expected.checked_sub(rows).filter(|&left| left > 0)?;
    (per_s > 0).then(|| left.div_ceil(per_s))
}

#[cfg(test)]
mod tests {
    use super::left_s;

    #[test]
    fn the_rest_is_told_from_the_rate_so_far() {
        assert_eq!(left_s(120_000, 40_000, 4_000), Some(20));
        assert_eq!(left_s(10, 9, 1_000), Some(1), "a second has begun");
        assert_eq!(left_s(10, 9, 0), None);
        assert_eq!(left_s(10, 10, 5), None);
        assert_eq!(left_s(10, 11, 5), None, "more than were expected");
    }
}
