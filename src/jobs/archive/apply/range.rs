//! The next range of a walk, looked for outside any transaction.

use sqlx::Row;

use super::Walker;
use crate::job::batch::Portion;
use crate::jobs::archive::action::Range;
use crate::jobs::archive::due::ANY_AGE;
use crate::pg::fault::Fault;
use crate::pg::session::Session;
use crate::pg::step::Statement;

/// A range, and what is in it; in what it was cut from, where it was.
pub(super) struct Found {
    pub(super) range: Range,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Walker<'_> {
    /// The range of the next rows that are due; of fewer rows, where those that were asked for turn out
    /// too large.
    pub(super) async fn next_range(
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
        let mut values = vec![Some(self.rows.cutoff.clone()), Some(rows_max.to_string())];
        let text = match &self.after {
            None => {
                values.extend(self.lowest_age().map(Some));
                &self.rows.texts.first_range
            }
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
        let range = match &self.sweep {
            Some(sweep) => sweep.cut(range),
            None => range,
        };
        Ok(Some(Found { range, rows: count(2 * columns)?, bytes: count(2 * columns + 1)? }))
    }
}
