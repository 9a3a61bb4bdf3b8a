//! What follows from the facts before any step is made: which key, where the cut lies, what things are
//! called. `observe` needs it too, to know what to ask for next.

use chrono::{DateTime, Utc};

use super::super::facts::{Facts as TableFacts, Seen};
use super::super::refusal::{configured, missing};
use super::super::tended::{Tended, tended};
use super::blueprint::Names;
use super::key::{as_partitioned, choose};
use super::{DOING, Facts, Wish, cut};
use crate::config::checked::Partitions;
use crate::jobs::partitions::grid::bounds::{Edge, Span, parse_bound};
use crate::pg::catalog::inventory::{Column, Inventory};
use crate::pg::catalog::partition::{Child, Relation};
use crate::pg::fault::{Fault, Kind};

/// The decisions.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The key column.
    pub column: Column,
    /// Where the first partition ends, a literal.
    pub cut: String,
    /// What things are called.
    pub names: Names,
    /// It began long ago and has come close to its cut.
    pub is_near: bool,
}

pub(super) fn refused(message: impl Into<String>, cure: impl Into<String>) -> Fault {
    Fault::new(Kind::Refused, DOING, message).with_hint(cure)
}

/// The plain table and what stands on it.
///
/// # Errors
/// `Refused`: it is none.
pub fn plain_table(facts: &Facts) -> Result<(&Relation, &Inventory), Fault> {
    let relation = facts.relation.as_ref();
    let relation = relation.ok_or_else(|| refused("there is no such table", "check the name"))?;
    match (relation.kind.as_str(), &facts.inventory) {
        ("r", Some(inventory)) => Ok((relation, inventory)),
        _ => Err(refused("it is no plain table", "name a plain table")),
    }
}

/// The key column: the one on record, the one asked for, or the only one that can be meant.
///
/// # Errors
/// `Refused`: there is none, or there are several, or it is not the one on record.
pub fn column(section: &Partitions, wish: &Wish, facts: &Facts) -> Result<Column, Fault> {
    let config = configured(section, &wish.table)?;
    let (_, inventory) = plain_table(facts)?;
    let recorded = facts.record.as_ref().map(|record| record.key_column.as_str());
    let asked = wish.column.as_deref();
    if let (Some(recorded), Some(asked)) = (recorded, asked)
        && recorded != asked
    {
        return Err(refused(
            format!("its adoption was begun by {recorded}, not by {asked}"),
            "take that back first: --abort",
        ));
    }
    choose(inventory, config, recorded.or(asked)).cloned()
}

/// The table as it will be, without partitions, for the policy of partitioned tables to be asked.
///
/// # Errors
/// As [`plain_table`].
pub fn future(facts: &Facts, column: &Column) -> Result<TableFacts, Fault> {
    let (relation, inventory) = plain_table(facts)?;
    let points_at = inventory.references_out.iter().filter_map(|r| r.table.parse().ok());
    Ok(TableFacts {
        points_at: points_at.collect(),
        traits: facts.traits.clone(),
        policies: Ok(facts.policies.clone()),
        storage: facts.storage.clone(),
        ..TableFacts::bare(as_partitioned(relation, inventory, column))
    })
}

/// Decides.
///
/// # Errors
/// `Refused`, `Permission` or `Configuration`, with the cure as the hint.
pub fn decide(
    section: &Partitions,
    wish: &Wish,
    seen: &Seen,
    facts: &Facts,
    now: DateTime<Utc>,
) -> Result<Decided, Fault> {
    let config = configured(section, &wish.table)?;
    if facts.relation.is_none() {
        return Err(missing(&wish.table));
    }
    let column = column(section, wish, facts)?;
    let future = future(facts, &column)?;
    let table = tended(&wish.table, config, &future, seen)?;
    let highest = facts.highest.clone()?;
    let highest = highest.as_deref().map(cut::read).transpose()?;
    let (at, is_near) = match &facts.record {
        Some(record) => {
            let at = recorded_cut(&record.cut)?;
            (at, cut::is_near(&table, now, at, highest))
        }
        None => (cut::choose(&table, now, highest)?, false),
    };
    Ok(Decided { cut: table.axis.key.literal(at), names: names(&table, at), column, is_near })
}

fn names(table: &Tended<'_>, at: crate::jobs::partitions::grid::key::Point) -> Names {
    Names::new(table.name, table.axis.mark(at))
}

fn recorded_cut(literal: &str) -> Result<crate::jobs::partitions::grid::key::Point, Fault> {
    match parse_bound(&first_bound(literal)) {
        Ok(Some(Span { to: Edge::At(at), .. })) => Ok(at),
        _ => Err(Fault::new(Kind::Bug, DOING, format!("its cut {literal} cannot be read"))),
    }
}

/// The first partition's bound, as the server will write it.
fn first_bound(cut: &str) -> String {
    format!("FOR VALUES FROM (MINVALUE) TO ({cut})")
}

/// The old table as the first partition.
#[must_use]
pub fn first_partition(relation: &Relation, decided: &Decided) -> Child {
    Child {
        parent: relation.oid,
        oid: relation.oid,
        schema: decided.names.old.schema.as_str().to_owned(),
        name: decided.names.old.table.as_str().to_owned(),
        kind: "r".to_owned(),
        bound: first_bound(&decided.cut),
        detach_pending: false,
        stands_out: false,
    }
}
