//! What must be true before the first row moves. Each hazard here loses or hides rows on a real
//! server, silently or half-way.

mod age;
mod children;
mod findings;
mod source;
mod target;

use findings::grant;
use target::{missing_target, target_side};

use crate::config::checked::ArchiveTable;
use crate::jobs::archive::observe::Facts;
use crate::pg::catalog::foreign_keys::Referrer;
use crate::pg::ident::TableName;
pub(super) use age::{age_and_key, order, volatile};
pub(super) use findings::Findings;
pub(super) use source::{kind, referrers, source_side};

/// Checks one table.
#[must_use]
pub fn check(name: &TableName, policy: &ArchiveTable, facts: &Facts) -> Findings {
    let mut found = Findings::default();
    let Some(source) = &facts.source else {
        found
            .refuse("there is no such table", "correct the name in [archive.tables], or create it");
        return found;
    };
    kind(&source.relation, name, &mut found);
    if !found.refusals.is_empty() {
        return found;
    }
    source_side(name, source, &facts.user, &mut found);
    let leaves_too = |referrer: &Referrer| policy.children.contains(&referrer.table);
    referrers(name, source, (leaves_too, true), &mut found);
    age_and_key(&policy.age, source, &mut found);
    order(policy.order, &policy.age, source, &mut found);
    volatile(&facts.volatile, &policy.age, &mut found);
    match (&facts.target, facts.target_schema) {
        (_, None) => {
            let schema = &policy.into.schema;
            found.refuse(format!("there is no schema {schema}"), format!("CREATE SCHEMA {schema}"));
        }
        (Some(target), Some(rights)) => {
            if !rights.may_use {
                grant(&format!("USAGE ON SCHEMA {}", policy.into.schema), &facts.user, &mut found);
            }
            target_side(policy, source, target, &facts.user, &mut found);
        }
        (None, Some(rights)) => {
            missing_target(name, policy, source, rights, &facts.user, &mut found);
        }
    }
    for child in &facts.children {
        let of_child = children::check(name, policy, child, &facts.user);
        let refusals = of_child.refusals.into_iter();
        found.refusals.extend(refusals.map(|refusal| refusal.of_child(&child.name)));
        found.warnings.extend(of_child.warnings);
    }
    found
}
