//! What a drain or a split left of an old partition: waiting, dropped, kept, taken in hand.

use chrono::TimeDelta;

use super::world::{Table, table, world};
use crate::config::checked::OnExpiry;
use crate::job::Action;
use crate::job::clocks::Clocks;
use crate::pg::catalog::leftover::Leftover;
use crate::pg::fault::{Fault, Kind};

const NOW: &str = "2026-01-20T10:00:00Z";

fn events() -> Table {
    let months = ["2025-12-01", "2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"];
    table("public.events").children("events_p", &months)
}

fn left() -> Table {
    events().leftover("old", "2026-01-10T00:00:00Z")
}

fn shown(table: Table) -> String {
    let text = world([table]).show(NOW);
    let about = text.lines().filter(|line| line.contains("public.old"));
    about.map(|line| format!("{line}\n")).collect()
}

#[test]
fn it_waits_its_quarantine_with_and_without_a_retention() {
    let both = || left().leftover("older", "2026-01-13T10:00:01Z");
    insta::assert_snapshot!(shown(both()), @r"
    drop_leftover public.old: its rows are in other partitions since 2026-01-10 00:00:00Z, nobody wrote to it, and quarantine = 1 week is over
    spared public.older: its rows are in other partitions since 2026-01-13 10:00:01Z; in quarantine until 2026-01-20 10:00:01Z, then dropped
    ");
    insta::assert_snapshot!(shown(both().retention("1 year")), @r"
    drop_leftover public.old: its rows are in other partitions since 2026-01-10 00:00:00Z, nobody wrote to it, and quarantine = 1 week is over
    spared public.older: its rows are in other partitions since 2026-01-13 10:00:01Z; in quarantine until 2026-01-20 10:00:01Z, then dropped
    ");
    let standing = world([both()]).plan(NOW).standing;
    let found = standing.iter().find(|standing| standing.measure == "leftovers").unwrap();
    assert_eq!(found.value, "2 (next drop 2026-01-20 10:00:01Z)");
}

#[test]
fn where_nothing_is_dropped_it_is_kept() {
    let keeping = left().retention("1 year").expiry(|e| e.on_expiry = OnExpiry::Detach);
    insta::assert_snapshot!(shown(keeping), @r"
    spared public.old: its rows are in other partitions since 2026-01-10 00:00:00Z; kept: on_expiry = detach; when nobody needs it: DROP TABLE public.old
    ");
    let mut untended = world([]);
    untended.seen.stray_leftovers = left().facts.leftovers;
    insta::assert_snapshot!(untended.show(NOW), @r"
    spared public.old: its rows are in other partitions since 2026-01-10 00:00:00Z; kept: its table is not tended any more
    ");
    let mut refused = left();
    refused.facts.relation.kind = "r".into();
    insta::assert_snapshot!(shown(refused), @r"
    spared public.old: its rows are in other partitions since 2026-01-10 00:00:00Z; kept: its table is not tended any more
    ");
}

#[test]
fn one_in_a_persons_hands_is_left_alone() {
    let but = |bend: fn(&mut Leftover)| shown(left().seen(|f| bend(&mut f.leftovers[0])));
    insta::assert_snapshot!(but(|l| l.name_now = Some("mine".into())), @r"
    spared public.mine: was public.old; while it has another name it is kept
    ");
    insta::assert_snapshot!(but(|l| l.is_blocked = false), @r"
    spared public.old: its block pgtend_quarantine is not whole any more, so somebody uses it: it is kept
    ");
    insta::assert_snapshot!(but(|l| l.is_proven = false), @r"
    spared public.old: its rows are in other partitions; an older pgtend left it without a proof that nobody wrote to it since, so it is kept: DROP TABLE public.old
    ");
    insta::assert_snapshot!(but(|l| l.name_now = None), @r"
    forget_leftover public.old: it was dropped by hand
    ");
    insta::assert_snapshot!(but(|l| l.is_attached = true), @r"
    forget_leftover public.old: it was attached by hand
    ");
    insta::assert_snapshot!(
        but(|l| (l.name_now, l.is_blocked) = (Some("mine".into()), false)), @r"
    forget_leftover public.old: it was renamed, and its writes unblocked, by hand
    ");
    let written = |answer| shown(left().seen(|f| drop(f.written.insert(40_000, answer))));
    insta::assert_snapshot!(written(Ok(true)), @r"
    spared public.old: its rows are in other partitions since 2026-01-10 00:00:00Z; rows were written to it since, which are nowhere else: it is kept
    ");
    insta::assert_snapshot!(
        written(Err(Fault::new(Kind::TimedOut, "look for late rows in", "it took too long"))), @r"
    spared public.old: its rows are in other partitions since 2026-01-10 00:00:00Z; whether rows were written to it is not known: look for late rows in: it took too long
    ");
}

#[test]
fn nothing_is_dropped_by_a_doubtful_clock_or_in_a_flood() {
    let mut world_of = world([left()]);
    let Clocks { server, .. } = world_of.seen.clocks;
    world_of.seen.clocks.host = server - TimeDelta::hours(2);
    let text = world_of.show(NOW);
    assert!(text.contains("public.old: its rows are in other partitions since 2026-01-10 00:00:00Z; its quarantine is over; it waits until the clock is trusted"), "{text}");
    let many = (0..12).fold(events(), |table, number| {
        table.leftover(&format!("old_{number}"), "2026-01-10T00:00:00Z")
    });
    let plan = world([many]).plan(NOW);
    let dropped = plan.actions.iter().filter(|action| action.kind() == "drop_leftover").count();
    assert_eq!(dropped, 10);
    let later = plan.spared.iter().filter(|s| s.reason.ends_with("one drops 10")).count();
    assert_eq!(later, 2);
}

#[test]
fn the_sql_of_a_drop() {
    let plan = world([left()]).plan(NOW);
    let drop = plan.actions.iter().find(|action| action.kind() == "drop_leftover").unwrap();
    insta::assert_snapshot!(drop.sql().join("\n"), @r"
    LOCK TABLE public.old IN ACCESS EXCLUSIVE MODE
    SELECT EXISTS (SELECT FROM partition_carve q JOIN pg_class c ON c.oid = q.source WHERE c.oid = 40000 AND c.oid = 'public.old'::regclass AND q.name = 'public.old' AND q.stage = 'done' AND q.method IN ('at_once', 'copy') AND q.done_at = '2026-01-10 00:00:00.000000+00' AND q.replaced_xid IS NOT NULL AND c.relkind = 'r' AND NOT c.relispartition AND NOT EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent)) AND EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c' AND conname = 'pgtend_quarantine') AND EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = 'pgtend_quarantine' AND tgenabled IN ('O', 'A')))
    SET LOCAL statement_timeout = 0
    SELECT NOT EXISTS (SELECT FROM ONLY public.old s, partition_carve q WHERE q.source = 40000 AND age(s.xmin) <= age(q.replaced_xid::xid))
    DELETE FROM partition_carve WHERE source = 40000
    DROP TABLE public.old
    ");
}
