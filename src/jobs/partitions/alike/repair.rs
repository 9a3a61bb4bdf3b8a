//! Makes an old partition like its parent again: the step, and its evidence.

use std::time::Duration;

use crate::pg::ident::{TableName, literal};
use crate::pg::step::{Expect, LockMode, LockWait, Mode, Statement, Step, Strong};

/// An old partition, and what makes it like its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The partition.
    pub child: TableName,
    /// Its oid: evidence, checked again before anything is changed.
    pub child_oid: i64,
    /// The oid of the table it is a partition of: the same.
    pub parent_oid: i64,
    /// In what it differs.
    pub why: String,
    /// The statements, in order.
    pub sql: Vec<String>,
    /// The cap on waiting for a lock.
    pub lock_timeout: Duration,
}

impl Repair {
    /// One transaction: a partition is like its parent, or as it was. What it changes takes ACCESS
    /// EXCLUSIVE on the partition, so tries are short.
    #[must_use]
    pub fn step(&self) -> Step {
        let Self { child, child_oid, parent_oid, sql, lock_timeout, .. } = self;
        let evidence = format!(
            "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = {child_oid} \
             AND inhparent = {parent_oid}) AND to_regclass({}) = {child_oid}::oid",
            literal(&child.to_string())
        );
        let evidence = Statement::new(evidence)
            .expect(Expect::True("it is not a partition of that table any more, or was renamed"));
        let changes = sql.iter().map(Statement::new);
        Step {
            doing: "repair",
            object: child.to_string(),
            mode: Mode::Unflushed,
            lock: LockWait::brief(*lock_timeout)
                .looking_at(vec![Strong::new(child, LockMode::AccessExclusive)]),
            statements: std::iter::once(evidence).chain(changes).collect(),
        }
    }
}
