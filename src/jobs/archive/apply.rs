//! Carries out a move: passes over the table until nothing is left.
//!
//! ```text
//!            ┌──────────────── range ───────────────┐
//!   start ─▶ first and last row of the next n due ─▶ insert, delete, remember: one transaction ─┐
//!     ▲        │ none left                             │ a row stays locked                     │
//!     │        ▼                                       ▼                                        │
//!     │      the pass is over                        the same range, stepping over locked rows ─┤
//!     │        │ it moved rows, or began in the middle                                          │
//!     └────────┤                                         next range ◀───────────────────────────┘
//!              ▼ it moved none, or the first one just what was counted: done
//! ```
//!
//! A range of rows with children is not stepped over but halved, until what is held stands alone.
//!
//! A first pass that sweeps guesses its ranges, and looks only where a guess held nothing or too much. Few
//! rows that are due need no look: the plan's count told their range. Behind a range that was not full there is
//! nothing to look for.

use sqlx::AssertSqlSafe;

use self::range::Ahead;
use super::action::{ALTERED, Move};
use super::due::ANY_AGE;
use super::explain::explain;
use super::found::{Found, Range};
use super::sweep::Sweep;
use crate::job::batch::{Batches, Limits, Measured, Portion, run};
use crate::job::{Applied, Context};
use crate::pg::fault::{Fault, Kind};
use crate::pg::session::Session;
use crate::pg::step::Statement;

mod moving;
mod range;
mod report;

/// Passes per run at most. The second proves that nothing is left, where the count does not; more are
/// needed only while rows become due in the middle of the run.
const PASSES_MAX: u32 = 5;

/// Moves what is due.
///
/// # Errors
/// The fault of the batch that failed; the ones before it are committed.
pub async fn rows(cx: &mut Context<'_>, rows: &Move) -> Result<Applied, Fault> {
    let rows = &settled(cx.session, rows).await?;
    let limits = Limits {
        object: rows.rule.to_string(),
        pacing: rows.pacing.clone(),
        max_rows: rows.max_rows,
        allowance: rows.allowance,
        expected: rows.due.or(rows.about),
    };
    let mut walker = Walker {
        rows,
        after: rows.after.clone(),
        pass: Pass { is_whole: begins_at_the_start(rows), ..Pass::default() },
        passes: 1,
        sweep: sweep_of(rows),
        is_proven: false,
        narrow: None,
        asked: None,
        ahead: Ahead::of_plan(rows),
        at_end: false,
        held: 0,
        children: vec![0; rows.children.len()],
        doubles: 0,
        meets_doubles: false,
    };
    let totals = run(cx, &limits, &mut walker).await;
    let totals = totals.map_err(|fault| explain(fault, rows, cx.stop.is_cancelled()))?;
    Ok(Applied {
        rows: Some(totals.rows),
        batches: totals.batches,
        note: report::note(&totals, &walker),
    })
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
        return Err(Fault::new(Kind::Changed, rows.doing(), ALTERED).on(&rows.source));
    }
    let later = |then: &Move| Box::new(Move { shape: Some(shape.clone()), ..then.clone() });
    let then = rows.then.as_deref().map(later);
    Ok(Move { shape: Some(shape), then, ..rows.clone() })
}

/// Where this walk goes block by block.
fn sweep_of(rows: &Move) -> Option<Sweep> {
    rows.walk.blocks.map(|blocks| Sweep::new(blocks, rows.walk.names_places))
}

/// So many rows that are held one behind the other mean that the table is.
const HELD_MAX: u32 = 3;

/// Not at a stored position, nor at the first row that was counted.
fn begins_at_the_start(rows: &Move) -> bool {
    rows.after.is_none() && rows.oldest.as_ref().is_none_or(|oldest| oldest == ANY_AGE)
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
    /// What is known of the blocks ahead, while this pass sweeps.
    sweep: Option<Sweep>,
    /// Nothing is left of what was due.
    is_proven: bool,
    /// Rows per range at most, while the one that is held is looked for.
    narrow: Option<u64>,
    /// Rows of the last range that was looked for, at most.
    asked: Option<u64>,
    /// The range that follows, if it is known already.
    ahead: Option<Ahead>,
    /// Nothing was due behind the last range that was looked for.
    at_end: bool,
    /// Ranges of one row that were held, one behind the other.
    held: u32,
    /// Rows of each child that moved.
    children: Vec<u64>,
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
        let asked = portion.rows;
        loop {
            let portion =
                Portion { rows: self.narrow.map_or(asked, |narrow| narrow.min(asked)), ..portion };
            if let Some(moved) = self.next_guess(session, portion).await? {
                self.widen(asked);
                return Ok(Some(moved));
            }
            if !self.leaves_the_rest()
                && !self.at_end
                && let Some(Found { range, rows, bytes, is_last, .. }) =
                    self.next_range(session, portion).await?
            {
                // Known before, so that the batch does not look behind it.
                self.at_end = is_last;
                let passed = self.pass_over_or_narrow(session, range, rows).await;
                let Ok(Some(moved)) = passed else {
                    self.at_end = false;
                    passed?;
                    continue;
                };
                self.widen(asked);
                let bytes = Some(bytes / rows.max(1) * moved);
                return Ok(Some(Measured { bytes, ..Measured::of(moved) }));
            }
            if self.after.take().is_some() {
                session.run(&self.rows.forget()).await?;
            }
            self.is_proven = self.found_nothing() || self.moved_what_was_counted();
            if self.is_proven || self.rows.proof_follows || self.passes == PASSES_MAX {
                return Ok(None);
            }
            self.begin_again();
        }
    }
}

impl Walker<'_> {
    fn found_nothing(&self) -> bool {
        self.pass.is_whole && self.pass.moved == 0
    }

    /// Of few rows, as many as were counted before the first pass, none of them stepped over: nothing is
    /// left of what was due then. Another pass would read again all old rows that are not due, for what
    /// became so in this moment; the next run counts those.
    fn moved_what_was_counted(&self) -> bool {
        let Move { due, pacing, .. } = self.rows;
        let is_all = self.pass.left == 0 && *due == Some(self.pass.moved);
        is_all && self.passes == 1 && self.pass.moved <= pacing.law.rows_max
    }

    fn begin_again(&mut self) {
        self.rows = self.rows.then.as_deref().unwrap_or(self.rows);
        self.sweep = sweep_of(self.rows);
        self.passes += 1;
        self.at_end = false;
        self.pass = Pass { is_whole: true, ..Pass::default() };
    }

    /// The index finds the few rows that are left sooner than a sweep does, which reads all blocks.
    fn leaves_the_rest(&self) -> bool {
        let Move { then, proof_follows, about, .. } = self.rows;
        let is_mostly_done =
            |sweep: &Sweep| sweep.is_mostly_done(self.pass.moved + self.pass.left, *about);
        (then.is_some() || *proof_follows) && self.sweep.as_ref().is_some_and(is_mostly_done)
    }

    /// With children, whose rows may be held too, no statement can step over: the range is halved
    /// until what is held stands alone.
    fn narrows(&self, fault: &Fault) -> bool {
        !self.rows.children.is_empty() && matches!(fault.kind, Kind::LockNotHad | Kind::Conflict)
    }

    /// Behind what was held, ranges grow again.
    fn widen(&mut self, asked: u64) {
        self.narrow = self.narrow.map(|rows| rows.saturating_mul(2)).filter(|&rows| rows < asked);
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
            // It held too much, or something that others hold; or the tables were altered, and then the
            // next range says so too.
            Err(fault) if fault.kind == Kind::Changed || self.narrows(&fault) => {
                self.sweep.iter_mut().for_each(Sweep::overshot);
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Moves a range, and stands behind it.
    async fn pass_over(&mut self, session: &mut Session, range: Range) -> Result<u64, Fault> {
        let moved = self.move_range(session, &range).await?;
        self.held = 0;
        self.stand_behind(range, moved);
        Ok(moved)
    }

    fn stand_behind(&mut self, range: Range, moved: u64) {
        self.pass.moved += moved;
        self.sweep.iter_mut().for_each(|sweep| sweep.learn(&range, moved));
        self.after = Some(range.last);
    }

    /// The same of a range of so many rows. `None`: something in it is held, and the next one is to be
    /// narrower; of one row that is held, none moves.
    async fn pass_over_or_narrow(
        &mut self,
        session: &mut Session,
        range: Range,
        rows: u64,
    ) -> Result<Option<u64>, Fault> {
        let fault = match self.pass_over(session, range.clone()).await {
            Err(fault) if self.narrows(&fault) => fault,
            other => return other.map(Some),
        };
        if rows > 1 {
            self.narrow = Some(rows / 2);
            return Ok(None);
        }
        self.held += 1;
        if self.held > HELD_MAX {
            return Err(fault);
        }
        self.pass.left += 1;
        self.stand_behind(range, 0);
        Ok(Some(0))
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
