//! One statement of a step: how it is sent, and whether it did what it must.

use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Either, Executor, PgConnection, Postgres, Row};

use super::fault::{Fault, Kind};
use super::step::{Expect, Statement, Step};

/// What one statement did.
#[derive(Debug)]
pub struct Done {
    /// Rows affected, as the command tag says.
    pub rows: u64,
    /// The first row it returned, if any.
    pub first: Option<PgRow>,
}

/// One statement; by the simple protocol where it has no values, so that the server's log shows
/// the text of the plan and nothing else.
pub(super) async fn execute(
    conn: &mut PgConnection,
    statement: &Statement,
) -> Result<Done, sqlx::Error> {
    let mut done = Done { rows: 0, first: None };
    let sql = AssertSqlSafe(statement.sql.as_str());
    let mut results = if statement.binds.is_empty() {
        conn.fetch_many(sqlx::raw_sql(sql))
    } else {
        let query = sqlx::query::<Postgres>(sql).persistent(statement.is_repeated);
        let bound = statement.binds.iter().fold(query, sqlx::query::Query::bind);
        conn.fetch_many(bound)
    };
    while let Some(result) = results.try_next().await? {
        match result {
            Either::Left(tag) => done.rows += tag.rows_affected(),
            Either::Right(row) => {
                done.first.get_or_insert(row);
            }
        }
    }
    Ok(done)
}

/// Whether a statement did what its step expects of it.
pub(super) fn check(
    step: &Step,
    expect: &Expect,
    done: &Done,
    before: &[Done],
) -> Result<(), Fault> {
    let (holds, sentence) = match expect {
        Expect::Any => return Ok(()),
        Expect::RowsOf(index, sentence) => {
            (before.get(*index).is_some_and(|other| other.rows == done.rows), sentence)
        }
        Expect::AtMost(most, sentence) => (done.rows <= *most, sentence),
        Expect::CountOf(index, sentence) => {
            let said = done.first.as_ref().map_or(Ok(0), |row| row.try_get::<i64, _>(0));
            let counted = before.get(*index).map(|other| other.rows);
            (said.is_ok_and(|said| u64::try_from(said).ok() == counted), sentence)
        }
        Expect::True(sentence) => {
            let answer = done.first.as_ref().and_then(|row| row.try_get::<bool, _>(0).ok());
            (answer == Some(true), sentence)
        }
    };
    if holds {
        Ok(())
    } else {
        Err(Fault::new(Kind::Changed, step.doing, *sentence).on(&step.object))
    }
}
