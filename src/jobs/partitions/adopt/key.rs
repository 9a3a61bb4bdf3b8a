//! Which column is to be the partition key.

use super::DOING;
use crate::config::checked::{PartitionTable, TimeCode};
use crate::pg::catalog::inventory::{Column, Inventory};
use crate::pg::catalog::partition::Relation;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::quoted;
use crate::time::extent::Extent;

/// Types by `pg_type.oid`, which is fixed for built-in types.
const INT8: i64 = 20;
const INT2: i64 = 21;
const INT4: i64 = 23;
const DATE: i64 = 1_082;
const TIMESTAMP: i64 = 1_114;
const TIMESTAMPTZ: i64 = 1_184;
const UUID: i64 = 2_950;

/// The column that was asked for, else the only one that the configuration can mean. Of several
/// numbers or uuids, the primary key.
///
/// # Errors
/// `Refused`: there is none, or there are several.
pub fn choose<'a>(
    inventory: &'a Inventory,
    config: &PartitionTable,
    asked: Option<&str>,
) -> Result<&'a Column, Fault> {
    let refused = |message: String, cure: String| {
        Err(Fault::new(Kind::Refused, DOING, message).with_hint(cure))
    };
    if let Some(asked) = asked {
        let is_asked = |column: &&Column| column.name == asked || quoted(&column.name) == asked;
        return match inventory.columns.iter().find(is_asked) {
            Some(column) => Ok(column),
            None => refused(format!("it has no column {asked}"), "check --column".to_owned()),
        };
    }
    let types = types(config);
    let fits = |column: &&Column| types.contains(&column.type_oid) && !column.is_generated;
    let found: Vec<&Column> = inventory.columns.iter().filter(fits).collect();
    let primary = inventory.indexes.iter().find(|index| index.is_primary);
    let is_primary =
        |column: &&Column| primary.is_some_and(|index| index.columns == [column.name.as_str()]);
    let is_clock = config.key.is_none() && matches!(config.interval, Extent::Time(_));
    match found.as_slice() {
        [] => refused(
            format!("it has no column that interval = {} can mean", config.interval),
            "partitions.md tells which types a key has; or write key = … in [partitions.tables]"
                .to_owned(),
        ),
        [one] => Ok(one),
        several => {
            let primary = several.iter().find(|column| !is_clock && is_primary(column));
            let names: Vec<String> = several.iter().map(|column| quoted(&column.name)).collect();
            primary.map_or_else(
                || {
                    refused(
                        format!("several columns can be its key: {}", names.join(", ")),
                        format!("say which: --column {}", names[0]),
                    )
                },
                |column| Ok(*column),
            )
        }
    }
}

fn types(config: &PartitionTable) -> &'static [i64] {
    match (config.key, config.interval) {
        (None, Extent::Ids(_)) => &[INT2, INT4, INT8],
        (None, Extent::Time(period)) if period.seconds() > 0 => &[TIMESTAMP, TIMESTAMPTZ],
        (None, Extent::Time(_)) => &[DATE, TIMESTAMP, TIMESTAMPTZ],
        (Some(TimeCode::Epoch(_)), _) => &[INT4, INT8],
        (Some(TimeCode::Snowflake(_)), _) => &[INT8],
        (Some(TimeCode::UuidV7), _) => &[UUID],
    }
}

/// The table as it will be once it is partitioned by this column, for the policy of partitioned
/// tables to be asked.
#[must_use]
pub fn as_partitioned(relation: &Relation, inventory: &Inventory, key: &Column) -> Relation {
    Relation {
        kind: "p".to_owned(),
        strategy: Some("r".to_owned()),
        key_parts: Some(1),
        key_column: Some(key.name.clone()),
        key_type_oid: Some(key.type_oid),
        key_type: Some(key.type_name.clone()),
        key_order_usual: Some(true),
        own_bound: None,
        foreign_keys: !inventory.references_out.is_empty() || !inventory.references_in.is_empty(),
        default_oid: None,
        ..relation.clone()
    }
}
