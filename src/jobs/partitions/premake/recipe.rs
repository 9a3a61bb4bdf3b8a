//! How a partition is attached: chosen from what stands beside it in the catalog.

use std::fmt;
use std::time::Duration;

use crate::jobs::partitions::facts::Facts;
use crate::pg::fault::Blocker;
use crate::pg::ident::{Ident, TableName};
use crate::pg::step::{BRIEF_MAX, LockMode, LockWait, Strong, longest_try};
use crate::pg::version::Version;

/// A default partition, as far as attaching a sibling depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BesideDefault {
    /// Its name.
    pub name: TableName,
    /// The key column.
    pub key: Ident,
    /// Its rows are too many, or too little is known of them, to be scanned under a strong lock.
    pub is_large: bool,
}

/// What ATTACH locks beside the parent, whose SHARE UPDATE EXCLUSIVE no reader or writer notices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    /// Tables that a foreign key of the parent points at: locked against writes.
    pub referenced: Vec<TableName>,
    /// Tables with a foreign key that points at the parent: the same, from 15 on.
    pub referencing: Vec<TableName>,
    /// The default partition: locked against everything.
    pub default: Option<BesideDefault>,
}

impl Recipe {
    /// What the catalog asks for. A foreign key from the table to itself is one that it points at.
    #[must_use]
    pub fn of(facts: &Facts, version: Version, default: Option<BesideDefault>) -> Self {
        let others = facts.references.iter().filter(|reference| !reference.is_own);
        let mut referencing: Vec<TableName> = others
            .filter(|_| version.attach_locks_referrers())
            .filter_map(|reference| TableName::new(&reference.schema, &reference.table).ok())
            .collect();
        referencing.dedup();
        Self { referenced: facts.points_at.clone(), referencing, default }
    }

    /// The application may have to wait.
    #[must_use]
    pub fn is_noticed(&self) -> bool {
        self.default.is_some() || self.locks_others()
    }

    /// It locks tables that are no partitions of the parent, by its foreign keys.
    #[must_use]
    pub fn locks_others(&self) -> bool {
        self.locked_against_writes().next().is_some()
    }

    /// The default partition, where it must not be scanned under a strong lock.
    #[must_use]
    pub fn large_default(&self) -> Option<&BesideDefault> {
        self.default.as_ref().filter(|default| default.is_large)
    }

    fn locked_against_writes(&self) -> impl Iterator<Item = &TableName> {
        self.referenced.iter().chain(&self.referencing)
    }

    /// What ATTACH waits for, and for how long. Nobody queues behind it where nobody notices it.
    #[must_use]
    pub fn attach_wait(&self, parent: &TableName, lock_timeout: Duration) -> LockWait {
        if !self.is_noticed() {
            return LockWait::patient(lock_timeout);
        }
        let default = self.default.as_ref().map(|default| &default.name);
        LockWait::brief(lock_timeout).looking_at(self.locks(parent, default))
    }

    /// The locks of ATTACH, in its order, where this is the default partition.
    #[must_use]
    pub fn locks(&self, parent: &TableName, default: Option<&TableName>) -> Vec<Strong> {
        let mut locks = vec![Strong::only(parent, LockMode::ShareUpdateExclusive)];
        locks.extend(default.map(|name| Strong::new(name, LockMode::AccessExclusive)));
        let against_writes = self.locked_against_writes();
        locks.extend(against_writes.map(|t| Strong::new(t, LockMode::ShareRowExclusive)));
        locks
    }
}

/// For the plan: what is locked, and why so little.
impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_noticed() {
            return f.write_str(
                "attached under a lock that no reader or writer waits for: neither a default \
                 partition nor a foreign key asks for more",
            );
        }
        let mut parts = Vec::new();
        if let Some(BesideDefault { name, is_large, .. }) = &self.default {
            parts.push(if *is_large {
                format!(
                    "a CHECK on the default partition {name} is validated first, so that attaching \
                     locks {name} for a moment and does not scan it"
                )
            } else {
                format!("attaching locks the default partition {name} for a moment and scans it; it is small")
            });
        }
        if !self.referenced.is_empty() {
            parts.push(format!(
                "its foreign keys lock {} against writes for a moment",
                list(&self.referenced)
            ));
        }
        if !self.referencing.is_empty() {
            parts.push(format!(
                "foreign keys that point at it lock {} against writes for a moment",
                list(&self.referencing)
            ));
        }
        write!(
            f,
            "{}; each try waits {} ms at most",
            parts.join("; "),
            longest_try(BRIEF_MAX).as_millis()
        )
    }
}

/// Who stands in the way of attaching now.
#[must_use]
pub fn in_the_way(blockers: &[Blocker]) -> String {
    let blockers: Vec<String> = blockers.iter().map(ToString::to_string).collect();
    format!(
        "attaching waits for {}; where that goes on, it is left to the next run",
        blockers.join(", ")
    )
}

fn list(tables: &[TableName]) -> String {
    tables.iter().map(TableName::to_string).collect::<Vec<_>>().join(", ")
}
