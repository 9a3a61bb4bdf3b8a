//! Makes a partition and attaches it, in one transaction: a crash leaves it whole or not at all.

use std::time::Duration;

use super::create;
use super::new::NewPartition;
use super::recipe::BesideDefault;
use crate::pg::ident::{TableName, literal};
use crate::pg::step::{Expect, LockWait, Mode, Statement, Step};

/// The CHECK that spares a large default partition the scan under a strong lock. It stands only
/// while one partition is being attached.
pub const STALE_CHECK: &str = "pgtend_hole";

impl NewPartition {
    /// What is done, in order.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(BesideDefault { name, key, .. }) = self.recipe.large_default() {
            let add = format!(
                "ALTER TABLE {name} ADD CONSTRAINT {STALE_CHECK} \
                 CHECK ({key} < {} OR {key} >= {}) NOT VALID",
                self.from, self.to
            );
            let validate = format!("ALTER TABLE {name} VALIDATE CONSTRAINT {STALE_CHECK}");
            // It refuses rows, so it looks at all that ATTACH will wait for.
            let strong = self.recipe.locks(&self.parent, Some(name));
            let lock = LockWait::brief(self.lock_timeout).looking_at(strong);
            steps.push(step("add a check to", name, lock, vec![add]));
            let patient = LockWait::patient(self.lock_timeout);
            steps.push(step("validate the check of", name, patient, vec![validate]));
        }
        steps.push(self.make());
        steps
    }

    /// Takes back the CHECK where the attaching failed, so that the default partition takes rows of
    /// the range again. Absent where there is none.
    #[must_use]
    pub fn undo(&self) -> Option<Step> {
        Some(drop_check(&self.recipe.large_default()?.name, self.lock_timeout))
    }

    /// The table is made first, where nobody sees it. ATTACH then takes SHARE UPDATE EXCLUSIVE on the
    /// parent, which neither readers nor writers notice. With foreign keys or a default partition it
    /// also locks what they do notice. All of it is one round trip, so that the locks last no longer
    /// over a slow network.
    fn make(&self) -> Step {
        let Self { parent, child, from, to, .. } = self;
        let mut sql = create::table(self);
        sql.push(format!(
            "ALTER TABLE {parent} ATTACH PARTITION {child} FOR VALUES FROM ({from}) TO ({to})"
        ));
        sql.extend(create::after_attach(self));
        if let Some(default) = self.recipe.large_default() {
            sql.push(drop_check_sql(&default.name));
        }
        let lock = self.recipe.attach_wait(parent, self.lock_timeout);
        let mut making = step("make", child, lock, vec![sql.join(";\n")]);
        making.statements.push(self.evidence());
        making
    }

    /// Under the locks of ATTACH: the parent is the table that was observed.
    fn evidence(&self) -> Statement {
        let sql = format!(
            "SELECT inhparent = {} FROM pg_inherits WHERE inhrelid = {}::regclass",
            self.parent_id(),
            literal(&self.child.to_string()),
        );
        Statement::new(sql).expect(Expect::True("the table was replaced by another"))
    }
}

/// Removes the CHECK from a default partition.
#[must_use]
pub fn drop_check(default: &TableName, lock_timeout: Duration) -> Step {
    step("drop the check of", default, LockWait::brief(lock_timeout), vec![drop_check_sql(default)])
}

fn drop_check_sql(default: &TableName) -> String {
    format!("ALTER TABLE {default} DROP CONSTRAINT IF EXISTS {STALE_CHECK}")
}

fn step(doing: &'static str, object: &TableName, lock: LockWait, sql: Vec<String>) -> Step {
    let statements = sql.into_iter().map(Statement::new).collect();
    Step { doing, object: object.to_string(), mode: Mode::Unflushed, lock, statements }
}
