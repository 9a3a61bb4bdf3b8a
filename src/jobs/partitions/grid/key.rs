//! Partition keys: what their values are, which instants they stand for, how SQL writes them.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDateTime, NaiveTime, Timelike, Utc};

use crate::config::checked::{EpochUnit, Snowflake, TimeCode};
use crate::time::zone::{INSTANT_MAX, INSTANT_MIN};

/// A value of a key. All values of one key are of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Of a date or timestamp: for `timestamptz` the instant in UTC, for the others the wall clock
    /// of the table's zone.
    Time(NaiveDateTime),
    /// Of an integer.
    Integer(i64),
    /// Of a uuid, its first byte the highest.
    Uuid(u128),
}

impl From<NaiveDateTime> for Point {
    fn from(at: NaiveDateTime) -> Self {
        Self::Time(at)
    }
}

/// The integer types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntType {
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
}

impl IntType {
    /// The highest value.
    #[must_use]
    pub const fn max(self) -> i64 {
        match self {
            Self::Int2 => i16::MAX as i64,
            Self::Int4 => i32::MAX as i64,
            Self::Int8 => i64::MAX,
        }
    }

    fn holds(self, value: i64) -> bool {
        (-self.max() - 1..=self.max()).contains(&value)
    }
}

impl fmt::Display for IntType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
        })
    }
}

/// The keys whose partitions can be told ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// `date`
    Date,
    /// `timestamp without time zone`
    Timestamp,
    /// `timestamp with time zone`
    TimestampTz,
    /// Units of time since 1970 in UTC.
    Epoch(EpochUnit, IntType),
    /// A `bigint` whose upper bits are milliseconds since an epoch of its own.
    Snowflake(Snowflake),
    /// A `uuid` whose first 48 bits are milliseconds since 1970.
    UuidV7,
    /// A number that tells no time.
    Id(IntType),
}

/// With everything its values are read by.
impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::TimestampTz => f.write_str("timestamptz"),
            Self::Epoch(unit, int) => write!(f, "{} as {int}", TimeCode::Epoch(*unit).word()),
            Self::Snowflake(Snowflake { epoch, shift }) => {
                write!(f, "snowflake since {} shifted by {shift}", epoch.timestamp_millis())
            }
            Self::UuidV7 => f.write_str("uuidv7"),
            Self::Id(int) => write!(f, "{int} ids"),
        }
    }
}

/// Bits of a uuid below its milliseconds.
const UUID_TAIL_BITS: u32 = 80;

impl KeyType {
    /// Its values are read on a wall clock, not as instants.
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp)
    }

    /// Its type is one of dates and times.
    #[must_use]
    pub const fn is_clock(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::TimestampTz)
    }

    /// Its values stand for moments.
    #[must_use]
    pub const fn tells_time(self) -> bool {
        !matches!(self, Self::Id(_))
    }

    /// The least value that stands for this instant; absent where the type has no such value, or the
    /// key does not tell instants.
    #[must_use]
    pub fn of_instant(self, instant: DateTime<Utc>) -> Option<Point> {
        match self {
            Self::TimestampTz => Some(Point::Time(instant.naive_utc())),
            Self::Epoch(unit, int) => {
                let value = match unit {
                    EpochUnit::Seconds => instant.timestamp(),
                    EpochUnit::Milliseconds => instant.timestamp_millis(),
                    EpochUnit::Microseconds => instant.timestamp_micros(),
                    EpochUnit::Nanoseconds => instant.timestamp_nanos_opt()?,
                };
                int.holds(value).then_some(Point::Integer(value))
            }
            Self::Snowflake(Snowflake { epoch, shift }) => {
                let since = instant.timestamp_millis().checked_sub(epoch.timestamp_millis())?;
                since.checked_mul(1_i64.checked_shl(shift)?).map(Point::Integer)
            }
            Self::UuidV7 => {
                let since = u64::try_from(instant.timestamp_millis()).ok()?;
                (since >> 48 == 0).then(|| Point::Uuid(u128::from(since) << UUID_TAIL_BITS))
            }
            Self::Date | Self::Timestamp | Self::Id(_) => None,
        }
    }

    /// The instant that a value stands for; absent outside years 1 to 9999, and where the key does
    /// not tell instants.
    #[must_use]
    pub fn instant(self, at: Point) -> Option<DateTime<Utc>> {
        let instant = match (self, at) {
            (Self::TimestampTz, Point::Time(at)) => at.and_utc(),
            (Self::Epoch(unit, _), Point::Integer(value)) => match unit {
                EpochUnit::Seconds => DateTime::from_timestamp(value, 0)?,
                EpochUnit::Milliseconds => DateTime::from_timestamp_millis(value)?,
                EpochUnit::Microseconds => DateTime::from_timestamp_micros(value)?,
                EpochUnit::Nanoseconds => DateTime::from_timestamp_nanos(value),
            },
            (Self::Snowflake(Snowflake { epoch, shift }), Point::Integer(value)) => {
                let since = value.checked_shr(shift)?;
                DateTime::from_timestamp_millis(since.checked_add(epoch.timestamp_millis())?)?
            }
            (Self::UuidV7, Point::Uuid(value)) => {
                DateTime::from_timestamp_millis(i64::try_from(value >> UUID_TAIL_BITS).ok()?)?
            }
            _ => return None,
        };
        (INSTANT_MIN..=INSTANT_MAX).contains(&instant).then_some(instant)
    }

    /// The highest value, where the type ends before the calendar does.
    #[must_use]
    pub const fn last(self) -> Option<Point> {
        match self {
            Self::Epoch(_, int) | Self::Id(int) => Some(Point::Integer(int.max())),
            Self::Snowflake(_) => Some(Point::Integer(i64::MAX)),
            Self::UuidV7 => Some(Point::Uuid(u128::MAX)),
            Self::Date | Self::Timestamp | Self::TimestampTz => None,
        }
    }

    /// A value as the literal the server reads the same in every zone and `DateStyle`.
    #[must_use]
    pub fn literal(self, at: Point) -> String {
        match (self, at) {
            (Self::Date, Point::Time(at)) => format!("'{}{}'", date(at), era(at)),
            (Self::TimestampTz, Point::Time(at)) => {
                format!("'{} {}+00{}'", date(at), time(at), era(at))
            }
            (_, Point::Time(at)) => format!("'{} {}{}'", date(at), time(at), era(at)),
            // Quoted, it takes the key's own type.
            (_, Point::Integer(value)) => format!("'{value}'"),
            (_, Point::Uuid(value)) => format!("'{}'", uuid(value)),
        }
    }

    /// The same for people: the time it stands for, without the time of day where that is midnight.
    #[must_use]
    pub fn words(self, at: Point) -> String {
        let moment = |at: NaiveDateTime| {
            if at.time() == NaiveTime::MIN {
                format!("{}{}", date(at), era(at))
            } else {
                format!("{} {}{}", date(at), time(at), era(at))
            }
        };
        match (self.instant(at), at) {
            (Some(instant), _) => format!("{} UTC", moment(instant.naive_utc())),
            (None, Point::Time(at)) if self == Self::TimestampTz => format!("{} UTC", moment(at)),
            (None, Point::Time(at)) => moment(at),
            (None, Point::Integer(value)) => value.to_string(),
            (None, Point::Uuid(value)) => uuid(value),
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

fn uuid(value: u128) -> String {
    let hex = format!("{value:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Reads a uuid as the server writes it.
#[must_use]
pub fn parse_uuid(text: &str) -> Option<u128> {
    if text.len() != 36 {
        return None;
    }
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let is_hex = text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    (lengths == [8, 4, 4, 4, 12] && is_hex)
        .then(|| u128::from_str_radix(&groups.concat(), 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Point {
        Point::Time(text.parse().unwrap())
    }

    #[test]
    fn literals_say_their_zone() {
        let noon = time("2026-01-02T12:00:00.000250");
        assert_eq!(KeyType::TimestampTz.literal(noon), "'2026-01-02 12:00:00.000250+00'");
        assert_eq!(KeyType::Timestamp.literal(noon), "'2026-01-02 12:00:00.000250'");
        assert_eq!(KeyType::Date.literal(noon), "'2026-01-02'");
        let ides = time("-0043-03-15T00:00:00");
        assert_eq!(KeyType::TimestampTz.literal(ides), "'0044-03-15 00:00:00+00 BC'");
        let far = time("+12026-01-01T00:00:00");
        assert_eq!(KeyType::Timestamp.literal(far), "'12026-01-01 00:00:00'");
    }

    #[test]
    fn each_code_has_its_value_of_an_instant() {
        let instant: DateTime<Utc> = "2026-02-01T00:00:00.5Z".parse().unwrap();
        let epoch = |unit| KeyType::Epoch(unit, IntType::Int8);
        let twitter = Snowflake {
            epoch: DateTime::from_timestamp_millis(1_288_834_974_657).unwrap(),
            shift: 22,
        };
        for (key, literal) in [
            (epoch(EpochUnit::Seconds), "'1769904000'"),
            (epoch(EpochUnit::Milliseconds), "'1769904000500'"),
            (epoch(EpochUnit::Microseconds), "'1769904000500000'"),
            (epoch(EpochUnit::Nanoseconds), "'1769904000500000000'"),
            (KeyType::Snowflake(twitter), "'2017749739369398272'"),
            (KeyType::UuidV7, "'019c167f-cdf4-0000-0000-000000000000'"),
        ] {
            let point = key.of_instant(instant).unwrap();
            assert_eq!(key.literal(point), literal, "{key:?}");
            let whole = key.instant(point).unwrap();
            assert!(
                whole == instant
                    || whole == "2026-02-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap()
            );
            assert!(key.words(point).starts_with("2026-02-01"), "{}", key.words(point));
        }
    }

    #[test]
    fn what_a_type_cannot_hold_has_no_value() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let int4 = KeyType::Epoch(EpochUnit::Seconds, IntType::Int4);
        assert!(int4.of_instant(at("2038-01-19T03:14:07Z")).is_some());
        assert_eq!(int4.of_instant(at("2038-01-19T03:14:08Z")), None);
        let nanoseconds = KeyType::Epoch(EpochUnit::Nanoseconds, IntType::Int8);
        assert_eq!(nanoseconds.of_instant(at("2263-01-01T00:00:00Z")), None);
        assert_eq!(KeyType::UuidV7.of_instant(at("1969-12-31T23:59:59Z")), None);
        let snowflake = Snowflake { epoch: at("2015-01-01T00:00:00Z"), shift: 22 };
        assert_eq!(KeyType::Snowflake(snowflake).of_instant(at("2090-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_uuid_is_read_as_it_is_written() {
        for value in [0, 1, u128::MAX, 0x019c_1697_71f4_7abc_8def_0123_4567_89ab] {
            assert_eq!(parse_uuid(&uuid(value)), Some(value));
        }
        for text in [
            "2026-01-01",
            "019c1697-71f4-7abc-8def-0123456789a",
            "019c1697-71f4-7abc-8def-0123456789ag",
        ] {
            assert_eq!(parse_uuid(text), None, "{text}");
        }
    }
}
