//! Carries out a move: passes over the table until one finds nothing.
//!
//! ```text
//!            ┌──────────────── range ───────────────┐
//!   start ─▶ first and last row of the next n due ─▶ insert, delete, remember: one transaction ─┐
//!     ▲        │ none left                             │ a row stays locked                     │
//!     │        ▼                                       ▼                                        │
//!     │      the pass is over                        the same range, stepping over locked rows ─┤
//!     │        │ it moved rows, or began in the middle                                          │
//!     └────────┤                                         next range ◀───────────────────────────┘
//!              ▼ it moved none: done
//! ```

use sqlx::{AssertSqlSafe, Row};

use super::action::{Move, Range};
use crate::job::batch::{Batches, Ended, Limits, Totals, run};
use crate::job::{Applied, Context};
use crate::pg::fault::{Fault, Kind};
use crate::pg::session::Session;
use crate::pg::step::Statement;

/// Passes per run at most. The second proves that nothing is left; more are needed only while rows
/// become due in the middle of the run.
const PASSES_MAX: u32 = 5;

/// Moves what is due.
///
/// # Errors
/// The fault of the batch that failed; the ones before it are committed.
pub async fn rows(cx: &mut Context<'_>, rows: &Move) -> Result<Applied, Fault> {
    let limits = Limits {
        object: rows.source.to_string(),
        batch_rows: rows.batch_rows,
        max_rows: rows.max_rows,
        expected: rows.due,
    };
    let mut walker = Walker {
        rows,
        after: rows.after.clone(),
        pass: Pass { is_whole: rows.after.is_none(), ..Pass::default() },
        passes: 1,
        is_proven: false,
    };
    let totals = run(cx, &limits, &mut walker).await;
    let totals = totals.map_err(|fault| explain(fault, rows, cx.stop.is_cancelled()))?;
    Ok(Applied { rows: Some(totals.rows), batches: totals.batches, note: note(totals, &walker) })
}

/// One walk from the start, or from a stored position, to the end.
#[derive(Debug, Clone, Copy, Default)]
struct Pass {
    /// It began at the start.
    is_whole: bool,
    /// Rows it moved.
    moved: u64,
    /// Due rows it stepped over.
    left: u64,
}

/// The walk through one table.
struct Walker<'a> {
    rows: &'a Move,
    /// The last row of the last range.
    after: Option<Vec<String>>,
    pass: Pass,
    passes: u32,
    /// A whole pass found nothing to move.
    is_proven: bool,
}

impl Batches for Walker<'_> {
    async fn next(&mut self, session: &mut Session, rows_max: u64) -> Result<Option<u64>, Fault> {
        loop {
            if let Some(range) = self.next_range(session, rows_max).await? {
                let moved = self.move_range(session, &range).await?;
                self.pass.moved += moved;
                self.after = Some(range.last);
                return Ok(Some(moved));
            }
            if self.after.take().is_some() {
                session.run(&self.rows.forget()).await?;
            }
            self.is_proven = self.pass.is_whole && self.pass.moved == 0;
            if self.is_proven || self.passes == PASSES_MAX {
                return Ok(None);
            }
            self.passes += 1;
            self.pass = Pass { is_whole: true, ..Pass::default() };
        }
    }
}

impl Walker<'_> {
    /// The range of the next rows that are due.
    async fn next_range(
        &self,
        session: &mut Session,
        rows_max: u64,
    ) -> Result<Option<Range>, Fault> {
        let texts = &self.rows.texts;
        let mut values = vec![Some(self.rows.cutoff.clone()), Some(rows_max.to_string())];
        let text = match &self.after {
            None => &texts.first_range,
            Some(after) => {
                values.extend(after.iter().cloned().map(Some));
                &texts.next_range
            }
        };
        let found = self.ask(session, &Statement::new(text).bind(values)).await?;
        let Some(row) = found else { return Ok(None) };
        let columns = self.rows.walk.columns.len();
        let values = |from: usize| {
            let read = |index| row.try_get::<String, _>(index).map_err(|error| self.failed(&error));
            (from..from + columns).map(read).collect::<Result<Vec<_>, Fault>>()
        };
        Ok(Some(Range { first: values(0)?, last: values(columns)? }))
    }

    /// Moves a range, stepping over rows that stay locked or are edited again and again.
    async fn move_range(&mut self, session: &mut Session, range: &Range) -> Result<u64, Fault> {
        match session.run(&self.rows.batch(range)).await {
            Ok(done) => Ok(done.first().map_or(0, |insert| insert.rows)),
            Err(fault) if matches!(fault.kind, Kind::LockNotHad | Kind::Conflict) => {
                self.step_over(session, range).await
            }
            Err(fault) => Err(fault),
        }
    }

    async fn step_over(&mut self, session: &mut Session, range: &Range) -> Result<u64, Fault> {
        let done = session.run(&self.rows.step_over(range)).await?;
        let row = done.first().and_then(|moved| moved.first.as_ref());
        let moved: i64 = row.map_or(Ok(0), |row| row.try_get(1)).map_err(|e| self.failed(&e))?;
        let left = self.ask(session, &self.rows.over(&self.rows.texts.left, range)).await?;
        let left: i64 = left.map_or(Ok(0), |row| row.try_get(0)).map_err(|e| self.failed(&e))?;
        self.pass.left += left.unsigned_abs();
        Ok(moved.unsigned_abs())
    }

    /// A question outside any transaction.
    async fn ask(
        &self,
        session: &mut Session,
        question: &Statement,
    ) -> Result<Option<sqlx::postgres::PgRow>, Fault> {
        let query = sqlx::query(AssertSqlSafe(question.sql.as_str())).persistent(false);
        question
            .binds
            .iter()
            .fold(query, sqlx::query::Query::bind)
            .fetch_optional(session.reader().conn)
            .await
            .map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &sqlx::Error) -> Fault {
        Fault::from_sqlx("find the next rows of", error).on(&self.rows.source)
    }
}

/// Says what to do about what only a person can solve. What was cancelled while nobody stops us ran
/// into `statement_timeout`, which ends this table and not the run.
fn explain(mut fault: Fault, rows: &Move, is_stopping: bool) -> Fault {
    let (source, into) = (&rows.source, &rows.into);
    if fault.kind == Kind::Cancelled && !is_stopping {
        fault.kind = Kind::TimedOut;
    }
    if fault.kind == Kind::TimedOut {
        return fault.on(source).with_hint(format!(
            "lower batch_rows, raise database.statement_timeout, or create an index on {}",
            rows.walk.list()
        ));
    }
    match fault.sqlstate.as_deref() {
        Some("23505") => fault.on(source).with_hint(format!(
            "{into} already holds a row with that key; nothing of this batch was moved. Compare both \
             rows and delete the wrong one"
        )),
        Some(state) if state.starts_with("22") || state.starts_with("23") => {
            fault.on(source).with_hint(format!(
                "{into} refuses a row, or the condition fails on it; nothing of this batch was moved"
            ))
        }
        _ => fault,
    }
}

/// What the operator should know of a move that went well.
fn note(totals: Totals, walker: &Walker<'_>) -> Option<String> {
    let rate = (totals.rows > 0).then(|| format!("{} rows/s", totals.rows_per_s));
    let end = match totals.ended {
        Ended::Done if walker.is_proven => None,
        Ended::Done => Some("rows became due all the while; the next run goes on".to_owned()),
        Ended::AtLimit => {
            let max = walker.rows.max_rows.unwrap_or(totals.rows);
            Some(format!("stopped at max_rows = {max}; the next run goes on"))
        }
        Ended::Stopped => Some("stopped on request; the next run goes on".to_owned()),
    };
    let left = walker.pass.left;
    let left = (left > 0)
        .then(|| format!("{left} rows that others hold locked are left for the next run"));
    let parts: Vec<String> = [rate, end, left].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
