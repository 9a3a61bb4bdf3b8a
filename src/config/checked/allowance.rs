//! How long a run may work on one table, and in which hours.

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::time::duration;
use crate::time::hours::Hours;

/// What bounds the work on one table in time. Absent: nothing but the job's timeout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Rows of it move, or are deleted, for so long per run.
    pub max_duration: Option<Duration>,
    /// Only in these hours, by the wall clock of this zone.
    pub hours: Option<(Hours, Tz)>,
}

impl Allowance {
    /// Why nothing may be begun at this moment.
    #[must_use]
    pub fn shut(&self, now: DateTime<Utc>) -> Option<String> {
        let (hours, tz) = self.hours?;
        if hours.open_until(now, tz).is_some() {
            return None;
        }
        let again = hours.opens_after(now, tz).map_or_else(String::new, |opens| {
            format!(", which begin again on {}", on_the_wall(opens, tz))
        });
        Some(format!("it is outside of its hours {hours}{again}"))
    }

    /// When the hours end in which this moment is.
    #[must_use]
    pub fn open_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (hours, tz) = self.hours?;
        hours.open_until(now, tz)
    }

    /// `; for 10m at most; not after 2026-03-29 06:00 CEST`
    #[must_use]
    pub fn words(&self, now: DateTime<Utc>) -> String {
        let length =
            self.max_duration.map(|max| format!("; for {} at most", duration::format(max)));
        let end = self.open_until(now).zip(self.hours);
        let end = end.map(|(until, (_, tz))| format!("; not after {}", on_the_wall(until, tz)));
        length.into_iter().chain(end).collect()
    }
}

fn on_the_wall(instant: DateTime<Utc>, tz: Tz) -> String {
    instant.with_timezone(&tz).format("%Y-%m-%d at %H:%M %Z").to_string()
}
