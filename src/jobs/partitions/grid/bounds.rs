//! Bounds of partitions as values: read from the catalog's text, and compared.
//!
//! They are values of the key, so no comparison depends on any zone.

use chrono::{NaiveDate, TimeDelta};

use super::key::{KeyType, Point, parse_uuid};
use crate::pg::range::Range;

/// One end of a partition's range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// `MINVALUE` or `-infinity`.
    Start,
    /// A value of the key.
    At(Point),
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
    pub fn holds(&self, at: Point) -> bool {
        self.from <= Edge::At(at) && Edge::At(at) < self.to
    }

    /// The same as SQL has it.
    #[must_use]
    pub fn range(self, key: KeyType) -> Range {
        let text = |edge| match edge {
            Edge::At(at) => key.literal(at),
            Edge::Start => "MINVALUE".to_owned(),
            Edge::End => "MAXVALUE".to_owned(),
        };
        Range { from: text(self.from), to: text(self.to) }
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
/// The text is not a bound of one date, timestamp, integer or uuid.
pub fn parse_bound(text: &str) -> Result<Option<Span>, BoundError> {
    if text == "DEFAULT" {
        return Ok(None);
    }
    let edges = Range::of_bound(text).and_then(|Range { from, to }| {
        Some(Span { from: parse_edge(&from)?, to: parse_edge(&to)? })
    });
    edges.map(Some).ok_or_else(|| BoundError(text.to_owned()))
}

/// Reads a value of a key as the server prints it.
#[must_use]
pub fn parse_edge_text(text: &str) -> Option<Point> {
    match parse_edge(&format!("'{text}'"))? {
        Edge::At(at) => Some(at),
        Edge::Start | Edge::End => None,
    }
}

fn parse_edge(datum: &str) -> Option<Edge> {
    match datum {
        "MINVALUE" | "'-infinity'" => return Some(Edge::Start),
        "MAXVALUE" | "'infinity'" => return Some(Edge::End),
        _ => {}
    }
    // Integers stand bare or quoted, by their type and sign.
    let quoted = datum.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let text = quoted.unwrap_or(datum);
    if let Ok(value) = text.parse() {
        return Some(Edge::At(Point::Integer(value)));
    }
    if let Some(value) = parse_uuid(text) {
        return Some(Edge::At(Point::Uuid(value)));
    }
    quoted.and_then(parse_time)
}

/// A date, or a timestamp with or without its zone.
fn parse_time(text: &str) -> Option<Edge> {
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
    Some(Edge::At(Point::Time(at)))
}

/// `01:02:03.000004+05:30` as time since midnight UTC: the clock minus its offset.
fn parse_clock(text: &str) -> Option<TimeDelta> {
    let (clock, offset) = match text.find(['+', '-']) {
        Some(sign) => text.split_at(sign),
        None => (text, ""),
    };
    let (whole, micros) = match clock.split_once('.') {
        Some((whole, fraction)) => (whole, format!("{fraction:0<6}").parse().ok()?),
        None => (clock, 0_i64),
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Edge {
        Edge::At(Point::Time(text.parse().unwrap()))
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
        assert_eq!(bound("MINVALUE", "MAXVALUE"), Ok(Span { from: Edge::Start, to: Edge::End }));
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
        for text in [
            "FOR VALUES IN ('a')",
            "FOR VALUES FROM (1.5) TO (2)",
            "FOR VALUES FROM (1, 2) TO (3, 4)",
            "FOR VALUES FROM ('01/02/2026') TO (MAXVALUE)",
        ] {
            assert_eq!(parse_bound(text), Err(BoundError(text.to_owned())));
        }
    }

    #[test]
    fn integers_and_uuids_are_read_as_each_type_writes_them() {
        let number = |value| Edge::At(Point::Integer(value));
        for text in ["FOR VALUES FROM ('-5') TO (10)", "FOR VALUES FROM ('-5') TO ('10')"] {
            assert_eq!(parse_bound(text), Ok(Some(Span { from: number(-5), to: number(10) })));
        }
        assert_eq!(
            parse_bound("FOR VALUES FROM (MINVALUE) TO ('9223372036854775807')"),
            Ok(Some(Span { from: Edge::Start, to: number(i64::MAX) }))
        );
        let uuid = "FOR VALUES FROM ('00000000-0000-0000-0000-00000000000f') TO (MAXVALUE)";
        let fifteen = Edge::At(Point::Uuid(15));
        assert_eq!(parse_bound(uuid), Ok(Some(Span { from: fifteen, to: Edge::End })));
    }
}
