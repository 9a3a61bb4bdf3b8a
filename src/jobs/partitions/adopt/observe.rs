//! What is asked of the server about one table that is to be adopted.

use std::collections::{BTreeMap, BTreeSet};

use super::super::facts::Seen;
use super::super::lacking::second_look;
use super::blueprint::key_index;
use super::decide::{column, decide, first_partition, future};
use super::{CHECK, Facts, Wish};
use crate::config::checked::Partitions;
use crate::job::clocks::Clocks;
use crate::pg::catalog::adoption::{self, Progress};
use crate::pg::catalog::traits::{self, Traits};
use crate::pg::catalog::{inventory, partition, policies, setting};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName};
use crate::pg::session::Reader;

/// Reads all facts about the one table.
///
/// # Errors
/// Where the server does not answer.
pub async fn observe(
    section: &Partitions,
    wish: &Wish,
    reader: &mut Reader<'_>,
) -> Result<Seen, Fault> {
    let version = reader.server.version;
    let mut seen = Seen {
        version,
        role: reader.server.user.clone(),
        lock_timeout: setting::lock_timeout(reader.conn).await?,
        tables: BTreeMap::new(),
        taken: BTreeSet::new(),
        clocks: Clocks::read(reader.conn).await?,
        strays: Vec::new(),
        stray_leftovers: Vec::new(),
        own_schema: reader.server.schema.clone(),
        adoption: None,
        unfinished: Vec::new(),
    };
    let mut facts = first_look(wish, reader).await?;
    if let Ok(column) = column(section, wish, &facts)
        && let Ok(key) = Ident::new(&column.name)
    {
        facts.highest = adoption::highest(reader.conn, &wish.table, &key).await;
        if let Err(fault) = &facts.highest
            && fault.kind == Kind::Unreachable
        {
            return Err(fault.clone());
        }
    }
    // Boxed: its state is part of every run's, and few runs adopt.
    Box::pin(further_look(section, wish, reader, &mut seen, &mut facts)).await?;
    seen.adoption = Some(Box::new(facts));
    Ok(seen)
}

/// The table, and what stands on it.
async fn first_look(wish: &Wish, reader: &mut Reader<'_>) -> Result<Facts, Fault> {
    let version = reader.server.version;
    let asked = [&wish.table];
    let relation = partition::relations(reader.conn, version, &asked).await?.pop();
    let oid = relation.map(|relation| relation.oid);
    let index = key_index(&wish.table);
    let own = [CHECK, index.as_str()];
    // Before everything else that is read: what changes from here on is noticed under the lock.
    let fingerprint = match oid {
        Some(oid) => inventory::fingerprint(reader.conn, oid, &own).await?,
        None => String::new(),
    };
    let mut facts = Facts {
        record: adoption::record(reader.conn, &wish.table, oid).await?,
        relation: partition::relations(reader.conn, version, &asked).await?.pop(),
        inventory: None,
        traits: Traits::default(),
        policies: Vec::new(),
        storage: Vec::new(),
        fingerprint,
        progress: Progress::default(),
        highest: Ok(None),
        taken: BTreeSet::new(),
    };
    if let Some(relation) =
        facts.relation.as_ref().filter(|r| ["r", "p"].contains(&r.kind.as_str()))
    {
        let oid = relation.oid;
        facts.traits = traits::of(reader.conn, &[oid]).await?.remove(&oid).unwrap_or_default();
        facts.policies = policies::of(reader.conn, oid).await?;
        facts.storage = traits::storage_of(reader.conn, oid).await?;
        facts.inventory = inventory::of(reader.conn, version, oid).await?;
        // What an earlier run has put there is not the table's own.
        if let Some(inventory) = &mut facts.inventory {
            inventory.indexes.retain(|found| found.name != index.as_str());
            inventory.checks.retain(|check| check.name != CHECK);
        }
        facts.progress = adoption::progress(reader.conn, oid, &index, CHECK).await?;
    }
    Ok(facts)
}

/// What follows from where the cut lies: names that must be free, and the next partitions.
async fn further_look(
    section: &Partitions,
    wish: &Wish,
    reader: &mut Reader<'_>,
    seen: &mut Seen,
    facts: &mut Facts,
) -> Result<(), Fault> {
    // What cannot be decided is told by the plan, which asks the same.
    let Ok(decided) = decide(section, wish, seen, facts, reader.now) else { return Ok(()) };
    let (Some(relation), Some(inventory)) = (&facts.relation, &facts.inventory) else {
        return Ok(());
    };
    let parent = facts.record.as_ref().filter(|r| r.parent_name.is_some()).and_then(|r| r.parent);

    let needed = decided.names.needed(inventory, facts.record.is_some());
    let taken = partition::taken_names(reader.conn, &needed).await?;
    facts.taken = names(taken).collect();

    let mut future = future(facts, &decided.column)?;
    future.children = vec![first_partition(relation, &decided)];
    future.highest_id = facts.highest.as_ref().ok().and_then(|key| key.as_ref()?.parse().ok());
    if let Some(parent) = parent {
        let children = partition::children(reader.conn, reader.server.version, &[parent]).await?;
        future.children.extend(children);
    }
    seen.tables.insert(wish.table.clone(), future);
    second_look(section, reader, seen).await?;
    Ok(())
}

fn names(taken: Vec<(String, String)>) -> impl Iterator<Item = TableName> {
    taken.into_iter().filter_map(|(schema, name)| TableName::new(schema, name).ok())
}
