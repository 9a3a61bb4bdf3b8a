//! The next range of a walk: told by the plan's count, looked for outside any transaction, or beside the batch
//! before.

use std::time::Instant;

use sqlx::postgres::PgRow;

use super::Walker;
use crate::job::batch::Portion;
use crate::jobs::archive::action::Move;
use crate::jobs::archive::due::ANY_AGE;
use crate::jobs::archive::found::{Found, Range};
use crate::pg::fault::Fault;
use crate::pg::session::Session;
use crate::pg::step::Statement;
use crate::time::clock;

/// What the plan, or a batch, found for the next one.
pub(super) struct Ahead {
    /// The row behind which it looked; absent: from the start.
    after: Option<Vec<String>>,
    rows_max: u64,
    /// Nothing: nothing more is due there.
    found: Option<Found>,
}

impl Ahead {
    /// All that is due, as the plan's count told it.
    pub(super) fn of_plan(rows: &Move) -> Option<Self> {
        let found = rows.all.clone()?;
        Some(Self { after: None, rows_max: found.rows, found: Some(found) })
    }

    /// It is what a look behind this row would find now, of so many rows.
    fn fits(&self, after: Option<&Vec<String>>, rows_max: u64) -> bool {
        let is_same = match &self.found {
            Some(found) if found.is_last => found.is_fresh() && found.rows <= rows_max,
            Some(found) => found.is_fresh() && self.rows_max == rows_max,
            None => true,
        };
        self.after.as_ref() == after && is_same
    }
}

impl Walker<'_> {
    /// How many rows a batch of that range looks for ahead, on the second connection: not where pauses
    /// between the batches leave the server to others, nor in a sweep, which guesses, nor at the end.
    pub(super) fn looks_ahead(&self) -> Option<u64> {
        let may = self.rows.pacing.is_without_rest() && self.sweep.is_none() && !self.at_end;
        self.asked.filter(|_| may)
    }

    /// Keeps what a batch of this range found for the next one.
    pub(super) fn keep_ahead(
        &mut self,
        range: &Range,
        rows_max: u64,
        (row, asked): (Option<&PgRow>, Instant),
    ) -> Result<(), Fault> {
        let found = row.map(|row| self.found(row, rows_max, asked)).transpose()?;
        self.ahead = Some(Ahead { after: Some(range.last.clone()), rows_max, found });
        Ok(())
    }

    /// The range of the next rows that are due; of fewer rows, where those that were asked for turn out
    /// too large.
    pub(super) async fn next_range(
        &mut self,
        session: &mut Session,
        portion: Portion,
    ) -> Result<Option<Found>, Fault> {
        let mut rows_max = portion.rows;
        self.asked = Some(rows_max);
        loop {
            let ahead = self.ahead.take();
            let found = match ahead.filter(|it| it.fits(self.after.as_ref(), rows_max)) {
                Some(ahead) => ahead.found,
                None => self.find_range(session, rows_max).await?,
            };
            let Some(found) = found else { return Ok(None) };
            let Found { rows, bytes, .. } = found;
            // A little more is no reason to look again.
            if rows <= 1 || bytes <= portion.bytes.saturating_add(portion.bytes / 4) {
                return Ok(Some(found));
            }
            let fitting = u128::from(rows) * u128::from(portion.bytes) / u128::from(bytes);
            rows_max = u64::try_from(fitting).unwrap_or(rows).clamp(1, rows - 1);
        }
    }

    /// From which age on this pass looks, on a walk that leads with the age. Only the first one trusts
    /// the count: rows may have become due since.
    fn lowest_age(&self) -> Option<String> {
        let oldest = self.rows.oldest.as_ref()?;
        Some(if self.passes == 1 { oldest.clone() } else { ANY_AGE.to_owned() })
    }

    async fn find_range(
        &self,
        session: &mut Session,
        rows_max: u64,
    ) -> Result<Option<Found>, Fault> {
        let question = match &self.after {
            None => {
                let mut values = vec![Some(self.rows.cutoff.clone()), Some(rows_max.to_string())];
                values.extend(self.lowest_age().map(Some));
                Statement::new(&self.rows.texts.first_range).bind(values)
            }
            Some(after) => self.rows.range_behind(after, rows_max),
        };
        let asked = clock::monotonic();
        let row = self.ask(session, &question).await?;
        row.as_ref().map(|row| self.found(row, rows_max, asked)).transpose()
    }

    /// Reads it. Fewer rows than were asked for are the last ones; not so in a sweep, which may cut some off.
    fn found(&self, row: &PgRow, rows_max: u64, asked: Instant) -> Result<Found, Fault> {
        let columns = self.rows.walk.columns.len();
        let found = Found::read(row, columns, asked).map_err(|error| self.failed(&error))?;
        Ok(match &self.sweep {
            Some(sweep) => Found { range: sweep.cut(found.range.clone()), ..found },
            None => Found { is_last: found.rows < rows_max, ..found },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(is_last: bool, after: Option<&str>) -> Ahead {
        let range = Range { first: Vec::new(), last: Vec::new(), rows_max: None };
        let found = Found { range, rows: 10, bytes: 80, is_last, asked: clock::monotonic() };
        let after = after.map(|row| vec![row.to_owned()]);
        Ahead { after, rows_max: 10, found: Some(found) }
    }

    #[test]
    fn what_was_found_ahead_serves_only_where_a_look_would_find_the_same() {
        let row = vec!["7".to_owned()];
        let (full, last) = (ahead(false, Some("7")), ahead(true, Some("7")));
        assert!(full.fits(Some(&row), 10) && last.fits(Some(&row), 10));
        assert!(!full.fits(Some(&row), 11) && last.fits(Some(&row), 11), "the last ones are all");
        assert!(
            !full.fits(Some(&row), 9) && !last.fits(Some(&row), 9),
            "more than a batch may have"
        );
        assert!(!last.fits(None, 10) && !ahead(true, None).fits(Some(&row), 10), "elsewhere");
        let asked = clock::monotonic().checked_sub(std::time::Duration::from_mins(1)).unwrap();
        let stale = |of: &Ahead| Ahead {
            found: of.found.clone().map(|found| Found { asked, ..found }),
            after: of.after.clone(),
            ..*of
        };
        assert!(!stale(&full).fits(Some(&row), 10) && !stale(&last).fits(Some(&row), 10));
        let nothing = Ahead { found: None, ..full };
        assert!(nothing.fits(Some(&row), 9), "nothing is nothing, however much is asked for");
    }
}
