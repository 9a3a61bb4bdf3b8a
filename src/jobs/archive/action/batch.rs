//! The transaction of one batch.

use std::time::Duration;

use super::super::account::Entry;
use super::super::found::Range;
use super::{ALTERED, Batch, How, Move, TABLE_LOCK};
use crate::pg::step::{Expect, LockWait, Mode, Statement, Step};

/// What the INSERT read is what the DELETE deletes: both see one snapshot. A difference means that
/// something swallowed rows on the way.
const SWALLOWED: &str = "not as many rows were deleted as were copied; something swallows them";
const MISCOUNTED: &str = "not as many rows were copied as a second connection sees";
const MORE: &str = "the range holds more rows than a batch may have";

/// A row that somebody holds locked is waited for this long, twice: an application's transaction
/// over a few rows is done by then, and stepping over is cheap.
const ROW_LOCKS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(100)];
const ROW_LOCKS_PAUSE: Duration = Duration::from_millis(100);

/// A guess that holds more than it should is rolled back.
fn bounded(statement: Statement, range: &Range) -> Statement {
    match range.rows_max {
        Some(rows_max) => statement.expect(Expect::AtMost(rows_max, MORE)),
        None => statement,
    }
}

impl Move {
    /// One batch. REPEATABLE READ: a row that was edited since the snapshot is an error, not a lost
    /// edit. Stepping over locked rows needs READ COMMITTED; it never waits for a row.
    ///
    /// Where the next range is asked for too, at most so many rows, the answer comes last; not of one that
    /// steps over.
    #[must_use]
    pub fn batch(&self, range: &Range, how: How, ahead: Option<u64>) -> Batch {
        let records_within = how.drops_doubles || self.is_alone();
        let mut statements = vec![Statement::new(&self.texts.lock).early()];
        let children: Vec<usize> = self
            .children
            .iter()
            .map(|child| {
                let doubles = child.doubles.as_ref().filter(|_| how.drops_doubles);
                statements.extend(doubles.map(|doubles| self.over(&doubles.drop, range)));
                statements.extend(child.gone.iter().map(|text| self.over(text, range)));
                let left = statements.len();
                let delete = self.over(&child.delete, range);
                let Some(insert) = &child.insert else {
                    statements.push(delete);
                    return left;
                };
                statements.push(self.over(insert, range));
                let entry = child.entry.as_ref().filter(|_| records_within);
                statements.push(self.delete_all(delete, entry, range, left));
                left
            })
            .collect();
        let doubles = self.doubles.as_ref().filter(|_| how.drops_doubles).map(|doubles| {
            let text = if how.steps_over { &doubles.drop_free } else { &doubles.drop };
            statements.push(self.over(text, range));
            statements.len() - 1
        });
        let mut moved = statements.len();
        if how.steps_over {
            let free = self.over(&self.texts.step_over, range).expect(Expect::True(SWALLOWED));
            statements.push(free);
            statements.extend(self.unchanged());
        } else if let Some(insert) = &self.texts.insert {
            statements.push(bounded(self.over(insert, range), range).repeated());
            statements.extend(self.unchanged());
            let entry = self.texts.entry.as_ref().filter(|_| records_within);
            let delete = self.over(&self.texts.delete, range).repeated();
            statements.push(self.delete_all(delete, entry, range, moved));
            if !records_within {
                let counted = std::iter::once(moved).chain(children.iter().copied());
                let records = self.entries().zip(counted);
                statements.extend(records.map(|(entry, moved)| self.record(entry, range, moved)));
            }
        } else {
            statements.extend(self.unchanged());
            statements.extend(self.texts.gone.iter().map(|text| self.over(text, range)));
            moved = statements.len();
            statements.push(bounded(self.over(&self.texts.delete, range), range).repeated());
        }
        statements.push(self.remember(range));
        if let Some(rows_max) = ahead {
            statements.push(self.range_behind(&range.last, rows_max).repeated().aside());
        }
        let step = if how.steps_over {
            self.step(Mode::Transaction, LockWait::brief(TABLE_LOCK).tries, statements)
        } else {
            self.step(Mode::RepeatableRead, ROW_LOCKS.to_vec(), statements)
        };
        Batch { step, doubles, moved, children }
    }

    /// Looks for the next range, at most so many rows behind this one.
    #[must_use]
    pub fn range_behind(&self, after: &[String], rows_max: u64) -> Statement {
        let values = [self.cutoff.clone(), rows_max.to_string()].into_iter();
        let values = values.chain(after.iter().cloned()).map(Some).collect();
        Statement::new(&self.texts.next_range).bind(values)
    }

    /// A checksum beside the batch takes another core. Where the move is to go unnoticed, one is enough.
    fn is_alone(&self) -> bool {
        !self.pacing.is_without_rest()
    }

    /// Ends a pass.
    #[must_use]
    pub fn forget(&self) -> Step {
        let source = Some(self.rule.to_string());
        let statement = Statement::new(&self.texts.forget).bind(vec![source]);
        self.step(Mode::Transaction, LockWait::brief(TABLE_LOCK).tries, vec![statement])
    }

    /// What it runs, that of the later passes last.
    pub(super) fn sql(&self) -> Vec<String> {
        let texts = &self.texts;
        let start = if self.after.is_none() { Some(&texts.first_range) } else { None };
        let settled = self.shape.is_none().then_some(&texts.settled);
        let of_children = self.children.iter().filter_map(|child| child.doubles.as_ref());
        let doubles = self.doubles.iter().chain(of_children);
        let step_over = self.children.is_empty().then_some([&texts.step_over, &texts.left]);
        let compares = self.doubles.is_some() || self.children.iter().any(|c| c.doubles.is_some());
        let beside = self.entries().flat_map(|entry| [&entry.question, &entry.answered]);
        let by_itself = self.entries().map(|entry| &entry.deleting);
        let entry = texts.entry.as_ref().filter(|_| self.is_alone());
        let delete = entry.map_or(&texts.delete, |entry| &entry.deleting);
        let mut shown: Vec<String> = settled
            .into_iter()
            .chain(start)
            .chain([&texts.next_range, &texts.lock])
            .chain(self.children.iter().flat_map(|child| child.shown(self.is_alone())))
            .chain(&texts.insert)
            .chain([&texts.unchanged])
            .chain(&texts.gone)
            .chain([delete])
            .chain(beside.filter(|_| !self.is_alone()))
            .chain([&texts.remember])
            .chain(step_over.into_iter().flatten())
            .chain(doubles.flat_map(|d| [&d.drop].into_iter().chain(&d.differing)))
            .chain(by_itself.filter(|_| compares && !self.is_alone()))
            .chain([&texts.forget])
            .cloned()
            .collect();
        for text in self.then.iter().flat_map(|then| then.sql()) {
            if !shown.contains(&text) {
                shown.push(text);
            }
        }
        shown
    }

    /// A statement over a range, with its values.
    #[must_use]
    pub fn over(&self, text: &str, range: &Range) -> Statement {
        let values = [&self.cutoff].into_iter().chain(&range.first).chain(&range.last);
        Statement::new(text).bind(values.cloned().map(Some).collect())
    }

    /// Under the lock that the statement before took.
    fn unchanged(&self) -> Option<Statement> {
        let shape = self.shape.clone()?;
        let statement = Statement::new(&self.texts.unchanged).bind(vec![Some(shape)]);
        Some(statement.expect(Expect::True(ALTERED)).repeated())
    }

    /// What is recorded of a batch: of the table itself, then of its children.
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.texts.entry.iter().chain(self.children.iter().flat_map(|child| &child.entry))
    }

    /// What the second connection counted is what was copied: both see one snapshot.
    fn record(&self, entry: &Entry, range: &Range, moved: usize) -> Statement {
        let end = |row: &[String]| Some(serde_json::Value::from(row).to_string());
        Statement::new(&entry.answered)
            .bind(vec![end(&range.first), end(&range.last)])
            .beside(self.over(&entry.question, range).repeated())
            .expect(Expect::CountOf(moved, MISCOUNTED))
            .repeated()
    }

    /// Deletes what was copied, no more and no less. It records that too, by this entry, where that is the
    /// batch's own business: of doubles a second connection could not see what the batch has deleted already.
    fn delete_all(
        &self,
        delete: Statement,
        entry: Option<&Entry>,
        range: &Range,
        copied: usize,
    ) -> Statement {
        match entry {
            Some(entry) => self
                .over(&entry.deleting, range)
                .expect(Expect::CountOf(copied, SWALLOWED))
                .repeated(),
            None => delete.expect(Expect::RowsOf(copied, SWALLOWED)),
        }
    }

    fn remember(&self, range: &Range) -> Statement {
        let after = serde_json::Value::from(range.last.clone()).to_string();
        let values = [self.rule.to_string(), self.walk.signature(), after];
        Statement::new(&self.texts.remember).bind(values.map(Some).to_vec()).repeated()
    }

    /// What it does, for messages.
    #[must_use]
    pub fn doing(&self) -> &'static str {
        if self.into.is_some() { "archive rows of" } else { "delete rows of" }
    }

    fn step(&self, mode: Mode, tries: Vec<Duration>, statements: Vec<Statement>) -> Step {
        Step {
            doing: self.doing(),
            object: self.source.to_string(),
            mode,
            lock: LockWait { tries, pause: ROW_LOCKS_PAUSE, hold_max: None, strong: Vec::new() },
            statements,
        }
    }
}
