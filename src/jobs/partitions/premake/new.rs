//! A partition to be: plain data.

use std::time::Duration;

use super::recipe::Recipe;
use crate::jobs::partitions::alike::given::Likeness;
use crate::pg::ident::{TableName, literal};

/// A partition to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartition {
    /// The partitioned table.
    pub parent: TableName,
    /// Its oid: evidence, checked again after the attaching. Absent where the plan makes it too.
    pub parent_oid: Option<i64>,
    /// The partition's name.
    pub child: TableName,
    /// Its lower bound, an SQL literal.
    pub from: String,
    /// Its upper bound, an SQL literal.
    pub to: String,
    /// Why it is to be made.
    pub why: String,
    /// What the table is given beyond its columns.
    pub likeness: Likeness,
    /// How it is attached.
    pub recipe: Recipe,
    /// The cap on waiting for a lock.
    pub lock_timeout: Duration,
}

impl NewPartition {
    /// The parent's oid, as SQL.
    #[must_use]
    pub fn parent_id(&self) -> String {
        self.parent_oid.map_or_else(
            || format!("{}::regclass", literal(&self.parent.to_string())),
            |oid| oid.to_string(),
        )
    }

    /// What it locks: its own table's, or what several tables may have in common.
    #[must_use]
    pub fn lane(&self) -> String {
        if self.recipe.locks_others() {
            return "tables with foreign keys".to_owned();
        }
        self.parent.to_string()
    }
}
