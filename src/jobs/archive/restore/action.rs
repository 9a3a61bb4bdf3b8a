//! Bringing rows back: the statements.

use std::time::Duration;

use super::super::account::layout::layout_of;
use super::super::account::{self, Record};
use super::super::action::Range;
use super::super::columns::{self, ARCHIVED_AT};
use super::super::observe::{Source, Target};
use super::super::recipe;
use super::super::sql::{above, edges, list, range};
use super::super::walk::Walk;
use super::Wish;
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
    /// In this order, through the archive.
    pub walk: Walk,
    /// Batches.
    pub pacing: Pacing,
    /// The first range; `$2`: rows at most. `$1` is unused.
    pub first_range: String,
    /// The same behind a row of the walk: `$3`, …
    pub next_range: String,
    /// Brings a range back: `$2`, … its first row, then its last. Returns whether all that came back
    /// left the archive, how many that were, and how many the range had.
    pub back: String,
    /// Keeps them from being archived again.
    pub hold: Vec<String>,
    /// Why.
    pub reason: String,
}

const UNEQUAL: &str = "not as many rows left the archive as came back; a key stands there twice";
/// What the statement that brings rows back is made of.
struct Back<'a> {
    table: &'a TableName,
    archive: &'a TableName,
    map: &'a columns::Mapping,
    condition: &'a str,
    record: &'a Record,
}

impl Back<'_> {
    /// What the hot table does not take stays.
    fn by_key(&self, walk: &Walk) -> String {
        let Self { archive, map, condition, record, .. } = self;
        let key = list(&walk.key);
        format!(
            "WITH back AS (\n{}\nSELECT {}\nFROM {archive}\nWHERE {condition}\n\
             ON CONFLICT DO NOTHING\nRETURNING {key}),\n\
             gone AS (\nDELETE FROM {archive}\nWHERE {condition}\n  AND ({key}) IN (SELECT {key} FROM back)\n\
             RETURNING {}),\nrecorded AS (\n{})\n\
             SELECT (SELECT count(*) FROM back) = (SELECT count(*) FROM gone), (SELECT count(*) FROM back),\n  \
             (SELECT count(*) FROM {archive} WHERE {condition})",
            self.insert(),
            list(&map.from),
            record.returning(),
            record.insert("gone", walk.columns.len()),
        )
    }

    /// Without a key nothing tells which rows arrived: all of a range do, or none.
    fn by_place(&self, walk: &Walk) -> String {
        let Self { archive, map, condition, record, .. } = self;
        let from = list(&map.from);
        format!(
            "WITH gone AS (\nDELETE FROM {archive}\nWHERE {condition}\nRETURNING {from},\n  {}),\n\
             back AS (\n{}\nSELECT {from}\nFROM gone\nRETURNING 1),\nrecorded AS (\n{})\n\
             SELECT (SELECT count(*) FROM back) = (SELECT count(*) FROM gone), (SELECT count(*) FROM back),\n  \
             (SELECT count(*) FROM gone)",
            record.returning(),
            self.insert(),
            record.insert("gone", walk.columns.len()),
        )
    }

    fn insert(&self) -> String {
        let Self { table, map, .. } = self;
        let overriding = if map.overrides_identity { " OVERRIDING SYSTEM VALUE" } else { "" };
        format!("INSERT INTO {table} ({}){overriding}", list(&map.into))
    }
}

/// Readers and writers of either table do not queue behind these locks; rows of the hot table are new.
const LOCK: Duration = Duration::from_millis(100);

impl Restore {
    /// Writes the statements; `None` where the archive has no order to walk in.
    #[must_use]
    pub fn new(
        wish: &Wish,
        version: Version,
        (source, target): (&Source, &Target),
        age: &Age,
        archive: &TableName,
        hold: &Hold,
    ) -> Option<Self> {
        let walk = Walk::choose(&target.columns, &target.indexes, age)
            .or_else(|| recipe::keyless(version, target.blocks?))?;
        let map = columns::map(&target.columns, &source.columns);
        let forward = columns::map(&source.columns, &target.columns);
        let mut which = hold::matching(age, wish.since, wish.until, wish.condition.as_ref());
        if walk.blocks.is_some() {
            // No index can serve it, so that rows come in the order of their places.
            which = format!("({which}) IS TRUE");
        }
        let record = Record {
            kind: account::Kind::Restore,
            source: wish.table.clone(),
            target: archive.clone(),
            walk: walk.signature(),
            layout: layout_of(&source.columns, &forward.from),
            age: age.to_string(),
            stamp: forward.stamps.then(|| ARCHIVED_AT.to_owned()),
        };
        let width = columns::width(&target.columns);
        let condition = format!("{}\n  AND {which}", range(&walk));
        let back =
            Back { table: &wish.table, archive, map: &map, condition: &condition, record: &record };
        let back = if walk.blocks.is_some() { back.by_place(&walk) } else { back.by_key(&walk) };
        let next = format!("{}\n  AND {which}", above(&walk, ">", 3));
        Some(Self {
            table: wish.table.clone(),
            archive: archive.clone(),
            pacing: Pacing::fixed(1),
            first_range: edges(archive, &which, &walk, &width),
            next_range: edges(archive, &next, &walk, &width),
            back,
            hold: hold::record(&wish.table, hold),
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
