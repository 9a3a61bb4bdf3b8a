//! `partitions import-partman`: what `pg_partman` has on record, as our configuration.
//!
//! It is text for a person to look over. Nothing is changed, neither here nor there; what cannot be
//! taken over is left to `pg_partman`, with the reason.

mod print;
mod translate;

use std::collections::BTreeMap;

use chrono_tz::Tz;

use self::translate::{Lengths, Told, translate};
use crate::pg::catalog::partition::{self, Child, Relation};
use crate::pg::catalog::partman::{self, Home, Set};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName, quoted};
use crate::pg::session::Reader;

const DOING: &str = "import from pg_partman";

/// Reads every `part_config` and prints a section `[partitions]`.
///
/// # Errors
/// There is none, or it may not be read; the server does not answer.
pub async fn import(reader: &mut Reader<'_>) -> Result<String, Fault> {
    let homes = partman::homes(reader.conn).await?;
    if homes.is_empty() {
        let message = format!("database {} has no table part_config", reader.server.database);
        return Err(Fault::new(Kind::Refused, DOING, message)
            .with_hint("check database.url: pg_partman keeps its record in each database"));
    }
    let zones: Vec<Tz> =
        partman::zones(reader.conn).await?.iter().filter_map(|zone| zone.parse().ok()).collect();
    let mut text = print::HEAD.to_owned();
    for home in &homes {
        let told = told(reader, home, &zones).await?;
        text.push_str(&print::section(home, &told));
    }
    Ok(text)
}

async fn told(reader: &mut Reader<'_>, home: &Home, zones: &[Tz]) -> Result<Vec<Told>, Fault> {
    let schema = Ident::new(&home.schema)
        .map_err(|error| Fault::new(Kind::Bug, DOING, error.to_string()))?;
    if !home.may_read {
        let me = quoted(&reader.server.user);
        return Err(Fault::new(Kind::Permission, DOING, "its record may not be read")
            .on(format!("{schema}.part_config"))
            .with_hint(format!(
                "GRANT USAGE ON SCHEMA {schema} TO {me}; GRANT SELECT ON {schema}.part_config TO {me}"
            )));
    }
    let sets = partman::sets(reader.conn, &schema).await?;
    let names: Vec<Option<TableName>> = sets
        .iter()
        .map(|set| TableName::new(set.schema.as_deref()?, set.name.as_deref()?).ok())
        .collect();
    let (relations, children) = seen(reader, &names).await?;
    let mut told = Vec::with_capacity(sets.len());
    for (set, name) in sets.iter().zip(names) {
        let relation = name.as_ref().and_then(|name| relations.get(name));
        let children = relation.and_then(|relation| children.get(&relation.oid));
        let lengths = lengths(reader, set).await?;
        told.push(translate(set, relation, children.map_or(&[], Vec::as_slice), lengths, zones));
    }
    Ok(told)
}

type Seen = (BTreeMap<TableName, Relation>, BTreeMap<i64, Vec<Child>>);

/// The tables that are there, and their partitions.
async fn seen(reader: &mut Reader<'_>, names: &[Option<TableName>]) -> Result<Seen, Fault> {
    let version = reader.server.version;
    let names: Vec<&TableName> = names.iter().flatten().collect();
    let found = partition::relations(reader.conn, version, &names).await?;
    let oids: Vec<i64> = found.iter().map(|relation| relation.oid).collect();
    let mut children: BTreeMap<i64, Vec<Child>> = BTreeMap::new();
    for child in partition::children(reader.conn, version, &oids).await? {
        children.entry(child.parent).or_default().push(child);
    }
    let by_name = found.into_iter().filter_map(|relation| {
        let name = names.get(usize::try_from(relation.asked).ok()?)?;
        Some(((*name).clone(), relation))
    });
    Ok((by_name.collect(), children))
}

async fn lengths(reader: &mut Reader<'_>, set: &Set) -> Result<Lengths, Fault> {
    let interval = length(reader, Some(&set.config.partition_interval)).await?;
    let retention = length(reader, set.config.retention.as_deref()).await?;
    Ok(Lengths { interval, retention })
}

/// What is no interval to the server is none; only a server that is gone is an error.
async fn length(
    reader: &mut Reader<'_>,
    text: Option<&str>,
) -> Result<Option<(i64, i64, i64)>, Fault> {
    let Some(text) = text else { return Ok(None) };
    match partman::interval(reader.conn, text).await {
        Ok(parts) => Ok(Some(parts)),
        Err(fault) if fault.kind == Kind::Server => Ok(None),
        Err(fault) => Err(fault),
    }
}
