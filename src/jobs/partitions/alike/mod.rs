//! Questions about what a table's partitions are to be like, and who stands in the way of a new one.

pub mod clauses;
pub mod cure;
pub mod drift;
pub mod given;
pub mod left_behind;
pub mod repair;

use std::collections::BTreeMap;

use super::facts::{Facts, Seen};
use crate::jobs::partitions::grid::bounds::{Edge, parse_bound};
use crate::jobs::partitions::grid::key::Point;
use crate::jobs::partitions::premake::recipe::Recipe;
use crate::pg::blockers::in_the_way_of;
use crate::pg::catalog::likeness::{self, Aspect, Difference};
use crate::pg::catalog::partition::Child;
use crate::pg::catalog::{foreign_keys, policies, traits};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;
use crate::pg::session::Reader;

/// In what partitions differ from their tables, by the tables' oids.
pub struct Drift(Result<BTreeMap<i64, Vec<Difference>>, Fault>);

impl Drift {
    /// Compares these partitions with the tables they are partitions of.
    ///
    /// # Errors
    /// Where the server is gone. That they could not be compared is a fact, not an error.
    pub async fn of(reader: &mut Reader<'_>, children: &[Child]) -> Result<Self, Fault> {
        let found = known(likeness::differences(reader.conn, children).await)?;
        Ok(Self(found.map(|all| {
            let mut of: BTreeMap<i64, Vec<Difference>> = BTreeMap::new();
            for one in all {
                of.entry(one.parent).or_default().push(one);
            }
            of
        })))
    }

    /// In what the partitions of this table differ from it.
    pub fn take(&mut self, table: i64) -> Result<Vec<Difference>, Fault> {
        let all = self.0.as_mut().map_err(|fault| fault.clone())?;
        Ok(all.remove(&table).unwrap_or_default())
    }
}

/// An answer, or why there is none; only that the server is gone is an error.
fn known<T>(answer: Result<T, Fault>) -> Result<Result<T, Fault>, Fault> {
    match answer {
        Err(fault) if fault.kind == Kind::Unreachable => Err(fault),
        answer => Ok(answer),
    }
}

/// The partition that new ones are to be like where the parent says nothing: the one of today, else
/// the newest.
pub fn model(facts: &Facts, now: Point) -> Option<i64> {
    let spans = facts.children.iter().filter(|child| child.kind == "r" && !child.detach_pending);
    let spans = spans.filter_map(|child| Some((parse_bound(&child.bound).ok()??, child.oid)));
    spans
        .max_by_key(|(span, _)| (span.from <= Edge::At(now) && Edge::At(now) < span.to, *span))
        .map(|(_, oid)| oid)
}

/// What new partitions of these tables are given. Only for those that may get one: most runs make none.
async fn given(
    reader: &mut Reader<'_>,
    seen: &mut Seen,
    tables: &[TableName],
) -> Result<(), Fault> {
    let oids: Vec<i64> =
        tables.iter().filter_map(|name| Some(seen.tables.get(name)?.relation.oid)).collect();
    if oids.is_empty() {
        return Ok(());
    }
    let mut traits = traits::of(reader.conn, &oids).await?;
    let mut points_at: BTreeMap<i64, Vec<TableName>> = BTreeMap::new();
    for (oid, schema, table) in foreign_keys::pointed_at(reader.conn, &oids).await? {
        points_at.entry(oid).or_default().extend(TableName::new(schema, table).ok());
    }
    for name in tables {
        let Some(facts) = seen.tables.get_mut(name) else { continue };
        let oid = facts.relation.oid;
        facts.traits = traits.remove(&oid).unwrap_or_default();
        facts.points_at = points_at.remove(&oid).unwrap_or_default();
        if facts.traits.row_security && facts.traits.has_policies {
            facts.policies = known(policies::of(reader.conn, oid).await)?;
        }
    }
    Ok(())
}

/// For tables that miss a partition, each with its model: what the new one is given, and who stands in
/// the way. For others that differ by a policy: what would cure that.
///
/// # Errors
/// Where the server does not answer.
pub async fn look(
    reader: &mut Reader<'_>,
    seen: &mut Seen,
    lacking: &BTreeMap<TableName, Option<i64>>,
) -> Result<(), Fault> {
    let tables: Vec<TableName> = lacking.keys().cloned().collect();
    given(reader, seen, &tables).await?;
    let models: Vec<i64> = lacking.values().flatten().copied().collect();
    let mut storage = traits::storage(reader.conn, &models).await?;
    let version = seen.version;
    for (name, facts) in &mut seen.tables {
        if differs_by_policy(facts) {
            facts.policies = known(policies::of(reader.conn, facts.relation.oid).await)?;
        }
        let Some(model) = lacking.get(name) else { continue };
        facts.storage = model.and_then(|model| storage.remove(&model)).unwrap_or_default();
        let default = facts.default.as_ref().map(|default| default.name.clone());
        let recipe = Recipe::of(facts, version, None);
        if recipe.is_noticed() || default.is_some() {
            let locks = recipe.locks(name, default.as_ref());
            facts.blockers = in_the_way_of(reader.conn, &locks)
                .await
                .map_err(|error| Fault::from_sqlx("look who stands in the way", &error))?;
        }
    }
    Ok(())
}

/// The same for a table whose default partition is to be drained: it need not miss a partition.
///
/// # Errors
/// Where the server does not answer.
pub async fn complete(
    reader: &mut Reader<'_>,
    seen: &mut Seen,
    table: &TableName,
) -> Result<(), Fault> {
    given(reader, seen, std::slice::from_ref(table)).await?;
    let Some(facts) = seen.tables.get_mut(table) else { return Ok(()) };
    let spans = facts
        .children
        .iter()
        .filter_map(|child| Some((parse_bound(&child.bound).ok()??, child.oid)));
    if let (true, Some((_, newest))) = (facts.storage.is_empty(), spans.max()) {
        facts.storage = traits::storage_of(reader.conn, newest).await?;
    }
    Ok(())
}

fn differs_by_policy(facts: &Facts) -> bool {
    let differences = facts.differences.as_deref().unwrap_or_default();
    differences.iter().any(|one| one.aspect == Aspect::Policy)
}
