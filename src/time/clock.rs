//! The only place that may read a clock.

use std::time::Instant;

use chrono::{DateTime, Utc};

/// For durations and deadlines; never goes back.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The host's wall clock: for log lines only. What is decided is decided by the server's clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn wall() -> DateTime<Utc> {
    Utc::now()
}

/// Whole milliseconds since a moment.
#[must_use]
pub fn millis_since(moment: Instant) -> u64 {
    u64::try_from(monotonic().saturating_duration_since(moment).as_millis()).unwrap_or(u64::MAX)
}
