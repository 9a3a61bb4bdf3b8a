//! What the archive job looks at. Questions, no policy.

use sqlx::postgres::types::Oid;
use sqlx::{AssertSqlSafe, PgConnection};

use super::account::part::{self, Unread};
use super::children::{self, ChildFacts};
use super::count::{Counted, Due, count};
use super::due::{ANY_AGE, AgeType, DueRows};
use super::hand_over::facts::Looked;
use super::hand_over::look::look;
use super::hand_over::plan::within;
use super::restore::{Hold, hold};
use super::side::{Source, Target, source, target};
use super::walk::{self, Expressed};
use crate::config::checked::{Age, ArchiveTable, Rule};
use crate::pg::catalog::functions;
use crate::pg::catalog::own::has_table;
use crate::pg::catalog::pressure::{self, Sight};
use crate::pg::catalog::privileges::{self, SchemaRights};
use crate::pg::catalog::served;
use crate::pg::catalog::shape;
use crate::pg::condition::{Condition, Expression};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName};
use crate::pg::session::Reader;
use crate::pg::version::Version;

/// What concerns one hot table.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The server's version.
    pub version: Version,
    /// Our role.
    pub user: Ident,
    /// The hot table; `None`: there is none of that name.
    pub source: Option<Source>,
    /// The archive table; `None`: there is none of that name.
    pub target: Option<Target>,
    /// What we may do in the archive table's schema; `None`: there is no such schema.
    pub target_schema: Option<SchemaRights>,
    /// The shape of both tables, or of the source while there is no target.
    pub shape: String,
    /// The shape of the source alone.
    pub source_shape: String,
    /// Functions in the condition that may answer differently each time.
    pub volatile: Vec<String>,
    /// Tables whose rows leave with those they refer to.
    pub children: Vec<ChildFacts>,
    /// Which rows are due.
    pub due: Counted,
    /// Where an unfinished pass stands.
    pub position: Option<Position>,
    /// Rows that were brought back, and stay.
    pub holds: Vec<Hold>,
    /// Partitions that were handed over and are not on record yet.
    pub unread: Vec<Unread>,
    /// Partitions of either table, as far as whole ones may be handed over.
    pub partitions: Option<Looked>,
    /// What of the server's burden we are shown.
    pub sight: Sight,
}

/// Where an unfinished pass stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// [`super::walk::Walk::signature`] of the pass.
    pub walk: String,
    /// The values of its columns in the last row moved, as text.
    pub after: Vec<String>,
}

/// Looks at one table.
///
/// # Errors
/// Where the server does not answer, or refuses to show its catalog.
pub async fn table(
    reader: &mut Reader<'_>,
    rule: &Rule,
    policy: &ArchiveTable,
) -> Result<Facts, Fault> {
    let name = &rule.table;
    let version = reader.server.version;
    reader.plan_once(true).await?;
    let looked = by_catalog(reader.conn, name, policy, version).await;
    let ended = reader.plan_once(false).await;
    let ByCatalog { mut source, target, target_schema, children, shape, source_shape } = looked?;
    ended?;
    let volatile = volatile(reader.conn, &policy.age, policy.condition.as_ref()).await?;
    express(reader.conn, name, &policy.age, &volatile, source.as_mut()).await?;
    let readable = source.as_ref().filter(|source| source.is_readable() && volatile.is_empty());
    let partitions = match (readable, &target) {
        // A partition that others refer to goes row by row.
        (Some(source), Some(target)) if policy.children.is_empty() => {
            look(reader, name, policy, (source, target)).await?
        }
        _ => None,
    };
    let holds = hold::of(reader.conn, name, reader.now).await?;
    let waiting = partitions.as_ref();
    let due_rows = |source| Some((source, due_rows(name, policy, source, waiting, &holds)?));
    let due = match readable.and_then(due_rows) {
        Some((source, rows)) => count(reader, &rows, source, policy.older_than).await?,
        None => Due::Unasked(None).into(),
    };
    let unread = part::unread(reader.conn, name, &policy.into).await?;
    let position = position(reader.conn, rule).await?;
    let sight = pressure::sight(reader.conn).await?;
    let user = Ident::new(&reader.server.user)
        .map_err(|error| Fault::new(Kind::Bug, "read our role's name", error.to_string()))?;
    Ok(Facts {
        version,
        user,
        source,
        target,
        target_schema,
        shape,
        source_shape,
        volatile,
        children,
        due,
        position,
        holds,
        unread,
        partitions,
        sight,
    })
}

/// The part that asks for no row.
struct ByCatalog {
    source: Option<Source>,
    target: Option<Target>,
    target_schema: Option<SchemaRights>,
    children: Vec<ChildFacts>,
    shape: String,
    source_shape: String,
}

async fn by_catalog(
    conn: &mut PgConnection,
    name: &TableName,
    policy: &ArchiveTable,
    version: Version,
) -> Result<ByCatalog, Fault> {
    let source = source(conn, name, version).await?;
    let target = target(conn, &policy.into).await?;
    let relation = source.as_ref().map(|source| &source.relation);
    let target_schema = match relation {
        Some(relation) => privileges::in_schema_of(conn, &policy.into, &relation.owner).await?,
        None => None,
    };
    let children = children::observe(conn, relation, policy, version).await?;
    let of = |source: &Option<Source>, target: &Option<Target>| {
        let oids =
            [source.as_ref().map(|s| s.relation.oid), target.as_ref().map(|t| t.relation.oid)];
        oids.into_iter().flatten()
    };
    let children_oids = children.iter().flat_map(|child| of(&child.source, &child.target));
    let tables: Vec<Oid> = of(&source, &target).chain(children_oids).collect();
    let shape = shape::of(conn, &tables).await?;
    let source_shape = shape::of(conn, &of(&source, &None).collect::<Vec<_>>()).await?;
    Ok(ByCatalog { source, target, target_schema, children, shape, source_shape })
}

/// What tells which rows are due, if the age column can.
#[must_use]
pub fn due_rows(
    name: &TableName,
    policy: &ArchiveTable,
    source: &Source,
    partitions: Option<&Looked>,
    holds: &[Hold],
) -> Option<DueRows> {
    let (age, condition) = (&policy.age, policy.condition.clone());
    let within: Vec<String> =
        within(partitions, age).into_iter().chain(hold::free(holds, age)).collect();
    let within = (!within.is_empty()).then(|| within.join(" AND "));
    Some(DueRows { within, ..old_rows(name, age, condition, source)? })
}

/// Functions in what says which rows are due that may answer differently each time.
///
/// # Errors
/// Where the server does not answer.
pub async fn volatile(
    conn: &mut PgConnection,
    age: &Age,
    condition: Option<&Condition>,
) -> Result<Vec<String>, Fault> {
    let of_condition = condition.map_or(&[][..], Condition::functions);
    functions::volatile_among(conn, &[age.functions(), of_condition].concat()).await
}

/// Asks for the type of the expression that tells the age, of no row, and for the index that leads with it.
///
/// # Errors
/// Where the server does not answer. That it refuses the expression is a fact.
pub async fn express(
    conn: &mut PgConnection,
    name: &TableName,
    age: &Age,
    volatile: &[String],
    source: Option<&mut Source>,
) -> Result<(), Fault> {
    let Age::Expression(expression) = age else { return Ok(()) };
    let Some(source) = source.filter(|it| it.is_readable() && volatile.is_empty()) else {
        return Ok(());
    };
    source.expressed = Some(match expressed(conn, name, expression).await {
        Ok(expressed) => Ok(expressed),
        Err(error) => {
            let fault = Fault::from_sqlx("check age_expression for", &error).on(name);
            if fault.kind.ends_run() {
                return Err(fault);
            }
            Err(fault)
        }
    });
    Ok(())
}

async fn expressed(
    conn: &mut PgConnection,
    name: &TableName,
    expression: &Expression,
) -> Result<Expressed, sqlx::Error> {
    let sql = format!("SELECT pg_typeof((SELECT {expression} FROM {name} LIMIT 0))::text");
    let type_name: String =
        sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *conn).await?;
    let Some(age_type) = AgeType::of(&type_name) else {
        return Ok(Expressed { type_name, served_by: None });
    };
    let below = format!("'{ANY_AGE}'::{}", age_type.sql());
    let served_by = match served::by(conn, name, &expression.to_string(), &below).await {
        // What is wrong with it as a condition, the count says.
        Err(sqlx::Error::Database(_)) => None,
        asked => asked?,
    };
    Ok(Expressed { type_name, served_by })
}

/// The rows that are old by this column and fulfil the condition, if the column can tell.
#[must_use]
pub fn old_rows(
    name: &TableName,
    age: &Age,
    condition: Option<Condition>,
    source: &Source,
) -> Option<DueRows> {
    let type_name = match (age.column(), &source.expressed) {
        (Some(age), _) => &source.columns.iter().find(|column| column.name == *age)?.base_type,
        (None, Some(Ok(Expressed { type_name, .. }))) => type_name,
        (None, _) => return None,
    };
    Some(DueRows {
        source: name.clone(),
        age: age.clone(),
        age_type: AgeType::of(type_name)?,
        by_index: walk::is_served(&source.indexes, age, source.expression()),
        condition,
        within: None,
    })
}

/// Where an unfinished pass over this table stands.
///
/// # Errors
/// Where the server does not answer.
pub async fn position(conn: &mut PgConnection, rule: &Rule) -> Result<Option<Position>, Fault> {
    let failed =
        |error: sqlx::Error| Fault::from_sqlx("read the stored position of", &error).on(rule);
    let exists = has_table(&mut *conn, "archive_position").await.map_err(failed)?;
    if !exists {
        return Ok(None);
    }
    let row: Option<(String, sqlx::types::Json<Vec<String>>)> =
        sqlx::query_as("SELECT walk, after FROM archive_position WHERE source = $1")
            .bind(rule.to_string())
            .fetch_optional(conn)
            .await
            .map_err(failed)?;
    Ok(row.map(|(walk, after)| Position { walk, after: after.0 }))
}
