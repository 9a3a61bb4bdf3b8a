//! What is looked at before rows are deleted. Questions, no policy.

use sqlx::AssertSqlSafe;

use super::Policy;
use super::agreement::name_of;
use super::children::{self, ChildArchive};
use crate::config::checked::{Purge, Rule};
use crate::job::clocks::Clocks;
use crate::jobs::archive::count::{Counted, Due, count};
use crate::jobs::archive::due::DueRows;
use crate::jobs::archive::observe::{self as archive, Position, old_rows};
use crate::jobs::archive::restore::{Hold, hold};
use crate::jobs::archive::side::{self, Source};
use crate::pg::catalog::columns::{self, Column};
use crate::pg::catalog::pressure::{self, Sight};
use crate::pg::catalog::{partition, relation, shape};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName};
use crate::pg::session::Reader;
use crate::pg::version::Version;

/// What concerns one table that rows are deleted from.
#[derive(Debug, Clone)]
pub struct PurgeFacts {
    /// The server's version.
    pub version: Version,
    /// Our role.
    pub user: Ident,
    /// The table; `None`: there is none of that name.
    pub source: Option<Source>,
    /// The columns of the hot table whose archive it is; empty: it is none, or that table is gone.
    pub hot_columns: Vec<Column>,
    /// The archives of its children.
    pub children: Vec<ChildArchive>,
    /// The shape of all of them that exist.
    pub shape: String,
    /// Functions in the condition that may answer differently each time.
    pub volatile: Vec<String>,
    /// Rows that were brought back, and stay.
    pub holds: Vec<Hold>,
    /// Partitions of it leave as a whole: it is partitioned by range of the age.
    pub is_ranged_by_age: bool,
    /// Which rows are due.
    pub due: Counted,
    /// Whether younger rows stay; `None`: that took longer than `statement_timeout`, or nothing is due.
    pub keeps_younger: Option<bool>,
    /// Where an unfinished pass stands.
    pub position: Option<Position>,
    /// What was agreed to be deleted.
    pub agreed: Option<Policy>,
    /// Two clocks, read at the same moment.
    pub clocks: Clocks,
    /// What of the server's burden we are shown.
    pub sight: Sight,
}

/// Looks at one table.
///
/// # Errors
/// Where the server does not answer, or refuses to show its catalog.
pub async fn observe(
    reader: &mut Reader<'_>,
    rule: &Rule,
    purge: &Purge,
) -> Result<PurgeFacts, Fault> {
    let name = &rule.table;
    let version = reader.server.version;
    let mut source = side::source(reader.conn, name, version).await?;
    let relation = source.as_ref().map(|source| &source.relation);
    let hot = match &purge.archive_of {
        Some(hot) => relation::find(reader.conn, hot).await?,
        None => None,
    };
    let children = children::observe(reader.conn, purge, (relation, hot.as_ref()), version).await?;
    let of_children = children.iter().filter_map(|child| child.source.as_ref());
    let oids: Vec<_> = source.iter().chain(of_children).map(|it| it.relation.oid).collect();
    let volatile = archive::volatile(reader.conn, &purge.age, purge.condition.as_ref()).await?;
    archive::express(reader.conn, name, &purge.age, &volatile, source.as_mut()).await?;
    // Of an archive, what was brought back has left it.
    let holds = match purge.archive_of {
        None => hold::of(reader.conn, name, reader.now).await?,
        Some(_) => Vec::new(),
    };
    let rows = source
        .as_ref()
        .filter(|source| source.is_readable() && volatile.is_empty())
        .and_then(|source| due_rows(name, purge, source, &holds));
    let mut facts = PurgeFacts {
        version,
        user: Ident::new(&reader.server.user)
            .map_err(|error| Fault::new(Kind::Bug, "read our role's name", error.to_string()))?,
        shape: shape::of(reader.conn, &oids).await?,
        hot_columns: match &hot {
            Some(hot) => columns::of(reader.conn, hot.oid).await?,
            None => Vec::new(),
        },
        children,
        volatile,
        holds,
        is_ranged_by_age: false,
        due: Due::Unasked(None).into(),
        keeps_younger: None,
        position: archive::position(reader.conn, rule).await?,
        agreed: None,
        clocks: Clocks::read(reader.conn).await?,
        sight: pressure::sight(reader.conn).await?,
        source,
    };
    if let Some(oid) = facts.source.as_ref().map(|source| source.relation.oid) {
        facts.agreed = Policy::on_record(reader.conn, oid, &name_of(rule)).await?;
        for child in &mut facts.children {
            child.agreed = Policy::on_record(reader.conn, oid, &child.name.to_string()).await?;
        }
        if let Some(age) = purge.age.column() {
            facts.is_ranged_by_age = partition::is_ranged_by(reader.conn, oid, age).await?;
        }
    }
    if let Some((rows, source)) = rows.zip(facts.source.as_ref()) {
        facts.due = count(reader, &rows, source, purge.older_than).await?;
        if !matches!(facts.due.rows, Due::Rows(0) | Due::Unasked(_)) {
            facts.keeps_younger = keeps_younger(reader, &rows, purge).await?;
        }
    }
    Ok(facts)
}

/// The rows that may be deleted, if the age column can tell.
#[must_use]
pub fn due_rows(
    name: &TableName,
    purge: &Purge,
    source: &Source,
    holds: &[Hold],
) -> Option<DueRows> {
    let (age, condition) = (&purge.age, purge.condition.clone());
    let within = hold::free(holds, age);
    Some(DueRows { within, ..old_rows(name, age, condition, source)? })
}

async fn keeps_younger(
    reader: &mut Reader<'_>,
    rows: &DueRows,
    purge: &Purge,
) -> Result<Option<bool>, Fault> {
    let found: Result<bool, sqlx::Error> = sqlx::query_scalar(AssertSqlSafe(rows.any_younger()))
        .bind(rows.age_type.cutoff(purge.older_than.before(reader.now, chrono_tz::UTC)))
        .persistent(false)
        .fetch_one(&mut *reader.conn)
        .await;
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) => {
            let fault = Fault::from_sqlx("look for younger rows of", &error).on(&rows.source);
            // A time-out looks like a cancel; if it is one, the next statement is cancelled too.
            let is_slow = matches!(fault.kind, Kind::TimedOut | Kind::Cancelled);
            if is_slow { Ok(None) } else { Err(fault) }
        }
    }
}
