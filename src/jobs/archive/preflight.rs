//! What must be true before the first row moves. Each hazard here loses or hides rows on a real
//! server, silently or half-way.

use super::columns;
use super::due::AgeType;
use super::observe::{Facts, Source, Target};
use super::refusal::Refusal;
use super::sql::list;
use super::walk::{self, Walk};
use crate::config::checked::{Age, ArchiveTable, Order};
use crate::pg::catalog::foreign_keys::Referrer;
use crate::pg::catalog::privileges::SchemaRights;
use crate::pg::catalog::publications::Narrowed;
use crate::pg::catalog::relation::{Kind, Persistence, Relation};
use crate::pg::catalog::triggers::Hook;
use crate::pg::condition::Expression;
use crate::pg::ident::{Ident, TableName};

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Reasons not to touch the table; with one of them nothing moves.
    pub refusals: Vec<Refusal>,
    /// Worth knowing; rows move all the same.
    pub warnings: Vec<String>,
    /// Clauses of the `ALTER TABLE` by which the archive adopts what it lacks.
    pub adopts: Vec<String>,
}

impl Findings {
    pub(super) fn refuse(&mut self, why: impl Into<String>, cure: impl Into<String>) {
        self.refusals.push(Refusal::new(why, cure));
    }
}

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
    referrers(name, Some(&policy.children), source, &mut found);
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
        let of_child = super::children_check::check(name, policy, child, &facts.user);
        let refusals = of_child.refusals.into_iter();
        found.refusals.extend(refusals.map(|refusal| refusal.of_child(&child.name)));
        found.warnings.extend(of_child.warnings);
    }
    found
}

/// Only tables that last can be moved from or to.
pub(super) fn kind(relation: &Relation, name: &TableName, found: &mut Findings) {
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
pub(super) fn source_side(name: &TableName, source: &Source, user: &Ident, found: &mut Findings) {
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

/// Who refers to its rows, and is no child that moves with them; absent: none can.
pub(super) fn referrers(
    name: &TableName,
    children: Option<&[TableName]>,
    source: &Source,
    found: &mut Findings,
) {
    for Referrer { constraint, table } in &source.referrers {
        let is_own = table == name;
        if children.is_some_and(|children| children.contains(table)) && !is_own {
            continue;
        }
        let drop = format!("ALTER TABLE {table} DROP CONSTRAINT {constraint}");
        let cure = if is_own || children.is_none() {
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

fn row_security(relation: &Relation, name: &TableName, found: &mut Findings) {
    if relation.row_security {
        found.refuse(
            format!("row level security is on for {name}: it decides which rows are seen and kept"),
            format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"),
        );
    }
}

/// What swallows rows is refused, what only watches is mentioned.
fn hooks(hooks: &[Hook], event: &str, found: &mut Findings) {
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

pub(super) fn age_and_key(age: &Age, source: &Source, found: &mut Findings) {
    match age {
        Age::Column(column) => age_column(column, source, found),
        Age::Expression(expression) => age_expression(expression, source, found),
    }
    if source.blocks.is_none() && Walk::choose(&source.columns, &source.indexes, age).is_none() {
        found.refuse(
            "it has no primary key, and no unique index on NOT NULL columns of built-in types; nor do \
             places tell its rows apart, as each of its partitions has the same ones",
            "add a primary key, or a unique index on NOT NULL columns, or archive each partition as a \
             table",
        );
    }
}

/// What an order that was asked for needs.
pub(super) fn order(order: Order, age: &Age, source: &Source, found: &mut Findings) {
    let has_key = walk::key(&source.columns, &source.indexes).is_some();
    let by_age =
        || Walk::choose(&source.columns, &source.indexes, age).filter(|it| it.leads_with(age));
    match order {
        Order::Oldest if by_age().is_none() => found.refuse(
            format!(
                "order = \"oldest\" needs a key, and an index that leads with its age, {}",
                age.words()
            ),
            "CREATE INDEX CONCURRENTLY on the column of its age, or take order out",
        ),
        Order::Key if !has_key => found.refuse(
            "order = \"key\" needs a primary key, or a unique index on NOT NULL columns",
            "add one, or take order out",
        ),
        _ => {}
    }
}

fn age_expression(expression: &Expression, source: &Source, found: &mut Findings) {
    let cure = "write an expression of type timestamptz, timestamp or date over its columns, and name what \
                is not in pg_catalog with its schema";
    match &source.expressed {
        Some(Ok(type_name)) if AgeType::of(type_name).is_none() => {
            let text = expression.as_str();
            found.refuse(format!("age_expression {text} is of type {type_name}"), cure);
        }
        Some(Err(fault)) => {
            found.refuse(format!("age_expression is refused: {}", fault.message), cure);
        }
        // It was not asked for, as something else forbids it.
        Some(Ok(_)) | None => {}
    }
}

fn age_column(age: &Ident, source: &Source, found: &mut Findings) {
    match source.columns.iter().find(|column| column.name == *age) {
        None => {
            let names: Vec<String> = source.columns.iter().map(|c| c.name.to_string()).collect();
            found.refuse(
                format!("it has no column {age}"),
                format!("correct age_column; the columns are {}", names.join(", ")),
            );
        }
        Some(column) if AgeType::of(&column.base_type).is_none() => found.refuse(
            format!("age_column {age} is of type {}", column.type_sql),
            "name a column of type timestamptz, timestamp or date",
        ),
        Some(_) => {}
    }
}

/// INSERT and DELETE evaluate condition and age separately: they must agree on each row.
pub(super) fn volatile(functions: &[String], age: &Age, found: &mut Findings) {
    let what = match age {
        Age::Column(_) => "the condition",
        Age::Expression(_) => "the condition or age_expression",
    };
    for function in functions {
        found.refuse(
            format!("{what} calls {function}, which may answer differently each time"),
            "use a STABLE or IMMUTABLE function; declare it so if it is one",
        );
    }
}

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

pub(super) fn grant(what: &str, user: &Ident, found: &mut Findings) {
    let (privileges, on) = what.split_once(" ON ").unwrap_or((what, ""));
    found.refusals.push(Refusal::permission(
        format!("{user} lacks {privileges} on {}", on.strip_prefix("SCHEMA ").unwrap_or(on)),
        format!("GRANT {what} TO {user}"),
    ));
}
