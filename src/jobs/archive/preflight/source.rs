//! What is asked of a table that rows leave.

use super::findings::{Findings, grant};
use crate::jobs::archive::side::Source;
use crate::jobs::archive::sql::list;
use crate::pg::catalog::foreign_keys::Referrer;
use crate::pg::catalog::publications::Narrowed;
use crate::pg::catalog::relation::{Kind, Persistence, Relation};
use crate::pg::catalog::triggers::Hook;
use crate::pg::ident::{Ident, TableName};

/// Only tables that last can be moved from or to.
pub(in crate::jobs::archive) fn kind(relation: &Relation, name: &TableName, found: &mut Findings) {
    let what = match (relation.kind, relation.persistence) {
        (Kind::View, _) => "a view",
        (Kind::Foreign, _) => "a foreign table, which one transaction cannot move rows from or to",
        (Kind::Other, _) => "not a table",
        (_, Persistence::Temporary) => "a temporary table",
        (Kind::Table | Kind::Partitioned, _) if relation.has_foreign_parts => {
            "partitioned into foreign tables, which one transaction cannot move rows from or to"
        }
        (Kind::Table | Kind::Partitioned, _) => return,
    };
    found.refuse(format!("{name} is {what}"), "name a table");
}

/// What is asked of a hot table, and of a child.
pub(in crate::jobs::archive) fn source_side(
    name: &TableName,
    source: &Source,
    user: &Ident,
    found: &mut Findings,
) {
    let relation = &source.relation;
    if relation.has_heirs {
        found.refuse(
            "other tables inherit from it, and no key tells its rows from theirs",
            "archive each table that inherits by itself, or turn them into partitions",
        );
    }
    row_security(relation, name, found);
    hooks(&source.hooks, "DELETE", found);
    publishing(source, found);
    if !source.may_use_schema {
        grant(&format!("USAGE ON SCHEMA {}", name.schema), user, found);
    }
    if !source.missing.is_empty() {
        grant(&format!("{} ON {name}", source.missing.join(", ")), user, found);
    }
}

/// Who refers to its rows, and does not leave with them; and whether naming it in `children` is a cure.
pub(in crate::jobs::archive) fn referrers(
    name: &TableName,
    source: &Source,
    (leaves_too, could_be_child): (impl Fn(&Referrer) -> bool, bool),
    found: &mut Findings,
) {
    for referrer in &source.referrers {
        let Referrer { constraint, table } = referrer;
        let is_own = table == name;
        if !is_own && leaves_too(referrer) {
            continue;
        }
        let drop = format!("ALTER TABLE {table} DROP CONSTRAINT {constraint}");
        let cure = if is_own || !could_be_child {
            drop
        } else {
            format!("move its rows too with children = ['{table}'], or {drop}")
        };
        found.refuse(
            format!(
                "foreign key {constraint} of {table} points at it: a delete would fail, or delete or \
                 change rows there"
            ),
            cure,
        );
    }
}

pub(super) fn row_security(relation: &Relation, name: &TableName, found: &mut Findings) {
    if relation.row_security {
        found.refuse(
            format!("row level security is on for {name}: it decides which rows are seen and kept"),
            format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"),
        );
    }
}

/// What swallows rows is refused, what only watches is mentioned.
pub(super) fn hooks(hooks: &[Hook], event: &str, found: &mut Findings) {
    for Hook { name, table, can_swallow, is_rule } in hooks {
        if *is_rule {
            found.refuse(
                format!("rule {name} on {table} rewrites each {event}"),
                format!("DROP RULE {name} ON {table}"),
            );
        } else if *can_swallow {
            found.refuse(
                format!(
                    "trigger {name} on {table} fires before each {event} and can swallow the row"
                ),
                format!("ALTER TABLE {table} DISABLE TRIGGER {name}, or make it an AFTER trigger"),
            );
        } else {
            found
                .warnings
                .push(format!("trigger {name} on {table} fires for the {event} of each batch"));
        }
    }
}

fn publishing(source: &Source, found: &mut Findings) {
    let names: Vec<String> =
        source.publishing.publications.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        return;
    }
    let names = names.join(", ");
    for table in &source.publishing.without_identity {
        found.refuse(
            format!(
                "{table} has no replica identity, and publication {names} publishes deletes: the \
                 server refuses them"
            ),
            format!("ALTER TABLE {table} REPLICA IDENTITY FULL, or DEFAULT with a primary key"),
        );
    }
    for narrowed in &source.publishing.in_the_way {
        found.refuse(narrowed_words(narrowed), narrowed_cure(narrowed));
    }
    if source.publishing.without_identity.is_empty() && source.publishing.in_the_way.is_empty() {
        found.warnings.push(format!(
            "publication {names} publishes deletes: subscribers lose the rows that are archived here"
        ));
    }
}

fn narrowed_words(narrowed: &Narrowed) -> String {
    let Narrowed { table, publication, filtered, unlisted, lists_of_full } = narrowed;
    let why = if *lists_of_full {
        "has a list of columns of it, and its replica identity is FULL".to_owned()
    } else if filtered.is_empty() {
        format!("has a list of its columns that lacks {} of its replica identity", list(unlisted))
    } else {
        format!("filters its rows by {}, not of its replica identity", list(filtered))
    };
    format!(
        "publication {publication} publishes deletes of {table} and {why}: the server refuses them"
    )
}

fn narrowed_cure(narrowed: &Narrowed) -> String {
    let Narrowed { table, publication, filtered, lists_of_full, .. } = narrowed;
    if !lists_of_full && !filtered.is_empty() {
        return format!(
            "ALTER TABLE {table} REPLICA IDENTITY FULL, or USING INDEX one with these columns, or ALTER \
             PUBLICATION {publication} without that filter"
        );
    }
    format!(
        "ALTER PUBLICATION {publication} with all columns of the replica identity of {table}, or without a list"
    )
}
