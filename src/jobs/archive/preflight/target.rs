//! What is asked of a table that rows come to.

use super::findings::{Findings, grant};
use super::source::{hooks, kind, row_security};
use crate::config::checked::ArchiveTable;
use crate::jobs::archive::columns;
use crate::jobs::archive::refusal::Refusal;
use crate::jobs::archive::side::{Source, Target};
use crate::pg::catalog::privileges::SchemaRights;
use crate::pg::catalog::relation::Persistence;
use crate::pg::ident::{Ident, TableName};

/// What is asked of an archive.
pub(super) fn target_side(
    policy: &ArchiveTable,
    source: &Source,
    target: &Target,
    user: &Ident,
    found: &mut Findings,
) {
    let into = &policy.into;
    let (here, there) = (&source.relation, &target.relation);
    if here.tree.contains(&there.oid) || there.tree.contains(&here.oid) {
        found.refuse(
            format!("{into} is the table itself, or one of them holds the other as a partition"),
            "name another table in `into`",
        );
        return;
    }
    let before = found.refusals.len();
    kind(there, into, found);
    if found.refusals.len() > before {
        return;
    }
    if there.persistence == Persistence::Unlogged && here.persistence == Persistence::Permanent {
        found.refuse(
            format!("{into} is unlogged: a crash of the server would empty it"),
            format!("ALTER TABLE {into} SET LOGGED"),
        );
    }
    row_security(there, into, found);
    hooks(&target.hooks, "INSERT", found);
    if !target.missing.is_empty() {
        grant(&format!("{} ON {into}", target.missing.join(", ")), user, found);
    }
    let compared = columns::compare(&source.columns, &target.columns, into, policy.age.column());
    found.warnings.extend(compared.warnings);
    for columns::Drift { refusal, adoptable } in compared.drift {
        match adoptable.filter(|_| policy.adopt_new_columns) {
            Some(clause) => found.adopts.push(clause),
            None => found.refusals.push(refusal),
        }
    }
    if !found.adopts.is_empty() && !target.may_alter {
        let owner = &there.owner;
        found.refusals.push(Refusal::permission(
            format!("{user} may not alter {into}, which belongs to {owner}"),
            format!("GRANT {owner} TO {user}, or ALTER TABLE {into} {}", found.adopts.join(", ")),
        ));
    }
}

/// The target will be created, if that is allowed.
pub(super) fn missing_target(
    name: &TableName,
    policy: &ArchiveTable,
    source: &Source,
    rights: SchemaRights,
    user: &Ident,
    found: &mut Findings,
) {
    let into = &policy.into;
    if !policy.create_target {
        found.refuse(
            format!("there is no archive table {into}"),
            format!("create {into}, or let pgtend do it: create_target = true"),
        );
        return;
    }
    if !rights.may_create {
        grant(&format!("CREATE ON SCHEMA {}", into.schema), user, found);
    }
    let owner = &source.relation.owner;
    if owner != user && !rights.may_hand_over {
        found.warnings.push(format!(
            "{into} will belong to {user}, not to {owner}, who owns {name}: {user} may not hand it over"
        ));
    }
}
