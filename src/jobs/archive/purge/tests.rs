//! Policy, without a server.

use super::{Policy, PurgeFacts, plan};
use crate::config::checked::{Allowance, Limits, Order, Pace, Purge, Rule};
use crate::job::clocks::Clocks;
use crate::job::{JobName, Plan};
use crate::jobs::archive::count::Due;
use crate::jobs::archive::tests::{NOW, world};

mod children;

/// Five rows of an archive are older than the seven years agreed; each test bends what it is about.
fn purge() -> (Purge, PurgeFacts) {
    let world = world();
    let purge = Purge {
        archive_of: Some("jobs".parse().unwrap()),
        children: Vec::new(),
        age: world.policy.age,
        older_than: "7 years".parse().unwrap(),
        condition: None,
        order: Order::Fastest,
        pace: Pace::Gentle,
        vacuum: true,
        batch_rows: 10_000,
        max_rows: None,
        allowance: Allowance::default(),
    };
    let facts = PurgeFacts {
        version: world.facts.version,
        user: world.facts.user,
        source: Some(world.source),
        hot_columns: crate::jobs::archive::tests::jobs_columns(),
        children: Vec::new(),
        shape: "42".into(),
        volatile: Vec::new(),
        holds: Vec::new(),
        is_ranged_by_age: false,
        due: Due::Rows(5).into(),
        keeps_younger: Some(true),
        position: None,
        agreed: Some(Policy::of(&purge)),
        clocks: Clocks { server: NOW.parse().unwrap(), host: NOW.parse().unwrap() },
        sight: world.facts.sight,
    };
    (purge, facts)
}

fn shown((purge, facts): &(Purge, PurgeFacts), is_confirmed: bool) -> String {
    let name = Rule::of("jobs_archive".parse().unwrap());
    let mut made = Plan::default();
    let when = (NOW.parse().unwrap(), is_confirmed);
    plan(&name, (purge, &Limits::default()), facts, when, &mut made);
    let view = made.view(JobName::Archive).to_string();
    // Without its SQL.
    let lines = view.lines().filter(|line| !line.starts_with("      "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_deletion_is_printed_with_its_very_sql() {
    let (purge, facts) = purge();
    let name = Rule::of("jobs_archive".parse().unwrap());
    let mut made = Plan::default();
    let when = (NOW.parse().unwrap(), false);
    plan(&name, (&purge, &Limits::default()), &facts, when, &mut made);
    insta::assert_snapshot!(made.view(JobName::Archive).to_string());
}

#[test]
fn what_was_not_agreed_is_asked_about() {
    let mut said = String::new();
    for agreed in [None, Some("8 years"), Some("7 years"), Some("6 years")] {
        let mut world = purge();
        let policy =
            |years: &str| Policy { older_than: years.parse().unwrap(), ..Policy::of(&world.0) };
        world.1.agreed = agreed.map(policy);
        said += &format!("## {agreed:?}\n{}\n", shown(&world, false));
        said += &format!("# and confirmed\n{}\n", shown(&world, true));
        world.1.due.rows = Due::Rows(0);
        said += &format!("# nothing due\n{}\n", shown(&world, false));
        said += &format!("# nothing due, and confirmed\n{}\n", shown(&world, true));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_clock_in_doubt_deletes_nothing() {
    let mut world = purge();
    world.1.clocks.host += chrono::TimeDelta::minutes(61);
    for is_confirmed in [false, true] {
        let said = shown(&world, is_confirmed);
        assert!(said.contains("one of them is wrong; nothing is deleted meanwhile"), "{said}");
        assert!(!said.contains("delete_rows") && !said.contains("agree_policy"), "{said}");
    }
    // Nor is anything agreed to, as nobody knows what is due.
    world.1.due.rows = Due::Rows(0);
    world.1.agreed = None;
    assert!(!shown(&world, true).contains("agree_policy"));
}

#[test]
fn something_younger_stays_or_a_person_says_so() {
    for keeps_younger in [Some(false), None] {
        let mut world = purge();
        world.1.keeps_younger = keeps_younger;
        let said = shown(&world, false);
        assert!(said.contains("nothing is deleted until that changes"), "{said}");
        assert!(!said.contains("delete_rows"), "{said}");
        assert!(shown(&world, true).contains("delete_rows"));
    }
}

#[test]
fn whole_partitions_leave_by_the_job_partitions() {
    let mut world = purge();
    world.1.is_ranged_by_age = true;
    insta::assert_snapshot!(shown(&world, true));
    // Of a partition some rows only.
    world.0.condition = Some("true".parse().unwrap());
    assert!(shown(&world, true).contains("delete_rows"));
}

#[test]
fn outside_of_its_hours_nothing_is_deleted_and_agreeing_is_possible() {
    let mut world = purge();
    let hours = Some(("22:00-06:00".parse().unwrap(), chrono_tz::UTC));
    world.0.allowance = Allowance { hours, max_duration: None };
    let said = shown(&world, false);
    let spared = "5 rows are due, and it is outside of its hours 22:00-06:00";
    assert!(said.contains(spared) && !said.contains("delete_rows"), "{said}");
    world.1.agreed = None;
    let said = shown(&world, true);
    assert!(said.contains("agree_policy") && !said.contains("delete_rows"), "{said}");
}
