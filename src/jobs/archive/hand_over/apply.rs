//! Carries out a hand-over: the steps of the plan, one after the other.

use sqlx::Row;

use super::action::{HandOver, Tidy};
use crate::job::end::End;
use crate::job::{Applied, Context};
use crate::jobs::archive::account::Part;
use crate::pg::fault::{Fault, Kind};
use crate::time::clock;

/// Runs the steps, and stops between two of them where that is asked for. What is done stays, for the
/// next run to carry on with.
///
/// # Errors
/// The fault of the step that failed.
pub async fn hand_over(cx: &mut Context<'_>, hand_over: &HandOver) -> Result<Applied, Fault> {
    let table = hand_over.rule.to_string();
    if let Some(end) = cx.end(&table, &hand_over.allowance).filter(End::is_reached) {
        let note =
            format!("not begun {}; the next run does it", end.why.words(&hand_over.allowance));
        return Ok(Applied { note: Some(note), ..Applied::default() });
    }
    let started = clock::monotonic();
    let result = change(cx, hand_over).await;
    cx.spend(&table, started.elapsed());
    result
}

async fn change(cx: &mut Context<'_>, hand_over: &HandOver) -> Result<Applied, Fault> {
    for step in hand_over.steps() {
        if cx.stop.is_cancelled() {
            let fault = Fault::new(Kind::Cancelled, "hand over", "stopped on request");
            return Err(fault.on(&hand_over.leaf));
        }
        cx.session.run(&step).await.map_err(explain)?;
    }
    // It is handed over; that it is not on record yet is no fault of that.
    match record(cx, &hand_over.part).await {
        Ok(rows) => Ok(Applied { rows, batches: 1, note: None }),
        Err(fault) if fault.kind.ends_run() => Err(fault),
        Err(fault) => {
            let note = Some(format!("what it holds is not on record yet: {fault}"));
            Ok(Applied { rows: None, batches: 1, note })
        }
    }
}

/// Takes back what was prepared.
///
/// # Errors
/// The fault of the step that failed.
pub async fn tidy(cx: &mut Context<'_>, tidy: &Tidy) -> Result<Applied, Fault> {
    for step in tidy.steps() {
        cx.session.run(&step).await?;
    }
    Ok(Applied::default())
}

/// Reads a partition that was handed over, and records what it holds: so many rows.
///
/// # Errors
/// It cannot be read; the next run tries again.
pub async fn record(cx: &mut Context<'_>, part: &Part) -> Result<Option<u64>, Fault> {
    let done = cx.session.run(&part.read()).await?;
    let row = done.last().and_then(|done| done.first.as_ref());
    Ok(row.and_then(|row| row.try_get::<i64, _>(0).ok()).map(i64::unsigned_abs))
}

fn explain(fault: Fault) -> Fault {
    match fault.sqlstate.as_deref() {
        // invalid_object_definition: a function or operator of the condition is not IMMUTABLE.
        Some("42P17") => Fault { kind: Kind::Refused, ..fault }.with_hint(
            "the condition cannot stand in an index, which proves that it holds for all rows of a \
             partition: write `where` with IMMUTABLE expressions only",
        ),
        _ if fault.kind == Kind::TimedOut => fault.with_hint(
            "the server had more to do than to change its catalog, or was busy: what was prepared \
             stands, and the next run tries again",
        ),
        _ => fault,
    }
}
