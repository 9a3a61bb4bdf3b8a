//! A plain table with live writers becomes partitioned.
//!
//! The table itself becomes the first partition, whole: no row is moved. Everything that can be done
//! beforehand is done beside it (a partitioned table of the same shape, its indexes, its next
//! partitions, the index of the widened primary key, a validated CHECK that makes the attaching
//! read no rows), so that one short transaction is left: the swap. In it the names change hands, the
//! table is attached, and everything that was bound to the old table is bound to the new one.
//!
//! First an [`Inventory`] is taken of all that stands on the table or reads it. Each thing is replayed,
//! or follows by itself, or the adoption is refused with the reason. What pgtend does not know is
//! refused.
//!
//! Until the swap, all of it can be taken back. Every step is a transaction of its own (or idempotent),
//! and the plan is made of what the catalog and the record say is still to be done: whoever comes next
//! carries on.

use std::collections::BTreeSet;

use crate::pg::catalog::adoption::{Progress, Record};
use crate::pg::catalog::inventory::Inventory;
use crate::pg::catalog::partition::Relation;
use crate::pg::catalog::policies::Policy;
use crate::pg::catalog::traits::Traits;
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;
use crate::pg::step::Step;

mod abort;
pub mod apply;
mod blueprint;
mod checklist;
mod cut;
mod decide;
mod key;
pub mod observe;
mod parent;
pub mod plan;
mod prove;
mod refusals;
mod swap;

/// The CHECK that proves the first partition's bound, until it is attached.
pub const CHECK: &str = "pgtend_adopt";

/// What is being done when it is refused.
pub const DOING: &str = "adopt";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The table.
    pub table: TableName,
    /// Its key; absent where only one column can be meant.
    pub column: Option<String>,
    /// Take back what was done so far.
    pub abort: bool,
}

/// What was seen of the table.
#[derive(Debug, Clone)]
pub struct Facts {
    /// As it is; absent where there is none of that name.
    pub relation: Option<Relation>,
    /// What stands on it and reads it.
    pub inventory: Option<Inventory>,
    /// What LIKE and ATTACH leave behind of it.
    pub traits: Traits,
    /// Its policies.
    pub policies: Vec<Policy>,
    /// Its storage parameters.
    pub storage: Vec<String>,
    /// What all that amounts to, to be read again under the lock.
    pub fingerprint: String,
    /// What pgtend's record says.
    pub record: Option<Record>,
    /// How far an earlier run came.
    pub progress: Progress,
    /// The highest key, as the server writes it.
    pub highest: Result<Option<String>, Fault>,
    /// Of the names that are needed, those that others have.
    pub taken: BTreeSet<TableName>,
}

/// What is done to a table: all steps that are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// The table.
    pub table: TableName,
    /// `adopt_table` or `abort_adoption`.
    pub kind: &'static str,
    /// Why.
    pub why: String,
    /// In order. A crash between two of them is carried on by the next run.
    pub steps: Vec<Step>,
    /// Where rows do not fit the check: takes it back, as it would refuse the application's rows.
    pub uncheck: Option<Step>,
}
