//! What is told of a move: of one that went well, and of a row that is archived otherwise.

use sqlx::Row;

use super::Walker;
use crate::job::batch::{Ended, Totals};
use crate::jobs::archive::action::Move;
use crate::jobs::archive::found::Range;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;
use crate::pg::session::Session;

impl Walker<'_> {
    /// Names the rows that the archive holds otherwise, by their keys.
    pub(super) async fn differing(
        &self,
        session: &mut Session,
        range: &Range,
        mut fault: Fault,
    ) -> Result<Fault, Fault> {
        let Move { source, into, doubles, children, .. } = self.rows;
        let own = into.iter().zip(doubles).map(|(into, doubles)| (source, into, doubles));
        let of_children = children
            .iter()
            .filter_map(|child| Some((&child.name, child.into.as_ref()?, child.doubles.as_ref()?)));
        let texts: Vec<(&TableName, &TableName, &String)> = own
            .chain(of_children)
            .flat_map(|(from, into, doubles)| {
                doubles.differing.iter().map(move |t| (from, into, t))
            })
            .collect();
        for (source, into, text) in texts {
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
}

/// With what it goes on, where that was few enough to count.
fn left_over(totals: &Totals, walker: &Walker<'_>) -> String {
    let left = walker.rows.due.map(|due| due.saturating_sub(totals.rows)).filter(|&left| left > 0);
    left.map_or_else(String::new, |left| format!(", with about {left} rows"))
}

/// What the operator should know of a move that went well.
pub(super) fn note(totals: &Totals, walker: &Walker<'_>) -> Option<String> {
    let rate = (totals.rows > 0).then(|| format!("{} rows/s", totals.rows_per_s));
    let end = match totals.ended {
        Ended::Done if walker.is_proven || walker.rows.proof_follows => None,
        Ended::Done => Some("rows became due all the while; the next run goes on".to_owned()),
        Ended::AtLimit => {
            let max = walker.rows.max_rows.unwrap_or(totals.rows);
            Some(format!(
                "stopped at max_rows = {max}; the next run goes on{}",
                left_over(totals, walker)
            ))
        }
        Ended::OutOfTime | Ended::AfterHours => {
            let why = totals.ended.words(&walker.rows.allowance);
            Some(format!("stopped {why}; the next run goes on{}", left_over(totals, walker)))
        }
        Ended::Stopped => Some("stopped on request; the next run goes on".to_owned()),
    };
    // Of a pass that another follows, that one tells.
    let left = if walker.rows.proof_follows { 0 } else { walker.pass.left };
    let left = (left > 0)
        .then(|| format!("{left} rows that others hold locked are left for the next run"));
    let doubles = walker.rows.into.as_ref().filter(|_| walker.doubles > 0).map(|into| {
        let count = walker.doubles;
        format!("{count} rows were in {into} already, the same in every column, and only left here")
    });
    let waited = !totals.waits.total().is_zero();
    let waited = waited.then(|| format!("waited {}", totals.waits));
    let children: Vec<String> = walker
        .rows
        .children
        .iter()
        .zip(&walker.children)
        .map(|(child, rows)| format!("{rows} rows of {}", child.name))
        .collect();
    let children = (!children.is_empty()).then(|| format!("with {}", children.join(", ")));
    let parts: Vec<String> =
        [rate, end, left, doubles, waited, children].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
