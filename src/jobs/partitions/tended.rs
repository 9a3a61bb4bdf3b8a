//! Whether a table can be tended, and everything about it that does not depend on the time.

use super::facts::{Facts, Seen};
use super::laid::{Laid, within};
use super::refusal::{DOING, configured, missing, refused};
use crate::config::checked::{PartitionTable, Partitions};
use crate::jobs::partitions::grid::axis::Axis;
use crate::jobs::partitions::grid::bounds::{Span, parse_bound};
use crate::jobs::partitions::grid::continued::{Continued, Sibling, continued};
use crate::jobs::partitions::grid::coverage::Existing;
use crate::jobs::partitions::grid::kind;
use crate::pg::catalog::partition::Relation;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName, quoted};
use crate::pg::partition_name::Template;

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
    /// What of its newest partitions cannot be gone on with, in words.
    pub differs: Option<String>,
    /// Its partitions without the default one, ascending.
    pub existing: Vec<Existing>,
    /// What it may hold itself, being a partition by the same key.
    pub within: Span,
}

/// Works it out for every table that can be tended.
pub fn lay_out(section: &Partitions, seen: &mut Seen) {
    let laid = |(name, facts): (&TableName, &Facts)| {
        Some((name.clone(), laid(name, section.tables.get(name)?, facts, seen).ok()?))
    };
    let all: Vec<(TableName, Laid)> = seen.tables.iter().filter_map(laid).collect();
    for (name, laid) in all {
        if let Some(facts) = seen.tables.get_mut(&name) {
            facts.laid = Some(laid);
        }
    }
}

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
    let laid = match &facts.laid {
        Some(laid) => laid.clone(),
        None => laid(name, config, facts, seen)?,
    };
    let Laid { axis, key, other_owner, template, differs, existing, within } = laid;
    Ok(Tended { name, config, facts, axis, key, other_owner, template, differs, existing, within })
}

/// The table that a command names.
///
/// # Errors
/// As [`tended`]; or it is not configured, or not there.
pub fn tended_by_name<'a>(
    section: &'a Partitions,
    seen: &'a Seen,
    name: &'a TableName,
) -> Result<Tended<'a>, Fault> {
    let config = configured(section, name)?;
    let facts = seen.tables.get(name).ok_or_else(|| missing(name))?;
    tended(name, config, facts, seen)
}

/// Those that can be tended.
pub fn all_tended<'a>(section: &'a Partitions, seen: &'a Seen) -> impl Iterator<Item = Tended<'a>> {
    seen.tables
        .iter()
        .filter_map(|(name, facts)| tended(name, section.tables.get(name)?, facts, seen).ok())
}

fn laid(
    name: &TableName,
    config: &PartitionTable,
    facts: &Facts,
    seen: &Seen,
) -> Result<Laid, Fault> {
    is_range_parent(name, &facts.relation).map_err(|fault| fault.on(name))?;
    let (key, axis) = kind::axis(&facts.relation, config).map_err(|fault| fault.on(name))?;
    permitted(name, &facts.relation, seen).map_err(|fault| fault.on(name))?;
    let (existing, siblings) = existing(facts).map_err(|fault| fault.on(name))?;
    let Continued { axis, template, differs } = continued(&siblings, axis, &name.table, config);
    let other_owner = Ident::new(&facts.relation.owner).ok().filter(|o| o.as_str() != seen.role);
    let within = within(facts.relation.own_bound.as_deref());
    Ok(Laid { axis, key, other_owner, template, differs, existing, within })
}

/// Only RANGE has a tomorrow.
fn is_range_parent(name: &TableName, relation: &Relation) -> Result<(), Fault> {
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
                &format!(
                    "pgtend partitions adopt {name} makes it one, or remove it from \
                     [partitions.tables]"
                ),
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
    Ok(())
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

/// Reads the bounds: all partitions ascending, and those without an open end, newest first.
fn existing(facts: &Facts) -> Result<(Vec<Existing>, Vec<Sibling<'_>>), Fault> {
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
    let newest_first = found.iter().rev();
    let siblings = newest_first
        .filter_map(|(existing, child)| Sibling::of(&child.name, existing.span))
        .collect();
    Ok((found.into_iter().map(|(existing, _)| existing).collect(), siblings))
}
