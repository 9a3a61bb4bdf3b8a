//! What taking a partition apart needs to know of it.

use crate::jobs::partitions::alike;
use crate::jobs::partitions::facts::{Emptying, Seen};
use crate::pg::catalog::{carve, partition, traits};
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;
use crate::pg::session::Reader;

/// A partition that is to be taken apart.
#[derive(Debug, Clone)]
pub struct Source {
    /// The partitioned table.
    pub table: TableName,
    /// Its oid.
    pub parent_oid: i64,
    /// The partition.
    pub name: TableName,
    /// Its oid.
    pub oid: i64,
}

/// Looks at it; at nothing where it is gone.
///
/// # Errors
/// Where the server does not answer.
pub async fn look(reader: &mut Reader<'_>, seen: &mut Seen, source: &Source) -> Result<(), Fault> {
    let facts = carve::source(reader.conn, source.parent_oid, source.oid).await?;
    let version = reader.server.version;
    let relations = partition::relations(reader.conn, version, &[&source.name]).await?;
    let Some(relation) = relations.into_iter().find(|relation| relation.oid == source.oid) else {
        return Ok(());
    };
    let mut traits = traits::of(reader.conn, &[source.oid]).await?;
    let traits = traits.remove(&source.oid).unwrap_or_default();
    let storage = traits::storage_of(reader.conn, source.oid).await?;
    alike::complete(reader, seen, &source.table).await?;
    if let Some(facts_of) = seen.tables.get_mut(&source.table) {
        let emptying = Emptying { facts, owner: relation.owner, traits, storage, contents: None };
        facts_of.emptying.insert(source.oid, emptying);
    }
    Ok(())
}

/// What was begun, on all tables.
///
/// # Errors
/// Where the server does not answer.
pub async fn begun(reader: &mut Reader<'_>, seen: &mut Seen) -> Result<(), Fault> {
    let mut sources = Vec::new();
    for (table, facts) in &seen.tables {
        for begun in &facts.begun {
            let Ok(name) = begun.name.parse() else { continue };
            let parent_oid = facts.relation.oid;
            sources.push(Source { table: table.clone(), parent_oid, name, oid: begun.source });
        }
    }
    for source in sources {
        look(reader, seen, &source).await?;
    }
    Ok(())
}

/// Which of the names that may be given are taken.
///
/// # Errors
/// Where the server does not answer.
pub async fn taken(
    reader: &mut Reader<'_>,
    seen: &mut Seen,
    candidates: &[TableName],
) -> Result<(), Fault> {
    let taken = partition::taken_names(reader.conn, candidates).await?;
    let taken = taken.into_iter().filter_map(|(schema, name)| TableName::new(schema, name).ok());
    seen.taken.extend(taken);
    Ok(())
}
