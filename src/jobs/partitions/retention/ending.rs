//! The end of an old partition whose rows others took over: the step, and its evidence.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::action::instant;
use crate::pg::catalog::leftover::{is_blocked_sql, is_written_sql};
use crate::pg::ident::{TableName, literal};
use crate::pg::step::{Expect, LockMode, LockWait, Mode, Statement, Step, Strong};

/// All rows are read before it is dropped; what limits that is the job's own time-out.
const WITHOUT_LIMIT: &str = "SET LOCAL statement_timeout = 0";

const NOT_TO_DROP: &str = "it is not the table on record whose rows others took over: by oid, name and time, attached to \
                           nothing and still blocked";
const WRITTEN: &str = "rows were written to it after others took its rows over";

/// One that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// What is dropped, since when it is on record; absent: it is only taken off the record.
    pub drops: Option<(TableName, DateTime<Utc>)>,
    /// Its oid.
    pub oid: i64,
    /// Its name on record.
    pub name: String,
    /// Why.
    pub why: String,
    /// The cap on waiting for a lock.
    pub lock_timeout: Duration,
}

impl Ending {
    /// The kind, as plans and outcomes name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.drops.is_some() { "drop_leftover" } else { "forget_leftover" }
    }

    /// One transaction.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let forget = format!("DELETE FROM partition_carve WHERE source = {}", self.oid);
        let forget = Statement::new(forget);
        let Some((table, since)) = &self.drops else {
            let lock = LockWait::patient(self.lock_timeout);
            return vec![self.step("forget", lock, vec![forget])];
        };
        let strong = vec![Strong::only(table, LockMode::AccessExclusive)];
        let statements = vec![
            Statement::new(format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")),
            self.is_on_record(table, *since),
            Statement::new(WITHOUT_LIMIT),
            Statement::new(format!("SELECT NOT {}", is_written_sql(table, self.oid)))
                .expect(Expect::True(WRITTEN)),
            forget,
            Statement::new(format!("DROP TABLE {table}")),
        ];
        vec![self.step("drop", LockWait::brief(self.lock_timeout).looking_at(strong), statements)]
    }

    /// What is read again under the lock. That every row was carried over was proven when it was
    /// exchanged: only then does the record say `done`.
    fn is_on_record(&self, table: &TableName, since: DateTime<Utc>) -> Statement {
        let name = literal(&table.to_string());
        let sql = format!(
            "SELECT EXISTS (SELECT FROM partition_carve q JOIN pg_class c ON c.oid = q.source \
             WHERE c.oid = {} AND c.oid = {name}::regclass AND q.name = {name} AND q.stage = 'done' \
             AND q.method IN ('at_once', 'copy') AND q.done_at = {} AND q.replaced_xid IS NOT NULL \
             AND c.relkind = 'r' AND NOT c.relispartition \
             AND NOT EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent)) AND {})",
            self.oid,
            instant(since),
            is_blocked_sql(),
        );
        Statement::new(sql).expect(Expect::True(NOT_TO_DROP))
    }

    fn step(&self, doing: &'static str, lock: LockWait, statements: Vec<Statement>) -> Step {
        Step { doing, object: self.name.clone(), mode: Mode::Unflushed, lock, statements }
    }
}
