//! A table's policy goes on record: the SQL.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::action::instant;
use super::choice::Policy;
use crate::pg::ident::{TableName, literal};
use crate::pg::step::{LockWait, Mode, Statement, Step};

/// The policy of a table goes on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// The partitioned table.
    pub table: TableName,
    /// Its oid.
    pub oid: i64,
    /// What is agreed.
    pub policy: Policy,
    /// How the key tells time, [`crate::jobs::partitions::grid::axis::Axis::reading`].
    pub reading: String,
    /// A person said so with `--confirm`: what was restored by hand may expire again.
    pub is_confirmed: bool,
    /// Why.
    pub why: String,
    /// The run's time.
    pub now: DateTime<Utc>,
    /// The cap on waiting for a lock.
    pub lock_timeout: Duration,
}

impl Agreement {
    /// One transaction.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let Self { table, oid, policy, reading, now, .. } = self;
        let mut sql = vec![format!(
            "INSERT INTO partition_policy (parent, retention, on_expiry, quarantine, reading, agreed_at) \
             VALUES ({oid}, '{}', '{}', '{}', {}, {}) ON CONFLICT (parent) DO UPDATE \
             SET retention = excluded.retention, on_expiry = excluded.on_expiry, \
             quarantine = excluded.quarantine, reading = excluded.reading, \
             agreed_at = excluded.agreed_at",
            policy.retention,
            policy.on_expiry.as_str(),
            policy.quarantine,
            literal(reading),
            instant(*now),
        )];
        if self.is_confirmed {
            sql.push(format!(
                "DELETE FROM partition_quarantine WHERE parent = {oid} \
                 AND (restored_at IS NOT NULL OR detached_at IS NOT NULL) \
                 AND relation IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = {oid})"
            ));
        }
        vec![Step {
            doing: "record the policy of",
            object: table.to_string(),
            mode: Mode::Transaction,
            lock: LockWait::patient(self.lock_timeout),
            statements: sql.into_iter().map(Statement::new).collect(),
        }]
    }
}
