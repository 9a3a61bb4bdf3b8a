//! Exact lengths of time as people write them: `30s`, `1h 30m`, `100ms`.
//!
//! A month or a year has no exact length; those are a [`super::period::Period`].

use std::time::Duration;

/// Units with their length in milliseconds, longest first: the order in which they are written.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing was written.
    #[error("it is empty")]
    Empty,
    /// A number that could mean anything.
    #[error("{0} has no unit")]
    NoUnit(String),
    /// A unit without its number.
    #[error("a number is missing before \"{0}\"")]
    NoNumber(String),
    /// Not one of d, h, m, s, ms.
    #[error("\"{0}\" is no unit of time")]
    Unit(String),
    /// `30m 1h`, `1s 2s`.
    #[error("longer units come first, each once")]
    Order,
    /// More milliseconds than a program counts.
    #[error("it is too long")]
    TooLong,
}

/// Parses whole numbers with the units d, h, m, s and ms, longest first, spaces allowed between.
///
/// # Errors
/// Anything else; a bare number above all.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut total_ms = 0_u64;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let (digits, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after.trim_start(), |c| !c.is_alphabetic());
        if digits.is_empty() {
            return Err(DurationError::NoNumber(rest.to_owned()));
        }
        if unit.is_empty() {
            return Err(DurationError::NoUnit(rest.to_owned()));
        }
        let index = UNITS
            .iter()
            .position(|(name, _)| *name == unit)
            .ok_or_else(|| DurationError::Unit(unit.to_owned()))?;
        if index < next_unit {
            return Err(DurationError::Order);
        }
        next_unit = index + 1;
        total_ms = digits
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(UNITS[index].1))
            .and_then(|ms| total_ms.checked_add(ms))
            .ok_or(DurationError::TooLong)?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(total_ms))
}

/// Writes a duration as [`parse`] reads it; parts below a millisecond are left out.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for (unit, length) in UNITS {
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

fn split_where(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, ms) in [
            ("30s", 30_000),
            ("100ms", 100),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            (" 2 d ", 172_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        use DurationError::*;
        assert_eq!(parse(""), Err(Empty));
        assert_eq!(parse("30"), Err(NoUnit("30".into())));
        assert_eq!(parse("1h 30"), Err(NoUnit("30".into())));
        assert_eq!(parse("-5s"), Err(NoNumber("-5s".into())));
        assert_eq!(parse("1.5h"), Err(NoUnit("1.5h".into())));
        assert_eq!(parse("1 month"), Err(Unit("month".into())));
        assert_eq!(parse("30m 1h"), Err(Order));
        assert_eq!(parse("99999999999999999999d"), Err(TooLong));
        assert_eq!(parse("9999999999999999d"), Err(TooLong));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(ms in 0..=u64::MAX / 2) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
