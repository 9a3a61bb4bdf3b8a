//! Which key a table has, and whether its configuration fits it.

use super::axis::{Axis, Cells};
use super::key::{IntType, KeyType};
use crate::config::checked::{PartitionTable, TimeCode};
use crate::jobs::partitions::refusal::{DOING, refused};
use crate::pg::catalog::partition::Relation;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::Ident;
use crate::time::extent::Extent;
use crate::time::grid::{Grid, midnight};
use crate::time::zone;

/// The types a key may have, by `pg_type.oid`, which is fixed for built-in types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Clock(KeyType),
    Int(IntType),
    Uuid,
}

impl Stored {
    fn of_oid(oid: i64) -> Option<Self> {
        Some(match oid {
            1082 => Self::Clock(KeyType::Date),
            1114 => Self::Clock(KeyType::Timestamp),
            1184 => Self::Clock(KeyType::TimestampTz),
            21 => Self::Int(IntType::Int2),
            23 => Self::Int(IntType::Int4),
            20 => Self::Int(IntType::Int8),
            2950 => Self::Uuid,
            _ => return None,
        })
    }
}

/// The key of a RANGE parent, and its grid.
///
/// # Errors
/// `Refused`, where the key is none that can be told ahead or the configuration does not fit it.
pub fn axis(relation: &Relation, config: &PartitionTable) -> Result<(Ident, Axis), Fault> {
    let parts = relation.key_parts.unwrap_or_default();
    if parts != 1 {
        return Err(refused(
            format!("its key has {parts} columns; one is supported"),
            "partition it by its time column alone, or remove it from [partitions.tables]",
        ));
    }
    let (Some(column), Some(oid)) = (&relation.key_column, relation.key_type_oid) else {
        return Err(refused(
            "its key is an expression, not a plain column",
            "partition it by a column, or remove it from [partitions.tables]",
        ));
    };
    let told = format!(
        "its key {column} is of type {}",
        relation.key_type.as_deref().unwrap_or("unknown")
    );
    let stored = Stored::of_oid(oid).ok_or_else(|| {
        refused(
            format!("{told}; dates, timestamps, integers and uuid are supported"),
            "partition it by a column of such a type, or remove it from [partitions.tables]",
        )
    })?;
    if relation.key_order_usual != Some(true) {
        return Err(refused(
            format!("its key {column} is ordered by an operator class of its own"),
            "partition it by the type's default order, or remove it from [partitions.tables]",
        ));
    }
    let column = Ident::new(column)
        .map_err(|error| Fault::new(Kind::Bug, DOING, format!("its key: {error}")))?;
    let key = key_type(stored, config, &told)?;
    let cells = match config.interval {
        Extent::Ids(width) => Cells::Ids { width, origin: 0 },
        Extent::Time(_) => Cells::Calendar(grid(key, config)?),
    };
    Ok((column, Axis { key, cells, tz: config.timezone }))
}

/// Holds the column's type against what the configuration says it means.
fn key_type(stored: Stored, config: &PartitionTable, told: &str) -> Result<KeyType, Fault> {
    let mismatch = |says: &str, cure: &str| Err(refused(format!("{told}, {says}"), cure));
    match (stored, config.key, config.interval) {
        (Stored::Clock(KeyType::Date), None, Extent::Time(period)) if period.seconds() > 0 => {
            mismatch(
                &format!("which has no hours, but interval = {period}"),
                "write interval = \"1 day\" or longer",
            )
        }
        (Stored::Clock(key), None, Extent::Time(_)) => Ok(key),
        (Stored::Clock(_), None, Extent::Ids(width)) => mismatch(
            &format!("but interval = {width} is a number of ids"),
            "write interval as time, such as \"1 month\"",
        ),
        (Stored::Clock(_), Some(code), _) => {
            mismatch(&format!("but key = \"{}\"", code.word()), "remove key: the type says it all")
        }
        (Stored::Int(int), None, Extent::Ids(_)) => Ok(KeyType::Id(int)),
        (Stored::Int(int), None, Extent::Time(period)) => mismatch(
            &format!("which does not say how it tells time, but interval = {period}"),
            match int {
                IntType::Int2 => "write interval as a number of ids, such as 1000",
                IntType::Int4 => {
                    "write key = \"epoch_s\" if it counts seconds since 1970, or interval as a \
                     number of ids, such as 1000000"
                }
                IntType::Int8 => {
                    "write key = \"epoch_s\", \"epoch_ms\", \"epoch_us\", \"epoch_ns\" or \
                     \"snowflake\", whichever it is, or interval as a number of ids, such as 1000000"
                }
            },
        ),
        (Stored::Int(int @ (IntType::Int4 | IntType::Int8)), Some(TimeCode::Epoch(unit)), _) => {
            Ok(KeyType::Epoch(unit, int))
        }
        (Stored::Int(IntType::Int8), Some(TimeCode::Snowflake(code)), _) => {
            Ok(KeyType::Snowflake(code))
        }
        (Stored::Uuid, Some(TimeCode::UuidV7), _) => Ok(KeyType::UuidV7),
        (Stored::Uuid, None, _) => mismatch(
            "which tells time only in version 7",
            "write key = \"uuidv7\" if all of its values are of that version, or remove it from \
             [partitions.tables]",
        ),
        (_, Some(code), _) => mismatch(
            &format!("but key = \"{}\" is kept in {}", code.word(), code.types()),
            "write the key as the column has it, or change the column's type",
        ),
    }
}

/// Days and more begin at midnight of the table's zone. Hours and minutes do so on a wall clock; of
/// an instant they are exact, so that neither edge of daylight saving bends them.
fn grid(key: KeyType, config: &PartitionTable) -> Result<Grid, Fault> {
    let Extent::Time(period) = config.interval else {
        return Err(Fault::new(Kind::Bug, DOING, "a number of ids has no calendar"));
    };
    let is_exact = period.seconds() > 0 && !key.is_local();
    let tz = if is_exact { chrono_tz::Tz::UTC } else { config.timezone };
    let grid = Grid::new(period, tz)
        .map_err(|error| Fault::new(Kind::Configuration, DOING, error.to_string()))?;
    Ok(match config.anchor.map(midnight) {
        None => grid,
        Some(anchor) if is_exact => {
            grid.anchored(zone::instant(anchor, config.timezone).naive_utc())
        }
        Some(anchor) => grid.anchored(anchor),
    })
}
