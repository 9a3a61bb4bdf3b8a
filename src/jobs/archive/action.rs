//! What the archive job may do.

use std::time::Duration;

use super::account::Part;
use super::children::Child;
use super::doubles::Doubles;
use super::found::Found;
use super::hand_over::action::{HandOver, Tidy};
use super::purge::Agreement;
use super::restore::Restore;
use super::sql::Texts;
use super::vacuum::Vacuum;
use super::walk::Walk;
use crate::config::checked::{Allowance, Rule};
use crate::job::Action;
use crate::job::pace::Pacing;
use crate::pg::ident::TableName;
use crate::pg::step::{LockMode, LockWait, Mode, Statement, Step, Strong};

mod batch;

/// One thing to do.
#[derive(Debug, Clone)]
pub enum ArchiveAction {
    /// Create the archive table.
    CreateTarget(CreateTarget),
    /// Hand a whole partition over.
    HandOver(Box<HandOver>),
    /// Put on record what an earlier run handed over.
    Record(Part),
    /// Take back what was prepared for one that is not handed over.
    Tidy(Tidy),
    /// Give the archive table what it lacks.
    AlterTarget(AlterTarget),
    /// Move the rows that are due.
    Move(Box<Move>),
    /// Look for what a sweep left, once its dead rows are gone, and move it.
    Rest(Box<Move>),
    /// Clean up behind them.
    Vacuum(Vacuum),
    /// Bring rows back.
    Restore(Box<Restore>),
    /// Put on record what may be deleted.
    Agree(Agreement),
}

/// Create the archive table.
#[derive(Debug, Clone)]
pub struct CreateTarget {
    /// It.
    pub into: TableName,
    /// The table it is to look like.
    pub source: TableName,
    /// `CREATE TABLE`, and what hands it to its owner.
    pub statements: Vec<String>,
}

/// Give the archive table what it lacks.
#[derive(Debug, Clone)]
pub struct AlterTarget {
    /// It.
    pub into: TableName,
    /// The table whose columns it adopts.
    pub source: TableName,
    /// `ALTER TABLE`.
    pub statement: String,
}

/// Move the rows that are due.
#[derive(Debug, Clone)]
pub struct Move {
    /// From here …
    pub source: TableName,
    /// The same with the name of the rule: what is told and remembered of it is told by this.
    pub rule: Rule,
    /// … to there; absent: nowhere, they are deleted.
    pub into: Option<TableName>,
    /// Rows below this are old.
    pub cutoff: String,
    /// In this order.
    pub walk: Walk,
    /// Where an unfinished pass goes on.
    pub after: Option<Vec<String>>,
    /// The age at which the first pass begins, on a walk that leads with the age: below it no row was
    /// due when they were counted, and those that are old and not due need not be passed again.
    pub oldest: Option<String>,
    /// All that was due when it was counted, where that is few.
    pub all: Option<Found>,
    /// The shape the tables must still have; absent while the target is yet to be made or altered.
    pub shape: Option<String>,
    /// How large batches are, and how they follow each other.
    pub pacing: Pacing,
    /// The shape the source must still have when the first batch begins.
    pub source_shape: String,
    /// Rows per run at most.
    pub max_rows: Option<u64>,
    /// How long per run, and in which hours.
    pub allowance: Allowance,
    /// The rows counted when the plan was made, where they were few enough to count.
    pub due: Option<u64>,
    /// The same, or an estimate.
    pub about: Option<u64>,
    /// The statements.
    pub texts: Texts,
    /// Those for keys that the archive already holds, where they can be looked up.
    pub doubles: Option<Doubles>,
    /// The passes after the first, where they go another way: they prove that nothing is left.
    pub then: Option<Box<Self>>,
    /// What moves first, with the rows it refers to.
    pub children: Vec<Child>,
    /// One pass is all: a later action proves that nothing is left.
    pub proof_follows: bool,
    /// Why.
    pub reason: String,
}

/// How a range is moved.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// What others hold locked is left behind.
    pub steps_over: bool,
    /// What the archive already holds is deleted first.
    pub drops_doubles: bool,
}

/// The transaction of one batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// It.
    pub step: Step,
    /// The statement that returns how many rows the archive already held.
    pub doubles: Option<usize>,
    /// The statement that tells how many rows are moved.
    pub moved: usize,
    /// The statements that tell how many rows of each child are moved.
    pub children: Vec<usize>,
}

/// Said when a table has another shape.
pub const ALTERED: &str = "the table or its archive was altered since it was looked at";
/// The most that a try for a lock on the whole table costs those behind it.
const TABLE_LOCK: Duration = Duration::from_millis(100);

impl CreateTarget {
    /// One transaction.
    #[must_use]
    pub fn step(&self) -> Step {
        Step {
            doing: "create archive table",
            object: self.into.to_string(),
            mode: Mode::Transaction,
            lock: LockWait::brief(TABLE_LOCK),
            statements: self.statements.iter().map(Statement::new).collect(),
        }
    }
}

impl AlterTarget {
    /// One short transaction. It changes the catalog only; readers of the archive wait for it, and
    /// it does not wait for long ones.
    #[must_use]
    pub fn step(&self) -> Step {
        let strong = Strong::new(&self.into, LockMode::AccessExclusive);
        Step {
            doing: "alter archive table",
            object: self.into.to_string(),
            mode: Mode::Transaction,
            lock: LockWait::brief(TABLE_LOCK).looking_at(vec![strong]),
            statements: vec![Statement::new(&self.statement)],
        }
    }
}

/// The kind of a move.
const MOVE: &str = "move_rows";

impl Action for ArchiveAction {
    fn kind(&self) -> &'static str {
        match self {
            Self::CreateTarget(_) => "create_target",
            Self::HandOver(_) => "hand_over_partition",
            Self::Record(_) => "record_partition",
            Self::Tidy(_) => "tidy_partition",
            Self::AlterTarget(_) => "alter_target",
            Self::Move(rows) if rows.into.is_none() => "delete_rows",
            Self::Move(_) => MOVE,
            Self::Rest(_) => "move_rest",
            Self::Agree(_) => "agree_policy",
            Self::Vacuum(_) => "vacuum",
            Self::Restore(_) => "restore_rows",
        }
    }

    fn object(&self) -> String {
        match self {
            Self::CreateTarget(create) => create.into.to_string(),
            Self::HandOver(hand_over) => hand_over.leaf.to_string(),
            Self::Record(part) => part.name.to_string(),
            Self::Tidy(tidy) => tidy.leaf.to_string(),
            Self::AlterTarget(alter) => alter.into.to_string(),
            Self::Move(rows) | Self::Rest(rows) => rows.rule.to_string(),
            Self::Agree(agreement) => agreement.rule.to_string(),
            Self::Vacuum(vacuum) => vacuum.table.to_string(),
            Self::Restore(restore) => restore.table.to_string(),
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::CreateTarget(create) => {
                format!("{} is to be archived there, and it does not exist", create.source)
            }
            Self::HandOver(hand_over) => hand_over.reason.clone(),
            Self::Record(_) => "an earlier run handed it over, and was cut off".to_owned(),
            Self::Tidy(_) => {
                "an earlier run prepared its hand-over, and it is not handed over now".to_owned()
            }
            Self::AlterTarget(alter) => {
                format!("{} has columns or values that it has no room for", alter.source)
            }
            Self::Move(rows) | Self::Rest(rows) => rows.reason.clone(),
            Self::Agree(agreement) => agreement.why.to_owned(),
            Self::Vacuum(vacuum) => vacuum.reason.clone(),
            Self::Restore(restore) => restore.reason.clone(),
        }
    }

    fn sql(&self) -> Vec<String> {
        match self {
            Self::CreateTarget(create) => create.statements.clone(),
            Self::HandOver(hand_over) => hand_over.sql(),
            Self::Record(part) => part.read().sql().collect(),
            Self::Tidy(tidy) => tidy.steps().iter().flat_map(Step::sql).collect(),
            Self::AlterTarget(alter) => vec![alter.statement.clone()],
            Self::Vacuum(vacuum) => vacuum.sql(),
            Self::Restore(restore) => restore.sql(),
            Self::Move(rows) | Self::Rest(rows) => rows.sql(),
            Self::Agree(agreement) => agreement.step().sql().collect(),
        }
    }

    /// Once the hot table's lock was not had, it is left alone until the next run.
    fn queue(&self) -> Option<String> {
        match self {
            Self::HandOver(hand_over) => Some(hand_over.source.to_string()),
            Self::CreateTarget(_)
            | Self::AlterTarget(_)
            | Self::Record(_)
            | Self::Tidy(_)
            | Self::Move(_)
            | Self::Rest(_)
            | Self::Vacuum(_)
            | Self::Restore(_)
            | Self::Agree(_) => None,
        }
    }

    fn is_heavy(&self) -> bool {
        matches!(
            self,
            Self::Move(_) | Self::Rest(_) | Self::Vacuum(_) | Self::HandOver(_) | Self::Restore(_)
        )
    }

    fn is_upkeep(&self) -> bool {
        matches!(self, Self::Agree(agreement) if !agreement.is_confirmed)
    }

    /// What stopped the sweep would stop the look behind it, or make it move the rest the slow way.
    fn follows(&self) -> Option<&'static str> {
        matches!(self, Self::Rest(_)).then_some(MOVE)
    }
}
