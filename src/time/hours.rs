//! The hours of each day in which something is allowed: `22:00-06:00`, by the wall clock of a zone.
//!
//! A window opens once and shuts once. Where a clock is set forward or back in it, it is an hour
//! shorter or longer; one that a day skips as a whole does not open that day.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;

use super::zone;

/// From one time of day up to another; past midnight where the second is not the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    from: NaiveTime,
    to: NaiveTime,
}

/// Why a text names no hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// Not two times with a hyphen between them.
    #[error("it is not two times of day with a hyphen between them")]
    Form,
    /// Not a time of day.
    #[error("\"{0}\" is no time of day")]
    Time(String),
    /// All day, or never: nobody can tell.
    #[error("it ends when it begins; leave it out to allow all hours")]
    Empty,
}

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let (from, to) = text.split_once('-').ok_or(HoursError::Form)?;
        let midnight = if to.trim() == "24:00" { "00:00" } else { to };
        let hours = Self { from: time(from)?, to: time(midnight)? };
        if hours.from == hours.to { Err(HoursError::Empty) } else { Ok(hours) }
    }
}

/// Hours and minutes, nothing finer: batches end when they do.
fn time(text: &str) -> Result<NaiveTime, HoursError> {
    let text = text.trim();
    NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| HoursError::Time(text.to_owned()))
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.format("%H:%M"), self.to.format("%H:%M"))
    }
}

/// No zone has ever skipped more than one day, and a window reaches into the next one.
const DAYS_BEFORE: u64 = 2;
const DAYS_AHEAD: u64 = 4;

impl Hours {
    /// When the window shuts that is open at this moment; `None`: none is.
    #[must_use]
    pub fn open_until(self, now: DateTime<Utc>, tz: Tz) -> Option<DateTime<Utc>> {
        let mut windows = self.windows(now, tz);
        windows.find(|(opens, shuts)| (*opens..*shuts).contains(&now)).map(|(_, shuts)| shuts)
    }

    /// When the next window opens after this moment. `None`: the calendar ends before.
    #[must_use]
    pub fn opens_after(self, now: DateTime<Utc>, tz: Tz) -> Option<DateTime<Utc>> {
        self.windows(now, tz).map(|(opens, _)| opens).find(|opens| *opens > now)
    }

    /// The windows around this moment, in order, without those that a change of the clock skips.
    fn windows(
        self,
        now: DateTime<Utc>,
        tz: Tz,
    ) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
        let today = zone::wall(now, tz).date();
        let first = today.checked_sub_days(Days::new(DAYS_BEFORE)).unwrap_or(today);
        let days = first.iter_days().take(usize::try_from(DAYS_BEFORE + DAYS_AHEAD).unwrap_or(0));
        days.filter_map(move |day| self.of_day(day, tz)).filter(|(opens, shuts)| opens < shuts)
    }

    fn of_day(self, day: NaiveDate, tz: Tz) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let last = if self.to > self.from { day } else { day.succ_opt()? };
        let at = |day: NaiveDate, time| zone::instant(day.and_time(time), tz);
        Some((at(day, self.from), at(last, self.to)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BERLIN: Tz = Tz::Europe__Berlin;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Where a window is open up to, or after how long the next one opens: `until …`, `from …`.
    fn seen(hours: &str, now: &str, tz: Tz) -> String {
        let hours: Hours = hours.parse().unwrap();
        let form = "%m-%dT%H:%MZ";
        match hours.open_until(at(now), tz) {
            Some(until) => format!("until {}", until.format(form)),
            None => format!("from {}", hours.opens_after(at(now), tz).unwrap().format(form)),
        }
    }

    #[test]
    fn a_window_of_one_day() {
        assert_eq!(seen("09:00-17:30", "2026-06-10T08:59:59Z", Tz::UTC), "from 06-10T09:00Z");
        assert_eq!(seen("09:00-17:30", "2026-06-10T09:00:00Z", Tz::UTC), "until 06-10T17:30Z");
        assert_eq!(seen("09:00-17:30", "2026-06-10T17:29:59Z", Tz::UTC), "until 06-10T17:30Z");
        assert_eq!(seen("09:00-17:30", "2026-06-10T17:30:00Z", Tz::UTC), "from 06-11T09:00Z");
    }

    #[test]
    fn a_window_across_midnight() {
        for now in ["2026-06-10T20:00:00Z", "2026-06-10T23:59:59Z", "2026-06-11T03:59:59Z"] {
            assert_eq!(seen("22:00-06:00", now, BERLIN), "until 06-11T04:00Z", "{now}");
        }
        assert_eq!(seen("22:00-06:00", "2026-06-11T04:00:00Z", BERLIN), "from 06-11T20:00Z");
        assert_eq!(seen("22:00-24:00", "2026-06-10T21:00:00Z", BERLIN), "until 06-10T22:00Z");
        assert_eq!(seen("00:00-06:00", "2026-06-10T21:59:00Z", BERLIN), "from 06-10T22:00Z");
    }

    #[test]
    fn a_clock_that_goes_forward_makes_a_night_shorter() {
        // On 29 March 2026, 02:00 to 03:00 is not there.
        assert_eq!(seen("22:00-06:00", "2026-03-28T21:00:00Z", BERLIN), "until 03-29T04:00Z");
        assert_eq!(seen("02:30-06:00", "2026-03-29T00:59:59Z", BERLIN), "from 03-29T01:00Z");
        assert_eq!(seen("01:00-02:30", "2026-03-29T00:30:00Z", BERLIN), "until 03-29T01:00Z");
        assert_eq!(seen("02:00-03:00", "2026-03-29T00:30:00Z", BERLIN), "from 03-30T00:00Z");
        // Samoa had no 30 December 2011.
        let apia = Tz::Pacific__Apia;
        assert_eq!(seen("09:00-17:00", "2011-12-30T09:00:00Z", apia), "from 12-30T19:00Z");
    }

    #[test]
    fn a_clock_that_goes_back_makes_a_night_longer_and_opens_no_window_twice() {
        // On 25 October 2026, 02:00 to 03:00 is there twice: 00:00Z and 01:00Z.
        assert_eq!(seen("22:00-06:00", "2026-10-24T20:00:00Z", BERLIN), "until 10-25T05:00Z");
        assert_eq!(seen("02:00-03:00", "2026-10-25T00:00:00Z", BERLIN), "until 10-25T02:00Z");
        assert_eq!(seen("02:30-04:00", "2026-10-25T01:00:00Z", BERLIN), "until 10-25T03:00Z");
        assert_eq!(seen("22:00-02:30", "2026-10-25T00:29:59Z", BERLIN), "until 10-25T00:30Z");
        assert_eq!(seen("22:00-02:30", "2026-10-25T01:15:00Z", BERLIN), "from 10-25T21:00Z");
    }

    #[test]
    fn what_names_no_hours_is_refused() {
        use HoursError::*;
        let read = |text: &str| text.parse::<Hours>().map(|hours| hours.to_string());
        assert_eq!(read(" 9:05 - 24:00"), Ok("09:05-00:00".into()));
        assert_eq!(read("22:00"), Err(Form));
        assert_eq!(read("22-6"), Err(Time("22".into())));
        assert_eq!(read("22:00-25:00"), Err(Time("25:00".into())));
        assert_eq!(read("24:00-06:00"), Err(Time("24:00".into())));
        assert_eq!(read("22:00-06:00-07:00"), Err(Time("06:00-07:00".into())));
        assert_eq!(read("22:00-22:00"), Err(Empty));
        assert_eq!(read("00:00-24:00"), Err(Empty));
    }

    proptest! {
        /// At each moment either a window is open or one will be, and what is said to open does.
        #[test]
        fn windows_open_when_they_are_said_to(
            second in 0..4_000_000_000_i64, from in 0..1440_u32, length in 1..1440_u32,
        ) {
            let time = |minutes: u32| {
                NaiveTime::from_hms_opt(minutes / 60 % 24, minutes % 60, 0).unwrap()
            };
            let hours = Hours { from: time(from), to: time((from + length) % 1440) };
            let now = DateTime::from_timestamp(second, 0).unwrap();
            for tz in [BERLIN, Tz::America__Sao_Paulo, Tz::Pacific__Apia, Tz::Asia__Kolkata] {
                let opens = hours.opens_after(now, tz).unwrap();
                prop_assert!(opens > now);
                prop_assert!(hours.open_until(opens, tz).unwrap() > opens);
                if let Some(until) = hours.open_until(now, tz) {
                    prop_assert!(until > now && opens >= until, "{until} {opens}");
                }
            }
        }
    }
}
