//! Which rows leave a default partition, and by which method.

use super::super::Task;
use super::super::action::PartitionAction;
use super::super::carve::Method;
use super::super::facts::{Contents, Emptying};
use super::world::{Table, World, look, table, world};
use crate::job::Plan;
use crate::jobs::partitions::grid::coverage::Piece;
use crate::jobs::partitions::grid::key::Point;
use crate::pg::catalog::carve::{Begun, PartRecord, Source};
use crate::pg::catalog::traits::Traits;

const NOW: &str = "2026-01-20T10:00:00Z";
const DEFAULT_OID: i64 = 17_000;

/// A default partition with rows of months, each so many, and so many beyond.
fn holding(months: &[(&str, &str, u64)], left: u64, source: Source) -> Table {
    let at = |date: &str| Point::Time(format!("{date}T00:00:00").parse().unwrap());
    let pieces = months
        .iter()
        .map(|&(from, to, rows)| (Piece { from: at(from), to: at(to), whole_cell: true }, rows));
    let contents = Contents { pieces: pieces.collect(), left };
    let ranges: Vec<_> = months.iter().map(|&(from, to, _)| (from, to, true)).collect();
    table("public.events").default(Some(look(&ranges, true))).seen(|facts| {
        facts.relation.default_oid = Some(DEFAULT_OID);
        let emptying = Emptying {
            facts: source,
            owner: "tend".into(),
            traits: Traits::default(),
            storage: Vec::new(),
            contents: Some(Ok(contents)),
        };
        facts.emptying.insert(DEFAULT_OID, emptying);
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

fn asked(table: Table) -> Plan<PartitionAction> {
    let mut world: World = world([table]);
    world.task = Task::Drain { table: "public.events".parse().unwrap(), abort: false };
    world.plan(NOW)
}

fn method(plan: &Plan<PartitionAction>) -> Method {
    match &plan.actions[..] {
        [PartitionAction::Carve(carve)] => carve.method,
        other => panic!("{other:#?}, {:#?}", plan.refused),
    }
}

const OCTOBER: (&str, &str, u64) = ("2025-10-01", "2025-11-01", 9_000);
const JANUARY: (&str, &str, u64) = ("2026-01-01", "2026-02-01", 2_000);

#[test]
fn the_method_follows_from_how_many_rows_of_how_many_ranges() {
    for (months, left, expected) in [
        (&[JANUARY][..], 0, Method::AtOnce),
        (&[OCTOBER], 1_000, Method::AtOnce),
        (&[OCTOBER], 1_001, Method::Copy),
        (&[OCTOBER, JANUARY], 0, Method::Copy),
        (&[("2025-10-01", "2025-11-01", 10_001)], 0, Method::Whole),
        (&[("2025-10-01", "2025-11-01", 10_001)], 1, Method::Copy),
    ] {
        assert_eq!(method(&asked(holding(months, left, keyed()))), expected, "{months:?} {left}");
    }
}

#[test]
fn without_a_key_only_few_rows_or_one_range_are_drained() {
    let bare = || Source { identity: Vec::new(), identity_types: Vec::new(), ..keyed() };
    assert_eq!(method(&asked(holding(&[JANUARY], 0, bare()))), Method::AtOnce);
    let whole = [("2025-10-01", "2025-11-01", 10_001)];
    assert_eq!(method(&asked(holding(&whole, 0, bare()))), Method::Whole);
    let plan = asked(holding(&[OCTOBER, JANUARY], 0, bare()));
    assert!(plan.actions.is_empty());
    assert!(plan.refused[0].fault.message.contains("no key that tells them apart"));
}

#[test]
fn the_job_takes_what_is_needed_and_the_command_all() {
    let events = || holding(&[OCTOBER, JANUARY], 5, keyed());
    let parts = |plan: &Plan<PartitionAction>| -> Vec<String> {
        let carve = plan.actions.iter().find_map(|action| match action {
            PartitionAction::Carve(carve) => Some(carve),
            _ => None,
        });
        carve.unwrap().parts.iter().map(|part| part.name.to_string()).collect()
    };
    let by_itself = world([events()]).plan(NOW);
    assert_eq!(parts(&by_itself), ["public.events_p2026_01", "public.dflt_rest"]);
    let by_command = asked(events());
    let all = ["public.events_p2025_10", "public.events_p2026_01", "public.dflt_rest"];
    assert_eq!(parts(&by_command), all);
    let stays = &by_command.spared[0];
    assert_eq!(
        (stays.object.as_str(), stays.reason.as_str()),
        ("public.dflt", "5 rows stay in it: their keys lie beyond premake = 2 months, or are NULL")
    );
}

#[test]
fn what_was_begun_is_carried_on_as_it_was_decided() {
    let begun = |is_whole| Begun {
        source: DEFAULT_OID,
        name: "public.dflt".into(),
        parent: 16_400,
        parts: vec![PartRecord {
            name: "public.of_old".into(),
            from: Some("'2025-10-01'".into()),
            to: Some("'2025-11-01'".into()),
            takes_name: false,
        }],
        retired: "public.dflt_drained".into(),
        method: "copy".into(),
        stage: "captured".into(),
        is_whole,
    };
    let plan = |is_whole| {
        let events =
            holding(&[JANUARY], 0, keyed()).seen(|facts| facts.begun.push(begun(is_whole)));
        world([events]).plan(NOW)
    };
    let carried_on = plan(true);
    let found = carried_on.actions.iter().find_map(|action| match action {
        PartitionAction::Carve(carve) => Some((carve.method, carve.parts[0].name.to_string())),
        _ => None,
    });
    assert_eq!(found, Some((Method::Copy, "public.of_old".to_owned())));
    assert!(carried_on.refused.is_empty(), "{:#?}", carried_on.refused);
    let given_up = plan(false);
    assert!(given_up.actions.iter().any(|action| matches!(action, PartitionAction::GiveUp(_))));
}
