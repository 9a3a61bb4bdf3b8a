//! Cron lines of five fields, and when they are due.
//!
//! # Across daylight saving
//!
//! A line is *fixed* if neither its minute nor its hour contains `*`. A fixed line names times of
//! the local day, and each of them is due once on every local day that exists: a time that the
//! clock skips is due right after the gap (several skipped times together once), a time that it
//! repeats is due the first time only.
//!
//! Any other line follows the time that passes: it is due whenever the wall clock matches, so not
//! in the gap, and in both passes of an hour that happens twice. `*/15 * * * *` is due every 15
//! minutes, whatever the clock does.
//!
//! | Berlin | clock goes forward 02:00 → 03:00 | clock goes back 03:00 → 02:00 |
//! | --- | --- | --- |
//! | `30 2 * * *` | 03:00 | first 02:30 |
//! | `0,30 2 * * *` | 03:00 | first 02:00, first 02:30 |
//! | `0 1-4 * * *` | 01:00, 03:00, 04:00 | 01:00, first 02:00, 03:00, 04:00 |
//! | `*/30 * * * *` | 01:30, 03:00, 03:30 | 02:00, 02:30, again 02:00, 02:30 |

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::zone;

/// A cron line: minute, hour, day of month, month, day of week.
///
/// Numbers, names (`MON`, `jan`), `*`, lists, ranges and steps; also `L`, `15W`, `MON#1`. If both
/// the day of month and the day of week are given, either may match. The nicknames `@hourly`,
/// `@daily`, `@weekly`, `@monthly` and `@yearly` stand for the line one expects.
#[derive(Clone)]
pub struct Cron {
    /// As it was written, without space around it.
    text: String,
    /// Five fields, nicknames resolved.
    fields: String,
    /// Fixed local times; see the module.
    fixed: bool,
    parsed: croner::Cron,
}

/// Why a text is not a cron line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields.
    #[error("`{text}` has {count} field(s); {FORM}; there are no fields for seconds or years")]
    Fields {
        /// The line.
        text: String,
        /// How many it has.
        count: usize,
    },
    /// Not one of the five nicknames.
    #[error(
        "`{0}` is not known; use @hourly, @daily, @weekly, @monthly or @yearly, or five fields"
    )]
    Nickname(String),
    /// A field is wrong.
    #[error(
        "`{field}` is not {what}; lists `1,5`, ranges `1-5`, steps `*/5` and `*` are accepted too"
    )]
    Field {
        /// The text of the field.
        field: String,
        /// What belongs there.
        what: &'static str,
    },
    /// No such day.
    #[error("`{0}` is never due: no year has such a day")]
    Never(String),
}

/// What belongs into each field.
const FIELDS: [&str; 5] = [
    "a minute (0 to 59)",
    "an hour (0 to 23)",
    "a day of the month (1 to 31, or `L` for the last)",
    "a month (1 to 12, or JAN to DEC)",
    "a day of the week (0 to 7, or SUN to SAT; 0 and 7 are Sunday)",
];

const FORM: &str =
    "write five: minute hour day-of-month month day-of-week, for example `30 2 * * *`";

const NICKNAMES: [(&str, &str); 5] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
];

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let text = text.trim().to_owned();
        let fields = resolve_nickname(&text)?;
        let words: Vec<&str> = fields.split_whitespace().collect();
        if words.len() != 5 {
            return Err(CronError::Fields { count: words.len(), text });
        }
        for (place, field) in words.iter().enumerate() {
            check_field(place, field)?;
        }
        let fixed = !words[0].contains('*') && !words[1].contains('*');
        let fields = words.join(" ");
        let Ok(parsed) = fields.parse::<croner::Cron>() else {
            return Err(CronError::Fields { count: words.len(), text });
        };
        if parsed.find_next_occurrence(&zone::INSTANT_MIN, true).is_err() {
            return Err(CronError::Never(text));
        }
        Ok(Self { text, fields, fixed, parsed })
    }
}

fn resolve_nickname(text: &str) -> Result<&str, CronError> {
    if !text.starts_with('@') {
        return Ok(text);
    }
    NICKNAMES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
        .map(|(_, fields)| *fields)
        .ok_or_else(|| CronError::Nickname(text.to_owned()))
}

/// Parses one field alone, so that the message can say which one is wrong.
fn check_field(place: usize, field: &str) -> Result<(), CronError> {
    let mut line = ["*"; 5];
    line[place] = field;
    let known = names_belong(place, field) && line.join(" ").parse::<croner::Cron>().is_ok();
    let wrong = || CronError::Field { field: field.to_owned(), what: FIELDS[place] };
    known.then_some(()).ok_or_else(wrong)
}

/// The parser takes the name of a month or of a weekday for a number in any field.
fn names_belong(place: usize, field: &str) -> bool {
    let names: &[&str] = match place {
        2 => &["L", "W", "LW"],
        3 => &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
        // `FRIL` is the last Friday, `5L` too.
        4 => &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "L"],
        _ => &[],
    };
    let upper = field.to_ascii_uppercase();
    let mut words = upper.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    words.all(|word| {
        let day = word.strip_suffix('L').filter(|_| place == 4);
        names.contains(&word) || day.is_some_and(|day| names.contains(&day))
    })
}

impl Cron {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same line for a scheduler that wants a field of seconds in front.
    #[must_use]
    pub fn wake_expression(&self) -> String {
        format!("0 {}", self.fields)
    }

    /// The first slot after `instant`: strictly later, a whole second. `None` beyond year 4999.
    #[must_use]
    pub fn next_after(&self, instant: DateTime<Utc>, tz: Tz) -> Option<DateTime<Utc>> {
        let instant = whole_second(instant);
        if self.fixed { self.next_fixed(instant, tz) } else { self.next_elapsed(instant, tz) }
    }

    /// The last slot at or before `instant`. `None` before the first in year 1.
    #[must_use]
    pub fn latest_at_or_before(&self, instant: DateTime<Utc>, tz: Tz) -> Option<DateTime<Utc>> {
        let instant = whole_second(instant);
        let follows = |start| self.next_after(start, tz).filter(|slot| *slot <= instant);
        let mut back = TimeDelta::hours(1);
        let mut start = instant - back;
        while follows(start).is_none() {
            if start <= zone::INSTANT_MIN {
                return None;
            }
            back = back * 4;
            start = instant.checked_sub_signed(back)?.max(zone::INSTANT_MIN);
        }
        // A slot follows `start`; none follows `end`. The last slot is right after the last such
        // start.
        let mut end = instant;
        while end - start > TimeDelta::seconds(1) {
            let middle = start + TimeDelta::seconds((end - start).num_seconds() / 2);
            *(if follows(middle).is_some() { &mut start } else { &mut end }) = middle;
        }
        follows(start)
    }

    /// The slots after `after` up to and including `until`, oldest first, at most `limit`.
    pub fn slots_between(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        tz: Tz,
        limit: usize,
    ) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        std::iter::successors(self.next_after(after, tz), move |slot| self.next_after(*slot, tz))
            .take_while(move |slot| *slot <= until)
            .take(limit)
    }

    /// Slots by the wall clock, whether it goes on, jumps or repeats.
    fn next_elapsed(&self, instant: DateTime<Utc>, tz: Tz) -> Option<DateTime<Utc>> {
        let found = self.parsed.find_next_occurrence(&instant.with_timezone(&tz), false).ok()?;
        Some(found.to_utc())
    }

    /// Slots by the calendar: local times in their order, each at its one instant.
    fn next_fixed(&self, instant: DateTime<Utc>, tz: Tz) -> Option<DateTime<Utc>> {
        let mut wall = zone::wall(instant, tz);
        loop {
            wall = self.parsed.find_next_occurrence(&wall, false).ok()?;
            let slot = zone::instant(wall, tz);
            if slot > instant && day_exists(wall, slot, tz) {
                return Some(slot);
            }
        }
    }
}

/// Whether the local day of `wall` exists: not so when one gap swallowed the whole of it, as
/// 2011-12-30 in Samoa. `slot` is the instant of `wall`, or the end of the gap it is in.
fn day_exists(wall: NaiveDateTime, slot: DateTime<Utc>, tz: Tz) -> bool {
    let day = wall.date();
    zone::wall(slot, tz).date() == day || zone::wall(slot - TimeDelta::seconds(1), tz).date() == day
}

/// Slots lie on whole seconds; the parser's searches ignore the rest.
fn whole_second(instant: DateTime<Utc>) -> DateTime<Utc> {
    let clamped = instant.clamp(zone::INSTANT_MIN, zone::INSTANT_MAX);
    DateTime::from_timestamp(clamped.timestamp(), 0).unwrap_or(clamped)
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The line: the parsed form has a table of 5000 years.
impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cron").field(&self.text).finish()
    }
}

/// Two lines are equal if they are written equal.
impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

#[cfg(test)]
mod tests;
