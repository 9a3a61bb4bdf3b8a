//! What a new partition is given of its parent.

use crate::jobs::partitions::tended::Tended;
use crate::pg::catalog::policies::Policy;
use crate::pg::catalog::traits::Traits;
use crate::pg::ident::Ident;
use crate::pg::version::Version;

/// What a new partition is given beyond its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likeness {
    /// The server's version decides what LIKE can bring.
    pub version: Version,
    /// The parent's owner, unless that is ourselves.
    pub owner: Option<Ident>,
    /// What the parent has.
    pub traits: Traits,
    /// Its policies; none where they cannot be copied.
    pub policies: Vec<Policy>,
    /// Storage parameters as its partition of today has them: a partitioned table has none itself.
    pub storage: Vec<String>,
    /// It gets rows before it is attached: the indexes are there from the start.
    pub with_indexes: bool,
}

impl Likeness {
    /// What this table's new partitions are given.
    #[must_use]
    pub fn of(table: &Tended<'_>, version: Version) -> Self {
        Self {
            version,
            owner: table.other_owner.clone(),
            traits: table.facts.traits.clone(),
            policies: copied_policies(table),
            storage: table.facts.storage.clone(),
            with_indexes: false,
        }
    }
}

/// All or none: without one that restricts, the others would let through too much. Without any, row
/// security shows a partition's rows to its owner alone; through the parent, the parent's policies
/// hold. In a subquery the server writes columns with the parent's name, which means nothing there.
fn copied_policies(table: &Tended<'_>) -> Vec<Policy> {
    let policies = table.facts.policies.as_deref().unwrap_or_default();
    if policies.iter().any(|policy| policy.has_subquery) { Vec::new() } else { policies.to_vec() }
}
