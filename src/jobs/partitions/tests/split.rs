//! Where wide partitions are cut, which one first, and by which method.

use super::super::Task;
use super::super::action::PartitionAction;
use super::super::carve::{Asker, Carve, Method, PARTS_MAX};
use super::super::facts::{Emptying, Holds, Wide};
use super::super::split::pieces::{cells, grouped, is_wide, pieces};
use super::super::tended::tended;
use super::world::{Table, World, table, world};
use crate::job::Action;
use crate::jobs::partitions::grid::axis::Axis;
use crate::jobs::partitions::grid::bounds::{Edge, Span, parse_bound};
use crate::jobs::partitions::grid::kind;
use crate::pg::catalog::carve::{Begun, PartRecord, Source};

const NOW: &str = "2026-01-20T10:00:00Z";

fn axis(table: &Table) -> Axis {
    kind::axis(&table.facts.relation, &table.config).unwrap().1
}

/// `2025-01-01..2025-02-01`, each end absent where it is open.
fn span(text: &str) -> Span {
    let (from, to) = text.split_once("..").unwrap();
    let edge = |text: &str, open: &str| match text {
        "" => open.to_owned(),
        day => format!("'{day} 00:00:00+00'"),
    };
    let bound =
        format!("FOR VALUES FROM ({}) TO ({})", edge(from, "MINVALUE"), edge(to, "MAXVALUE"));
    parse_bound(&bound).unwrap().unwrap()
}

/// An adopted table: all up to March in one partition, which holds so many rows of these months.
fn adopted(months: &[&str], rows: u64, source: Source) -> Table {
    let mut events = table("public.events")
        .child("events_until_2026_03_01", "MINVALUE", "'2026-03-01 00:00:00+00'")
        .children("events_p", &["2026-03-01", "2026-04-01"]);
    events.config.split = true;
    let cells = months.iter().map(|month| span(month)).collect();
    events.seen(|facts| {
        let oid = facts.children[0].oid;
        facts.wide = Some(Box::new(Wide { oid, holds: Ok(Holds { cells, rows }) }));
        facts.emptying.insert(oid, Emptying { facts: source, ..Emptying::default() });
    })
}

fn keyed() -> Source {
    Source {
        columns: vec!["id".into(), "ts".into()],
        identity: vec!["id".into(), "ts".into()],
        identity_types: vec!["bigint".into(), "timestamp with time zone".into()],
        ..Source::default()
    }
}

fn carved(world: &World) -> Box<Carve> {
    let plan = world.plan(NOW);
    let carve = plan.actions.into_iter().find_map(|action| match action {
        PartitionAction::Carve(carve) => Some(carve),
        _ => None,
    });
    carve.unwrap_or_else(|| panic!("{:#?}", plan.refused))
}

fn parts(world: &World) -> String {
    let parts = carved(world).parts.into_iter().map(|part| {
        let range = part.range.unwrap();
        format!("{} {} {}\n", part.name, range.from, range.to)
    });
    parts.collect()
}

const TWO: [&str; 2] = ["2025-10-01..2025-11-01", "2026-01-01..2026-02-01"];

#[test]
fn the_cells_with_rows_and_those_ahead_stand_alone() {
    let events = world([adopted(&TWO, 20_000, keyed())]);
    insta::assert_snapshot!(parts(&events), @r"
    public.events_until_2025_10_01 MINVALUE '2025-10-01 00:00:00+00'
    public.events_p2025_10 '2025-10-01 00:00:00+00' '2025-11-01 00:00:00+00'
    public.events_p2025_11_01_to_2026_01_01 '2025-11-01 00:00:00+00' '2026-01-01 00:00:00+00'
    public.events_p2026_01 '2026-01-01 00:00:00+00' '2026-02-01 00:00:00+00'
    public.events_p2026_02 '2026-02-01 00:00:00+00' '2026-03-01 00:00:00+00'
    ");
    insta::assert_snapshot!(events.show(NOW), @r"
    split_partition public.events_until_2026_03_01: it spans more than interval = 1 month: it becomes 5 partitions at the bounds of the grid, of which 2 have its rows now; too many to be copied under a lock: copied while changes are captured
    spared public.events: covered until 2026-04-01 UTC; premake = 2 months asks for 2026-03-20 10:00:00 UTC
    ");
}

#[test]
fn the_sql_of_the_exchange() {
    let events = world([adopted(&TWO, 20_000, keyed())]);
    let steps = PartitionAction::Carve(carved(&events)).steps();
    let exchange = steps.last().unwrap();
    insta::assert_snapshot!(exchange.sql().collect::<Vec<_>>().join("\n"), @r"
    LOCK TABLE ONLY public.events IN ACCESS EXCLUSIVE MODE
    SET LOCAL lock_timeout = 20
    LOCK TABLE ONLY public.events_until_2026_03_01 IN ACCESS EXCLUSIVE MODE
    SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.oid = 20000 AND c.oid = 'public.events_until_2026_03_01'::regclass AND i.inhparent = 16400 AND pg_get_expr(c.relpartbound, 0) = 'FOR VALUES FROM (MINVALUE) TO (''2026-03-01 00:00:00+00'')')
    SELECT (SELECT bool_and(c.oid IS NOT NULL AND NOT c.relispartition AND obj_description(c.oid, 'pg_class') = 'pgtend: takes rows of public.events_until_2026_03_01, not attached yet') FROM (VALUES ('public.events_until_2025_10_01'), ('public.events_p2025_10'), ('public.events_p2025_11_01_to_2026_01_01'), ('public.events_p2026_01'), ('public.events_p2026_02')) AS made (name) LEFT JOIN pg_class c ON c.oid = to_regclass(made.name)) AND (SELECT count(*) = 2 FROM pg_trigger WHERE tgrelid = 20000 AND tgenabled = 'A' AND tgname IN ('pgtend_capture', 'pgtend_capture_truncate')) AND NOT EXISTS (SELECT FROM pgtend.carve_log_20000 WHERE id IS NULL)
    SELECT count(*) <= 2000 FROM (SELECT FROM pgtend.carve_log_20000 LIMIT 2000 + 1) s
    SET LOCAL enable_seqscan = off
    SET LOCAL enable_bitmapscan = off
    SET LOCAL enable_hashjoin = off
    SET LOCAL enable_mergejoin = off
    WITH k AS MATERIALIZED (SELECT DISTINCT id, ts FROM pgtend.carve_log_20000),
    part_0 AS (DELETE FROM public.events_until_2025_10_01 p USING (SELECT * FROM k WHERE ts IS NOT NULL AND ts < '2025-10-01 00:00:00+00') k WHERE p.id = k.id AND p.ts = k.ts),
    part_1 AS (DELETE FROM public.events_p2025_10 p USING (SELECT * FROM k WHERE ts IS NOT NULL AND ts >= '2025-10-01 00:00:00+00' AND ts < '2025-11-01 00:00:00+00') k WHERE p.id = k.id AND p.ts = k.ts),
    part_2 AS (DELETE FROM public.events_p2025_11_01_to_2026_01_01 p USING (SELECT * FROM k WHERE ts IS NOT NULL AND ts >= '2025-11-01 00:00:00+00' AND ts < '2026-01-01 00:00:00+00') k WHERE p.id = k.id AND p.ts = k.ts),
    part_3 AS (DELETE FROM public.events_p2026_01 p USING (SELECT * FROM k WHERE ts IS NOT NULL AND ts >= '2026-01-01 00:00:00+00' AND ts < '2026-02-01 00:00:00+00') k WHERE p.id = k.id AND p.ts = k.ts),
    part_4 AS (DELETE FROM public.events_p2026_02 p USING (SELECT * FROM k WHERE ts IS NOT NULL AND ts >= '2026-02-01 00:00:00+00' AND ts < '2026-03-01 00:00:00+00') k WHERE p.id = k.id AND p.ts = k.ts)
    SELECT count(*) FROM k
    WITH now AS MATERIALIZED (SELECT s.id, s.ts FROM ONLY public.events_until_2026_03_01 s JOIN (SELECT DISTINCT id, ts FROM pgtend.carve_log_20000) k ON s.id = k.id AND s.ts = k.ts),
    part_0 AS (INSERT INTO public.events_until_2025_10_01 (id, ts) SELECT id, ts FROM now WHERE ts IS NOT NULL AND ts < '2025-10-01 00:00:00+00'),
    part_1 AS (INSERT INTO public.events_p2025_10 (id, ts) SELECT id, ts FROM now WHERE ts IS NOT NULL AND ts >= '2025-10-01 00:00:00+00' AND ts < '2025-11-01 00:00:00+00'),
    part_2 AS (INSERT INTO public.events_p2025_11_01_to_2026_01_01 (id, ts) SELECT id, ts FROM now WHERE ts IS NOT NULL AND ts >= '2025-11-01 00:00:00+00' AND ts < '2026-01-01 00:00:00+00'),
    part_3 AS (INSERT INTO public.events_p2026_01 (id, ts) SELECT id, ts FROM now WHERE ts IS NOT NULL AND ts >= '2026-01-01 00:00:00+00' AND ts < '2026-02-01 00:00:00+00'),
    part_4 AS (INSERT INTO public.events_p2026_02 (id, ts) SELECT id, ts FROM now WHERE ts IS NOT NULL AND ts >= '2026-02-01 00:00:00+00' AND ts < '2026-03-01 00:00:00+00')
    SELECT count(*) FROM now
    DELETE FROM pgtend.carve_log_20000
    ALTER TABLE public.events DETACH PARTITION public.events_until_2026_03_01;
    DROP FUNCTION IF EXISTS pgtend.carve_20000() CASCADE;
    DROP TABLE IF EXISTS pgtend.carve_log_20000;
    ALTER TABLE public.events_until_2026_03_01 RENAME TO events_until_2026_03_01_split;
    ALTER TABLE public.events ATTACH PARTITION public.events_until_2025_10_01 FOR VALUES FROM (MINVALUE) TO ('2025-10-01 00:00:00+00');
    COMMENT ON TABLE public.events_until_2025_10_01 IS NULL;
    ALTER TABLE public.events_until_2025_10_01 DROP CONSTRAINT IF EXISTS pgtend_bound;
    ALTER TABLE public.events ATTACH PARTITION public.events_p2025_10 FOR VALUES FROM ('2025-10-01 00:00:00+00') TO ('2025-11-01 00:00:00+00');
    COMMENT ON TABLE public.events_p2025_10 IS NULL;
    ALTER TABLE public.events_p2025_10 DROP CONSTRAINT IF EXISTS pgtend_bound;
    ALTER TABLE public.events ATTACH PARTITION public.events_p2025_11_01_to_2026_01_01 FOR VALUES FROM ('2025-11-01 00:00:00+00') TO ('2026-01-01 00:00:00+00');
    COMMENT ON TABLE public.events_p2025_11_01_to_2026_01_01 IS NULL;
    ALTER TABLE public.events_p2025_11_01_to_2026_01_01 DROP CONSTRAINT IF EXISTS pgtend_bound;
    ALTER TABLE public.events ATTACH PARTITION public.events_p2026_01 FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
    COMMENT ON TABLE public.events_p2026_01 IS NULL;
    ALTER TABLE public.events_p2026_01 DROP CONSTRAINT IF EXISTS pgtend_bound;
    ALTER TABLE public.events ATTACH PARTITION public.events_p2026_02 FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00');
    COMMENT ON TABLE public.events_p2026_02 IS NULL;
    ALTER TABLE public.events_p2026_02 DROP CONSTRAINT IF EXISTS pgtend_bound;
    ALTER TABLE public.events_until_2026_03_01_split ADD CONSTRAINT pgtend_quarantine CHECK (pg_catalog.pg_trigger_depth() > 0) NOT VALID;
    CREATE TRIGGER pgtend_quarantine BEFORE DELETE OR TRUNCATE ON public.events_until_2026_03_01_split FOR EACH STATEMENT WHEN (pg_catalog.pg_trigger_depth() = 0) EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger();
    COMMENT ON TABLE public.events_until_2026_03_01_split IS 'pgtend: its rows are in public.events_until_2025_10_01, public.events_p2025_10, public.events_p2025_11_01_to_2026_01_01, public.events_p2026_01, public.events_p2026_02, and it takes no writes';
    UPDATE partition_carve SET stage = 'done', name = 'public.events_until_2026_03_01_split', after = NULL, done_at = clock_timestamp(), replaced_xid = pg_snapshot_xmax(pg_current_snapshot()) WHERE source = 20000
    ");
    let looked_at: Vec<_> = exchange.lock.strong.iter().map(|lock| lock.table.as_str()).collect();
    assert_eq!(looked_at, ["public.events", "public.events_until_2026_03_01"]);
    assert_eq!(exchange.lock.hold_max, Some(std::time::Duration::from_millis(500)));
}

#[test]
fn the_method_follows_from_rows_and_keys() {
    let method =
        |months: &[&str], rows, source| carved(&world([adopted(months, rows, source)])).method;
    assert_eq!(method(&TWO, 10_000, keyed()), Method::AtOnce);
    assert_eq!(method(&TWO, 10_001, keyed()), Method::Copy);
    assert_eq!(method(&TWO, 10_000, Source { pages: 2_049, ..keyed() }), Method::Copy);
    // While it would be proven to be one month, rows of others would be refused.
    assert_eq!(method(&TWO[..1], 10_001, keyed()), Method::Copy);
    let whole = carved(&world([adopted(&TWO[..1], 10_001, Source::default())]));
    assert_eq!(whole.method, Method::Whole);
    assert_eq!(whole.parts[0].name.to_string(), "public.events_p2025_10");
    assert_eq!(whole.retired, whole.parts[0].name);
    let plan = world([adopted(&TWO, 10_001, Source::default())]).plan(NOW);
    assert!(plan.refused[0].fault.message.contains("no key that tells them apart"));
}

#[test]
fn only_the_command_splits_what_is_not_configured_and_a_run_has_a_limit() {
    let unasked = || {
        let mut events = adopted(&TWO, 20_000, keyed());
        events.config.split = false;
        world([events])
    };
    assert!(unasked().plan(NOW).actions.iter().all(|action| action.kind() != "split_partition"));
    let mut asked = unasked();
    asked.task = Task::Split { table: "public.events".parse().unwrap(), abort: false };
    assert_eq!(carved(&asked).rows_max, None);
    assert_eq!(carved(&world([adopted(&TWO, 20_000, keyed())])).rows_max, Some(5_000_000));
}

#[test]
fn what_was_begun_goes_on_and_is_called_off_by_its_own_command() {
    let begun = || {
        let part = |from: &str, to: &str| PartRecord {
            name: format!("public.p{}", to.len()),
            from: Some(from.into()),
            to: Some(to.into()),
            takes_name: false,
        };
        adopted(&TWO, 20_000, keyed()).seen(|facts| {
            facts.begun.push(Begun {
                source: facts.children[0].oid,
                name: "public.events_until_2026_03_01".into(),
                parent: 16_400,
                parts: vec![
                    part("MINVALUE", "'2026-01-01'"),
                    part("'2026-01-01'", "'2026-03-01 00:00:00+00'"),
                ],
                retired: "public.events_until_2026_03_01_split".into(),
                method: "copy".into(),
                stage: "captured".into(),
                is_whole: true,
            });
        })
    };
    let goes_on = carved(&world([begun()]));
    assert_eq!((goes_on.asker, goes_on.parts.len()), (Asker::Split, 2));
    assert_eq!(goes_on.rows_max, Some(5_000_000));
    let events = "public.events".parse().unwrap();
    let asked = |task| {
        let mut world = world([begun()]);
        world.task = task;
        world.show(NOW)
    };
    insta::assert_snapshot!(asked(Task::Split { table: events, abort: true }), @r"
    give_up_split public.events_until_2026_03_01: asked for; its rows are where they were
    ");
    let events = "public.events".parse().unwrap();
    insta::assert_snapshot!(asked(Task::Drain { table: events, abort: true }), @r"
    spared public.events: no drain of it is under way, but a split: pgtend partitions split public.events --abort
    ");
}

#[test]
fn what_is_refused_names_the_cure() {
    let mut beside = adopted(&TWO, 10, keyed()).default(None);
    beside.facts.default.as_mut().unwrap().rows_estimate = Some(2_001);
    let obstacle = Source { obstacles: vec!["view public.v".into()], ..keyed() };
    for (table, words) in [
        (beside, "its default partition public.dflt has rows (about 2001; 2000 at most)"),
        (
            adopted(&TWO, 10, obstacle),
            "partition public.events_until_2026_03_01 cannot be replaced by another table: view public.v",
        ),
    ] {
        let plan = world([table]).plan(NOW);
        let fault = &plan.refused[0].fault;
        assert!(fault.message.contains(words) && fault.hint.is_some(), "{fault}");
    }
}

#[test]
fn what_lies_across_a_bound_is_not_wide() {
    let month = axis(&table("public.events"));
    for (text, wide) in [
        ("2025-01-01..2025-02-01", false),
        ("2025-01-15..2025-02-15", false),
        ("2025-01-15..2025-02-01", false),
        ("2025-01-01..2025-02-02", true),
        ("2025-01-15..2025-03-01", true),
        ("2025-01-01..2025-03-01", true),
        ("..2025-01-01", true),
        ("2025-01-01..", true),
    ] {
        assert_eq!(is_wide(&month, span(text)), wide, "{text}");
    }
    let day = axis(&table("public.events").interval("1 day"));
    assert!(is_wide(&day, span("2025-01-01..2025-02-01")));
}

/// Expired ones are retention's, and the oldest of the others comes first.
#[test]
fn the_oldest_that_is_not_expired_comes_first() {
    let years = table("public.events")
        .children("events_", &["2022-01-01", "2023-01-01", "2024-01-01", "2025-01-01"])
        .retention("2 years");
    let seen = world([]).seen;
    let table = tended(&years.name, &years.config, &years.facts, &seen).unwrap();
    let found = super::super::split::plan::candidates(&table, NOW.parse().unwrap());
    let names: Vec<_> = found.iter().map(|((name, _), _)| name.to_string()).collect();
    assert_eq!(names, ["public.events_2024_01_01"]);
}

/// Whatever the rows: the pieces cover the range once, no more than one exchange attaches, and a wide
/// one among them becomes smaller in turn.
#[test]
fn pieces_cover_the_range_without_a_gap() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..2_000 {
        let interval = ["1 day", "1 week", "1 month", "1 quarter"][random.usize(..4)];
        let events = table("public.events").interval(interval).premake("1 month");
        let axis = axis(&events);
        let facts = world([]).seen;
        let aim = tended(&events.name, &events.config, &events.facts, &facts)
            .unwrap()
            .aim(NOW.parse().unwrap())
            .unwrap();
        let whole =
            span(["..2026-03-01", "2020-02-10..2026-03-01", "2024-01-01.."][random.usize(..3)]);
        let Edge::At(last) = span("2026-01-20..2026-01-21").from else { panic!("a day") };
        let Edge::At(first) = span("2024-02-10..2024-02-11").from else { panic!("a day") };
        let all = cells(&axis, whole, first, last, 10_000).unwrap();
        let mut todo = vec![whole];
        let mut exchanges = 0;
        while let Some(whole) = todo.pop() {
            let held: Vec<Span> = all
                .iter()
                .filter(|cell| whole.from <= cell.from && cell.to <= whole.to)
                .filter(|_| random.u8(..4) > 0)
                .copied()
                .collect();
            if held.is_empty() {
                continue;
            }
            let found = grouped(&pieces(&axis, whole, &held, &aim));
            assert!(found.len() <= PARTS_MAX && found.len() > 1, "{whole:?} {found:?}");
            assert_eq!((found[0].from, found[found.len() - 1].to), (whole.from, whole.to));
            assert!(found.windows(2).all(|pair| pair[0].to == pair[1].from), "{found:?}");
            assert!(found.iter().all(|piece| piece.from < piece.to), "{found:?}");
            todo.extend(
                found.into_iter().filter(|piece| is_wide(&axis, *piece) && *piece != whole),
            );
            exchanges += 1;
            assert!(exchanges < 200, "{interval} {whole:?}");
        }
    }
}

#[test]
fn the_oldest_stand_alone_and_the_newest_wait_together() {
    let day = axis(&table("public.events").interval("1 day"));
    let Edge::At(first) = span("2024-01-01..").from else { panic!("a day") };
    let Edge::At(last) = span("2024-02-29..").from else { panic!("a day") };
    let sixty = cells(&day, span(".."), first, last, 100).unwrap();
    assert_eq!(sixty.len(), 60);
    let found = grouped(&sixty);
    assert_eq!(found.len(), 24);
    assert_eq!(found[..22], sixty[..22]);
    assert_eq!(found[22], span("2024-01-23..2024-02-11"));
    assert_eq!(found[23], span("2024-02-11..2024-03-01"));
    assert_eq!(grouped(&sixty[..24]), sixty[..24]);
    assert_eq!(grouped(&sixty[..25])[23], span("2024-01-24..2024-01-26"));
    assert_eq!(cells(&day, span(".."), first, last, 59), None);
}
