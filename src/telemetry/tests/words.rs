//! What a person reads.

use std::fmt::Write as _;

use super::*;
use crate::pg::fault::{Fault, Kind};
use crate::telemetry::examples::full_fault;
use crate::telemetry::format::assemble;
use crate::telemetry::pretty;

fn pretty_lines(events: Vec<Event>, colored: bool, timed: bool) -> String {
    events
        .into_iter()
        .map(|event| {
            let ts = "2025-01-01T02:30:00.123456Z".to_owned();
            let line = assemble(ts, event.level(), serde_json::Map::new(), event.fields());
            pretty::line(&line, event.level(), colored, timed)
        })
        .collect()
}

#[test]
fn every_event_reads_alone() {
    let mut text = String::new();
    for event in Event::examples() {
        let level = event.level().as_str().to_lowercase();
        let name = event.fields()["event"].as_str().unwrap().to_owned();
        writeln!(text, "{level:<5} {name}: {}", event.msg()).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn pretty_lines_are_columns_and_the_fields_worth_seeing() {
    let events = vec![
        Event::DaemonStarted {
            pid: 1,
            config_file: Some("/etc/pgtend/pgtend.toml".into()),
            jobs: vec!["slow_queries"],
        },
        Event::RunStarted { job: "slow_queries", lag_ms: 3, actions_planned: 0 },
        Event::JobPaused { job: "archive", by: Some("alice".into()) },
        Event::SlowQueryOpened(crate::telemetry::examples::slow_query()),
        Event::TableRefused { object: "public.ml_jobs".into(), fault: full_fault() },
    ];
    insta::assert_snapshot!(pretty_lines(events, false, true), @r#"
    02:30:00.123Z INFO  pgtend       pgtend 0.1.0 started, jobs: slow_queries  config_file=/etc/pgtend/pgtend.toml
    02:30:00.123Z DEBUG slow_queries slow_queries started 3 ms after it was due
    02:30:00.123Z INFO  archive      archive paused by alice
    02:30:00.123Z WARN  pgtend       slow: mean 250.1 ms, max 1900.0 ms, a new maximum, 120 calls in 60 s by web in app: SELECT * FROM ml_jobs WHERE status = $1  wal_bytes=0  baseline_mean_ms=12.5  share_pct=41.7  hit_pct=90.0  temp_bytes=8192  plan=Seq Scan on ml_jobs
    02:30:00.123Z ERROR pgtend       public.ml_jobs is refused: attach partition public.events_2025_02: canceling statement due to lock timeout (SQLSTATE 55P03); blocked by pid 4711 ("psql" as app, idle in transaction, transaction open 61 s); tried again at the next run
    "#);
}

#[test]
fn a_backtrace_has_its_own_lines() {
    let text = pretty_lines(
        vec![Event::DaemonPanicked {
            location: "src/x.rs:1:1".into(),
            thread: "main".into(),
            fault: Fault::new(Kind::Bug, "run", "no"),
            backtrace: Some("0: first\n   at x\n1: second".into()),
        }],
        false,
        false,
    );
    assert_eq!(
        text,
        "ERROR pgtend       bug in pgtend at src/x.rs:1:1: no\n    0: first\n       at x\n    1: second\n"
    );
}

#[test]
fn colours_only_where_asked() {
    let event = || vec![Event::RunWarned { job: "archive", warning: "look".into() }];
    let colored = "\x1b[2m02:30:00.123Z\x1b[0m \x1b[33mWARN \x1b[0m \x1b[2marchive     \x1b[0m \
                   archive: look\n";
    assert_eq!(pretty_lines(event(), true, true), colored);
    assert!(!pretty_lines(event(), false, true).contains('\x1b'));
}

#[test]
fn names_cannot_move_the_cursor() {
    let object = "public.\"a\n\x1b[2J\u{9b}31m\"".to_owned();
    let fault = Fault::new(Kind::Refused, "check", "no");
    let text = pretty_lines(vec![Event::TableRefused { object, fault }], false, false);
    assert_eq!(
        text,
        "ERROR pgtend       public.\"a\\n\\u{1b}[2J\\u{9b}31m\" is refused: check: no\n"
    );
}

#[test]
fn the_journal_gets_priorities_in_both_formats() {
    let pretty = Style { pretty: true, colored: false, journal: true };
    for style in [pretty, Style { pretty: false, ..pretty }] {
        let text = captured(style, Level::Debug, || {
            emit(Event::RunStarted { job: "archive", lag_ms: 3, actions_planned: 0 });
            emit(Event::JobPaused { job: "archive", by: None });
            emit(Event::RunWarned { job: "archive", warning: "look".into() });
            tracing::error!("no");
        });
        let priorities: Vec<_> = text.lines().map(|line| &line[..3]).collect();
        assert_eq!(priorities, ["<7>", "<6>", "<4>", "<3>"]);
    }
    let text =
        captured(pretty, Level::Debug, || emit(Event::JobPaused { job: "archive", by: None }));
    assert_eq!(text, "<6>INFO  archive      archive paused\n");
}
