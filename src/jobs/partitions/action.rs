//! What may be done: its words, and its SQL.

use std::time::Duration;

use super::adopt::Adoption;
use super::alike::repair::Repair;
use super::carve::{Asker, Carve};
use super::premake::attach::{STALE_CHECK, drop_check};
use super::premake::new::NewPartition;
use super::retention::action::{Leaving, What};
use super::retention::agreement::Agreement;
use super::retention::ending::Ending;
use crate::job::Action;
use crate::pg::ident::TableName;
use crate::pg::step::Step;

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
    /// Make a partition and attach it.
    Create(Box<NewPartition>),
    /// A partition leaves, is dropped, or comes back.
    Leave(Box<Leaving>),
    /// Put a table's expiry policy on record.
    Agree(Box<Agreement>),
    /// What a drain or a split left of an old partition is dropped.
    End(Box<Ending>),
    /// Make an old partition like its parent again.
    Repair(Box<Repair>),
    /// The rows of a default or a wide partition go to partitions of their own.
    Carve(Box<Carve>),
    /// Take back what is left of an interrupted one.
    GiveUp(Box<Carve>),
    /// A plain table becomes partitioned, or what was prepared for that is taken back.
    Adopt(Box<Adoption>),
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
            Self::End(ending) => ending.steps(),
            Self::Repair(repair) => vec![repair.step()],
            Self::Carve(carve) => carve.steps(),
            Self::GiveUp(carve) => vec![carve.abandon()],
            Self::Adopt(adoption) => adoption.steps.clone(),
        }
    }

    /// A partition that is compared with its parent behind the run.
    #[must_use]
    pub fn to_compare(&self) -> Option<&TableName> {
        match self {
            Self::Create(new) => Some(&new.child),
            Self::Repair(repair) => Some(&repair.child),
            Self::DropCheck { .. }
            | Self::Leave(_)
            | Self::Agree(_)
            | Self::End(_)
            | Self::Carve(_)
            | Self::GiveUp(_)
            | Self::Adopt(_) => None,
        }
    }

    /// What is done where one of the steps failed.
    #[must_use]
    pub fn undo(&self) -> Option<Step> {
        match self {
            Self::DropCheck { .. }
            | Self::Leave(_)
            | Self::Agree(_)
            | Self::End(_)
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
            Self::Create(_) => "create_partition",
            Self::Leave(leaving) => leaving.kind(),
            Self::Agree(_) => "agree_policy",
            Self::End(ending) => ending.kind(),
            Self::Repair(_) => "repair_partition",
            Self::Carve(carve) => match carve.asker {
                Asker::Drain => "drain_default",
                Asker::Split => "split_partition",
            },
            Self::GiveUp(carve) => match carve.asker {
                Asker::Drain => "give_up_drain",
                Asker::Split => "give_up_split",
            },
            Self::Adopt(adoption) => adoption.kind,
        }
    }

    fn object(&self) -> String {
        match self {
            Self::DropCheck { default, .. } => default.to_string(),
            Self::Create(new) => new.child.to_string(),
            Self::Leave(leaving) => leaving.child.clone(),
            Self::Agree(agreement) => agreement.table.to_string(),
            Self::End(ending) => ending.name.clone(),
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
            Self::End(ending) => ending.why.clone(),
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
            | Self::End(_)
            | Self::Repair(_)
            | Self::Carve(_)
            | Self::GiveUp(_)
            | Self::Adopt(_) => None,
        }
    }

    fn lane(&self) -> Option<String> {
        let Self::Create(new) = self else { return None };
        Some(new.lane())
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
            Self::End(ending) => ending.drops.is_none(),
        }
    }
}
