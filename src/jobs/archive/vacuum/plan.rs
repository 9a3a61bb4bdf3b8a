//! Whether a move leaves enough behind to be worth a VACUUM.

use super::Vacuum;
use crate::config::checked::{Allowance, Pace};
use crate::job::Plan;
use crate::jobs::archive::action::ArchiveAction;
use crate::jobs::archive::count::Due;
use crate::jobs::archive::side::Source;
use crate::pg::ident::TableName;

/// Fewer dead rows than this are no trouble in any table …
const DEAD_MIN: u64 = 50_000;
/// … nor is a smaller share of the table: 1 in so many rows.
const SHARE: u64 = 20;

/// The VACUUM that follows the move of these rows at this pace, if one is wanted and may be needed.
pub fn after_move(
    (name, pace): (&TableName, Option<(Pace, Allowance)>),
    source: &Source,
    due: &Due,
    plan: &mut Plan<ArchiveAction>,
) -> Option<ArchiveAction> {
    after((name, pace), source, due.counted(), plan)
}

/// The same of its children, of which as large a share leaves, as far as anybody knows before.
pub fn after_move_of_children<'a>(
    pace: Option<(Pace, Allowance)>,
    source: &Source,
    due: &Due,
    children: impl IntoIterator<Item = (&'a TableName, Option<&'a Source>)>,
    plan: &mut Plan<ArchiveAction>,
) -> Vec<ArchiveAction> {
    let of_child = |(name, facts): (&TableName, Option<&Source>)| {
        let facts = facts?;
        let share = |due: u64| due.saturating_mul(facts.clutter.rows) / source.clutter.rows.max(1);
        after((name, pace), facts, due.counted().map(share), plan)
    };
    children.into_iter().filter_map(of_child).collect()
}

/// After so many rows have left; absent: nobody knows how many.
fn after(
    (name, pace): (&TableName, Option<(Pace, Allowance)>),
    source: &Source,
    leaving: Option<u64>,
    plan: &mut Plan<ArchiveAction>,
) -> Option<ArchiveAction> {
    let dead_min = DEAD_MIN.max(source.clutter.rows / SHARE);
    let is_likely = leaving.is_none_or(|rows| source.clutter.dead + rows > dead_min);
    let (pace, allowance) = pace.filter(|_| is_likely)?;
    if !source.clutter.may_vacuum {
        plan.spare(
            name,
            "not vacuumed after the move, as our role neither owns it nor may MAINTAIN it (17 and \
             later); autovacuum cleans up, or set vacuum = false",
        );
        return None;
    }
    Some(ArchiveAction::Vacuum(Vacuum {
        table: name.clone(),
        tree: source.relation.tree.iter().map(|oid| oid.0).collect(),
        dead_min,
        is_gentle: pace == Pace::Gentle,
        allowance,
        reason: format!(
            "what has moved leaves dead rows behind, through which the application's next query would \
             wade; only if they are {dead_min} or more by then, and nobody else is at it"
        ),
    }))
}
