//! The facts a plan stands on. Plain data.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::pg::ident::TableName;
use crate::pg::version::Version;

/// Facts about every table of the database.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The server's.
    pub version: Version,
    /// The role we are connected as, for the GRANT in a cure.
    pub role: String,
    /// `track_counts`: without it no change is ever counted.
    pub counted: bool,
    /// By schema and name. Foreign tables only where they are partitions.
    pub tables: Vec<Table>,
    /// What earlier runs wrote down, by the table's oid.
    pub memory: HashMap<u32, Memory>,
}

/// Facts about one table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its oid.
    pub oid: u32,
    /// Its name.
    pub name: TableName,
    /// What it is.
    pub kind: TableKind,
    /// The parent it is a partition of.
    pub parent: Option<u32>,
    /// Rows as of the last VACUUM or ANALYZE. `None`: never counted (14 and later say so; 13 says 0).
    pub reltuples: Option<u64>,
    /// Live rows by the counters, which a crash may have lost.
    pub live: u64,
    /// Rows changed since the last ANALYZE; always 0 for a partitioned parent.
    pub changed: u64,
    /// Rows written since the counters began.
    pub writes: u64,
    /// Whether any of its blocks was ever read or written, as far as the counters reach.
    pub touched: bool,
    /// The last ANALYZE by hand; 13 keeps none for a partitioned parent.
    pub analyzed_at: Option<DateTime<Utc>>,
    /// The last one by autovacuum.
    pub autoanalyzed_at: Option<DateTime<Utc>>,
    /// Changed rows from which autovacuum analyzes it, where someone set that for this table.
    pub own_due_from: Option<u64>,
    /// What has no statistics although it could: `column a`, `index b`, `statistics c`.
    pub lacking: Vec<String>,
    /// Statistics objects, `schema.name`, that can never be built; ANALYZE warns of them each time.
    pub impossible: Vec<String>,
    /// Its owner.
    pub owner: String,
    /// Its owner may do anything, so that nobody should be made a member of it.
    pub owner_is_superuser: bool,
    /// The role may use the schema.
    pub reachable: bool,
    /// The role may analyze it.
    pub permitted: bool,
    /// The role may see its statistics; otherwise `lacking` is empty whatever is missing.
    pub visible: bool,
    /// The session that is analyzing or vacuuming it now.
    pub busy: Option<i32>,
}

/// What a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// A table or materialized view, partitions included.
    Plain,
    /// A partitioned parent: it holds no rows itself.
    Parent,
    /// A foreign table that is a partition.
    Foreign,
}

/// What pgtend wrote down after it analyzed a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    /// What had no statistics before that ANALYZE.
    pub lacking: Vec<String>,
    /// For a parent: its leaves at that time.
    pub leaves: Option<Vec<Leaf>>,
}

/// A leaf's counters at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Its oid.
    pub oid: u32,
    /// Rows written since the counters began.
    pub writes: u64,
    /// Rows held.
    pub rows: u64,
}

impl Table {
    /// Rows held, as well as the server knows.
    pub fn rows(&self) -> u64 {
        self.reltuples.filter(|&rows| rows > 0).unwrap_or(self.live)
    }
}
