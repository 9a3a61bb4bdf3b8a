//! Brings the rows back, batch by batch.

use sqlx::{AssertSqlSafe, Row};

use super::super::found::Range;
use super::super::sweep::Sweep;
use super::super::walk::Walk;
use super::action::Restore;
use crate::config::checked::Allowance;
use crate::job::batch::{Batches, Ended, Limits, Measured, Portion, run};
use crate::job::{Applied, Context};
use crate::pg::fault::Fault;
use crate::pg::session::Session;

/// Along the key, from where the last range ended. An archive has an index on its key and no other; to
/// look for ages the planner would read all of it and sort, for every batch again.
const ALONG: &str = "BEGIN READ ONLY; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; \
                     SET LOCAL enable_sort = off";

/// Brings them back.
///
/// # Errors
/// The fault of the batch that failed; the ones before it are committed.
pub async fn restore(cx: &mut Context<'_>, restore: &Restore) -> Result<Applied, Fault> {
    cx.session.run(&restore.hold()).await?;
    let limits = Limits {
        object: restore.table.to_string(),
        pacing: restore.pacing.clone(),
        max_rows: None,
        allowance: Allowance::default(),
        expected: None,
    };
    let children = vec![0; restore.children.len()];
    let mut walker = Walker { restore, after: None, refused: 0, children };
    let totals = run(cx, &limits, &mut walker).await?;
    let stopped = (totals.ended == Ended::Stopped)
        .then(|| "stopped on request; the same command carries on".to_owned());
    let note = [stopped, with(&walker), conflicts(&walker)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ");
    let note = Some(note).filter(|note| !note.is_empty());
    Ok(Applied { rows: Some(totals.rows), batches: totals.batches, note })
}

/// `with 22 rows of public.job_events`
fn with(walker: &Walker<'_>) -> Option<String> {
    let each = walker.restore.children.iter().zip(&walker.children);
    let each: Vec<String> = each.map(|(child, rows)| format!("{rows} rows of {child}")).collect();
    (!each.is_empty()).then(|| format!("with {}", each.join(", ")))
}

/// What stayed behind, and how to look at it.
fn conflicts(walker: &Walker<'_>) -> Option<String> {
    let Restore { table, archive, walk, .. } = walker.restore;
    let key: Vec<String> = walk.key.iter().map(ToString::to_string).collect();
    (walker.refused > 0).then(|| {
        format!(
            "{} rows stay in the archive, as {table} has their key or another unique value already: \
             SELECT * FROM {archive} JOIN {table} USING ({})",
            walker.refused,
            key.join(", ")
        )
    })
}

struct Walker<'a> {
    restore: &'a Restore,
    /// The last row of the last range.
    after: Option<Vec<String>>,
    /// Rows that the hot table did not take.
    refused: u64,
    /// Rows of each child that came with them.
    children: Vec<u64>,
}

impl Batches for Walker<'_> {
    async fn next(
        &mut self,
        session: &mut Session,
        portion: Portion,
    ) -> Result<Option<Measured>, Fault> {
        let Some((range, bytes)) = self.next_range(session, portion.rows).await? else {
            return Ok(None);
        };
        let done = session.run(&self.restore.batch(&range)).await;
        let done = done.map_err(|fault| self.explain(fault))?;
        let row = done.first().and_then(|done| done.first.as_ref());
        let count = |index: usize| {
            let count: Result<i64, _> = row.map_or(Ok(0), |row| row.try_get(index));
            count.map(i64::unsigned_abs).map_err(|error| self.failed(&error))
        };
        let (back, met) = (count(1)?, count(2)?);
        let with: Vec<u64> = (3..3 + self.children.len()).map(count).collect::<Result<_, _>>()?;
        self.children.iter_mut().zip(with).for_each(|(rows, more)| *rows += more);
        self.refused += met.saturating_sub(back);
        self.after = Some(range.last);
        Ok(Some(Measured { bytes: Some(bytes), ..Measured::of(back) }))
    }
}

impl Walker<'_> {
    /// The next rows of the archive that are asked for, and their bytes.
    async fn next_range(
        &self,
        session: &mut Session,
        rows_max: u64,
    ) -> Result<Option<(Range, u64)>, Fault> {
        let mut values = vec![None, Some(rows_max.to_string())];
        let text = match &self.after {
            None => &self.restore.first_range,
            Some(after) => {
                values.extend(after.iter().cloned().map(Some));
                &self.restore.next_range
            }
        };
        let query = sqlx::query(AssertSqlSafe(text.as_str())).persistent(false);
        let bound = values.into_iter().fold(query, sqlx::query::Query::bind::<Option<String>>);
        let conn = session.reader().conn;
        let begin = if self.restore.walk.blocks.is_some() { "BEGIN READ ONLY" } else { ALONG };
        sqlx::raw_sql(begin).execute(&mut *conn).await.map_err(|error| self.failed(&error))?;
        let found = bound.fetch_optional(&mut *conn).await;
        let ended = sqlx::raw_sql("ROLLBACK").execute(conn).await;
        let Some(row) = found.map_err(|error| self.failed(&error))? else { return Ok(None) };
        ended.map_err(|error| self.failed(&error))?;
        let columns = self.restore.walk.columns.len();
        let read = |from: usize| {
            let values = (from..from + columns).map(|index| row.try_get::<String, _>(index));
            values.collect::<Result<Vec<_>, _>>().map_err(|error| self.failed(&error))
        };
        let bytes: i64 = row.try_get(2 * columns + 1).map_err(|error| self.failed(&error))?;
        let range = Range { first: read(0)?, last: read(columns)?, rows_max: None };
        let Walk { blocks, names_places, .. } = self.restore.walk;
        let range = match blocks {
            Some(blocks) => Sweep::new(blocks, names_places).cut(range),
            None => range,
        };
        Ok(Some((range, bytes.unsigned_abs())))
    }

    /// Of an archive without a key, what is taken stops the rest too.
    fn explain(&self, fault: Fault) -> Fault {
        let Restore { table, archive, walk, .. } = self.restore;
        if fault.sqlstate.as_deref() != Some("23505") || walk.blocks.is_none() {
            return fault;
        }
        fault.with_hint(format!(
            "nothing of this batch came back; delete that row of {table} or of {archive}, or give \
             {archive} a primary key: then such rows are stepped over and counted"
        ))
    }

    fn failed(&self, error: &sqlx::Error) -> Fault {
        Fault::from_sqlx("restore rows of", error).on(&self.restore.table)
    }
}
