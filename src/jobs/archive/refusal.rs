//! Why a table cannot be archived as it is.

use std::fmt;

use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;

/// A reason, with its cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    kind: Kind,
    why: String,
    cure: String,
}

impl Refusal {
    /// A fact that a person must change.
    pub fn new(why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, why: why.into(), cure: cure.into() }
    }

    /// A privilege that a person must grant.
    pub fn permission(why: impl Into<String>, grant: impl Into<String>) -> Self {
        Self { kind: Kind::Permission, why: why.into(), cure: grant.into() }
    }

    /// The same of a table whose rows leave with those they refer to.
    #[must_use]
    pub fn of_child(self, child: &TableName) -> Self {
        Self { why: format!("of its child {child}: {}", self.why), ..self }
    }

    /// As the plan reports it.
    #[must_use]
    pub fn fault(self, doing: &'static str, source: impl fmt::Display) -> Fault {
        Fault::new(self.kind, doing, self.why).on(source).with_hint(self.cure)
    }
}
