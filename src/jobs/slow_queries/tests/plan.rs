use super::desk::{Desk, section};
use crate::job::Action;
use crate::jobs::slow_queries::action::Record;
use crate::jobs::slow_queries::delta::{Comparison, Key};
use crate::jobs::slow_queries::plan::{decide, plan};
use crate::jobs::slow_queries::policy::Policy;
use crate::telemetry::{Event, SlowQuery};

fn nothing() -> [&'static str; 0] {
    []
}

#[test]
fn one_line_when_it_becomes_slow_and_one_when_it_is_fast_again() {
    let mut desk = Desk::new();
    desk.world.run(1, 100, 5);
    assert_eq!(desk.poll(), nothing());
    desk.world.run(1, 100, 150);
    assert_eq!(desk.poll(), ["opened 1"]);
    for _ in 0..30 {
        desk.world.run(1, 100, 150);
        assert_eq!(desk.poll(), nothing(), "still slow: silent");
    }
    desk.world.run(1, 100, 5);
    assert_eq!(desk.poll(), ["resolved 1"]);
    desk.world.run(1, 100, 5);
    assert_eq!(desk.poll(), nothing());
    assert_eq!(desk.fetches, 1, "its text is fetched once");
    desk.world.run(1, 100, 150);
    assert_eq!(desk.poll(), ["opened 1"]);
    assert_eq!(desk.fetches, 1, "and remembered");
}

/// 1,000,000 calls at 5 ms and 100 at 500 ms: the lifetime mean is 5.05 ms and never alarms.
#[test]
fn the_interval_decides_not_the_lifetime() {
    let mut desk = Desk::new();
    desk.world.run(1, 1_000_000, 5);
    desk.poll();
    desk.world.run(1, 100, 500);
    let [Event::SlowQueryOpened(query)] = &desk.poll_events()[..] else { panic!("one line") };
    assert_eq!((query.calls, query.interval_s.round()), (100, 60.0));
    let figures = [query.mean_ms, query.total_ms, query.max_ms];
    let expected = [500.0, 50_000.0, 500.0];
    assert!(figures.iter().zip(expected).all(|(found, right)| (found - right).abs() < 1e-9));
    assert_eq!((query.share_pct, query.baseline_mean_ms), (Some(100.0), Some(5.0)));
    assert!(query.max_is_new && !query.partial);
    assert_eq!((query.query.as_str(), query.user.as_str()), ("select ? from t1", "web"));
}

#[test]
fn a_single_outlier_shows_as_a_new_maximum() {
    let mut desk = Desk::new();
    desk.world.run(1, 100_000, 1);
    desk.poll();
    desk.world.run(1, 100_000, 1);
    desk.world.run(1, 1, 2_000);
    let [Event::SlowQueryOpened(query)] = &desk.poll_events()[..] else { panic!("one line") };
    let (mean_ms, max_ms) = (query.mean_ms.round(), query.max_ms.round());
    assert_eq!(
        (query.reason, max_ms, mean_ms),
        (crate::telemetry::SlowReason::NewMax, 2000.0, 1.0)
    );
    desk.world.run(1, 100_000, 1);
    assert_eq!(desk.poll(), ["resolved 1"], "the maximum is no longer new");
    desk.world.run(1, 100_000, 1);
    desk.world.run(1, 1, 1_900);
    assert_eq!(desk.poll(), nothing(), "slower once before");
}

#[test]
fn too_few_calls_make_no_mean() {
    let mut desk = Desk::new();
    desk.world.run(1, 1, 900);
    assert_eq!(desk.poll(), nothing(), "min_calls is 2");
    desk.world.run(1, 2, 900);
    assert_eq!(desk.poll(), ["opened 1"]);
    desk.world.run(1, 1, 900);
    assert_eq!(desk.poll(), nothing(), "but one slow call does not make it fast");
}

#[test]
fn hovering_about_the_threshold_is_one_state() {
    let mut desk = Desk::new();
    for (mean_ms, expected) in [
        (100, vec!["opened 1"]),
        (99, vec![]),
        (101, vec![]),
        (80, vec![]),
        (79, vec!["resolved 1"]),
    ] {
        desk.world.run(1, 10, mean_ms);
        assert_eq!(desk.poll(), expected, "at {mean_ms} ms");
    }
}

#[test]
fn reminders_grow_rarer() {
    let mut desk = Desk::new();
    let mut reminded_after_minutes = Vec::new();
    for minute in 0..60 * 8 {
        desk.world.run(1, 10, 200);
        if desk.poll() == ["reminded 1"] {
            reminded_after_minutes.push(minute);
        }
    }
    assert_eq!(reminded_after_minutes, [60, 180, 420]);
}

#[test]
fn what_is_no_longer_called_is_resolved_after_a_while() {
    let mut desk = Desk::new();
    desk.world.run(1, 10, 200);
    assert_eq!(desk.poll(), ["opened 1"]);
    for _ in 0..30 {
        desk.world.run(1, 10, 200);
        desk.poll();
    }
    for minute in 1..60 {
        assert_eq!(desk.poll(), nothing(), "minute {minute}");
    }
    let [Event::SlowQueryResolved(query)] = &desk.poll_events()[..] else { panic!("one line") };
    assert_eq!((query.calls, query.max_ms.round()), (0, 200.0));
    assert_eq!(desk.poll(), nothing());
}

#[test]
fn a_flood_is_told_in_portions_the_costliest_first() {
    let mut desk = Desk::new();
    for _ in 0..2 {
        for id in 1..=7 {
            desk.world.run(id, 10, 100 * id.unsigned_abs());
        }
        if desk.open.is_empty() {
            assert_eq!(desk.poll(), ["opened 7", "opened 6", "opened 5", "suppressed 4"]);
        } else {
            assert_eq!(desk.poll(), ["opened 4", "opened 3", "opened 2", "suppressed 1"]);
        }
    }
    for id in 1..=7 {
        desk.world.run(id, 10, 1);
    }
    let resolved = desk.poll();
    assert_eq!((resolved.len(), resolved[3].as_str()), (4, "suppressed 3"));
    for id in 1..=7 {
        desk.world.run(id, 10, 1);
    }
    assert_eq!(desk.poll().len(), 3, "the others");
    assert!(desk.open.is_empty());
}

#[test]
fn commands_may_take_longer_and_our_own_poll_is_none_of_it() {
    let mut desk = Desk::new();
    for mean_ms in [900, 900] {
        desk.world.run(900, 5, mean_ms);
        desk.world.run(990, 5, 5_000);
        assert_eq!(desk.poll(), nothing());
    }
    assert_eq!(desk.fetches, 1, "it is known to be a command");
    desk.world.run(900, 5, 1_000);
    assert_eq!(desk.poll(), ["opened 900"]);
}

#[test]
fn a_statement_inside_a_function_has_no_share() {
    let mut desk = Desk::new();
    desk.world.run(1, 10, 300);
    desk.world.run(2, 10, 100);
    desk.world.pass(60);
    let mut seen = desk.seen();
    let inner = |key: Key| Key { toplevel: key.queryid != 2, ..key };
    let Comparison::Since(interval) = &mut seen.comparison else { panic!("the second poll") };
    interval.deltas = interval.deltas.iter().map(|(&key, &delta)| (inner(key), delta)).collect();
    seen.texts.by_key =
        seen.texts.by_key.iter().map(|(&key, text)| (inner(key), text.clone())).collect();
    let decision = decide(&desk.policy, &seen, desk.world.now);
    let share = |queryid| {
        let of = |event: &Event| match event {
            Event::SlowQueryOpened(SlowQuery { queryid: id, share_pct, toplevel, .. }) => {
                (*id == queryid).then_some((*share_pct, *toplevel))
            }
            _ => None,
        };
        decision.events.iter().find_map(of).expect("a line")
    };
    assert_eq!(share(1), (Some(100.0), true), "its time includes the other's");
    assert_eq!(share(2), (None, false));
}

#[test]
fn coverage_is_told_when_it_changes() {
    let mut desk = Desk::new();
    desk.world.hidden = 7;
    assert_eq!(desk.poll(), ["coverage [Hidden]"]);
    assert_eq!(desk.poll(), nothing());
    desk.server.records = false;
    assert_eq!(desk.poll(), ["coverage [Hidden, Off]"]);
    desk.world.hidden = 0;
    desk.server.records = true;
    assert_eq!(desk.poll(), ["coverage []"]);

    desk.world.entries_max = 100;
    for id in 100..199 {
        desk.world.run(id, 2, 1);
    }
    desk.poll();
    desk.world.evictions += 1;
    assert_eq!(desk.poll(), nothing(), "one eviction a minute is bearable");
    desk.world.evictions += 2;
    assert_eq!(desk.poll(), ["coverage [Evictions]"]);
    assert_eq!(desk.poll(), nothing(), "a full house goes on evicting");
    desk.world.reset();
    assert_eq!(desk.poll(), ["coverage []"]);
}

#[test]
fn a_reset_neither_opens_nor_resolves_by_itself() {
    let mut desk = Desk::new();
    desk.world.run(1, 10, 200);
    assert_eq!(desk.poll(), ["opened 1"]);
    desk.world.reset();
    assert_eq!(desk.poll(), nothing());
    desk.world.run(1, 10, 200);
    assert_eq!(desk.poll(), nothing(), "still slow");
    desk.world.reset();
    desk.world.run(1, 10, 2);
    assert_eq!(desk.poll(), ["resolved 1"]);
}

#[test]
fn a_stale_baseline_is_replaced_with_a_warning() {
    let mut desk = Desk::new();
    desk.world.run(1, 10, 200);
    desk.world.pass(2 * 3600);
    let seen = desk.seen();
    let plan = plan(&desk.policy, &seen, desk.world.now);
    assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
    assert!(plan.actions[0].is_upkeep() && plan.actions[0].events.is_empty());
}

#[test]
fn a_baseline_is_stale_after_three_intervals_and_not_within_an_hour() {
    let now = super::world::time("2025-06-01T12:00:30Z");
    let hours = |cron: &str| {
        let mut section = section();
        section.schedule.cron = cron.parse().expect("five fields");
        Policy(section).stale_after(now).as_secs() / 3600
    };
    assert_eq!((hours("* * * * *"), hours("0 */2 * * *"), hours("@daily")), (1, 6, 72));
}

#[test]
fn the_step_stores_what_was_decided_and_stands_on_what_was_seen() {
    let mut desk = Desk::new();
    desk.world.run(1, 10, 200);
    desk.world.pass(60);
    let seen = desk.seen();
    let record: &Record = &plan(&desk.policy, &seen, desk.world.now).actions[0];
    let taken_at = desk.last.as_ref().expect("polled").marks.taken_at;
    let statements = &record.step.statements;
    let begins: Vec<&str> =
        statements.iter().map(|s| s.sql.lines().next().expect("SQL").trim()).collect();
    assert_eq!(
        begins,
        [
            "INSERT INTO statement_baseline AS stored",
            "INSERT INTO statement_text",
            "DELETE FROM statement_text t",
            "INSERT INTO statement_slow",
        ]
    );
    let stands_on = statements[0].binds[0].as_deref().expect("the poll before");
    assert_eq!(super::world::time(stands_on), taken_at);
    assert!(record.reason().contains("logs: slow: mean 200.0 ms"), "{}", record.reason());
    assert!(!record.is_upkeep());
}
