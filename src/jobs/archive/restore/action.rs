//! Bringing rows back: the statements.

use std::time::Duration;

use super::super::children::ChildFacts;
use super::super::columns;
use super::super::found::Range;
use super::super::recipe;
use super::super::side::{Source, Target};
use super::super::sql::{above, edges, range};
use super::super::walk::Walk;
use super::Wish;
use super::back::Back;
use super::hold::{self, Hold};
use crate::config::checked::Age;
use crate::job::pace::Pacing;
use crate::pg::ident::TableName;
use crate::pg::step::{Expect, LockWait, Mode, Statement, Step};
use crate::pg::version::Version;

/// Bring rows back.
#[derive(Debug, Clone)]
pub struct Restore {
    /// To here …
    pub table: TableName,
    /// … from there.
    pub archive: TableName,
    /// What refers to the rows, and comes with them.
    pub children: Vec<TableName>,
    /// In this order, through the archive.
    pub walk: Walk,
    /// Batches.
    pub pacing: Pacing,
    /// The first range; `$2`: rows at most. `$1` is unused.
    pub first_range: String,
    /// The same behind a row of the walk: `$3`, …
    pub next_range: String,
    /// Brings a range back: `$2`, … its first row, then its last. Returns what [`Back::sql`] says.
    pub back: String,
    /// Keeps them from being archived again.
    pub hold: Vec<String>,
    /// Why.
    pub reason: String,
}

const UNEQUAL: &str = "what came back is not what left the archive: a key stands there twice, a value has no \
                       room here, or a trigger changes or swallows rows";
/// Readers and writers of either table do not queue behind these locks; rows of the hot table are new.
const LOCK: Duration = Duration::from_millis(100);

impl Restore {
    /// Writes the statements; `None` where the archive has no order to walk in.
    #[must_use]
    pub fn new(
        wish: &Wish,
        version: Version,
        (source, target): (&Source, &Target),
        children: &[ChildFacts],
        age: &Age,
        archive: &TableName,
        hold: &Hold,
    ) -> Option<Self> {
        let walk = Walk::choose(&target.columns, &target.indexes, age, None)
            .or_else(|| recipe::keyless(version, target.blocks?))?;
        let mut which = hold::matching(age, wish.since, wish.until, wish.condition.as_ref());
        if walk.blocks.is_some() {
            // No index can serve it, so that rows come in the order of their places.
            which = format!("({which}) IS TRUE");
        }
        let width = columns::width(&target.columns);
        let condition = format!("{}\n  AND {which}", range(&walk));
        let table = &wish.table;
        let mut back = Back::new((table, source), (archive, target), &walk, &condition, age);
        for child in children {
            back.with(child);
        }
        let next = format!("{}\n  AND {which}", above(&walk, ">", 3));
        Some(Self {
            table: table.clone(),
            archive: archive.clone(),
            children: children
                .iter()
                .filter(|child| child.target.is_some())
                .map(|child| child.name.clone())
                .collect(),
            pacing: Pacing::fixed(1),
            first_range: edges(archive, &which, &walk, &width),
            next_range: edges(archive, &next, &walk, &width),
            back: back.sql(),
            hold: hold::record(table, hold),
            reason: String::new(),
            walk,
        })
    }

    /// What is run.
    #[must_use]
    pub fn sql(&self) -> Vec<String> {
        let ranges = [&self.first_range, &self.next_range, &self.back];
        self.hold.iter().chain(ranges).cloned().collect()
    }

    /// Before the first row comes back, so that none is archived again whatever happens.
    #[must_use]
    pub fn hold(&self) -> Step {
        let statements = self.hold.iter().map(Statement::new).collect();
        self.step(Mode::Transaction, statements)
    }

    /// One batch. REPEATABLE READ: a row of the archive that somebody edits meanwhile is an error, not a
    /// lost edit.
    #[must_use]
    pub fn batch(&self, range: &Range) -> Step {
        let ends = range.first.iter().chain(&range.last).cloned().map(Some);
        let values = std::iter::once(None).chain(ends).collect();
        let back = Statement::new(&self.back).bind(values).expect(Expect::True(UNEQUAL));
        self.step(Mode::RepeatableRead, vec![back])
    }

    fn step(&self, mode: Mode, statements: Vec<Statement>) -> Step {
        Step {
            doing: "restore rows of",
            object: self.table.to_string(),
            mode,
            lock: LockWait::brief(LOCK),
            statements,
        }
    }
}
