//! What is known of two tables, of which one may hand partitions to the other.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Left;
use crate::jobs::archive::due::AgeType;
use crate::pg::catalog::hand_over::{Grant, Leaf, Pair};
use crate::pg::catalog::partition::Relation;
use crate::pg::ident::{Ident, TableName};

/// What concerns two tables of which one at least is partitioned.
#[derive(Debug, Clone)]
pub struct Looked {
    /// The hot table.
    pub from: Relation,
    /// The archive table.
    pub into: Relation,
    /// In what they differ; read where both are partitioned by the age.
    pub pair: Pair,
    /// Old partitions of the hot table, and the one that begins before the cut-off.
    pub leaves: Vec<Leaf>,
    /// What those hold that nothing else speaks against, by oid.
    pub contents: BTreeMap<i64, Contents>,
    /// The hot table's default partition.
    pub default: Option<TableName>,
    /// The archive's default partition, and whether it is empty.
    pub into_default: Option<(TableName, bool)>,
    /// What others may do with the archive table.
    pub grants: Vec<Grant>,
    /// Functions of the condition that are not IMMUTABLE.
    pub unsteady: Vec<String>,
    /// What the session waits for a lock at most.
    pub lock_timeout: Duration,
}

/// What a partition holds.
#[derive(Debug, Clone)]
pub struct Contents {
    /// No row.
    pub is_empty: bool,
    /// Rows that are not due.
    pub left: Left,
}

impl Contents {
    /// It has rows, and all of them are due.
    #[must_use]
    pub fn is_all_due(&self) -> bool {
        !self.is_empty && matches!(self.left, Left::Rows(0))
    }
}

/// A table partitioned by RANGE of the age column alone.
#[must_use]
pub fn fits(relation: &Relation, age: &Ident, age_type: AgeType) -> bool {
    // As `pg_type` numbers them: no domain.
    let type_oid = match age_type {
        AgeType::Day => 1082,
        AgeType::WallClock => 1114,
        AgeType::Instant => 1184,
    };
    relation.strategy.as_deref() == Some("r")
        && relation.key_parts == Some(1)
        && relation.key_column.as_deref() == Some(age.as_str())
        && relation.key_type_oid == Some(type_oid)
        && relation.key_order_usual == Some(true)
}
