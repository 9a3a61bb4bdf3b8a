//! The two tables of a move: what rows leave, and where they go. Questions to the catalog alone.

use sqlx::PgConnection;

use crate::config::checked::Age;
use crate::jobs::archive::walk::{Expressed, Walk};
use crate::pg::catalog::clutter::{self, Clutter};
use crate::pg::catalog::columns::{self, Column};
use crate::pg::catalog::foreign_keys::{self, Referrer};
use crate::pg::catalog::indexes::{self, Index};
use crate::pg::catalog::privileges;
use crate::pg::catalog::publications::{self, Publishing};
use crate::pg::catalog::relation::{self, Blocks, Relation};
use crate::pg::catalog::triggers::{self, Fires, Hook};
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;
use crate::pg::version::Version;

/// A hot table.
#[derive(Debug, Clone)]
pub struct Source {
    /// What the name stands for.
    pub relation: Relation,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its B-tree indexes.
    pub indexes: Vec<Index>,
    /// What the server says of the expression that tells the age; absent: it was not asked.
    pub expressed: Option<Result<Expressed, Fault>>,
    /// Its blocks, as far as they are known.
    pub blocks: Option<Blocks>,
    /// What fires on DELETE.
    pub hooks: Vec<Hook>,
    /// Foreign keys that point at it.
    pub referrers: Vec<Referrer>,
    /// Who replicates its deletes.
    pub publishing: Publishing,
    /// What stands in it beside its rows.
    pub clutter: Clutter,
    /// Privileges we lack on it.
    pub missing: Vec<String>,
    /// We may reach what is in its schema.
    pub may_use_schema: bool,
}

impl Source {
    /// What is known of the expression that tells the age, if there is one.
    pub(super) fn expression(&self) -> Option<&Expressed> {
        self.expressed.as_ref().and_then(|asked| asked.as_ref().ok())
    }

    /// In which order its rows go; `None`: it has no key.
    #[must_use]
    pub fn walk(&self, age: &Age) -> Option<Walk> {
        Walk::choose(&self.columns, &self.indexes, age, self.expression())
    }

    /// Whether we may ask about its rows.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.may_use_schema
            && !self.missing.iter().any(|privilege| privilege == SOURCE_PRIVILEGES[0])
    }
}

/// An archive table.
#[derive(Debug, Clone)]
pub struct Target {
    /// What the name stands for.
    pub relation: Relation,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its B-tree indexes.
    pub indexes: Vec<Index>,
    /// Its blocks, as far as they are known.
    pub blocks: Option<Blocks>,
    /// What fires on INSERT.
    pub hooks: Vec<Hook>,
    /// Privileges we lack on it.
    pub missing: Vec<String>,
    /// We may alter it.
    pub may_alter: bool,
}

/// Privileges needed on the hot table. UPDATE is what the server asks for `FOR UPDATE`, by which
/// rows that others hold locked are stepped over.
pub const SOURCE_PRIVILEGES: [&str; 3] = ["SELECT", "UPDATE", "DELETE"];
/// Privileges needed on the archive table.
const TARGET_PRIVILEGES: [&str; 1] = ["INSERT"];

/// A hot table, or a child of one.
///
/// # Errors
/// Where the server does not answer.
pub async fn source(
    conn: &mut PgConnection,
    name: &TableName,
    version: Version,
) -> Result<Option<Source>, Fault> {
    let Some(relation) = relation::find(conn, name).await? else { return Ok(None) };
    let rights = privileges::in_schema_of(conn, name, &relation.owner).await?;
    Ok(Some(Source {
        expressed: None,
        columns: columns::of(conn, relation.oid).await?,
        indexes: indexes::of(conn, relation.oid).await?,
        blocks: relation::blocks(conn, relation.oid).await?,
        hooks: triggers::of(conn, &relation, Fires::OnDelete).await?,
        referrers: foreign_keys::pointing_at(conn, &relation.tree).await?,
        publishing: publications::of(conn, &relation, version).await?,
        clutter: clutter::of(conn, &relation.tree, version).await?,
        missing: privileges::missing_on_table(conn, relation.oid, &SOURCE_PRIVILEGES).await?,
        may_use_schema: rights.is_some_and(|rights| rights.may_use),
        relation,
    }))
}

/// The archive of one.
///
/// # Errors
/// Where the server does not answer.
pub async fn target(conn: &mut PgConnection, name: &TableName) -> Result<Option<Target>, Fault> {
    let Some(relation) = relation::find(conn, name).await? else { return Ok(None) };
    Ok(Some(Target {
        columns: columns::of(conn, relation.oid).await?,
        indexes: indexes::of(conn, relation.oid).await?,
        blocks: relation::blocks(conn, relation.oid).await?,
        hooks: triggers::of(conn, &relation, Fires::OnInsert).await?,
        missing: privileges::missing_on_table(conn, relation.oid, &TARGET_PRIVILEGES).await?,
        may_alter: privileges::may_alter(conn, relation.oid).await?,
        relation,
    }))
}
