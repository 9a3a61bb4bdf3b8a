//! Tables that refer to the hot table, and whose rows leave with the rows they refer to.
//!
//! Each batch first moves the child rows of its range, then the rows themselves, in one transaction
//! and under one snapshot. Whatever the foreign key would do on a delete, it finds nothing left to do
//! it to: a child row that came after the snapshot is a serialization error, not a cascade.

use sqlx::PgConnection;

use super::account::layout::layout_of;
use super::account::{self, Entry, Record};
use super::columns;
use super::doubles::{self, Doubles};
use super::due::DueRows;
use super::side::{self, Source, Target};
use super::walk::Walk;
use super::{sql, walk};
use crate::config::checked::{ArchiveTable, RuleName};
use crate::pg::catalog::foreign_keys::{self, ForeignKey};
use crate::pg::catalog::privileges::{self, SchemaRights};
use crate::pg::catalog::relation::Relation;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName};
use crate::pg::version::Version;

/// What concerns one child.
#[derive(Debug, Clone)]
pub struct ChildFacts {
    /// It.
    pub name: TableName,
    /// Where its rows go.
    pub into: TableName,
    /// It; `None`: there is no table of that name.
    pub source: Option<Source>,
    /// Its archive; `None`: there is none.
    pub target: Option<Target>,
    /// What we may do in its schema.
    pub target_schema: Option<SchemaRights>,
    /// Its foreign keys that point at the hot table.
    pub keys: Vec<ForeignKey>,
}

/// How the rows of one child leave. What is absent is as in [`super::sql::Texts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// From here …
    pub name: TableName,
    /// … to there; absent: nowhere, they are deleted.
    pub into: Option<TableName>,
    /// Copies the child rows of a range; values as for the parent's INSERT.
    pub insert: Option<String>,
    /// Deletes the same.
    pub delete: String,
    /// Records them.
    pub entry: Option<Entry>,
    /// Records them before they go nowhere.
    pub gone: Option<String>,
    /// For keys that its archive already holds.
    pub doubles: Option<Doubles>,
}

/// Looks at the children of a table, in the configuration's order.
///
/// # Errors
/// Where the server does not answer, or a name is too long for its archive's.
pub async fn observe(
    conn: &mut PgConnection,
    parent: Option<&Relation>,
    policy: &ArchiveTable,
    version: Version,
) -> Result<Vec<ChildFacts>, Fault> {
    let mut found = Vec::with_capacity(policy.children.len());
    for name in &policy.children {
        let into = archive_of(name)?;
        let source = side::source(conn, name, version).await?;
        let (mut keys, mut target_schema) = (Vec::new(), None);
        if let (Some(source), Some(parent)) = (&source, parent) {
            keys = foreign_keys::between(conn, source.relation.oid, &parent.tree).await?;
            target_schema = privileges::in_schema_of(conn, &into, &source.relation.owner).await?;
        }
        let target = side::target(conn, &into).await?;
        found.push(ChildFacts { name: name.clone(), into, source, target, target_schema, keys });
    }
    Ok(found)
}

/// Where a child's rows go.
///
/// # Errors
/// Its name would be too long.
pub fn archive_of(name: &TableName) -> Result<TableName, Fault> {
    let archive = Ident::new(format!("{}_archive", name.table.as_str()));
    archive.map(|table| name.sibling(table)).map_err(|error| {
        Fault::new(Kind::Refused, "name the archive of", error.to_string())
            .on(name)
            .with_hint("rename the child, or take it out of `children`")
    })
}

impl ChildFacts {
    fn map(&self, source: &Source) -> columns::Mapping {
        match &self.target {
            Some(target) => columns::map(&source.columns, &target.columns),
            None => columns::map_to_copy(&source.columns),
        }
    }

    /// How its rows move by a rule of the parent: those of the parent's rows that this condition finds.
    /// `None` where the preflight has refused it.
    #[must_use]
    pub fn moves(
        &self,
        due: &DueRows,
        walk: &Walk,
        due_in_range: &str,
        rule: Option<&RuleName>,
    ) -> Option<Child> {
        let source = self.source.as_ref()?;
        let [key] = self.keys.as_slice() else { return None };
        let Self { name, into, .. } = self;
        let map = self.map(source);
        let condition = referring(key, due, due_in_range);
        let own_key = walk::key(&source.columns, &source.indexes);
        let doubles = own_key.and_then(|own_key| {
            let comparable =
                |name: &Ident| source.columns.iter().any(|c| c.name == *name && c.has_own_order);
            let unique = match &self.target {
                Some(target) => doubles::lookups(&target.indexes, &map, comparable),
                None => vec![own_key.clone()],
            };
            Doubles::new((name, into), &condition, &own_key, &map, &unique)
        });
        let insert = sql::insert(into, name, &map, &condition);
        let delete = format!("DELETE FROM {name}\nWHERE {condition}");
        let record = Record {
            kind: account::Kind::Move,
            source: name.clone(),
            target: into.clone(),
            rule: rule.cloned(),
            walk: walk.signature(),
            layout: layout_of(&source.columns, &map.from),
            age: age(due, due_in_range),
            stamp: map.stamps.then(|| "now()".to_owned()),
        };
        Some(Child {
            name: name.clone(),
            into: Some(into.clone()),
            insert: Some(insert),
            delete,
            entry: Some(record.entry(name, &condition, walk.columns.len())),
            gone: None,
            doubles,
        })
    }

    /// The statement that creates its archive, if there is none.
    #[must_use]
    pub fn create(&self, version: Version) -> Option<String> {
        let source = self.source.as_ref().filter(|_| self.target.is_none())?;
        let key = walk::key(&source.columns, &source.indexes).unwrap_or_default();
        Some(sql::create_target(&self.name, &self.into, &key, &self.map(source), version))
    }
}

impl Child {
    /// Those that must stay as they are.
    pub fn tables(&self) -> impl Iterator<Item = &TableName> {
        std::iter::once(&self.name).chain(&self.into)
    }

    /// What is done to its rows, in this order, by a batch that records them itself or leaves that to another
    /// connection.
    pub fn shown(&self, records: bool) -> impl Iterator<Item = &String> {
        let entry = self.entry.as_ref().filter(|_| records);
        let delete = entry.map_or(&self.delete, |entry| &entry.deleting);
        self.insert.iter().chain(&self.gone).chain([delete])
    }
}

/// What follows WHERE for the rows that refer to those of the parent that this condition finds.
#[must_use]
pub fn referring(key: &ForeignKey, due: &DueRows, due_in_range: &str) -> String {
    format!(
        "({}) IN (\nSELECT {} FROM {}\nWHERE {due_in_range})",
        sql::list(&key.columns),
        sql::list(&key.referenced),
        due.source
    )
}

/// Their age on record: they are as old as what they refer to, as far as a batch can tell.
#[must_use]
pub fn age(due: &DueRows, due_in_range: &str) -> String {
    format!("(SELECT max({}) FROM {}\nWHERE {due_in_range})", due.age, due.source)
}

/// Whether an index finds the rows that refer to one of the parent's: without one, the child is
/// read as a whole, for each batch by us, and by the server for each row.
#[must_use]
pub fn has_index(source: &Source, key: &ForeignKey) -> bool {
    let count = key.columns.len();
    let leads = |columns: &[Option<Ident>]| {
        columns.len() >= count
            && columns[..count].iter().flatten().all(|c| key.columns.contains(c))
            && columns[..count].iter().flatten().count() == count
    };
    source.indexes.iter().any(|index| !index.is_partial && leads(&index.columns))
}
