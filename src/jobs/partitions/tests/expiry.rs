//! What leaves, as an operator reads it.

use std::fmt::Write;

use chrono::TimeDelta;

use super::super::retention::held::{Fate, fate};
use super::super::tended::tended;
use super::coverage::keys;
use super::world::{Table, table, world};
use crate::config::checked::OnExpiry;
use crate::job::Action;
use crate::job::clocks::Clocks;
use crate::pg::catalog::foreign_keys::Reference;
use crate::pg::version::Version;

const NOW: &str = "2026-01-20T10:00:00Z";
const AGREED: [&str; 3] = ["2 months", "drop", "7 days"];
/// First months of partitions, and the end of the last.
const MONTHS: [&str; 8] =
    ["2025-09", "2025-10", "2025-11", "2025-12", "2026-01", "2026-02", "2026-03", "2026-04"];

/// Months from August 2025 to April 2026; two months are kept, so that the first three are old.
fn events() -> Table {
    let [retention, on_expiry, quarantine] = AGREED;
    table("public.events")
        .children(
            "events_p",
            &[
                "2025-08-01",
                "2025-09-01",
                "2025-10-01",
                "2025-11-01",
                "2025-12-01",
                "2026-01-01",
                "2026-02-01",
                "2026-03-01",
                "2026-04-01",
            ],
        )
        .retention("2 months")
        .agreed(retention, on_expiry, quarantine)
}

fn shown(tables: impl IntoIterator<Item = Table>) -> String {
    world(tables).show(NOW)
}

#[test]
fn what_ends_before_the_horizon_leaves_oldest_first() {
    insta::assert_snapshot!(shown([events()]), @r"
    detach_partition public.events_p2025_08_01: it ends at 2025-09-01 UTC, which is older than retention = 2 months; it is dropped after 2026-01-27 10:00:00Z
    detach_partition public.events_p2025_09_01: it ends at 2025-10-01 UTC, which is older than retention = 2 months; it is dropped after 2026-01-27 10:00:00Z
    detach_partition public.events_p2025_10_01: it ends at 2025-11-01 UTC, which is older than retention = 2 months; it is dropped after 2026-01-27 10:00:00Z
    spared public.events: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    ");
}

#[test]
fn nothing_leaves_by_a_policy_nobody_agreed_to() {
    insta::assert_snapshot!(shown([
        events().seen(|facts| facts.agreed = None),
        Table { name: "public.shorter".parse().unwrap(), ..events().agreed("3 months", "detach", "1 week") },
    ]), @r"
    detach_partition public.events_p2025_08_01: it ends at 2025-09-01 UTC, which is older than retention = 2 months; it is dropped after 2026-01-27 10:00:00Z
    detach_partition public.events_p2025_09_01: it ends at 2025-10-01 UTC, which is older than retention = 2 months; it is dropped after 2026-01-27 10:00:00Z
    spared public.events: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    spared public.shorter: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.shorter: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    refused expire partitions of public.events: the policy is new and would detach public.events_p2025_08_01, public.events_p2025_09_01, public.events_p2025_10_01; it has expired nothing so far; if that is meant: pgtend once partitions --confirm
    refused expire partitions of public.shorter: the policy is new and would detach public.events_p2025_10_01; what was agreed is retention = 3 months, on_expiry = detach, quarantine = 1 week; if that is meant: pgtend once partitions --confirm
    ");
    insta::assert_snapshot!(world([events().seen(|facts| facts.agreed = None)]).confirmed().show(NOW), @r"
    agree_policy public.events: the policy is confirmed
    detach_partition public.events_p2025_08_01: it ends at 2025-09-01 UTC, which is older than retention = 2 months; it is dropped after 2026-01-27 10:00:00Z
    detach_partition public.events_p2025_09_01: it ends at 2025-10-01 UTC, which is older than retention = 2 months; it is dropped after 2026-01-27 10:00:00Z
    detach_partition public.events_p2025_10_01: it ends at 2025-11-01 UTC, which is older than retention = 2 months; it is dropped after 2026-01-27 10:00:00Z
    spared public.events: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    ");
}

#[test]
fn a_policy_that_expires_nothing_new_goes_on_record() {
    insta::assert_snapshot!(shown([events().retention("6 months")]), @r"
    agree_policy public.events: the policy expires nothing that was not agreed before
    spared public.events: retention = 6 months: what ends by 2025-07-20 10:00:00 UTC expires; next is public.events_p2025_08_01 at 2026-03-01 00:00:00Z
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    ");
}

#[test]
fn brakes_hold() {
    insta::assert_snapshot!(shown([
        events().expiry(|expiry| expiry.max_per_run = 2),
        Table { name: "public.share".parse().unwrap(), ..events().expiry(|expiry| expiry.max_share = 0.2) },
    ]), @r"
    detach_partition public.events_p2025_08_01: it ends at 2025-09-01 UTC, which is older than retention = 2 months; it is dropped after 2026-01-27 10:00:00Z
    detach_partition public.events_p2025_09_01: it ends at 2025-10-01 UTC, which is older than retention = 2 months; it is dropped after 2026-01-27 10:00:00Z
    detach_partition public.events_p2025_08_01: it ends at 2025-09-01 UTC, which is older than retention = 2 months; it is dropped after 2026-01-27 10:00:00Z
    spared public.events: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.events: expired, and left for the next runs: public.events_p2025_10_01; of its 8 partitions no more than 2 may leave in one run (expire_max_per_run = 2, expire_max_share = 0.5, never the last)
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    spared public.share: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.share: expired, and left for the next runs: public.events_p2025_09_01, public.events_p2025_10_01; of its 8 partitions no more than 1 may leave in one run (expire_max_per_run = 10, expire_max_share = 0.2, never the last)
    spared public.share: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    ");
}

#[test]
fn what_is_not_a_plain_closed_past_partition_stays() {
    let wide = |from: &str, to: &str| {
        table("public.events")
            .child("all", from, to)
            .retention("1 month")
            .agreed("1 month", "drop", "7 days")
    };
    insta::assert_snapshot!(shown([wide("MINVALUE", "MAXVALUE")]), @r"
    spared public.events: retention = 1 month: what ends by 2025-12-20 10:00:00 UTC expires; no partition will expire
    spared public.events: covered for ever; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    ");
    // The last one never leaves, the only one is the last.
    insta::assert_snapshot!(shown([wide("MINVALUE", "'2020-01-01 00:00:00+00'")]), @r#"
    create_partition public.events_p2026_01 '2026-01-01 00:00:00+00' '2026-02-01 00:00:00+00'
    create_partition public.events_p2026_02 '2026-02-01 00:00:00+00' '2026-03-01 00:00:00+00'
    create_partition public.events_p2026_03 '2026-03-01 00:00:00+00' '2026-04-01 00:00:00+00'
    spared public.events: retention = 1 month: what ends by 2025-12-20 10:00:00 UTC expires; no partition will expire
    spared public.events: expired, and left for the next runs: public."all"; of its 1 partitions no more than 0 may leave in one run (expire_max_per_run = 10, expire_max_share = 0.5, never the last)
    spared public.events: no partition holds now; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    spared public.events: 2020-01-01 UTC to 2026-01-01 UTC has no partition and is past; only what is ahead is made
    "#);
    insta::assert_snapshot!(shown([events().seen(|facts| {
        facts.children[0].kind = "p".into();
        facts.children[1].kind = "f".into();
        facts.children[2].detach_pending = true;
    })]), @r"
    spared public.events: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.events_p2025_08_01: expired, but partitioned itself or a foreign table: detach it by hand
    spared public.events_p2025_09_01: expired, but partitioned itself or a foreign table: detach it by hand
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    warning public.events: partition public.events_p2025_10_01 takes no rows, because its DETACH CONCURRENTLY was interrupted; ALTER TABLE public.events DETACH PARTITION public.events_p2025_10_01 FINALIZE
    ");
}

#[test]
fn what_is_in_quarantine_is_told_and_dropped_when_it_is_over() {
    let held = || {
        events()
            .held("events_p2025_06", ["2025-06-01", "2025-07-01"], Some("2026-01-10T00:00:00Z"))
            .held("events_p2025_07", ["2025-07-01", "2025-08-01"], Some("2026-01-15T00:00:00Z"))
    };
    let calm = |table: Table| table.seen(|facts| drop(facts.children.drain(..3)));
    insta::assert_snapshot!(shown([calm(held())]), @r"
    drop_partition public.events_p2025_06: in quarantine since 2026-01-10 00:00:00Z, quarantine = 1 week is over, and it is older than retention = 2 months
    spared public.events: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.events_p2025_07: in quarantine until 2026-01-22 00:00:00Z, then dropped
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    ");
    insta::assert_snapshot!(shown([calm(held().expiry(|expiry| expiry.on_expiry = OnExpiry::Detach))]), @r"
    agree_policy public.events: the policy expires nothing that was not agreed before
    spared public.events: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.events_p2025_06: in quarantine since 2026-01-10 00:00:00Z and kept: on_expiry = detach
    spared public.events_p2025_07: in quarantine since 2026-01-15 00:00:00Z and kept: on_expiry = detach
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    ");
    insta::assert_snapshot!(shown([calm(held().agreed("2 months", "detach", "7 days"))]), @r"
    spared public.events: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.events_p2025_07: in quarantine until 2026-01-22 00:00:00Z, then dropped
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    refused expire partitions of public.events: the policy is new and would drop public.events_p2025_06; what was agreed is retention = 2 months, on_expiry = detach, quarantine = 7 days; if that is meant: pgtend once partitions --confirm
    ");
    insta::assert_snapshot!(shown([calm(held().retention("1 year"))]), @r"
    agree_policy public.events: the policy expires nothing that was not agreed before
    spared public.events: retention = 1 year: what ends by 2025-01-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-12-01 00:00:00Z
    spared public.events_p2025_06: in quarantine since 2026-01-10 00:00:00Z and kept: by retention = 1 year it is not expired; pgtend partitions restore brings it back
    spared public.events_p2025_07: in quarantine since 2026-01-15 00:00:00Z and kept: by retention = 1 year it is not expired; pgtend partitions restore brings it back
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    ");
    let mut without = calm(held());
    without.config.expiry = None;
    insta::assert_snapshot!(shown([without]), @r"
    spared public.events_p2025_06: in quarantine since 2026-01-10 00:00:00Z; kept: it has no retention any more
    spared public.events_p2025_07: in quarantine since 2026-01-15 00:00:00Z; kept: it has no retention any more
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    ");
}

#[test]
fn a_clock_that_is_doubted_takes_nothing() {
    let mut apart = world([events().held(
        "events_p2025_06",
        ["2025-06-01", "2025-07-01"],
        Some("2026-01-10T00:00:00Z"),
    )]);
    let Clocks { host, .. } = apart.seen.clocks;
    apart.seen.clocks.server = host + TimeDelta::minutes(61);
    insta::assert_snapshot!(apart.show(NOW), @r"
    spared public.events: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.events_p2025_06: its quarantine is over; it waits until the clock is trusted
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    refused expire partitions of public.events: the server's clock shows 2026-01-20 13:01:00Z and this host's 2026-01-20 12:00:00Z; one of them is wrong; nothing expires meanwhile; compare the clocks of both hosts
    ");
    // A year later nobody has made a tomorrow: first that.
    let ahead = world([events().premake("1 day")]);
    insta::assert_snapshot!(ahead.show("2027-01-20T10:00:00Z"), @r"
    create_partition public.events_p2027_01_01 '2027-01-01 00:00:00+00' '2027-02-01 00:00:00+00'
    spared public.events: retention = 2 months: what ends by 2026-11-20 10:00:00 UTC expires; no partition will expire
    spared public.events: expired, and left for the next runs: public.events_p2025_12_01, public.events_p2026_01_01, public.events_p2026_02_01, public.events_p2026_03_01; of its 8 partitions no more than 4 may leave in one run (expire_max_per_run = 10, expire_max_share = 0.5, never the last)
    spared public.events: its newest partition ends at 2026-04-01 UTC and now is 2027-01-20 10:00:00Z: it was not tended for long, or the clock is ahead; nothing expires in this run
    spared public.events: no partition holds now; premake = 1 day asks for 2027-01-21 10:00:00 UTC
    spared public.events: 2026-04-01 UTC to 2027-01-01 UTC has no partition and is past; only what is ahead is made
    ");
}

#[test]
fn foreign_keys_are_asked_about_first() {
    let reference = Reference {
        parent: 16_400,
        constraint: "notes_fkey".into(),
        schema: "public".into(),
        table: "notes".into(),
        is_own: false,
        may_lock: true,
        join: "r.id = c.id".into(),
    };
    let referenced = events().seen(|facts| {
        facts.relation.foreign_keys = true;
        facts.references = vec![reference];
        facts.referenced =
            [(20_000, Ok(None)), (20_001, Ok(Some("notes_fkey of public.notes".into())))].into();
    });
    insta::assert_snapshot!(shown([referenced]), @r"
    detach_partition public.events_p2025_08_01: it ends at 2025-09-01 UTC, which is older than retention = 2 months; it is dropped after 2026-01-27 10:00:00Z
    spared public.events: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    refused expire partitions of public.events: public.events_p2025_09_01 is expired, and rows refer to its rows by notes_fkey of public.notes; delete or move those rows first, oldest first
    ");
}

/// Whatever the key, what ended by the horizon leaves, and nothing else.
#[test]
fn every_key_that_tells_time_expires_by_its_upper_bound() {
    for (oid, code) in keys() {
        let [retention, on_expiry, quarantine] = AGREED;
        let bare = || {
            let table = table("public.events").key(oid, "whatever", code);
            table.retention(retention).agreed(retention, on_expiry, quarantine)
        };
        let empty = world([bare()]);
        let (name, facts) = empty.seen.tables.first_key_value().unwrap();
        let axis = tended(name, &empty.section.tables[name], facts, &empty.seen).unwrap().axis;
        let bounds: Vec<String> = MONTHS
            .map(|month| format!("{month}-01T00:00:00Z").parse().unwrap())
            .map(|month| axis.key.literal(axis.at(month).unwrap()))
            .into();
        let laid = bounds.windows(2).zip(MONTHS).fold(bare(), |table, (bounds, month)| {
            table.child(&format!("events_{month}"), &bounds[0], &bounds[1])
        });
        let plan = world([laid]).plan(NOW);
        let detached = plan.actions.iter().filter(|action| action.kind() == "detach_partition");
        let detached: Vec<String> = detached.map(Action::object).collect();
        assert_eq!(
            detached,
            [r#"public."events_2025-09""#, r#"public."events_2025-10""#],
            "{:?}",
            axis.key
        );
        let next = plan.spared.iter().any(|spared| {
            spared.reason.ends_with(r#"next is public."events_2025-11" at 2026-02-01 00:00:00Z"#)
        });
        assert!(next, "{:?}: {:?}", axis.key, plan.spared);
    }
}

/// The configuration refuses `retention` here; were it to come through, still nothing would leave.
#[test]
fn ids_never_expire() {
    let ids = || {
        let [retention, on_expiry, quarantine] = AGREED;
        table("public.events")
            .ids("1000", "2000", Some(1_500))
            .child("events_p0", "'0'", "'1000'")
            .child("events_p1000", "'1000'", "'4000'")
            .retention(retention)
            .agreed(retention, on_expiry, quarantine)
    };
    for world in [world([ids()]), world([ids()]).confirmed()] {
        let plan = world.plan(NOW);
        assert!(plan.actions.is_empty() && plan.refused.is_empty(), "{}", world.show(NOW));
    }
}

/// The very SQL, each way.
#[test]
fn every_way_to_leave_shows_its_sql() {
    let mut text = String::new();
    let mut old = world([events().default(None)]);
    old.seen.version = Version(130_023);
    for (words, world) in [("18", world([events()])), ("with a default partition, or 13", old)] {
        let plan = world.plan(NOW);
        let action =
            plan.actions.iter().find(|action| action.kind() == "detach_partition").unwrap();
        let _ = writeln!(text, "-- {words}\n{}", action.sql().join(";\n"));
    }
    let held = events().held(
        "events_p2025_06",
        ["2025-06-01", "2025-07-01"],
        Some("2026-01-10T00:00:00Z"),
    );
    let plan = world([held]).plan(NOW);
    let action = plan.actions.iter().find(|action| action.kind() == "drop_partition").unwrap();
    let _ = writeln!(text, "-- drop\n{}", action.sql().join(";\n"));
    insta::assert_snapshot!(text, @r"
    -- 18
    SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.oid = 20000 AND c.oid = 'public.events_p2025_08_01'::regclass AND i.inhparent = 16400 AND i.inhparent = 'public.events'::regclass AND pg_get_expr(c.relpartbound, 0) = 'FOR VALUES FROM (''2025-08-01 00:00:00+00'') TO (''2025-09-01 00:00:00+00'')');
    INSERT INTO partition_quarantine (relation, name, parent, bound, intended_at, detached_at) VALUES (20000, 'public.events_p2025_08_01', 16400, 'FOR VALUES FROM (''2025-08-01 00:00:00+00'') TO (''2025-09-01 00:00:00+00'')', '2026-01-20 10:00:00.000000+00', NULL) ON CONFLICT (relation) DO UPDATE SET name = excluded.name, parent = excluded.parent, bound = excluded.bound, intended_at = excluded.intended_at, detached_at = excluded.detached_at, restored_at = NULL;
    SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.oid = 20000 AND c.oid = 'public.events_p2025_08_01'::regclass AND i.inhparent = 16400 AND i.inhparent = 'public.events'::regclass AND pg_get_expr(c.relpartbound, 0) = 'FOR VALUES FROM (''2025-08-01 00:00:00+00'') TO (''2025-09-01 00:00:00+00'')');
    ALTER TABLE public.events DETACH PARTITION public.events_p2025_08_01 CONCURRENTLY;
    LOCK TABLE public.events_p2025_08_01 IN ACCESS EXCLUSIVE MODE;
    SELECT EXISTS (SELECT FROM partition_quarantine q JOIN pg_class c ON c.oid = q.relation WHERE c.oid = 20000 AND c.oid = 'public.events_p2025_08_01'::regclass AND q.name = 'public.events_p2025_08_01' AND NOT c.relispartition);
    ALTER TABLE public.events_p2025_08_01 DROP CONSTRAINT IF EXISTS pgtend_quarantine;
    DROP TRIGGER IF EXISTS pgtend_quarantine ON public.events_p2025_08_01;
    ALTER TABLE public.events_p2025_08_01 ADD CONSTRAINT pgtend_quarantine CHECK (pg_catalog.pg_trigger_depth() > 0) NOT VALID;
    CREATE TRIGGER pgtend_quarantine BEFORE DELETE OR TRUNCATE ON public.events_p2025_08_01 FOR EACH STATEMENT WHEN (pg_catalog.pg_trigger_depth() = 0) EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger();
    UPDATE partition_quarantine SET detached_at = '2026-01-20 10:00:00.000000+00' WHERE relation = 20000
    -- with a default partition, or 13
    LOCK TABLE ONLY public.events IN ACCESS EXCLUSIVE MODE;
    SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.oid = 20000 AND c.oid = 'public.events_p2025_08_01'::regclass AND i.inhparent = 16400 AND i.inhparent = 'public.events'::regclass AND pg_get_expr(c.relpartbound, 0) = 'FOR VALUES FROM (''2025-08-01 00:00:00+00'') TO (''2025-09-01 00:00:00+00'')');
    INSERT INTO partition_quarantine (relation, name, parent, bound, intended_at, detached_at) VALUES (20000, 'public.events_p2025_08_01', 16400, 'FOR VALUES FROM (''2025-08-01 00:00:00+00'') TO (''2025-09-01 00:00:00+00'')', '2026-01-20 10:00:00.000000+00', NULL) ON CONFLICT (relation) DO UPDATE SET name = excluded.name, parent = excluded.parent, bound = excluded.bound, intended_at = excluded.intended_at, detached_at = excluded.detached_at, restored_at = NULL;
    ALTER TABLE public.events DETACH PARTITION public.events_p2025_08_01;
    ALTER TABLE public.events_p2025_08_01 ADD CONSTRAINT pgtend_bound CHECK (ts IS NOT NULL AND ts >= '2025-08-01 00:00:00+00' AND ts < '2025-09-01 00:00:00+00') NOT VALID;
    LOCK TABLE public.events_p2025_08_01 IN ACCESS EXCLUSIVE MODE;
    SELECT EXISTS (SELECT FROM partition_quarantine q JOIN pg_class c ON c.oid = q.relation WHERE c.oid = 20000 AND c.oid = 'public.events_p2025_08_01'::regclass AND q.name = 'public.events_p2025_08_01' AND NOT c.relispartition);
    ALTER TABLE public.events_p2025_08_01 DROP CONSTRAINT IF EXISTS pgtend_quarantine;
    DROP TRIGGER IF EXISTS pgtend_quarantine ON public.events_p2025_08_01;
    ALTER TABLE public.events_p2025_08_01 ADD CONSTRAINT pgtend_quarantine CHECK (pg_catalog.pg_trigger_depth() > 0) NOT VALID;
    CREATE TRIGGER pgtend_quarantine BEFORE DELETE OR TRUNCATE ON public.events_p2025_08_01 FOR EACH STATEMENT WHEN (pg_catalog.pg_trigger_depth() = 0) EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger();
    UPDATE partition_quarantine SET detached_at = '2026-01-20 10:00:00.000000+00' WHERE relation = 20000
    -- drop
    LOCK TABLE public.events_p2025_06 IN ACCESS EXCLUSIVE MODE;
    SELECT EXISTS (SELECT FROM partition_quarantine q JOIN pg_class c ON c.oid = q.relation WHERE c.oid = 30000 AND c.oid = 'public.events_p2025_06'::regclass AND q.name = 'public.events_p2025_06' AND q.bound = 'FOR VALUES FROM (''2025-06-01 00:00:00+00'') TO (''2025-07-01 00:00:00+00'')' AND q.detached_at = '2026-01-10 00:00:00.000000+00' AND q.restored_at IS NULL AND c.relkind = 'r' AND NOT c.relispartition AND NOT EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent)) AND EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND conname = 'pgtend_quarantine'));
    DELETE FROM partition_quarantine WHERE relation = 30000;
    DROP TABLE public.events_p2025_06
    ");
}

#[test]
fn whatever_became_of_a_partition_is_seen() {
    let held = |bend: fn(&mut crate::pg::catalog::quarantine::Held)| {
        let table = events()
            .held("old", ["2025-06-01", "2025-07-01"], Some("2026-01-10T00:00:00Z"))
            .but(bend);
        fate(&table.facts.held[0])
    };
    assert!(matches!(held(|_| {}), Fate::InQuarantine(..)));
    assert!(matches!(held(|h| h.name_now = None), Fate::Forget("it was dropped by hand")));
    assert!(matches!(held(|h| h.name_now = Some("new".into())), Fate::Alone(..)));
    assert!(matches!(held(|h| h.is_blocked = false), Fate::Alone(..)));
    assert!(matches!(
        held(|h| (h.name_now, h.is_blocked) = (Some("new".into()), false)),
        Fate::Forget(_)
    ));
    assert!(matches!(held(|h| h.attached_to = Some(1)), Fate::Forget(_)));
    assert!(matches!(held(|h| h.attached_to = Some(16_400)), Fate::Restored(_)));
    assert!(matches!(
        held(|h| (h.attached_to, h.detach_pending, h.detached_at) = (Some(16_400), true, None)),
        Fate::Finalize(_)
    ));
    assert!(matches!(
        held(|h| (h.attached_to, h.detached_at) = (Some(16_400), None)),
        Fate::Intended
    ));
    assert!(matches!(held(|h| (h.is_blocked, h.detached_at) = (false, None)), Fate::Mark(_)));
    assert!(matches!(
        held(
            |h| (h.attached_to, h.detached_at, h.restored_at) = (Some(16_400), None, h.detached_at)
        ),
        Fate::Kept
    ));
    assert!(matches!(
        held(|h| (h.detached_at, h.restored_at) = (None, h.detached_at)),
        Fate::Forget(_)
    ));
}

/// A wrong epoch or unit makes every partition decades older.
#[test]
fn a_policy_agreed_for_another_reading_of_the_key_is_asked_about_again() {
    let moved = events().seen(|facts| {
        facts.agreed.as_mut().unwrap().reading = "timestamptz in Asia/Tokyo".into();
    });
    insta::assert_snapshot!(shown([moved]), @r"
    spared public.events: retention = 2 months: what ends by 2025-11-20 10:00:00 UTC expires; next is public.events_p2025_11_01 at 2026-02-01 00:00:00Z
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    refused expire partitions of public.events: the policy is new and would detach public.events_p2025_08_01, public.events_p2025_09_01, public.events_p2025_10_01; what was agreed read the key as timestamptz in Asia/Tokyo, and it is read as timestamptz in UTC now; if that is meant: pgtend once partitions --confirm
    ");
}
