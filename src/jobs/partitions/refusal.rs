//! Why a table is not served, with the cure.

use crate::config::checked::{PartitionTable, Partitions};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;

/// What is being done when a table is refused.
pub const DOING: &str = "tend partitions of";

/// Not served as it is; the cure is the hint.
pub fn refused(message: impl Into<String>, cure: &str) -> Fault {
    Fault::new(Kind::Refused, DOING, message).with_hint(cure)
}

/// The table that is configured and not there.
#[must_use]
pub fn missing(name: &TableName) -> Fault {
    refused(
        "there is no such table",
        "check the name in [partitions.tables]: schema.table, each part quoted as in SQL",
    )
    .on(name)
}

/// Its section.
///
/// # Errors
/// `Refused`: it has none.
pub fn configured<'a>(
    section: &'a Partitions,
    name: &TableName,
) -> Result<&'a PartitionTable, Fault> {
    section.tables.get(name).ok_or_else(|| {
        refused("it is not in the configuration", "add its section to [partitions.tables]").on(name)
    })
}
