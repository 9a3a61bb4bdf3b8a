//! The transactions, in order. What is shown in a plan is what is run.

use std::time::Duration;

use super::{Carve, Method, Part, Stage};
use crate::jobs::partitions::premake::attach::STALE_CHECK;
use crate::jobs::partitions::premake::create;
use crate::jobs::partitions::premake::new::NewPartition;
use crate::jobs::partitions::premake::recipe::Recipe;
use crate::pg::catalog::carve::PartRecord;
use crate::pg::catalog::quarantine::BOUND_CHECK;
use crate::pg::ident::{literal, quoted};
use crate::pg::step::{Expect, LockMode, LockWait, Mode, Statement, Step, Strong, longest_try};

/// Every row is looked up by its key. Left to itself, the server scans all of a partition that it has
/// no statistics of for a few hundred changed keys: 0.7 s instead of some milliseconds.
pub(super) const BY_INDEX: [&str; 4] = [
    "SET LOCAL enable_seqscan = off",
    "SET LOCAL enable_bitmapscan = off",
    "SET LOCAL enable_hashjoin = off",
    "SET LOCAL enable_mergejoin = off",
];
/// What reads all rows takes as long as they are many; what limits it is the job's own time-out.
const WITHOUT_LIMIT: &str = "SET LOCAL statement_timeout = 0";
/// Some ten times what a statement of the exchange takes: one that drags on is given up, with the lock.
const HOLD_MAX: Duration = Duration::from_millis(500);
const HAS_HOLE: &str = "a check of an interrupted run stands on it; the next run removes it first";
const DIFFERS: &str = "the copy of its rows is not the same as its rows";

impl Carve {
    /// What is done, in order, from where an interrupted run stopped.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.stage < Stage::Made {
            steps.push(self.make());
        }
        match self.method {
            Method::AtOnce => {}
            Method::Whole => steps.extend(self.prove()),
            Method::Copy => {
                if self.stage < Stage::Captured {
                    steps.push(self.capture());
                }
                steps.extend([self.copy_batch(true), self.copy_batch(false), self.replay_step()]);
                steps.extend([self.verify(), self.analyze()]);
            }
        }
        steps.push(self.exchange());
        steps
    }

    /// Makes the parts and puts all of it on record. Nobody sees it.
    pub(super) fn make(&self) -> Step {
        let mut sql = Vec::new();
        for part in self.made() {
            sql.extend(self.make_part(part));
        }
        if self.method == Method::Copy {
            sql.extend(self.make_capture());
        }
        sql.push(self.record());
        let mut statements = vec![self.attached(), self.has_no_hole()];
        statements.extend(sql.into_iter().map(Statement::new));
        let is_noticed = !self.facts.foreign_keys.is_empty();
        let lock = if is_noticed {
            self.brief(self.others(LockMode::ShareRowExclusive))
        } else {
            self.patient()
        };
        self.step("make partitions for", Mode::Transaction, lock, statements)
    }

    /// Like the table the others are like, and with what ATTACH would otherwise check or build: the
    /// indexes, a CHECK of the bound, the foreign keys.
    fn make_part(&self, part: &Part) -> Vec<String> {
        let name = &part.name;
        let mut sql = create::table(&self.as_new(part));
        sql.push(format!("COMMENT ON TABLE {name} IS {}", literal(&self.mark())));
        sql.push(format!(
            "ALTER TABLE {name} ADD CONSTRAINT {BOUND_CHECK} CHECK ({})",
            self.belongs(part)
        ));
        let keys = self.facts.foreign_keys.iter().zip(&self.facts.foreign_key_definitions);
        sql.extend(keys.map(|(key, definition)| {
            format!("ALTER TABLE {name} ADD CONSTRAINT {} {definition}", quoted(key))
        }));
        sql
    }

    /// A part, as what is made like a table.
    pub(super) fn as_new(&self, part: &Part) -> NewPartition {
        let (model, likeness) = if part.takes_name {
            (&self.source, &self.source_likeness)
        } else {
            (&self.parent, &self.likeness)
        };
        let (from, to) = match &part.range {
            Some(range) => (range.from.clone(), range.to.clone()),
            None => (String::new(), String::new()),
        };
        NewPartition {
            parent: model.clone(),
            parent_oid: Some(self.parent_oid),
            child: part.name.clone(),
            from,
            to,
            why: self.why.clone(),
            likeness: likeness.clone(),
            recipe: Recipe::default(),
            lock_timeout: self.lock_timeout,
        }
    }

    fn record(&self) -> String {
        let parts: Vec<PartRecord> = self
            .parts
            .iter()
            .map(|part| PartRecord {
                name: part.name.to_string(),
                from: part.range.as_ref().map(|range| range.from.clone()),
                to: part.range.as_ref().map(|range| range.to.clone()),
                takes_name: part.takes_name,
            })
            .collect();
        let parts = serde_json::to_string(&parts).unwrap_or_default();
        format!(
            "INSERT INTO partition_carve (source, name, parent, parts, retired, method, stage) \
             VALUES ({}, {}, {}, {}, {}, '{}', 'made')",
            self.source_oid,
            literal(&self.source.to_string()),
            self.parent_oid,
            literal(&parts),
            literal(&self.retired.to_string()),
            self.method.word(),
        )
    }

    pub(super) fn capture(&self) -> Step {
        let mut statements: Vec<Statement> =
            self.begin_capture().into_iter().map(Statement::new).collect();
        statements.push(self.attached());
        statements.push(self.advance("captured"));
        let strong = vec![Strong::only(&self.source, LockMode::ShareRowExclusive)];
        self.step("capture changes of", Mode::Unflushed, self.brief(strong), statements)
    }

    /// A part that is like the old partition would have its CHECK too, and refuse rows.
    fn has_no_hole(&self) -> Statement {
        let sql = format!(
            "SELECT NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = {} AND conname = '{STALE_CHECK}')",
            self.source_oid
        );
        Statement::new(sql).expect(Expect::True(HAS_HOLE))
    }

    fn advance(&self, stage: &str) -> Statement {
        let oid = self.source_oid;
        Statement::new(format!("UPDATE partition_carve SET stage = '{stage}' WHERE source = {oid}"))
    }

    pub(super) fn copy_batch(&self, is_first: bool) -> Step {
        let statements = by_index([self.copy(is_first)]);
        self.step("copy rows of", Mode::Transaction, self.patient(), statements)
    }

    /// The log and the rows are seen at one moment.
    pub(super) fn replay_step(&self) -> Step {
        let statements = by_index(self.replay());
        self.step("replay changes of", Mode::RepeatableRead, self.patient(), statements)
    }

    /// Seen at one moment, the copy is the same value by value. It is not after a TRUNCATE.
    pub(super) fn verify(&self) -> Step {
        let mut statements = vec![Statement::new(WITHOUT_LIMIT)];
        statements.extend(self.replay().map(Statement::new));
        let same = Statement::new(self.is_the_same()).expect(Expect::True(DIFFERS));
        statements.push(same);
        self.step("verify the copy of", Mode::RepeatableRead, self.patient(), statements)
    }

    /// So that the planner knows the partitions from the first moment on.
    pub(super) fn analyze(&self) -> Step {
        let names: Vec<String> = self.made().map(|part| part.name.to_string()).collect();
        let sql = format!("ANALYZE {}", names.join(", "));
        self.step("analyze the copy of", Mode::Alone, self.patient(), vec![Statement::new(sql)])
    }

    /// For a partition that becomes the first part itself: while the CHECK stands, it takes no rows
    /// of other ranges.
    pub(super) fn prove(&self) -> Vec<Step> {
        let (source, Some(part)) = (&self.source, self.parts.first()) else { return Vec::new() };
        let add = [
            format!("ALTER TABLE {source} DROP CONSTRAINT IF EXISTS {BOUND_CHECK}"),
            format!(
                "ALTER TABLE {source} ADD CONSTRAINT {BOUND_CHECK} CHECK ({}) NOT VALID",
                self.belongs(part)
            ),
        ];
        let strong = vec![Strong::only(source, LockMode::AccessExclusive)];
        let validate = format!("ALTER TABLE {source} VALIDATE CONSTRAINT {BOUND_CHECK}");
        vec![
            self.step(
                "add a check to",
                Mode::Unflushed,
                self.brief(strong),
                add.map(Statement::new).into(),
            ),
            self.step(
                "validate the check of",
                Mode::Transaction,
                self.patient(),
                [WITHOUT_LIMIT.to_owned(), validate].map(Statement::new).into(),
            ),
        ]
    }

    pub(super) fn exchange(&self) -> Step {
        let mut strong = self.others(LockMode::AccessExclusive);
        strong.extend([
            Strong::only(&self.parent, LockMode::AccessExclusive),
            Strong::only(&self.source, LockMode::AccessExclusive),
        ]);
        let lock = match self.method {
            Method::AtOnce => LockWait::brief(self.lock_timeout).looking_at(strong),
            Method::Copy | Method::Whole => self.brief(strong),
        };
        let lock = lock.holding(HOLD_MAX);
        self.step("exchange", Mode::Unflushed, lock, self.exchange_statements())
    }

    /// Takes back everything that was made; the partition is as it was.
    #[must_use]
    pub fn abandon(&self) -> Step {
        let strong = vec![Strong::only(&self.source, LockMode::AccessExclusive)];
        self.step("give up", Mode::Unflushed, self.brief(strong), self.abandon_statements())
    }

    fn patient(&self) -> LockWait {
        LockWait::patient(self.lock_timeout)
    }

    /// The tables its foreign keys point at, locked so.
    fn others(&self, mode: LockMode) -> Vec<Strong> {
        self.points_at.iter().map(|table| Strong::only(table, mode)).collect()
    }

    fn brief(&self, strong: Vec<Strong>) -> LockWait {
        let mut lock = LockWait::brief(self.lock_timeout).looking_at(strong);
        // Much was done until here, and would be kept waiting until the next run.
        lock.tries.extend([longest_try(self.lock_timeout); 12]);
        lock.pause = Duration::from_millis(250);
        lock
    }

    fn step(
        &self,
        doing: &'static str,
        mode: Mode,
        lock: LockWait,
        statements: Vec<Statement>,
    ) -> Step {
        Step { doing, object: self.source.to_string(), mode, lock, statements }
    }
}

fn by_index(sql: impl IntoIterator<Item = String>) -> Vec<Statement> {
    BY_INDEX.into_iter().map(ToOwned::to_owned).chain(sql).map(Statement::new).collect()
}
