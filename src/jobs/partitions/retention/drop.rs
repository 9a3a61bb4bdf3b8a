//! The one thing that cannot be taken back: the SQL, with what is read again under the lock before it.

use chrono::{DateTime, Utc};

use super::action::{Leaving, instant};
use crate::pg::catalog::quarantine::BLOCK;
use crate::pg::ident::{TableName, literal};
use crate::pg::step::{Expect, Statement, Step};

const BROUGHT_BACK: &str = "a person attached it again: it stays until the policy is confirmed";
const NOT_TO_DROP: &str = "it is not the table in quarantine that is on record: by oid, name, bound and time, attached to \
     nothing and still blocked";

impl Leaving {
    /// What is re-read under the lock before the one thing that cannot be taken back.
    pub(super) fn drop_it(&self, detached_at: DateTime<Utc>) -> Step {
        let Self { child, oid, bound, .. } = self;
        let evidence = format!(
            "SELECT EXISTS (SELECT FROM partition_quarantine q JOIN pg_class c ON c.oid = q.relation \
             WHERE c.oid = {oid} AND c.oid = {}::regclass AND q.name = {} AND q.bound = {} \
             AND q.detached_at = {} AND q.restored_at IS NULL \
             AND c.relkind = 'r' AND NOT c.relispartition \
             AND NOT EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent)) \
             AND EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND conname = '{BLOCK}'))",
            literal(child),
            literal(child),
            literal(bound),
            instant(detached_at),
        );
        let statements = vec![
            self.lock_child(),
            Statement::new(evidence).expect(Expect::True(NOT_TO_DROP)),
            Statement::new(self.delete()),
            Statement::new(format!("DROP TABLE {child}")),
        ];
        self.step("drop", self.brief(), statements)
    }

    /// Nothing of it is kept, so the evidence is what a detach asks for, and that no person brought
    /// it back.
    pub(super) fn drop_at_once(&self, lock_first: &[TableName], is_referred_to: bool) -> Step {
        let oid = self.oid;
        let not_brought_back = format!(
            "SELECT NOT EXISTS (SELECT FROM partition_quarantine WHERE relation = {oid} \
             AND (detached_at IS NOT NULL OR restored_at IS NOT NULL))"
        );
        let mut statements = self.locked(lock_first);
        statements.push(Statement::new(not_brought_back).expect(Expect::True(BROUGHT_BACK)));
        statements.push(Statement::new(self.delete()));
        if is_referred_to {
            statements.push(Statement::new(self.detach_sql()));
        }
        statements.push(Statement::new(format!("DROP TABLE {}", self.child)));
        self.step("drop", self.strong(lock_first), statements)
    }
}
