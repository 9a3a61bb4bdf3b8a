//! Bounds of partitions as values: read from the catalog's text, compared, written as literals.
//!
//! Everything lies on the key's own axis: for `timestamptz` the instant in UTC, for `timestamp` and
//! `date` the wall clock of the table's zone. So no comparison depends on any zone.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};

use crate::time::grid::Grid;
use crate::time::zone;

/// The types of key whose partitions follow a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// `date`
    Date,
    /// `timestamp without time zone`
    Timestamp,
    /// `timestamp with time zone`
    TimestampTz,
}

impl KeyType {
    /// By `pg_type.oid`, which is fixed for built-in types.
    #[must_use]
    pub fn of_oid(oid: u32) -> Option<Self> {
        match oid {
            1082 => Some(Self::Date),
            1114 => Some(Self::Timestamp),
            1184 => Some(Self::TimestampTz),
            _ => None,
        }
    }

    /// A point of the axis as the literal the server reads the same in every zone and `DateStyle`.
    #[must_use]
    pub fn literal(self, at: NaiveDateTime) -> String {
        match self {
            Self::Date => format!("'{}{}'", date(at), era(at)),
            Self::Timestamp => format!("'{} {}{}'", date(at), time(at), era(at)),
            Self::TimestampTz => format!("'{} {}+00{}'", date(at), time(at), era(at)),
        }
    }

    /// The same for people: no quotes, and no time where it is midnight.
    #[must_use]
    pub fn words(self, at: NaiveDateTime) -> String {
        let midnight = at.time() == chrono::NaiveTime::MIN;
        match self {
            Self::TimestampTz if midnight => format!("{}{} UTC", date(at), era(at)),
            Self::TimestampTz => format!("{} {}{} UTC", date(at), time(at), era(at)),
            _ if midnight => format!("{}{}", date(at), era(at)),
            _ => format!("{} {}{}", date(at), time(at), era(at)),
        }
    }
}

/// PostgreSQL writes years with at least four digits, and those before year 1 as `BC`.
fn date(at: NaiveDateTime) -> String {
    let year = if at.year() < 1 { 1 - at.year() } else { at.year() };
    format!("{year:04}-{:02}-{:02}", at.month(), at.day())
}

fn time(at: NaiveDateTime) -> String {
    let micros = at.nanosecond() / 1_000;
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    format!("{:02}:{:02}:{:02}{fraction}", at.hour(), at.minute(), at.second())
}

fn era(at: NaiveDateTime) -> &'static str {
    if at.year() < 1 { " BC" } else { "" }
}

/// One end of a partition's range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// `MINVALUE` or `-infinity`.
    Start,
    /// A point of the axis.
    At(NaiveDateTime),
    /// `MAXVALUE`, `infinity`, or a date beyond year 262,000.
    End,
}

/// From the first edge up to, not including, the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Included.
    pub from: Edge,
    /// Not included.
    pub to: Edge,
}

impl Span {
    /// Whether a key would go here.
    #[must_use]
    pub fn holds(&self, at: NaiveDateTime) -> bool {
        self.from <= Edge::At(at) && Edge::At(at) < self.to
    }
}

/// A bound that is written in a way this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its bound {0:?} cannot be read")]
pub struct BoundError(String);

/// Reads `pg_get_expr(relpartbound, 0)` of a RANGE partition, written with `DateStyle` ISO in
/// whatever time zone. The default partition has no span.
///
/// # Errors
/// The text is not a bound of one date or timestamp.
pub fn parse_bound(text: &str) -> Result<Option<Span>, BoundError> {
    if text == "DEFAULT" {
        return Ok(None);
    }
    let edges = text
        .strip_prefix("FOR VALUES FROM (")
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|rest| rest.split_once(") TO ("))
        .and_then(|(from, to)| Some(Span { from: parse_edge(from)?, to: parse_edge(to)? }));
    edges.map(Some).ok_or_else(|| BoundError(text.to_owned()))
}

fn parse_edge(datum: &str) -> Option<Edge> {
    match datum {
        "MINVALUE" | "'-infinity'" => return Some(Edge::Start),
        "MAXVALUE" | "'infinity'" => return Some(Edge::End),
        _ => {}
    }
    let text = datum.strip_prefix('\'')?.strip_suffix('\'')?;
    let (text, before_christ) = match text.strip_suffix(" BC") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (date, clock) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let mut parts = date.splitn(3, '-');
    let year: i32 = parts.next()?.parse().ok()?;
    let month = parts.next()?.parse().ok()?;
    let day = parts.next()?.parse().ok()?;
    let year = if before_christ { 1 - year } else { year };
    let Some(date) = NaiveDate::from_ymd_opt(year, month, day) else {
        // The server's years end at 5,874,897 and ours at 262,142; nothing is premade out there.
        return (year > 9_999).then_some(Edge::End);
    };
    let at = date.and_hms_opt(0, 0, 0)?.checked_add_signed(parse_clock(clock)?)?;
    Some(Edge::At(at))
}

/// `01:02:03.000004+05:30` as time since midnight UTC: the clock minus its offset.
fn parse_clock(text: &str) -> Option<TimeDelta> {
    let (clock, offset) = match text.find(['+', '-']) {
        Some(sign) => text.split_at(sign),
        None => (text, ""),
    };
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    let offset = match offset.split_at_checked(1) {
        Some(("-", rest)) => -parse_sexagesimal(rest)?,
        Some((_, rest)) => parse_sexagesimal(rest)?,
        None => 0,
    };
    Some(TimeDelta::seconds(parse_sexagesimal(whole)? - offset) + TimeDelta::microseconds(micros))
}

/// `HH`, `HH:MM` or `HH:MM:SS` in seconds.
fn parse_sexagesimal(text: &str) -> Option<i64> {
    let mut seconds = 0;
    let mut unit = 3_600;
    for part in text.split(':') {
        seconds += part.parse::<i64>().ok()? * unit;
        unit /= 60;
    }
    Some(seconds)
}

/// A table's grid laid on its key's axis.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// Where the bounds of new partitions lie, on the wall clock.
    pub grid: Grid,
    /// How the wall clock relates to the key.
    pub key: KeyType,
}

impl Axis {
    /// The key that an instant has.
    #[must_use]
    pub fn at(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        match self.key {
            KeyType::TimestampTz => instant.naive_utc(),
            KeyType::Timestamp | KeyType::Date => zone::wall(instant, self.grid.tz()),
        }
    }

    /// What the wall clock reads at a key.
    #[must_use]
    pub fn wall(&self, at: NaiveDateTime) -> NaiveDateTime {
        match self.key {
            KeyType::TimestampTz => zone::wall(at.and_utc(), self.grid.tz()),
            KeyType::Timestamp | KeyType::Date => at,
        }
    }

    /// Where the grid cell that holds an instant starts.
    #[must_use]
    pub fn cell_start(&self, instant: DateTime<Utc>) -> NaiveDateTime {
        match self.key {
            KeyType::TimestampTz => self.of_boundary(self.grid.floor(instant)),
            KeyType::Timestamp | KeyType::Date => self.grid.floor_local(self.at(instant)),
        }
    }

    /// The first bound of the grid after a key.
    #[must_use]
    pub fn next(&self, at: NaiveDateTime) -> NaiveDateTime {
        let mut boundary = self.grid.next(self.wall(at));
        // Where a clock goes back over midnight, or a zone skips a day, the wall clock's next
        // midnight is not after the instant.
        while self.of_boundary(boundary) <= at {
            boundary = self.grid.next(boundary);
        }
        self.of_boundary(boundary)
    }

    /// Whether a key is a bound of the grid.
    #[must_use]
    pub fn is_boundary(&self, at: NaiveDateTime) -> bool {
        let floor = self.grid.floor_local(self.wall(at));
        self.of_boundary(floor) == at
    }

    fn of_boundary(&self, wall: NaiveDateTime) -> NaiveDateTime {
        match self.key {
            KeyType::TimestampTz => self.grid.instant(wall).naive_utc(),
            KeyType::Timestamp | KeyType::Date => wall,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Edge {
        Edge::At(text.parse().unwrap())
    }

    #[test]
    fn bounds_are_values_whatever_the_zone_they_are_shown_in() {
        let january = Some(Span { from: at("2026-01-01T00:00:00"), to: at("2026-02-01T00:00:00") });
        for text in [
            "FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00')",
            "FOR VALUES FROM ('2025-12-31 19:00:00-05') TO ('2026-01-31 19:00:00-05')",
            "FOR VALUES FROM ('2026-01-01 05:30:00+05:30') TO ('2026-02-01 05:30:00+05:30')",
            "FOR VALUES FROM ('2026-01-01 00:00:00') TO ('2026-02-01 00:00:00')",
            "FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
        ] {
            assert_eq!(parse_bound(text), Ok(january), "{text}");
        }
    }

    #[test]
    fn bounds_at_the_ends_of_time_are_read() {
        let bound = |from: &str, to: &str| {
            parse_bound(&format!("FOR VALUES FROM ({from}) TO ({to})")).map(Option::unwrap)
        };
        assert_eq!(
            bound("MINVALUE", "MAXVALUE"),
            Ok(Span { from: Edge::Start, to: Edge::End })
        );
        assert_eq!(
            bound("'-infinity'", "'infinity'"),
            Ok(Span { from: Edge::Start, to: Edge::End })
        );
        assert_eq!(
            bound("'0044-03-15 00:00:00+00 BC'", "'12026-01-01 01:02:03.5+00'"),
            Ok(Span { from: at("-0043-03-15T00:00:00"), to: at("+12026-01-01T01:02:03.500") })
        );
        assert_eq!(
            bound("'1700-01-01 00:00:00+00:17:30'", "'5874897-01-01'"),
            Ok(Span { from: at("1699-12-31T23:42:30"), to: Edge::End })
        );
        assert_eq!(parse_bound("DEFAULT"), Ok(None));
        for text in ["FOR VALUES IN ('a')", "FOR VALUES FROM (1) TO (2)", "FOR VALUES FROM ('01/02/2026') TO (MAXVALUE)"] {
            assert_eq!(parse_bound(text), Err(BoundError(text.to_owned())));
        }
    }

    #[test]
    fn literals_say_their_zone() {
        let Edge::At(noon) = at("2026-01-02T12:00:00.000250") else { unreachable!() };
        assert_eq!(KeyType::TimestampTz.literal(noon), "'2026-01-02 12:00:00.000250+00'");
        assert_eq!(KeyType::Timestamp.literal(noon), "'2026-01-02 12:00:00.000250'");
        assert_eq!(KeyType::Date.literal(noon), "'2026-01-02'");
        let Edge::At(ides) = at("-0043-03-15T00:00:00") else { unreachable!() };
        assert_eq!(KeyType::TimestampTz.literal(ides), "'0044-03-15 00:00:00+00 BC'");
        let Edge::At(far) = at("+12026-01-01T00:00:00") else { unreachable!() };
        assert_eq!(KeyType::Timestamp.literal(far), "'12026-01-01 00:00:00'");
    }
}
