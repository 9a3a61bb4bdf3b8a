//! What `observe` found: plain data, so that a test can build it by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::job::clocks::Clocks;
use crate::jobs::partitions::grid::bounds::Span;
use crate::jobs::partitions::grid::coverage::Piece;
use crate::jobs::partitions::grid::key::Point;
use crate::jobs::partitions::laid::Laid;
use crate::pg::catalog::carve::{Begun, Source};
use crate::pg::catalog::foreign_keys::Reference;
use crate::pg::catalog::leftover::Leftover;
use crate::pg::catalog::likeness::Difference;
use crate::pg::catalog::partition::{Child, Relation};
use crate::pg::catalog::partition_default::DefaultRows;
use crate::pg::catalog::policies::Policy;
use crate::pg::catalog::quarantine::{Agreed, Held};
use crate::pg::catalog::traits::Traits;
use crate::pg::fault::{Blocker, Fault};
use crate::pg::ident::{Ident, TableName};
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
    /// What pgtend's record says of partitions of other tables: no longer configured, or gone.
    pub strays: Vec<Held>,
    /// The same of old partitions whose rows others took over.
    pub stray_leftovers: Vec<Leftover>,
    /// Of the names a new partition may get, those that are taken.
    pub taken: BTreeSet<TableName>,
    /// Two clocks, read at the same moment.
    pub clocks: Clocks,
    /// pgtend's own schema.
    pub own_schema: Ident,
    /// A plain table that is to be adopted; absent where none was asked about.
    pub adoption: Option<Box<super::adopt::Facts>>,
    /// Configured tables whose adoption was begun and not finished, each with what was seen of it.
    pub unfinished: Vec<(super::adopt::Wish, Self)>,
}

/// One table.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The table itself.
    pub relation: Relation,
    /// Its partitions, in no order.
    pub children: Vec<Child>,
    /// Its default partition.
    pub default: Option<DefaultFacts>,
    /// What pgtend's record says of partitions that left or were to leave.
    pub held: Vec<Held>,
    /// Old partitions of it whose rows others took over, oldest first.
    pub leftovers: Vec<Leftover>,
    /// Of those that are to be dropped, by oid: whether rows were written to them since.
    pub written: BTreeMap<i64, Result<bool, Fault>>,
    /// The policy its partitions last expired by.
    pub agreed: Option<Agreed>,
    /// Foreign keys that point at it.
    pub references: Vec<Reference>,
    /// For partitions that are to leave: the first foreign key whose rows refer to their rows.
    pub referenced: BTreeMap<i64, Result<Option<String>, Fault>>,
    /// The tables that its foreign keys point at, where it may get a partition.
    pub points_at: Vec<TableName>,
    /// What LIKE and ATTACH leave behind of it, where it may get a partition.
    pub traits: Traits,
    /// Its row security policies, where they are needed.
    pub policies: Result<Vec<Policy>, Fault>,
    /// The storage parameters of its partition of today, else of its newest one, where one is missing.
    pub storage: Vec<String>,
    /// In what its partitions differ from it.
    pub differences: Result<Vec<Difference>, Fault>,
    /// Who stands in the way of attaching a partition, where one is missing.
    pub blockers: Vec<Blocker>,
    /// The highest id in use, where the key counts ids; absent where there is none yet.
    pub highest_id: Option<i64>,
    /// Partitions of it whose rows were being taken over when a run was interrupted.
    pub begun: Vec<Begun>,
    /// A partition that is to be split.
    pub wide: Option<Box<Wide>>,
    /// Partitions whose rows are to be taken over, by oid.
    pub emptying: BTreeMap<i64, Emptying>,
    /// What follows from all this, where it was worked out.
    pub laid: Option<Laid>,
}

/// A partition whose rows are to be taken over by others.
#[derive(Debug, Clone, Default)]
pub struct Emptying {
    /// Its columns, and what stands in the way.
    pub facts: Source,
    /// The role that owns it.
    pub owner: String,
    /// What LIKE leaves behind of it.
    pub traits: Traits,
    /// Its storage parameters.
    pub storage: Vec<String>,
    /// What a default partition holds; absent where an interrupted run decided already.
    pub contents: Option<Result<Contents, Fault>>,
}

/// What a default partition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Ranges without a partition that it holds rows of, ascending, and how many.
    pub pieces: Vec<(Piece, u64)>,
    /// Rows of no such range: beyond `premake`, or without a key.
    pub left: u64,
}

/// A partition that spans several cells of the grid and holds rows.
#[derive(Debug, Clone)]
pub struct Wide {
    /// Its oid.
    pub oid: i64,
    /// What it holds, or why that is not known.
    pub holds: Result<Holds, Fault>,
}

/// What a wide partition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holds {
    /// Cells of the grid with rows, ascending, each within its own bound.
    pub cells: Vec<Span>,
    /// How many rows: counted where they are few, else as the server's statistics estimate them.
    pub rows: u64,
}

impl Facts {
    /// A table of which nothing but itself was seen.
    #[must_use]
    pub fn bare(relation: Relation) -> Self {
        Self {
            relation,
            children: Vec::new(),
            default: None,
            held: Vec::new(),
            leftovers: Vec::new(),
            written: BTreeMap::new(),
            agreed: None,
            references: Vec::new(),
            referenced: BTreeMap::new(),
            points_at: Vec::new(),
            traits: Traits::default(),
            policies: Ok(Vec::new()),
            storage: Vec::new(),
            differences: Ok(Vec::new()),
            blockers: Vec::new(),
            highest_id: None,
            begun: Vec::new(),
            wide: None,
            emptying: BTreeMap::new(),
            laid: None,
        }
    }
}

/// A default partition.
#[derive(Debug, Clone)]
pub struct DefaultFacts {
    /// Its name.
    pub name: TableName,
    /// It still has the CHECK of an interrupted run.
    pub has_stale_check: bool,
    /// How many rows it has, as the catalog knows; absent where it does not.
    pub rows_estimate: Option<i64>,
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
