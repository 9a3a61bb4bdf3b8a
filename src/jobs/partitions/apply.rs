//! Does what was planned, one action at a time.

use super::action::PartitionAction;
use super::alike::cure;
use super::alike::drift::TOLD_MAX;
use super::{adopt, carve, turn};
use crate::job::{Applied, Context};
use crate::pg::catalog::likeness::{self, Difference};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;
use crate::time::clock;

/// Runs its steps; where one fails, takes back what must not stay.
pub async fn apply(cx: &mut Context<'_>, action: &PartitionAction) -> Result<Applied, Fault> {
    match action {
        // Boxed, like the next: its state would be part of every run's.
        PartitionAction::Carve(carve) => {
            Box::pin(carve::run::carve(cx, carve)).await.map_err(|fault| match fault.sqlstate {
                Some(_) => explained(fault, action),
                None => fault,
            })
        }
        PartitionAction::Adopt(adoption) => Box::pin(adopt::apply::apply(cx, adoption)).await,
        PartitionAction::Create(_) => in_turn(cx, action).await,
        _ => run_steps(cx, action).await,
    }
}

/// From the first step again: what must not stand meanwhile, as the CHECK that refuses rows, was taken back.
async fn in_turn(cx: &mut Context<'_>, action: &PartitionAction) -> Result<Applied, Fault> {
    let since = clock::monotonic();
    loop {
        match run_steps(cx, action).await {
            Err(fault) if turn::comes(cx, &fault, since).await => {}
            ended => return ended,
        }
    }
}

async fn run_steps(cx: &mut Context<'_>, action: &PartitionAction) -> Result<Applied, Fault> {
    let mut done = Applied::default();
    for step in action.steps() {
        if let Err(fault) = cx.session.run(&step).await {
            if done.batches > 0 {
                undo(cx, action).await;
            }
            return Err(explained(fault, action));
        }
        done.batches += 1;
    }
    Ok(done)
}

/// What partitions that were made or repaired still lack of their parent's: it may have changed since
/// the plan, and what the server does beside our statements is not ours to know. All of a run in one
/// question, which the server takes longer to plan than to answer.
pub async fn compared(cx: &mut Context<'_>, done: &[&PartitionAction]) -> Vec<String> {
    let partitions: Vec<TableName> =
        done.iter().filter_map(|action| action.to_compare()).cloned().collect();
    if partitions.is_empty() {
        return Vec::new();
    }
    let found = match likeness::of_partitions(cx.session.reader().conn, &partitions).await {
        Ok(found) => found,
        Err(fault) => return vec![fault.to_string()],
    };
    let words = |differences: &[Difference]| {
        let Difference { schema, name, .. } = &differences[0];
        let name = TableName::new(schema, name).map_or_else(|_| name.clone(), |it| it.to_string());
        format!("{name} differs from its parent: {}", cure::words(differences))
    };
    let differing: Vec<&[Difference]> = found.chunk_by(|a, b| a.child == b.child).collect();
    let mut told: Vec<String> = differing.iter().take(TOLD_MAX).map(|all| words(all)).collect();
    if differing.len() > TOLD_MAX {
        told.push(format!(
            "{} of the {} partitions that were made or repaired differ from their parents; pgtend plan partitions \
             tells which",
            differing.len(),
            partitions.len()
        ));
    }
    told
}

/// Where this fails too, the next run finds what was left and removes it.
async fn undo(cx: &mut Context<'_>, action: &PartitionAction) {
    if let Some(step) = action.undo()
        && let Err(fault) = cx.session.run(&step).await
    {
        tracing::debug!(%fault, "the check is left to the next run");
    }
}

/// What the server says where somebody else was faster, in our words.
fn explained(fault: Fault, action: &PartitionAction) -> Fault {
    if let (Kind::TimedOut, PartitionAction::Leave(leaving)) = (fault.kind, action)
        && let Some(cure) = leaving.slow_search()
    {
        let limit = fault.hint.as_deref().map(|hint| format!("{hint}; ")).unwrap_or_default();
        return fault.clone().with_hint(limit + &cure);
    }
    match fault.sqlstate.as_deref() {
        // duplicate_table, duplicate_object, unique_violation (in the catalog, by a race),
        // invalid_object_definition (the range overlaps), undefined_table
        Some("42P07" | "42710" | "23505" | "42P17" | "42P01") => {
            Fault { kind: Kind::Changed, ..fault }
                .with_hint("somebody else changed the table meanwhile; the next run looks again")
        }
        // object_not_in_prerequisite_state
        Some("55000") => Fault { kind: Kind::Changed, ..fault }
            .with_hint("another detach of this table is pending; the next run finishes it first"),
        // dependent_objects_still_exist
        Some("2BP01") => Fault { kind: Kind::Refused, ..fault }
            .with_hint("something else is made of this table; drop that first"),
        // foreign_key_violation
        Some("23503") => Fault { kind: Kind::Refused, ..fault }
            .with_hint("rows refer to its rows; delete or move them first"),
        // check_violation
        Some("23514") => Fault { kind: Kind::Refused, ..fault }
            .with_hint("the default partition holds rows of this range; drain it"),
        None if fault.kind == Kind::Changed => fault.with_hint(
            "nothing was changed; look at that table, and drop it if nobody needs it any more",
        ),
        _ => fault,
    }
}
