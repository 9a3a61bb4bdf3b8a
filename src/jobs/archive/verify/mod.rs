//! `archive verify`: what was recorded as moved, against what the archive holds now.
//!
//! It reads each archive once, from one end to the other, in one snapshot, and writes nothing.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::account::layout::Layout;
use super::children;
use super::columns::ARCHIVED_AT;
use crate::config::checked::{Age, Archive, ArchiveTable};
use crate::pg::catalog::columns::{self, Column};
use crate::pg::catalog::own::{has_column, has_table};
use crate::pg::catalog::relation;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;
use crate::pg::session::Reader;

mod report;
mod sql;

pub use report::{Difference, Report, TableReport};

/// What to verify.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The hot table; absent: every configured one.
    pub table: Option<TableName>,
    /// Only batches with rows of this age or younger.
    pub since: Option<DateTime<Utc>>,
    /// Only batches with rows older than this.
    pub until: Option<DateTime<Utc>>,
}

impl Wish {
    fn window(&self) -> [Option<String>; 2] {
        [self.since.map(|at| at.to_rfc3339()), self.until.map(|at| at.to_rfc3339())]
    }
}

/// Verifies the archives of these tables, each once.
///
/// # Errors
/// A table that is not configured; the server does not answer, or refuses.
pub async fn verify(
    reader: &mut Reader<'_>,
    config: &Archive,
    wish: &Wish,
) -> Result<Report, Fault> {
    if let Some(table) = &wish.table
        && config.rules_of(table).next().is_none()
    {
        let fault = Fault::new(Kind::Configuration, "verify", "it is not in [archive.tables]");
        return Err(fault.on(table));
    }
    let mut report = Report::default();
    let limit = config.schedule.timeout.as_millis();
    let wanted = |source: &TableName| wish.table.as_ref().is_none_or(|table| table == source);
    for (_, policy) in config.tables.iter().filter(|(rule, _)| wanted(&rule.table)) {
        for archive in archives(policy)? {
            if report.tables.iter().any(|table| table.archive == archive.into.to_string()) {
                continue;
            }
            let into = &archive.into;
            begin(reader.conn, limit).await.map_err(|error| failed(&error, into))?;
            let found = one(reader.conn, &archive, wish).await;
            // A session that only reads has nothing to lose by it.
            let ended = sqlx::query("ROLLBACK").execute(&mut *reader.conn).await;
            report.tables.push(found?);
            ended.map_err(|error| failed(&error, into))?;
        }
    }
    Ok(report)
}

/// An archive, and what tells the age of its rows; a child's has none.
struct Held {
    into: TableName,
    age: Option<Age>,
}

/// A table's own, and those of its children.
fn archives(policy: &ArchiveTable) -> Result<Vec<Held>, Fault> {
    let own = Held { into: policy.into.clone(), age: Some(policy.age.clone()) };
    let child = |name| children::archive_of(name).map(|into| Held { into, age: None });
    std::iter::once(Ok(own)).chain(policy.children.iter().map(child)).collect()
}

/// One snapshot for the record and the rows; one core at most.
async fn begin(conn: &mut PgConnection, limit_ms: u128) -> Result<(), sqlx::Error> {
    let sql = format!(
        "BEGIN READ ONLY, ISOLATION LEVEL REPEATABLE READ; \
         SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL statement_timeout = {limit_ms}"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map(|_| ())
}

async fn one(conn: &mut PgConnection, archive: &Held, wish: &Wish) -> Result<TableReport, Fault> {
    let into = &archive.into;
    let mut report = TableReport::new(into);
    let Some(target) = relation::find(conn, into).await? else {
        report.obstruct("there is no such table".to_owned());
        return Ok(report);
    };
    let held = columns::of(conn, target.oid).await?;
    for part in unread(conn, into).await? {
        report.obstruct(format!("{part} was handed over, and not read yet: the next run does it"));
    }
    let names_rules = has_column(conn, "archive_batch", "rule").await;
    let names_rules = names_rules.map_err(|error| failed(&error, into))?;
    for group in groups(conn, into, wish).await? {
        report.batches += group.batches;
        report.rows += group.rows;
        if let Some(obstacle) = obstacle(&group.layout, &held) {
            report.obstruct(format!("{} batches: {obstacle}", group.batches));
            continue;
        }
        let layout = group.layout.json();
        let text = match &archive.age {
            _ if group.is_stamped => sql::by_stamp(into, &group.layout, names_rules),
            Some(age) => {
                let stamps = held.iter().any(|column| column.name.as_str() == ARCHIVED_AT);
                sql::by_age(into, &group.layout, age, (stamps, names_rules))
            }
            None => {
                report.obstruct(format!(
                    "{} batches: nothing in their rows tells when they were moved: ALTER TABLE {into} ADD \
                     COLUMN {ARCHIVED_AT} timestamptz makes those to come verifiable",
                    group.batches
                ));
                continue;
            }
        };
        let mut values = vec![Some(into.to_string()), Some(layout)];
        values.extend(wish.window());
        for row in ask(conn, &text, values, into).await? {
            let found = sql::read(&row).map_err(|error| failed(&error, into))?;
            report.add(found, group.is_stamped);
        }
    }
    Ok(report)
}

/// Batches that are verified by one look.
struct Group {
    layout: Layout,
    is_stamped: bool,
    batches: u64,
    rows: u64,
}

async fn unread(conn: &mut PgConnection, into: &TableName) -> Result<Vec<String>, Fault> {
    if !has_record(conn, into).await? {
        return Ok(Vec::new());
    }
    let rows = ask(conn, sql::UNREAD, vec![Some(into.to_string())], into).await?;
    rows.iter().map(|row| row.try_get(0).map_err(|error| failed(&error, into))).collect()
}

async fn has_record(conn: &mut PgConnection, into: &TableName) -> Result<bool, Fault> {
    has_table(conn, "archive_batch").await.map_err(|error| failed(&error, into))
}

async fn groups(
    conn: &mut PgConnection,
    into: &TableName,
    wish: &Wish,
) -> Result<Vec<Group>, Fault> {
    if !has_record(conn, into).await? {
        return Ok(Vec::new());
    }
    let mut values = vec![Some(into.to_string())];
    values.extend(wish.window());
    let rows = ask(conn, sql::GROUPS, values, into).await?;
    let group = |row: &PgRow| -> Result<Group, sqlx::Error> {
        Ok(Group {
            layout: row.try_get::<Json<Layout>, _>(0)?.0,
            is_stamped: row.try_get(1)?,
            batches: row.try_get::<i64, _>(2)?.unsigned_abs(),
            rows: row.try_get::<i64, _>(3)?.unsigned_abs(),
        })
    };
    rows.iter().map(|row| group(row).map_err(|error| failed(&error, into))).collect()
}

/// Why a checksum cannot be made again.
fn obstacle(layout: &Layout, held: &[Column]) -> Option<String> {
    layout.columns().find_map(|(name, base_type)| {
        match held.iter().find(|column| column.name.as_str() == name) {
            None => Some(format!("column {name}, which they had, is gone")),
            Some(column) if column.base_type != base_type => {
                Some(format!("column {name} was {base_type} and is {} now", column.base_type))
            }
            Some(_) => None,
        }
    })
}

async fn ask(
    conn: &mut PgConnection,
    text: &str,
    values: Vec<Option<String>>,
    into: &TableName,
) -> Result<Vec<PgRow>, Fault> {
    let query = sqlx::query(AssertSqlSafe(text)).persistent(false);
    let bound = values.into_iter().fold(query, sqlx::query::Query::bind);
    bound.fetch_all(conn).await.map_err(|error| failed(&error, into))
}

fn failed(error: &sqlx::Error, into: &TableName) -> Fault {
    Fault::from_sqlx("verify", error).on(into)
}
