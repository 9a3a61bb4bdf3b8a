//! What may be done: its words, and its SQL.

use std::time::Duration;

use super::adopt::Adoption;
use super::carve::Carve;
use super::create::{self, Likeness};
use super::drift::Repair;
use super::recipe::Recipe;
use super::retention::action::{Leaving, What};
use super::retention::agreement::Agreement;
use crate::job::Action;
use crate::pg::ident::{Ident, TableName, literal};
use crate::pg::step::{Expect, LockMode, LockWait, Mode, Statement, Step, Strong};

/// The CHECK that spares a large default partition the scan under a strong lock. It stands only
/// while one partition is being attached.
pub const STALE_CHECK: &str = "pgtend_hole";

/// The longest wait for a lock the application queues behind.
pub const BRIEF_MAX: Duration = Duration::from_millis(100);

/// One thing this job may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionAction {
    /// Remove the CHECK an interrupted run left on a default partition: it refuses rows.
    DropCheck {
        /// The default partition.
        default: TableName,
        /// The cap on waiting for a lock.
        lock_timeout: Duration,
    },
    /// Make a partition, or attach the one an interrupted run made.
    Create(Box<NewPartition>),
    /// A partition leaves, is dropped, or comes back.
    Leave(Box<Leaving>),
    /// Put a table's expiry policy on record.
    Agree(Box<Agreement>),
    /// Make an old partition like its parent again.
    Repair(Box<Repair>),
    /// The rows of a default partition go to partitions of their own.
    Carve(Box<Carve>),
    /// Take back what is left of an interrupted one.
    GiveUp(Box<Carve>),
    /// A plain table becomes partitioned, or what was prepared for that is taken back.
    Adopt(Box<Adoption>),
}

/// A partition to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartition {
    /// The partitioned table.
    pub parent: TableName,
    /// Its oid: evidence, checked again after the attaching. Absent where the plan makes it too.
    pub parent_oid: Option<i64>,
    /// The partition's name.
    pub child: TableName,
    /// Its lower bound, an SQL literal.
    pub from: String,
    /// Its upper bound, an SQL literal.
    pub to: String,
    /// Why it is to be made.
    pub why: String,
    /// An interrupted run made the table; it is only to be attached.
    pub is_made: bool,
    /// What the table is given beyond its columns.
    pub likeness: Likeness,
    /// How it is attached.
    pub recipe: Recipe,
    /// The cap on waiting for a lock.
    pub lock_timeout: Duration,
}

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

/// How the comment starts that marks a table as made for this parent and not attached yet.
#[must_use]
pub fn mark_prefix(parent: &TableName) -> String {
    format!("pgtend: partition of {parent} from ")
}

impl NewPartition {
    /// The comment that stands on the table until it is attached.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("{}{} to {}, not attached yet", mark_prefix(&self.parent), self.from, self.to)
    }

    /// What is done, in order.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if !self.is_made {
            steps.push(step("create", &self.child, self.patient(), create::table(self, &self.mark())));
        }
        if let Some(BesideDefault { name, key, .. }) = self.recipe.large_default() {
            let add = format!(
                "ALTER TABLE {name} ADD CONSTRAINT {STALE_CHECK} \
                 CHECK ({key} < {} OR {key} >= {}) NOT VALID",
                self.from, self.to
            );
            let validate = format!("ALTER TABLE {name} VALIDATE CONSTRAINT {STALE_CHECK}");
            let strong = vec![Strong::new(name, LockMode::AccessExclusive)];
            let lock = brief(self.lock_timeout).looking_at(strong);
            steps.push(step("add a check to", name, lock, vec![add]));
            steps.push(step("validate the check of", name, self.patient(), vec![validate]));
        }
        steps.push(self.attach());
        steps
    }

    /// Takes back the CHECK where the attaching failed, so that the default partition takes rows of
    /// the range again. Absent where there is none.
    #[must_use]
    pub fn undo(&self) -> Option<Step> {
        Some(drop_check(&self.recipe.large_default()?.name, self.lock_timeout))
    }

    /// ATTACH takes SHARE UPDATE EXCLUSIVE on the parent, which neither readers nor writers notice.
    /// With foreign keys or a default partition it also locks what they do notice.
    fn attach(&self) -> Step {
        let Self { parent, child, from, to, .. } = self;
        let attach = format!(
            "ALTER TABLE {parent} ATTACH PARTITION {child} FOR VALUES FROM ({from}) TO ({to})"
        );
        let mut after = create::after_attach(self);
        if let Some(default) = self.recipe.large_default() {
            after.push(drop_check_sql(&default.name));
        }
        let lock = self.recipe.attach_wait(parent, self.lock_timeout);
        let mut attaching = step("attach", child, lock, vec![attach]);
        attaching.statements.push(self.evidence());
        attaching.statements.extend(after.into_iter().map(Statement::new));
        attaching
    }

    /// Under the locks of ATTACH: it is the table that was made for this, still empty, and now a
    /// partition of the table that was observed.
    fn evidence(&self) -> Statement {
        let child = literal(&self.child.to_string());
        let parent = self.parent_id();
        let sql = format!(
            "SELECT (SELECT inhparent FROM pg_inherits WHERE inhrelid = {child}::regclass) = {parent} \
             AND obj_description({child}::regclass, 'pg_class') IS NOT DISTINCT FROM {} \
             AND NOT EXISTS (SELECT FROM {})",
            literal(&self.mark()),
            self.child,
        );
        Statement::new(sql).expect(Expect::True(
            "the table is not the empty one that was made for this partition, or the parent was \
             replaced",
        ))
    }

    /// The parent's oid, as SQL.
    #[must_use]
    pub fn parent_id(&self) -> String {
        self.parent_oid.map_or_else(
            || format!("{}::regclass", literal(&self.parent.to_string())),
            |oid| oid.to_string(),
        )
    }

    fn patient(&self) -> LockWait {
        LockWait::patient(self.lock_timeout)
    }
}

fn step(doing: &'static str, object: &TableName, lock: LockWait, sql: Vec<String>) -> Step {
    let statements = sql.into_iter().map(Statement::new).collect();
    Step { doing, object: object.to_string(), mode: Mode::Transaction, lock, statements }
}

fn drop_check_sql(default: &TableName) -> String {
    format!("ALTER TABLE {default} DROP CONSTRAINT IF EXISTS {STALE_CHECK}")
}

fn drop_check(default: &TableName, lock_timeout: Duration) -> Step {
    step("drop the check of", default, brief(lock_timeout), vec![drop_check_sql(default)])
}

fn brief(lock_timeout: Duration) -> LockWait {
    LockWait::brief(lock_timeout.min(BRIEF_MAX))
}

impl PartitionAction {
    /// What is done, in order.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        match self {
            Self::DropCheck { default, lock_timeout } => vec![drop_check(default, *lock_timeout)],
            Self::Create(new) => new.steps(),
            Self::Leave(leaving) => leaving.steps(),
            Self::Agree(agreement) => agreement.steps(),
            Self::Repair(repair) => vec![repair.step()],
            Self::Carve(carve) => carve.steps(),
            Self::GiveUp(carve) => vec![carve.abandon()],
            Self::Adopt(adoption) => adoption.steps.clone(),
        }
    }

    /// What is done where one of the steps failed.
    #[must_use]
    pub fn undo(&self) -> Option<Step> {
        match self {
            Self::DropCheck { .. }
            | Self::Leave(_)
            | Self::Agree(_)
            | Self::Repair(_)
            | Self::Carve(_)
            | Self::GiveUp(_)
            | Self::Adopt(_) => None,
            Self::Create(new) => new.undo(),
        }
    }
}

impl Action for PartitionAction {
    fn kind(&self) -> &'static str {
        match self {
            Self::DropCheck { .. } => "drop_check",
            Self::Create(new) if new.is_made => "attach_partition",
            Self::Create(_) => "create_partition",
            Self::Leave(leaving) => leaving.kind(),
            Self::Agree(_) => "agree_policy",
            Self::Repair(_) => "repair_partition",
            Self::Carve(_) => "drain_default",
            Self::GiveUp(_) => "give_up_drain",
            Self::Adopt(adoption) => adoption.kind,
        }
    }

    fn object(&self) -> String {
        match self {
            Self::DropCheck { default, .. } => default.to_string(),
            Self::Create(new) => new.child.to_string(),
            Self::Leave(leaving) => leaving.child.clone(),
            Self::Agree(agreement) => agreement.table.to_string(),
            Self::Repair(repair) => repair.child.to_string(),
            Self::Carve(carve) | Self::GiveUp(carve) => carve.source.to_string(),
            Self::Adopt(adoption) => adoption.table.to_string(),
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::DropCheck { .. } => {
                format!("an interrupted run left its check {STALE_CHECK}, which refuses rows")
            }
            Self::Create(new) => format!("{}; {}", new.why, new.recipe),
            Self::Leave(leaving) => leaving.why.clone(),
            Self::Agree(agreement) => agreement.why.clone(),
            Self::Repair(repair) => repair.why.clone(),
            Self::Carve(carve) | Self::GiveUp(carve) => carve.why.clone(),
            Self::Adopt(adoption) => adoption.why.clone(),
        }
    }

    fn sql(&self) -> Vec<String> {
        self.steps().iter().flat_map(Step::sql).collect()
    }

    fn queue(&self) -> Option<String> {
        match self {
            Self::Create(new) => Some(format!("to attach to {}", new.parent)),
            // Apart from that: what cannot leave must not keep tomorrow from being made.
            Self::Leave(leaving) if leaving.locks_parent() => {
                Some(format!("to detach from {}", leaving.parent))
            }
            Self::DropCheck { .. }
            | Self::Leave(_)
            | Self::Agree(_)
            | Self::Repair(_)
            | Self::Carve(_)
            | Self::GiveUp(_)
            | Self::Adopt(_) => None,
        }
    }

    fn is_upkeep(&self) -> bool {
        match self {
            Self::DropCheck { .. }
            | Self::Create(_)
            | Self::Repair(_)
            | Self::Carve(_)
            | Self::GiveUp(_)
            | Self::Adopt(_) => false,
            Self::Leave(leaving) => {
                matches!(leaving.what, What::Forget | What::Keep { is_blocked: false })
            }
            Self::Agree(agreement) => !agreement.is_confirmed,
        }
    }
}
