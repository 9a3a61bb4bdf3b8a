//! Tables that are due and may not be analyzed: who must grant what.

use std::collections::BTreeMap;

use super::names;
use crate::job::{Plan, Refused};
use crate::jobs::analyze::action::Refresh;
use crate::jobs::analyze::seen::{Seen, Table};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::Ident;

/// With more tables of one owner in a schema there is one cause, and one line.
const ONE_BY_ONE_MAX: usize = 3;

/// A table that is due, and the table its ANALYZE reaches that the role has no right to: mostly the
/// same.
pub(super) struct Denied<'a> {
    pub(super) due: &'a Table,
    pub(super) reached: &'a Table,
}

/// Refuses them, each with the cure.
pub(super) fn refuse(seen: &Seen, denied: Vec<Denied<'_>>, plan: &mut Plan<Refresh>) {
    let mut groups: BTreeMap<_, Vec<Denied<'_>>> = BTreeMap::new();
    for one in denied {
        let Table { name, owner, permitted, reachable, .. } = one.reached;
        groups.entry((&name.schema, owner, *permitted, *reachable)).or_default().push(one);
    }
    for ((schema, ..), group) in groups {
        if group.len() <= ONE_BY_ONE_MAX {
            plan.refused.extend(group.iter().map(|one| single(seen, one)));
        } else {
            plan.refused.push(whole(seen, schema, &group));
        }
    }
}

fn single(seen: &Seen, Denied { due, reached }: &Denied<'_>) -> Refused {
    let on = if due.oid == reached.oid {
        String::new()
    } else {
        format!("its partition {}, which its ANALYZE includes: ", reached.name)
    };
    let right = format!("TABLE {}", reached.name);
    let message = format!("{on}role {} {}", quoted(&seen.role), cannot(reached));
    refused(&due.name.to_string(), message, &cure(seen, reached, &right))
}

fn whole(seen: &Seen, schema: &Ident, group: &[Denied<'_>]) -> Refused {
    let role = quoted(&seen.role);
    let tables: Vec<String> = group.iter().map(|one| one.reached.name.to_string()).collect();
    let reached = group[0].reached;
    let right = format!("ALL TABLES IN SCHEMA {schema}");
    let message = format!("{} are due, but role {role} {}", names(&tables), cannot(reached));
    refused(&format!("schema {schema}"), message, &cure(seen, reached, &right))
}

fn refused(object: &str, message: String, cure: &str) -> Refused {
    let fault = Fault::new(Kind::Permission, "analyze", message)
        .on(object)
        .with_hint(format!("{cure}; or exclude it: analyze.exclude, analyze.schemas"));
    Refused { object: object.to_owned(), fault }
}

fn cannot(table: &Table) -> String {
    if table.permitted {
        format!("may not use schema {}", table.name.schema)
    } else {
        format!("may not analyze what {} owns", quoted(&table.owner))
    }
}

/// What a person can run. The role is never made a member of a superuser.
fn cure(seen: &Seen, table: &Table, what: &str) -> String {
    let (role, owner) = (quoted(&seen.role), quoted(&table.owner));
    let usage = format!("GRANT USAGE ON SCHEMA {} TO {role}", table.name.schema);
    if table.permitted {
        return usage;
    }
    let right = if seen.version.has_maintain() {
        format!("GRANT MAINTAIN ON {what} TO {role}")
    } else if table.owner_is_superuser {
        format!(
            "ALTER TABLE {} OWNER TO {role} (only an owner may analyze before PostgreSQL 17)",
            table.name
        )
    } else {
        format!("GRANT {owner} TO {role} (only an owner may analyze before PostgreSQL 17)")
    };
    if table.reachable { right } else { format!("{usage}; {right}") }
}

/// A role's name as SQL writes it.
pub(super) fn quoted(role: &str) -> String {
    Ident::new(role).map_or_else(|_| role.to_owned(), |ident| ident.to_string())
}
