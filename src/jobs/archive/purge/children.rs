//! The archives of an archive's children: what refers there to rows that go, goes with them.
//!
//! No foreign key need join the archives. What does is that of the child to the hot table, by its columns. A
//! child that has no archive has nothing in it.

use sqlx::PgConnection;

use super::{Policy, record};
use crate::config::checked::Purge;
use crate::jobs::archive::children::{Child, age, archive_of, referring};
use crate::jobs::archive::due::DueRows;
use crate::jobs::archive::side::{self, SOURCE_PRIVILEGES, Source};
use crate::jobs::archive::walk::Walk;
use crate::pg::catalog::columns::{self, Column};
use crate::pg::catalog::foreign_keys::{self, ForeignKey, Referrer};
use crate::pg::catalog::relation::{self, Relation};
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;
use crate::pg::version::Version;

/// What concerns the archive of one child.
#[derive(Debug, Clone)]
pub struct ChildArchive {
    /// The child.
    pub child: TableName,
    /// Its archive's name.
    pub name: TableName,
    /// It; `None`: there is no table of that name.
    pub source: Option<Source>,
    /// The child's columns; empty: it is gone.
    pub hot_columns: Vec<Column>,
    /// Foreign keys of the child that point at the hot table.
    pub keys: Vec<ForeignKey>,
    /// Those of its archive that point at the hot table's archive.
    pub own_keys: Vec<ForeignKey>,
    /// What was agreed to be deleted from it.
    pub agreed: Option<Policy>,
}

/// Looks at them, in the configuration's order; what was agreed is not among it.
///
/// # Errors
/// Where the server does not answer, or a name is too long for its archive's.
pub async fn observe(
    conn: &mut PgConnection,
    purge: &Purge,
    (parent, hot_parent): (Option<&Relation>, Option<&Relation>),
    version: Version,
) -> Result<Vec<ChildArchive>, Fault> {
    let mut found = Vec::with_capacity(purge.children.len());
    for child in &purge.children {
        let name = archive_of(child)?;
        let mut source = side::source(conn, &name, version).await?;
        let (mut hot_columns, mut keys, mut own_keys) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(hot) = relation::find(conn, child).await? {
            hot_columns = columns::of(conn, hot.oid).await?;
            if let Some(parent) = hot_parent {
                keys = foreign_keys::between(conn, hot.oid, &parent.tree).await?;
            }
        }
        if let (Some(source), Some(parent)) = (&mut source, parent) {
            own_keys = foreign_keys::between(conn, source.relation.oid, &parent.tree).await?;
            // That is for stepping over locked rows, which nothing with children does.
            source.missing.retain(|privilege| privilege != SOURCE_PRIVILEGES[1]);
        }
        let (child, agreed) = (child.clone(), None);
        found.push(ChildArchive { child, name, source, hot_columns, keys, own_keys, agreed });
    }
    Ok(found)
}

impl ChildArchive {
    /// Whether its rows leave before this foreign key could do anything to them: it joins the archives as the
    /// hot tables are joined.
    #[must_use]
    pub fn is_emptied_for(&self, referrer: &Referrer) -> bool {
        let [key] = self.keys.as_slice() else { return false };
        let is_alike = |own: &ForeignKey| {
            own.constraint == referrer.constraint
                && own.columns == key.columns
                && own.referenced == key.referenced
        };
        self.name == referrer.table && self.own_keys.iter().any(is_alike)
    }

    /// How those of its rows leave that refer to rows of the parent's archive that this condition finds.
    /// `None`: there are none, or they have been refused.
    #[must_use]
    pub fn leaves(&self, due: &DueRows, walk: &Walk, due_in_range: &str) -> Option<Child> {
        let name = &self.name;
        let source = self.source.as_ref()?;
        let [key] = self.keys.as_slice() else { return None };
        let condition = referring(key, due, due_in_range);
        let hot = (&self.child, self.hot_columns.as_slice());
        let age = age(due, due_in_range);
        let record = record::of(hot, (name, &source.columns), walk, age);
        Some(Child {
            name: name.clone(),
            into: None,
            insert: None,
            delete: format!("DELETE FROM {name}\nWHERE {condition}"),
            entry: None,
            gone: record.map(|record| record.of(name, &condition, walk.columns.len())),
            doubles: None,
        })
    }
}
