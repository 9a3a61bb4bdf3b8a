//! One range is moved, and what that did is counted.

use sqlx::Row;

use super::Walker;
use crate::jobs::archive::action::{Batch, How, Move};
use crate::jobs::archive::found::Range;
use crate::pg::fault::{Fault, Kind};
use crate::pg::session::{Done, Session};
use crate::time::clock;

impl Walker<'_> {
    /// Moves a range: as it is, stepping over rows that stay locked or are edited again and again, and
    /// comparing rows whose key is archived already.
    pub(super) async fn move_range(
        &mut self,
        session: &mut Session,
        range: &Range,
    ) -> Result<u64, Fault> {
        let Move { doubles, children, .. } = self.rows;
        let compares = doubles.is_some() || children.iter().any(|child| child.doubles.is_some());
        let may_step_over = children.is_empty();
        let mut how = How { drops_doubles: self.meets_doubles, ..How::default() };
        loop {
            // A second connection sees the snapshot of a REPEATABLE READ batch only.
            let ahead = self.looks_ahead().filter(|_| !how.steps_over);
            let batch = self.rows.batch(range, how, ahead);
            let asked = clock::monotonic();
            let fault = match session.run(&batch.step).await {
                Ok(done) => {
                    if let Some(rows_max) = ahead {
                        let answer = done.last().and_then(|done| done.first.as_ref());
                        self.keep_ahead(range, rows_max, (answer, asked))?;
                    }
                    return self.moved(session, range, how, &batch, &done).await;
                }
                Err(fault) => fault,
            };
            let is_double = fault.sqlstate.as_deref() == Some("23505") && compares;
            match fault.kind {
                Kind::LockNotHad | Kind::Conflict if !how.steps_over && may_step_over => {
                    how.steps_over = true;
                }
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
        for (&statement, moved) in batch.children.iter().zip(&mut self.children) {
            *moved += done.get(statement).map_or(0, |insert| insert.rows);
        }
        self.doubles += doubles;
        if how.steps_over {
            let left = self.ask(session, &self.rows.over(&self.rows.texts.left, range)).await?;
            let left: i64 =
                left.map_or(Ok(0), |row| row.try_get(0)).map_err(|e| self.failed(&e))?;
            self.pass.left += left.unsigned_abs();
        }
        Ok(moved)
    }
}
