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
//!
//! A first pass that sweeps guesses its ranges, and looks only where a guess held nothing or too much.

use sqlx::{AssertSqlSafe, Row};

use super::action::{ALTERED, Batch, How, Move, Range};
use super::explain::explain;
use super::sweep::Sweep;
use crate::job::batch::{Batches, Ended, Limits, Measured, Portion, Totals, run};
use crate::job::{Applied, Context};
use crate::pg::fault::{Fault, Kind};
use crate::pg::session::{Done, Session};
use crate::pg::step::Statement;

/// Passes per run at most. The second proves that nothing is left; more are needed only while rows
/// become due in the middle of the run.
const PASSES_MAX: u32 = 5;

/// Moves what is due.
///
/// # Errors
/// The fault of the batch that failed; the ones before it are committed.
pub async fn rows(cx: &mut Context<'_>, rows: &Move) -> Result<Applied, Fault> {
    let rows = &settled(cx.session, rows).await?;
    let limits = Limits {
        object: rows.source.to_string(),
        pacing: rows.pacing.clone(),
        max_rows: rows.max_rows,
        expected: rows.due,
    };
    let mut walker = Walker {
        rows,
        after: rows.after.clone(),
        pass: Pass { is_whole: rows.after.is_none(), ..Pass::default() },
        passes: 1,
        sweep: rows.walk.blocks.map(Sweep::new),
        is_proven: false,
        doubles: 0,
        meets_doubles: false,
    };
    let totals = run(cx, &limits, &mut walker).await;
    let totals = totals.map_err(|fault| explain(fault, rows, cx.stop.is_cancelled()))?;
    Ok(Applied { rows: Some(totals.rows), batches: totals.batches, note: note(&totals, &walker) })
}

/// A move whose target was made or altered by this very run: from here on it must stay as it is now.
async fn settled(session: &mut Session, rows: &Move) -> Result<Move, Fault> {
    if rows.shape.is_some() {
        return Ok(rows.clone());
    }
    let failed = |error: sqlx::Error| Fault::from_sqlx("look at", &error).on(&rows.source);
    let (is_as_planned, shape): (bool, String) =
        sqlx::query_as(AssertSqlSafe(rows.texts.settled.as_str()))
            .bind(&rows.source_shape)
            .persistent(false)
            .fetch_one(session.reader().conn)
            .await
            .map_err(failed)?;
    if !is_as_planned {
        return Err(Fault::new(Kind::Changed, "archive rows of", ALTERED).on(&rows.source));
    }
    let later = |then: &Move| Box::new(Move { shape: Some(shape.clone()), ..then.clone() });
    let then = rows.then.as_deref().map(later);
    Ok(Move { shape: Some(shape), then, ..rows.clone() })
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

/// A range, and what is in it.
struct Found {
    range: Range,
    rows: u64,
    bytes: u64,
}

/// The walk through one table.
struct Walker<'a> {
    rows: &'a Move,
    /// The last row of the last range.
    after: Option<Vec<String>>,
    pass: Pass,
    passes: u32,
    /// What is known of the blocks ahead, while this pass sweeps.
    sweep: Option<Sweep>,
    /// A whole pass found nothing to move.
    is_proven: bool,
    /// Rows that the archive already held.
    doubles: u64,
    /// The batch before met some: the next one probably does too.
    meets_doubles: bool,
}

impl Batches for Walker<'_> {
    async fn next(
        &mut self,
        session: &mut Session,
        portion: Portion,
    ) -> Result<Option<Measured>, Fault> {
        loop {
            if let Some(moved) = self.next_guess(session, portion).await? {
                return Ok(Some(moved));
            }
            if let Some(Found { range, rows, bytes }) = self.next_range(session, portion).await? {
                let moved = self.pass_over(session, range).await?;
                let bytes = Some(bytes / rows.max(1) * moved);
                return Ok(Some(Measured { bytes, ..Measured::of(moved) }));
            }
            if self.after.take().is_some() {
                session.run(&self.rows.forget()).await?;
            }
            self.is_proven = self.pass.is_whole && self.pass.moved == 0;
            if self.is_proven || self.passes == PASSES_MAX {
                return Ok(None);
            }
            self.begin_again();
        }
    }
}

impl Walker<'_> {
    fn begin_again(&mut self) {
        self.rows = self.rows.then.as_deref().unwrap_or(self.rows);
        self.sweep = self.rows.walk.blocks.map(Sweep::new);
        self.passes += 1;
        self.pass = Pass { is_whole: true, ..Pass::default() };
    }

    /// Moves the next range of a sweep, if it can be guessed and holds something.
    async fn next_guess(
        &mut self,
        session: &mut Session,
        portion: Portion,
    ) -> Result<Option<Measured>, Fault> {
        let guess = self.sweep.and_then(|sweep| sweep.range(self.after.as_deref(), portion));
        let Some(range) = guess else { return Ok(None) };
        match self.pass_over(session, range).await {
            Ok(0) => Ok(None),
            Ok(moved) => {
                let bytes = self.sweep.map(|sweep| sweep.bytes(moved));
                Ok(Some(Measured { bytes, ..Measured::of(moved) }))
            }
            // It held too much; or the tables were altered, and then the next range says so too.
            Err(fault) if fault.kind == Kind::Changed => {
                self.sweep.iter_mut().for_each(Sweep::overshot);
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Moves a range, and stands behind it.
    async fn pass_over(&mut self, session: &mut Session, range: Range) -> Result<u64, Fault> {
        let moved = self.move_range(session, &range).await?;
        self.pass.moved += moved;
        self.sweep.iter_mut().for_each(|sweep| sweep.learn(&range, moved));
        self.after = Some(range.last);
        Ok(moved)
    }

    /// The range of the next rows that are due; of fewer rows, where those that were asked for turn out
    /// too large.
    async fn next_range(
        &self,
        session: &mut Session,
        portion: Portion,
    ) -> Result<Option<Found>, Fault> {
        let mut rows_max = portion.rows;
        loop {
            let Some(found) = self.find_range(session, rows_max).await? else { return Ok(None) };
            let Found { rows, bytes, .. } = found;
            // A little more is no reason to look again.
            if rows <= 1 || bytes <= portion.bytes.saturating_add(portion.bytes / 4) {
                return Ok(Some(found));
            }
            let fitting = u128::from(rows) * u128::from(portion.bytes) / u128::from(bytes);
            rows_max = u64::try_from(fitting).unwrap_or(rows).clamp(1, rows - 1);
        }
    }

    async fn find_range(
        &self,
        session: &mut Session,
        rows_max: u64,
    ) -> Result<Option<Found>, Fault> {
        let mut values = vec![Some(self.rows.cutoff.clone()), Some(rows_max.to_string())];
        let text = match &self.after {
            None => &self.rows.texts.first_range,
            Some(after) => {
                values.extend(after.iter().cloned().map(Some));
                &self.rows.texts.next_range
            }
        };
        let found = self.ask(session, &Statement::new(text).bind(values)).await?;
        let Some(row) = found else { return Ok(None) };
        let columns = self.rows.walk.columns.len();
        let values = |from: usize| {
            let read = |index| row.try_get::<String, _>(index).map_err(|error| self.failed(&error));
            (from..from + columns).map(read).collect::<Result<Vec<_>, Fault>>()
        };
        let count = |index: usize| {
            let count: Result<i64, _> = row.try_get(index);
            count.map(i64::unsigned_abs).map_err(|error| self.failed(&error))
        };
        let range = Range { first: values(0)?, last: values(columns)?, rows_max: None };
        Ok(Some(Found { range, rows: count(2 * columns)?, bytes: count(2 * columns + 1)? }))
    }

    /// Moves a range: as it is, stepping over rows that stay locked or are edited again and again, and
    /// comparing rows whose key is archived already.
    async fn move_range(&mut self, session: &mut Session, range: &Range) -> Result<u64, Fault> {
        let mut how = How { drops_doubles: self.meets_doubles, ..How::default() };
        loop {
            let batch = self.rows.batch(range, how);
            let fault = match session.run(&batch.step).await {
                Ok(done) => return self.moved(session, range, how, &batch, &done).await,
                Err(fault) => fault,
            };
            let is_double =
                fault.sqlstate.as_deref() == Some("23505") && self.rows.doubles.is_some();
            match fault.kind {
                Kind::LockNotHad | Kind::Conflict if !how.steps_over => how.steps_over = true,
                _ if is_double && !how.drops_doubles => how.drops_doubles = true,
                _ if is_double => return Err(self.differing(session, range, fault).await?),
                _ => return Err(fault),
            }
        }
    }

    /// Counts what a batch did.
    async fn moved(
        &mut self,
        session: &mut Session,
        range: &Range,
        how: How,
        batch: &Batch,
        done: &[Done],
    ) -> Result<u64, Fault> {
        let count = |statement: usize, column: usize| {
            let row = done.get(statement).and_then(|done| done.first.as_ref());
            let count: Result<i64, _> = row.map_or(Ok(0), |row| row.try_get(column));
            count.map(i64::unsigned_abs).map_err(|error| self.failed(&error))
        };
        let doubles = batch.doubles.map_or(Ok(0), |statement| count(statement, 0))?;
        let moved = if how.steps_over {
            count(batch.moved, 1)?
        } else {
            done.get(batch.moved).map_or(0, |insert| insert.rows)
        };
        self.meets_doubles = doubles > 0;
        self.doubles += doubles;
        if how.steps_over {
            let left = self.ask(session, &self.rows.over(&self.rows.texts.left, range)).await?;
            let left: i64 =
                left.map_or(Ok(0), |row| row.try_get(0)).map_err(|e| self.failed(&e))?;
            self.pass.left += left.unsigned_abs();
        }
        Ok(moved)
    }

    /// Names the rows that the archive holds otherwise, by their keys.
    async fn differing(
        &self,
        session: &mut Session,
        range: &Range,
        mut fault: Fault,
    ) -> Result<Fault, Fault> {
        let Move { source, into, doubles, .. } = self.rows;
        for text in doubles.iter().flat_map(|doubles| &doubles.differing) {
            let Some(row) = self.ask(session, &self.rows.over(text, range)).await? else {
                continue;
            };
            let name =
                |column: usize| row.try_get::<String, _>(column).map_err(|e| self.failed(&e));
            fault.kind = Kind::Refused;
            fault.sqlstate = None;
            fault.message = format!(
                "row {} differs from row {} of {into}, and both have the same {}",
                name(0)?,
                name(1)?,
                name(2)?
            );
            fault.hint = Some(
                "nothing of this batch was moved; compare both rows, and delete or correct the wrong \
                 one"
                .to_owned(),
            );
            return Ok(fault.on(source));
        }
        Ok(fault)
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

/// What the operator should know of a move that went well.
fn note(totals: &Totals, walker: &Walker<'_>) -> Option<String> {
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
    let doubles = (walker.doubles > 0).then(|| {
        let (count, into) = (walker.doubles, &walker.rows.into);
        format!("{count} rows were in {into} already, the same in every column, and only left here")
    });
    let waited = !totals.waits.total().is_zero();
    let waited = waited.then(|| format!("waited {}", totals.waits));
    let parts: Vec<String> = [rate, end, left, doubles, waited].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
