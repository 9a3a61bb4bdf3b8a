//! What `observe` found: plain data, so that a test can build it by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::key::Point;
use crate::pg::catalog::partition::{Child, Relation, Unattached};
use crate::pg::catalog::partition_default::DefaultRows;
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;
use crate::pg::version::Version;

/// Everything the plan stands on.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The server's version.
    pub version: Version,
    /// The role we are.
    pub role: String,
    /// The session's cap on waiting for a lock.
    pub lock_timeout: Duration,
    /// The configured tables that exist.
    pub tables: BTreeMap<TableName, Facts>,
    /// Of the names a new partition may get, those that are taken.
    pub taken: BTreeSet<TableName>,
}

/// One table.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The table itself.
    pub relation: Relation,
    /// Its partitions, in no order.
    pub children: Vec<Child>,
    /// Made by an interrupted run, and not attached.
    pub unattached: Vec<Unattached>,
    /// Its default partition.
    pub default: Option<DefaultFacts>,
    /// The highest id in use, where the key counts ids; absent where there is none yet.
    pub highest_id: Option<i64>,
}

/// A default partition.
#[derive(Debug, Clone)]
pub struct DefaultFacts {
    /// Its name.
    pub name: TableName,
    /// It still has the CHECK of an interrupted run.
    pub has_stale_check: bool,
    /// What was asked about its rows, where a partition is missing.
    pub look: Option<Look>,
}

/// A look into a default partition.
#[derive(Debug, Clone)]
pub struct Look {
    /// The ranges asked about.
    pub ranges: Vec<(Point, Point)>,
    /// The answer, or why there is none.
    pub answer: Result<DefaultRows, Fault>,
}
