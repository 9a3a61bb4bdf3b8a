//! What is on record of tables that are not tended any more.

use super::world::{table, world};
use crate::job::Action;
use crate::pg::catalog::quarantine::Held;

const NOW: &str = "2026-01-20T10:00:00Z";

fn held(bend: impl FnOnce(&mut Held)) -> Held {
    let since = Some("2026-01-10T00:00:00Z");
    let mut events =
        table("public.events").held("old", ["2025-06-01", "2025-07-01"], since).but(bend);
    events.facts.held.remove(0)
}

/// A pending detach hides rows, so it is finished; nothing is dropped, and nothing new begun.
#[test]
fn what_was_begun_is_finished_and_nothing_else() {
    let mut world = world([]);
    world.seen.strays = vec![
        held(|held| {
            (held.attached_to, held.detach_pending, held.detached_at) = (Some(16_400), true, None);
        }),
        held(|_| {}),
        held(|held| held.is_blocked = false),
        held(|held| (held.detached_at, held.is_blocked) = (None, false)),
        held(|held| (held.attached_to, held.detached_at) = (Some(16_400), None)),
        held(|held| held.attached_to = Some(16_400)),
        held(|held| held.name_now = None),
    ];
    insta::assert_snapshot!(world.show(NOW), @r"
    finalize_detach public.old: its DETACH CONCURRENTLY was interrupted: it takes no rows any more
    forget_partition public.old: it was to leave, and is not any more
    keep_partition public.old: it was attached again by hand: it stays
    forget_partition public.old: it was dropped by hand
    spared public.old: in quarantine since 2026-01-10 00:00:00Z, and kept: its table is not tended any more
    spared public.old: its constraint pgtend_quarantine is gone, so somebody uses it: it is kept
    spared public.old: detached, and its writes not blocked; left so while its table is not tended
    ");
    let sql = world.plan(NOW).actions[0].sql();
    assert!(sql[1].ends_with("FINALIZE"), "{sql:#?}");
}

/// A table that is refused as it is keeps nothing half-way either.
#[test]
fn a_refused_table_is_no_hindrance() {
    let mut events =
        table("public.events").held("old", ["2025-06-01", "2025-07-01"], None).but(|held| {
            (held.attached_to, held.detach_pending) = (Some(16_400), true);
        });
    events.facts.relation.kind = "r".into();
    insta::assert_snapshot!(world([events]).show(NOW), @r"
    finalize_detach public.old: its DETACH CONCURRENTLY was interrupted: it takes no rows any more
    refused tend partitions of public.events: it is a plain table, not a partitioned one; pgtend partitions adopt public.events makes it one, or remove it from [partitions.tables]
    ");
}
