//! Runs the steps.

use super::Adoption;
use crate::job::{Applied, Context};
use crate::pg::fault::{Fault, Kind};

/// Runs all steps, and stops between two of them where that is asked for. What is done stays, for the
/// next run to carry on with.
///
/// # Errors
/// The fault of the step that failed. Where rows do not fit the check, the check is taken back first.
pub async fn apply(cx: &mut Context<'_>, adoption: &Adoption) -> Result<Applied, Fault> {
    let mut done = Applied::default();
    for step in &adoption.steps {
        if cx.stop.is_cancelled() {
            let fault = Fault::new(Kind::Cancelled, adoption.kind, "stopped on request");
            return Err(fault.on(&adoption.table));
        }
        if let Err(fault) = cx.session.run(step).await {
            return Err(explained(cx, adoption, fault).await);
        }
        done.batches += 1;
    }
    Ok(done)
}

async fn explained(cx: &mut Context<'_>, adoption: &Adoption, fault: Fault) -> Fault {
    match fault.sqlstate.as_deref() {
        // check_violation
        Some("23514") => {
            if let Some(uncheck) = &adoption.uncheck
                && let Err(fault) = cx.session.run(uncheck).await
            {
                tracing::debug!(%fault, "the check is left to the next run");
            }
            let fault = Fault { kind: Kind::Refused, ..fault };
            fault.with_hint(
                "rows have no key, or one beyond the first partition; correct them, then run it again",
            )
        }
        // duplicate_table, duplicate_object
        Some("42P07" | "42710") => Fault { kind: Kind::Changed, ..fault }
            .with_hint("somebody else has made something of that name; the next run looks again"),
        _ if fault.hint.is_none() => fault.with_hint(
            "what was done so far stands: the same command carries on, --abort takes it back",
        ),
        _ => fault,
    }
}
