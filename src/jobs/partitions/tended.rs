//! Whether a table can be tended, and everything about it that does not depend on the time.

use chrono::NaiveDateTime;

use super::bounds::{Axis, Edge, KeyType, parse_bound};
use super::coverage::Existing;
use super::facts::{Facts, Seen};
use crate::config::checked::PartitionTable;
use crate::pg::catalog::partition::Relation;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName, quoted};
use crate::pg::partition_name::Template;
use crate::time::grid::Grid;

/// A table that can be tended.
#[derive(Debug)]
pub struct Tended<'a> {
    /// Its name.
    pub name: &'a TableName,
    /// What the configuration says of it.
    pub config: &'a PartitionTable,
    /// What was seen of it.
    pub facts: &'a Facts,
    /// Its grid on its key.
    pub axis: Axis,
    /// Its key column.
    pub key: Ident,
    /// Its owner, unless that is ourselves.
    pub other_owner: Option<Ident>,
    /// How its partitions are called.
    pub template: Template,
    /// Its partitions without the default one, ascending.
    pub existing: Vec<Existing>,
}

/// Newer names count: an operator who renamed the old ones meant it.
const SIBLINGS_READ: usize = 24;

/// Takes a table on, or says why not and what to do.
///
/// # Errors
/// `Refused`, `Permission` or `Configuration`, with the cure as the hint.
pub fn tended<'a>(
    name: &'a TableName,
    config: &'a PartitionTable,
    facts: &'a Facts,
    seen: &Seen,
) -> Result<Tended<'a>, Fault> {
    let (key, key_type) = key(&facts.relation).map_err(|fault| fault.on(name))?;
    permitted(name, &facts.relation, seen).map_err(|fault| fault.on(name))?;
    let grid = Grid::new(config.interval, config.timezone).map_err(|error| {
        Fault::new(Kind::Configuration, DOING, error.to_string()).on(name)
    })?;
    let axis = Axis { grid, key: key_type };
    let (existing, siblings) = existing(facts, &axis).map_err(|fault| fault.on(name))?;
    let template = match &config.name {
        Some(template) => template.clone(),
        None => Template::of_siblings(siblings.into_iter(), &name.table, config.interval)
            .unwrap_or_else(|| Template::of_interval(config.interval)),
    };
    let other_owner = Ident::new(&facts.relation.owner).ok().filter(|o| o.as_str() != seen.role);
    Ok(Tended { name, config, facts, axis, key, other_owner, template, existing })
}

/// What is being done when a table is refused.
pub const DOING: &str = "tend partitions of";

fn refused(message: impl Into<String>, cure: &str) -> Fault {
    Fault::new(Kind::Refused, DOING, message).with_hint(cure)
}

/// The table that is configured and not there.
#[must_use]
pub fn missing(name: &TableName) -> Fault {
    refused(
        "there is no such table",
        "check the name in [partitions.tables]: schema.table, each part quoted as in SQL",
    )
    .on(name)
}

/// The table that is asked about and not configured.
#[must_use]
pub fn not_configured(name: &TableName) -> Fault {
    refused("it is not in the configuration", "add its section to [partitions.tables]").on(name)
}

/// The one plain key column of a RANGE parent.
fn key(relation: &Relation) -> Result<(Ident, KeyType), Fault> {
    match (relation.kind.as_str(), relation.strategy.as_deref()) {
        ("p", Some("r")) => {}
        ("p", strategy) => {
            let strategy = if strategy == Some("l") { "LIST" } else { "HASH" };
            return Err(refused(
                format!("it is partitioned by {strategy}; only RANGE has a tomorrow"),
                "remove it from [partitions.tables]",
            ));
        }
        ("r", _) => {
            return Err(refused(
                "it is a plain table, not a partitioned one",
                "partition it first, or remove it from [partitions.tables]",
            ));
        }
        (kind, _) => {
            return Err(refused(
                format!("it is {}, not a partitioned table", kind_words(kind)),
                "name the partitioned table itself in [partitions.tables]",
            ));
        }
    }
    if relation.temporary {
        return Err(refused("it is a temporary table", "remove it from [partitions.tables]"));
    }
    let parts = relation.key_parts.unwrap_or_default();
    if parts != 1 {
        return Err(refused(
            format!("its key has {parts} columns; one is supported"),
            "partition it by its time column alone, or remove it from [partitions.tables]",
        ));
    }
    let (Some(column), Some(oid)) = (&relation.key_column, relation.key_type_oid) else {
        return Err(refused(
            "its key is an expression, not a plain column",
            "partition it by a column, or remove it from [partitions.tables]",
        ));
    };
    let key_type = u32::try_from(oid).ok().and_then(KeyType::of_oid).ok_or_else(|| {
        let key_type = relation.key_type.as_deref().unwrap_or("unknown");
        refused(
            format!("its key {column} is of type {key_type}; date, timestamp and timestamptz are supported"),
            "a later version of pgtend tends other keys; remove it from [partitions.tables] until then",
        )
    })?;
    if relation.key_order_usual != Some(true) {
        return Err(refused(
            format!("its key {column} is ordered by an operator class of its own"),
            "partition it by the type's default order, or remove it from [partitions.tables]",
        ));
    }
    let column = Ident::new(column)
        .map_err(|error| Fault::new(Kind::Bug, DOING, format!("its key: {error}")))?;
    Ok((column, key_type))
}

fn kind_words(kind: &str) -> &'static str {
    match kind {
        "v" => "a view",
        "m" => "a materialized view",
        "f" => "a foreign table",
        "S" => "a sequence",
        "i" | "I" => "an index",
        _ => "something else",
    }
}

/// What creating and attaching ask for, each with its GRANT.
fn permitted(name: &TableName, relation: &Relation, seen: &Seen) -> Result<(), Fault> {
    let (me, owner, schema) = (quoted(&seen.role), quoted(&relation.owner), &name.schema);
    let rights = &relation.rights;
    let denied = |message: String, grant: String| {
        Err(Fault::new(Kind::Permission, DOING, message).with_hint(grant))
    };
    if !rights.acts_as_owner {
        return denied(
            format!("only the rights of its owner {owner} allow to attach a partition"),
            match (seen.version.has_grant_with_set(), rights.may_give_to_owner) {
                (true, _) => format!("GRANT {owner} TO {me} WITH INHERIT TRUE, SET TRUE"),
                (false, false) => format!("GRANT {owner} TO {me}"),
                (false, true) => format!("ALTER ROLE {me} INHERIT"),
            },
        );
    }
    if relation.owner != seen.role && !rights.may_give_to_owner {
        return denied(
            format!("{me} may not give a new partition to the owner {owner}"),
            format!("GRANT {owner} TO {me} WITH SET TRUE"),
        );
    }
    if !rights.may_create {
        return denied(
            format!("{me} may not create tables in schema {schema}"),
            format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {me}"),
        );
    }
    if !rights.owner_may_create {
        return denied(
            format!("its owner {owner} may not own tables in schema {schema}"),
            format!("GRANT CREATE ON SCHEMA {schema} TO {owner}"),
        );
    }
    Ok(())
}

type Siblings<'a> = Vec<(&'a str, NaiveDateTime)>;

/// Reads the bounds, and the newest names with their lower bounds on the wall clock.
fn existing<'a>(facts: &'a Facts, axis: &Axis) -> Result<(Vec<Existing>, Siblings<'a>), Fault> {
    let mut found = Vec::with_capacity(facts.children.len());
    for child in &facts.children {
        let span = parse_bound(&child.bound).map_err(|error| {
            Fault::new(Kind::Bug, DOING, format!("partition {}: {error}", child.name))
        })?;
        if let Some(span) = span {
            found.push((Existing { span, detach_pending: child.detach_pending }, child));
        }
    }
    found.sort_by_key(|(existing, _)| existing.span);
    let siblings = found
        .iter()
        .rev()
        .filter_map(|(existing, child)| match existing.span.from {
            Edge::At(from) => Some((child.name.as_str(), axis.wall(from))),
            Edge::Start | Edge::End => None,
        })
        .take(SIBLINGS_READ)
        .collect();
    Ok((found.into_iter().map(|(existing, _)| existing).collect(), siblings))
}
