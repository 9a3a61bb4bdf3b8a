//! How hard a job may press the server: at what pace, and at which signs it waits.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How fast batches follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Short batches with pauses between them, so that nobody notices.
    Gentle,
    /// Batches sized for throughput, one right after the other.
    Full,
}

/// The signs at which a job stops between two batches until they are gone. Absent: not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// A replica's last replayed change is at most this old.
    pub replica_lag: Option<Duration>,
    /// A replica has at most so much WAL yet to replay.
    pub replica_wal: Option<Size>,
    /// Only these count, by their `application_name`; empty: all that are connected.
    pub replicas: Vec<String>,
    /// A replication slot retains at most so much WAL.
    pub slot_wal: Option<Size>,
    /// At most so much WAL waits to be archived.
    pub archiver_wal: Option<Size>,
    /// The whole server writes at most so much WAL in a second.
    pub wal_per_second: Option<Size>,
    /// At most so many sessions of others are active.
    pub active_sessions: Option<u64>,
    /// Checkpoints that were asked for by the volume of WAL are at least this far apart.
    pub checkpoint_gap: Option<Duration>,
}

/// A number of bytes as people write it: `64 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// Units with their length in bytes, largest first.
const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// No digits at the beginning.
    #[error("it does not begin with a whole number")]
    NoNumber,
    /// A bare number, or a unit that means two things: `64M`, `64 MB`.
    #[error("its unit is not one of B, KiB, MiB, GiB, TiB")]
    Unit,
    /// Nothing, or more than can be counted.
    #[error("it is out of range")]
    Range,
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(SizeError::NoNumber);
        }
        let (_, bytes) =
            UNITS.iter().find(|(name, _)| *name == unit.trim_start()).ok_or(SizeError::Unit)?;
        let number: u64 = number.parse().map_err(|_| SizeError::Range)?;
        match number.checked_mul(*bytes) {
            None | Some(0) => Err(SizeError::Range),
            Some(bytes) => Ok(Self(bytes)),
        }
    }
}

/// In the largest unit that it fills, rounded down: it is for people.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, bytes) = UNITS.iter().find(|(_, bytes)| self.0 >= *bytes).unwrap_or(&("B", 1));
        write!(f, "{} {unit}", self.0 / bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes, shown) in [
            ("64 MiB", 64 << 20, "64 MiB"),
            ("64MiB", 64 << 20, "64 MiB"),
            (" 1 GiB ", 1 << 30, "1 GiB"),
            ("1536 MiB", 1536 << 20, "1 GiB"),
            ("1000 B", 1000, "1000 B"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown), "{text}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for (text, why) in [
            ("64", SizeError::Unit),
            ("64 MB", SizeError::Unit),
            ("64M", SizeError::Unit),
            ("1.5 GiB", SizeError::Unit),
            ("-1 MiB", SizeError::NoNumber),
            ("", SizeError::NoNumber),
            ("0 MiB", SizeError::Range),
            ("99999999999999999999 B", SizeError::Range),
            ("99999999999 TiB", SizeError::Range),
        ] {
            assert_eq!(text.parse::<Size>(), Err(why), "{text}");
        }
    }
}
