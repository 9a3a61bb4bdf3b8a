//! How many rows are due: counted, or estimated. Questions, no policy.

use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::{AssertSqlSafe, Row};

use super::columns;
use super::due::{COUNT_MAX, DueRows};
use super::few;
use super::found::Found;
use super::side::Source;
use crate::pg::fault::{Fault, Kind};
use crate::pg::session::Reader;
use crate::time::clock;
use crate::time::period::Period;

/// What was found out about the rows that are due.
#[derive(Debug, Clone)]
pub struct Counted {
    /// How many there are.
    pub rows: Due,
    /// How many by the planner's estimate, where they were too many to count.
    pub about: Option<u64>,
    /// The age of the first of them as text, where all of them were counted.
    pub first: Option<String>,
    /// The range of all of them, where they are few.
    pub all: Option<Found>,
}

/// How many rows are due.
#[derive(Debug, Clone)]
pub enum Due {
    /// Exactly so many, if up to [`super::due::COUNT_MAX`].
    Rows(u64),
    /// Counting took longer than `statement_timeout`.
    Uncounted,
    /// The server refuses the condition, or another fact already forbids the question.
    Unasked(Option<Fault>),
}

impl Counted {
    /// How many there are, counted or estimated.
    #[must_use]
    pub fn about(&self) -> Option<u64> {
        self.about.or(match self.rows {
            Due::Rows(count) => Some(count),
            Due::Uncounted | Due::Unasked(_) => None,
        })
    }
}

impl From<Due> for Counted {
    fn from(rows: Due) -> Self {
        Self { rows, about: None, first: None, all: None }
    }
}

impl Due {
    /// The number, where rows were few enough to count.
    #[must_use]
    pub fn counted(&self) -> Option<u64> {
        match self {
            Self::Rows(count) if *count <= COUNT_MAX => Some(*count),
            _ => None,
        }
    }

    /// `5 rows are due`
    #[must_use]
    pub fn rows_are_due(&self) -> String {
        match self {
            Self::Rows(count) if *count > COUNT_MAX => {
                format!("more than {COUNT_MAX} rows are due")
            }
            Self::Rows(1) => "1 row is due".to_owned(),
            Self::Rows(count) => format!("{count} rows are due"),
            Self::Uncounted | Self::Unasked(_) => {
                "rows may be due, too many to count within statement_timeout".to_owned()
            }
        }
    }

    /// The number, or what is known of it.
    #[must_use]
    pub fn in_short(&self) -> String {
        match self {
            Self::Rows(count) if *count > COUNT_MAX => format!("more than {COUNT_MAX}"),
            Self::Rows(count) => count.to_string(),
            Self::Uncounted | Self::Unasked(_) => "unknown".to_owned(),
        }
    }
}

/// Counts the rows due, up to a limit, and asks the planner about more. That the server refuses the
/// condition is a fact too.
///
/// # Errors
/// Where the server does not answer.
pub async fn count(
    reader: &mut Reader<'_>,
    rows: &DueRows,
    source: &Source,
    older_than: Period,
) -> Result<Counted, Fault> {
    let cutoff = rows.age_type.cutoff(older_than.before(reader.now, chrono_tz::UTC));
    let (sql, error) = match exactly(reader, rows, source, &cutoff).await {
        Ok(Counted { rows: Due::Rows(count), .. }) if count > COUNT_MAX => {
            let about = about(reader, rows, cutoff).await?;
            return Ok(Counted { about, ..Due::Rows(count).into() });
        }
        Ok(counted) => return Ok(counted),
        Err(error) => error,
    };
    let fault = Fault::from_sqlx("check the condition for", &error).on(&rows.source);
    match fault.kind {
        // A time-out looks like a cancel; if it is one, the next statement is cancelled too.
        Kind::TimedOut | Kind::Cancelled => {
            Ok(Counted { about: about(reader, rows, cutoff).await?, ..Due::Uncounted.into() })
        }
        kind if kind.ends_run() => Err(fault),
        _ => Ok(Due::Unasked(Some(explain(fault, &error, rows, &sql))).into()),
    }
}

/// Counts them, up to the limit.
///
/// # Errors
/// With the statement that failed.
async fn exactly(
    reader: &mut Reader<'_>,
    rows: &DueRows,
    source: &Source,
    cutoff: &str,
) -> Result<Counted, (String, sqlx::Error)> {
    if let Some(walk) = source.walk(&rows.age).filter(|walk| walk.leads_with(&rows.age)) {
        let sql = few::count(rows, &walk, &columns::width(&source.columns));
        match are_few(reader, &sql, walk.columns.len(), cutoff).await {
            Ok(Some(counted)) => return Ok(counted),
            Ok(None) => {}
            Err(error) => return Err((sql, error)),
        }
    }
    let sql = rows.count();
    let query = sqlx::query_as(AssertSqlSafe(sql.as_str())).bind(cutoff).persistent(false);
    let counted: Result<(i64, Option<String>), _> = query.fetch_one(&mut *reader.conn).await;
    match counted {
        Ok((count, first)) => Ok(Counted { first, ..Due::Rows(count.unsigned_abs()).into() }),
        Err(error) => Err((sql, error)),
    }
}

/// `None`: they are more. The walk has so many columns.
async fn are_few(
    reader: &mut Reader<'_>,
    sql: &str,
    columns: usize,
    cutoff: &str,
) -> Result<Option<Counted>, sqlx::Error> {
    let asked = clock::monotonic();
    let query = sqlx::query(AssertSqlSafe(sql)).bind(cutoff).persistent(false);
    let row = query.fetch_one(&mut *reader.conn).await?;
    let count = row.try_get::<i64, _>(2 * columns)?.unsigned_abs();
    if count > few::FEW {
        return Ok(None);
    }
    let mut is_told = true;
    for edge in 0..2 * columns {
        is_told &= row.try_get::<Option<&str>, _>(edge)?.is_some();
    }
    let all = is_told.then(|| Found::read(&row, columns, asked)).transpose()?;
    let all = all.map(|all| Found { is_last: true, ..all });
    let (rows, first) = (Due::Rows(count), row.try_get(2 * columns + 2)?);
    Ok(Some(Counted { rows, about: None, first, all }))
}

/// The planner's estimate; `None`: the server shows none.
async fn about(
    reader: &mut Reader<'_>,
    rows: &DueRows,
    cutoff: String,
) -> Result<Option<u64>, Fault> {
    let plan: sqlx::types::Json<serde_json::Value> =
        sqlx::query_scalar(AssertSqlSafe(rows.estimate()))
            .bind(cutoff)
            .persistent(false)
            .fetch_one(&mut *reader.conn)
            .await
            .map_err(|error| Fault::from_sqlx("estimate", &error).on(&rows.source))?;
    let estimate = plan.0.pointer("/0/Plan/Plan Rows").and_then(serde_json::Value::as_f64);
    Ok(estimate.and_then(|rows| format!("{rows:.0}").parse().ok()))
}

/// Says where in the condition the server stumbled.
fn explain(mut fault: Fault, error: &sqlx::Error, rows: &DueRows, sql: &str) -> Fault {
    let position = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        .and_then(PgDatabaseError::position);
    if let Some(PgErrorPosition::Original(place)) = position
        && let Some(place) = rows.place_in_condition(sql, place)
    {
        fault.message = format!("{}, at character {place}", fault.message);
    }
    let what = match (&rows.condition, rows.age.column()) {
        (None, Some(_)) => return fault,
        (Some(_), Some(_)) => "`where`",
        (None, None) => "age_expression",
        (Some(_), None) => "`where` or age_expression",
    };
    if fault.kind == Kind::Server {
        fault.kind = Kind::Refused;
        let cure = match fault.sqlstate.as_deref() {
            // Unknown function, table, type.
            Some("42883" | "42P01" | "42704") => {
                format!("correct {what}, and name what is not in pg_catalog with its schema")
            }
            _ => format!("correct {what}"),
        };
        fault.hint = Some(fault.hint.map_or_else(|| cure.clone(), |hint| format!("{hint} {cure}")));
    }
    fault
}
