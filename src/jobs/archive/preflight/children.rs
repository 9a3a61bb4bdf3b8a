//! What must be true of a child before the first row moves.

use super::findings::{Findings, grant};
use super::source::{kind, source_side};
use super::target::{missing_target, target_side};
use crate::jobs::archive::children::{ChildFacts, has_index};
use crate::jobs::archive::side::Source;

use crate::config::checked::ArchiveTable;
use crate::jobs::archive::sql::list;
use crate::pg::catalog::foreign_keys::Referrer;
use crate::pg::ident::{Ident, TableName};

/// Checks one child.
#[must_use]
pub fn check(
    parent: &TableName,
    policy: &ArchiveTable,
    child: &ChildFacts,
    user: &Ident,
) -> Findings {
    let mut found = Findings::default();
    let ChildFacts { name, into, target, target_schema, .. } = child;
    let Some(source) = &child.source else {
        found.refuse("there is no such table", "correct the name in `children`");
        return found;
    };
    kind(&source.relation, name, &mut found);
    if !found.refusals.is_empty() {
        return found;
    }
    keys(parent, child, source, &mut found);
    grandchildren(name, source, &mut found);
    source_side(name, source, user, &mut found);
    // Its own archive, and nothing altered: what the parent adopts, it does not.
    let own = ArchiveTable { into: into.clone(), adopt_new_columns: false, ..policy.clone() };
    match (target, target_schema) {
        (Some(target), Some(rights)) => {
            if !rights.may_use {
                grant(&format!("USAGE ON SCHEMA {}", into.schema), user, &mut found);
            }
            target_side(&own, source, target, user, &mut found);
        }
        (None, Some(rights)) => missing_target(name, &own, source, *rights, user, &mut found),
        // Its schema is the child's own.
        (_, None) => {}
    }
    found
}

fn keys(parent: &TableName, child: &ChildFacts, source: &Source, found: &mut Findings) {
    let name = &child.name;
    match child.keys.as_slice() {
        [] => found.refuse(
            format!("it has no foreign key that points at {parent}"),
            "take it out of `children`",
        ),
        [key] if !has_index(source, key) => found.refuse(
            format!(
                "no index leads with ({}) of its foreign key {}: the server would read all of it for \
                 each row that leaves",
                list(&key.columns),
                key.constraint
            ),
            format!("CREATE INDEX CONCURRENTLY ON {name} ({})", list(&key.columns)),
        ),
        [_] => {}
        several => {
            let names: Vec<String> = several.iter().map(|key| key.constraint.to_string()).collect();
            found.refuse(
                format!(
                    "{} foreign keys point at {parent} ({}), and a row leaves with one only",
                    several.len(),
                    names.join(", ")
                ),
                format!("ALTER TABLE {name} DROP CONSTRAINT … for all but one"),
            );
        }
    }
}

fn grandchildren(name: &TableName, source: &Source, found: &mut Findings) {
    for Referrer { constraint, table } in &source.referrers {
        found.refuse(
            format!("foreign key {constraint} of {table} points at it: children have no children"),
            format!(
                "ALTER TABLE {table} DROP CONSTRAINT {constraint}, or take {name} out of `children` and \
                 its foreign key off"
            ),
        );
    }
}
