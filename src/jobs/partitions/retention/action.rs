//! How a partition leaves, is dropped, or comes back: the SQL, with its evidence.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::super::block::{block, unblock};
use crate::pg::catalog::quarantine::BOUND_CHECK;
use crate::pg::ident::{Ident, TableName, literal};
use crate::pg::range::Range;
use crate::pg::step::{
    BRIEF_MAX, Expect, LockMode, LockWait, Mode, Statement, Step, Strong, longest_try,
};

/// What is done with one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Record it, `DETACH … CONCURRENTLY`, block its writes.
    DetachConcurrently,
    /// The same in one transaction, under short waits: what is to be locked before its parent, and
    /// its key column.
    Detach {
        /// Tables with a foreign key to it: locked first, as the application locks them.
        lock_first: Vec<TableName>,
        /// For the check that proves its bound.
        key: Ident,
    },
    /// Drop it while it is attached: the tables it refers to are not locked so.
    DropAtOnce {
        /// As for [`What::Detach`].
        lock_first: Vec<TableName>,
        /// Foreign keys point at its table: the server drops only what they do not, so it is
        /// detached first, and searched for rows that are referred to.
        is_referred_to: bool,
    },
    /// Finish an interrupted detach.
    Finalize,
    /// Block the writes of one that was detached when the run ended.
    Mark,
    /// Drop it: its quarantine, begun then, is over.
    Drop {
        /// As recorded.
        detached_at: DateTime<Utc>,
    },
    /// Attach it again.
    Restore {
        /// The check of its bound is to be validated first, so that attaching it reads no rows.
        is_unproven: bool,
    },
    /// Note that a person attached it again, and let it take writes.
    Keep {
        /// Its writes are still blocked.
        is_blocked: bool,
    },
    /// Take it off the record.
    Forget,
}

/// One partition that leaves or comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// What is done.
    pub what: What,
    /// The partitioned table.
    pub parent: TableName,
    /// Its oid.
    pub parent_oid: i64,
    /// The partition; for [`What::Forget`] the recorded name.
    pub child: String,
    /// Its oid.
    pub oid: i64,
    /// Its bound, `FOR VALUES …`.
    pub bound: String,
    /// Why.
    pub why: String,
    /// Foreign keys or a default partition are locked as well.
    pub is_noticed: bool,
    /// The run's time: what is recorded.
    pub now: DateTime<Utc>,
    /// The cap on waiting for a lock.
    pub lock_timeout: Duration,
}

/// Tries of a detach that may search many rows under a lock: a busy moment passes, a long search
/// does not.
const SEARCHES_MAX: usize = 4;

const NOT_AS_SEEN: &str = "it is not that partition of that table any more, by oid, name and bound";
const NOT_DETACHED: &str = "it is not the detached table that is on record, by oid and name";

impl Leaving {
    /// The kind, as plans and outcomes name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.what {
            What::DetachConcurrently | What::Detach { .. } => "detach_partition",
            What::Finalize => "finalize_detach",
            What::Mark => "quarantine_partition",
            What::Drop { .. } | What::DropAtOnce { .. } => "drop_partition",
            What::Restore { .. } => "restore_partition",
            What::Keep { .. } => "keep_partition",
            What::Forget => "forget_partition",
        }
    }

    /// Whether it waits for those who use the partitioned table.
    #[must_use]
    pub fn locks_parent(&self) -> bool {
        matches!(
            self.what,
            What::DetachConcurrently
                | What::Detach { .. }
                | What::DropAtOnce { .. }
                | What::Finalize
        )
    }

    /// What is done, in order. A crash between two of them is carried on by the next run.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        match &self.what {
            What::DetachConcurrently => self.detach_concurrently(),
            What::Detach { lock_first, key } => self.detach(lock_first, key),
            What::DropAtOnce { lock_first, is_referred_to } => {
                vec![self.drop_at_once(lock_first, *is_referred_to)]
            }
            What::Finalize => {
                let finalize = Statement::new(format!("{} FINALIZE", self.detach_sql()));
                let mut statements = vec![self.attached(), finalize];
                statements.extend(self.blocked());
                vec![self.step("finish the detach of", self.lock(), statements)]
            }
            What::Mark => vec![self.mark()],
            What::Drop { detached_at } => vec![self.drop_it(*detached_at)],
            What::Restore { is_unproven } => self.restore(*is_unproven),
            What::Keep { is_blocked } => {
                let mut statements: Vec<Statement> = if *is_blocked {
                    unblock(&self.child).map(Statement::new).into()
                } else {
                    Vec::new()
                };
                statements.push(self.note_restored());
                vec![self.step("keep", self.brief(), statements)]
            }
            What::Forget => {
                let delete = Statement::new(self.delete());
                vec![self.step("forget", LockWait::patient(self.lock_timeout), vec![delete])]
            }
        }
    }

    /// One try only: after a time-out the detach is pending, and the next run finalizes it.
    fn detach_concurrently(&self) -> Vec<Step> {
        let intent = vec![self.attached(), Statement::new(self.record(None))];
        let concurrently = Statement::new(format!("{} CONCURRENTLY", self.detach_sql()));
        let patient = LockWait::patient(self.lock_timeout);
        let mut detach =
            self.step("detach", patient.clone().at_most(1), vec![self.attached(), concurrently]);
        detach.mode = Mode::Alone;
        vec![self.step("record", patient, intent), detach, self.mark()]
    }

    fn detach(&self, lock_first: &[TableName], key: &Ident) -> Vec<Step> {
        let mut statements = self.locked(lock_first);
        statements.push(Statement::new(self.record(None)));
        statements.push(Statement::new(self.detach_sql()));
        if let Some(check) = self.bound_check(key) {
            statements.push(Statement::new(check));
        }
        statements.extend(self.blocked());
        vec![self.step("detach", self.strong(lock_first), statements)]
    }

    /// Its table is locked, and those before it that are locked first by the application too; it is
    /// what it was.
    pub(super) fn locked(&self, lock_first: &[TableName]) -> Vec<Statement> {
        let locks = lock_first
            .iter()
            .map(|table| format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
            .chain([format!("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE", self.parent)]);
        let mut statements: Vec<Statement> = locks.map(Statement::new).collect();
        statements.push(self.attached());
        statements
    }

    pub(super) fn strong(&self, lock_first: &[TableName]) -> LockWait {
        // It waits for the table, and then for the partition with the table locked: half each.
        let cap = self.lock_timeout.min(BRIEF_MAX);
        let mut lock = LockWait::brief(cap / 2);
        if !lock_first.is_empty() {
            // The server searches those for rows that refer to the partition, however many there are.
            lock = lock.at_most(SEARCHES_MAX).holding(longest_try(cap));
        }
        let mut strong = vec![
            Strong::only(&self.parent, LockMode::AccessExclusive),
            Strong::new(&self.child, LockMode::AccessExclusive),
        ];
        strong.extend(lock_first.iter().map(|table| Strong::new(table, LockMode::AccessExclusive)));
        lock.looking_at(strong)
    }

    /// What to do where the server's search for rows that refer to the partition takes too long.
    #[must_use]
    pub fn slow_search(&self) -> Option<String> {
        let (What::Detach { lock_first, .. } | What::DropAtOnce { lock_first, .. }) = &self.what
        else {
            return None;
        };
        let tables = lock_first.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        (!tables.is_empty()).then(|| {
            format!(
                "the server searches {tables} for rows that refer to it, under strong locks; in a \
                 quiet hour: {}",
                self.detach_sql()
            )
        })
    }

    fn mark(&self) -> Step {
        self.step("quarantine", self.brief(), self.blocked())
    }

    /// With the table's lock held: it is detached, takes no writes any more, and is on record so.
    fn blocked(&self) -> Vec<Statement> {
        let Self { child, oid, now, .. } = self;
        let mut statements = vec![self.lock_child(), self.detached()];
        statements.extend(unblock(&self.child).map(Statement::new));
        statements.extend(block(child).map(Statement::new));
        statements.push(Statement::new(format!(
            "UPDATE partition_quarantine SET detached_at = {} WHERE relation = {oid}",
            instant(*now)
        )));
        statements
    }

    fn restore(&self, is_unproven: bool) -> Vec<Step> {
        let Self { parent, child, bound, .. } = self;
        let mut steps = Vec::new();
        if is_unproven {
            let sql = format!("ALTER TABLE {child} VALIDATE CONSTRAINT {BOUND_CHECK}");
            let patient = LockWait::patient(self.lock_timeout);
            steps.push(self.step("prove the bound of", patient, vec![Statement::new(sql)]));
        }
        let mut statements = vec![self.lock_child(), self.detached()];
        statements.extend(unblock(&self.child).map(Statement::new));
        let attach = format!("ALTER TABLE {parent} ATTACH PARTITION {child} {bound}");
        let unprove = format!("ALTER TABLE {child} DROP CONSTRAINT IF EXISTS {BOUND_CHECK}");
        statements.extend([attach, unprove].map(Statement::new));
        statements.push(self.note_restored());
        statements.push(self.attached());
        steps.push(self.step("restore", self.lock(), statements));
        steps
    }

    pub(super) fn lock_child(&self) -> Statement {
        Statement::new(format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", self.child))
    }

    /// It is that partition, of that table, with that bound.
    pub(super) fn attached(&self) -> Statement {
        let Self { parent, parent_oid, child, oid, bound, .. } = self;
        let sql = format!(
            "SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
             WHERE c.oid = {oid} AND c.oid = {}::regclass AND i.inhparent = {parent_oid} \
             AND i.inhparent = {}::regclass AND pg_get_expr(c.relpartbound, 0) = {})",
            literal(child),
            literal(&parent.to_string()),
            literal(bound),
        );
        Statement::new(sql).expect(Expect::True(NOT_AS_SEEN))
    }

    /// It is that table, on record, and a partition of nothing.
    fn detached(&self) -> Statement {
        let Self { child, oid, .. } = self;
        let sql = format!(
            "SELECT EXISTS (SELECT FROM partition_quarantine q JOIN pg_class c ON c.oid = q.relation \
             WHERE c.oid = {oid} AND c.oid = {}::regclass AND q.name = {} AND NOT c.relispartition)",
            literal(child),
            literal(child),
        );
        Statement::new(sql).expect(Expect::True(NOT_DETACHED))
    }

    pub(super) fn detach_sql(&self) -> String {
        format!("ALTER TABLE {} DETACH PARTITION {}", self.parent, self.child)
    }

    fn record(&self, detached_at: Option<DateTime<Utc>>) -> String {
        let Self { child, oid, parent_oid, bound, now, .. } = self;
        format!(
            "INSERT INTO partition_quarantine (relation, name, parent, bound, intended_at, detached_at) \
             VALUES ({oid}, {}, {parent_oid}, {}, {}, {}) ON CONFLICT (relation) DO UPDATE \
             SET name = excluded.name, parent = excluded.parent, bound = excluded.bound, \
             intended_at = excluded.intended_at, detached_at = excluded.detached_at, restored_at = NULL",
            literal(child),
            literal(bound),
            instant(*now),
            detached_at.map_or_else(|| "NULL".to_owned(), instant),
        )
    }

    fn note_restored(&self) -> Statement {
        Statement::new(format!(
            "UPDATE partition_quarantine SET restored_at = {}, detached_at = NULL WHERE relation = {}",
            instant(self.now),
            self.oid
        ))
    }

    pub(super) fn delete(&self) -> String {
        format!("DELETE FROM partition_quarantine WHERE relation = {}", self.oid)
    }

    /// The bound as a check. DETACH CONCURRENTLY leaves one like it, plain DETACH none.
    fn bound_check(&self, key: &Ident) -> Option<String> {
        let holds = Range::of_bound(&self.bound)?.holds(key);
        Some(format!(
            "ALTER TABLE {} ADD CONSTRAINT {BOUND_CHECK} CHECK ({key} IS NOT NULL AND {holds}) NOT VALID",
            self.child
        ))
    }

    fn lock(&self) -> LockWait {
        if self.is_noticed { self.brief() } else { LockWait::patient(self.lock_timeout) }
    }

    pub(super) fn brief(&self) -> LockWait {
        LockWait::brief(self.lock_timeout)
    }

    pub(super) fn step(
        &self,
        doing: &'static str,
        lock: LockWait,
        statements: Vec<Statement>,
    ) -> Step {
        Step { doing, object: self.child.clone(), mode: Mode::Unflushed, lock, statements }
    }
}

/// As a literal.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    format!("'{}'", at.format("%Y-%m-%d %H:%M:%S%.6f+00"))
}
