//! `archive restore`: rows go back from the archive to the hot table, and stay there for a while.
//!
//! A batch is one transaction. What the hot table refuses, because it has that key already, stays in the
//! archive: nothing is ever overwritten, and only rows that arrived are deleted there. Cut off at any
//! point, the same command carries on: what is back is no longer found.

use chrono::{DateTime, Utc};

use crate::pg::condition::Condition;
use crate::pg::ident::TableName;
use crate::time::period::Period;

pub mod action;
pub mod apply;
mod back;
pub mod hold;
pub mod plan;

pub use action::Restore;
pub use hold::Hold;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The hot table.
    pub table: TableName,
    /// Only rows of this age or younger.
    pub since: Option<DateTime<Utc>>,
    /// Only rows older than this.
    pub until: Option<DateTime<Utc>>,
    /// Only those.
    pub condition: Option<Condition>,
    /// So long they are not archived again.
    pub keep: Period,
}
