use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing_subscriber::layer::{Layer, SubscriberExt};

use super::examples::run_fields;
use super::file::RollingFile;
use super::layer::{LogLayer, Style};
use super::*;
use crate::config::checked::Level;
use crate::pg::notices;

mod file;
mod limits;
mod schema;
mod start;
mod words;

/// What standard error would have got.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const JSON: Style = Style { pretty: false, colored: false, journal: false };

/// What is written to standard error while `work` runs.
fn captured(style: Style, level: Level, work: impl FnOnce()) -> String {
    logging(style, level, None, |out| {
        work();
        out.text()
    })
}

/// The same for work that looks at what was written, and with a log file.
fn logging<T>(
    style: Style,
    level: Level,
    file: Option<RollingFile>,
    work: impl FnOnce(&Captured) -> T,
) -> T {
    let out = Captured::default();
    let file = file.map(|file| Arc::new(Mutex::new(file)));
    let layer = LogLayer { style, out: Mutex::new(out.clone()), file };
    let subscriber = tracing_subscriber::registry()
        .with(layer.with_filter(init::filter(level)))
        .with(notices::layer());
    tracing::subscriber::with_default(subscriber, || work(&out))
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn every_line_of_a_run_carries_its_context_at_any_level() {
    let text = captured(JSON, Level::Error, || {
        run_span(&run_fields()).in_scope(|| {
            tracing::error_span!("inner")
                .in_scope(|| tracing::error!(target: "sqlx::pool", "pool is tired"));
        });
        tracing::error!(target: "sqlx::pool", "outside");
    });
    let lines = parsed(&text);
    assert_eq!(lines[0]["msg"], "pool is tired");
    for (field, value) in [
        ("job", "archive".into()),
        ("run_id", i64::MAX.to_string().into()),
        ("slot", "2025-01-01T02:30:00Z".into()),
        ("trigger", "schedule".into()),
        ("attempt", Value::from(1)),
        ("db.namespace", "app".into()),
        ("server.address", "db.internal".into()),
    ] {
        assert_eq!(lines[0][field], value, "{field}");
        assert_eq!(lines[1].get(field), None, "{field}");
    }
}

#[test]
fn an_event_knows_better_than_its_context() {
    let text = captured(JSON, Level::Info, || {
        run_span(&run_fields()).in_scope(|| emit(Event::JobPaused { job: "analyze", by: None }));
    });
    assert_eq!(parsed(&text)[0]["job"], "analyze");
    assert_eq!(text.matches("\"job\"").count(), 1, "{text}");
}

#[test]
fn levels_let_our_events_through_and_others_warnings() {
    let events_at = |level| {
        let text = captured(JSON, level, || {
            emit(Event::RunStarted { job: "archive", lag_ms: 1, actions_planned: 0 });
            emit(Event::JobPaused { job: "archive", by: None });
            emit(Event::RunWarned { job: "archive", warning: "look".into() });
            tracing::debug!(target: "sqlx::query", "d");
            tracing::warn!(target: "sqlx::pool", "w");
        });
        let lines = parsed(&text);
        lines.iter().map(|line| line["level"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(events_at(Level::Error), [""; 0]);
    assert_eq!(events_at(Level::Warn), ["warn", "warn"]);
    assert_eq!(events_at(Level::Info), ["info", "warn", "warn"]);
    assert_eq!(events_at(Level::Debug), ["debug", "info", "warn", "warn"]);
    assert_eq!(events_at(Level::Trace), ["debug", "info", "warn", "debug", "warn"]);
}

#[test]
fn of_other_crates_only_the_sentence_is_kept() {
    let text = captured(JSON, Level::Trace, || {
        tracing::error!(target: "sqlx::query", statement = "canary", error = "canary", "slow");
        tracing::error!(payload = "canary", fault = %"lock timeout", password = "canary", "again");
    });
    assert!(!text.contains("canary"), "{text}");
    let lines = parsed(&text);
    assert_eq!((&lines[0]["msg"], &lines[0]["target"]), (&"slow".into(), &"sqlx::query".into()));
    // Our own modules name their fault; it is a type of ours and holds no secret.
    assert_eq!(lines[1]["msg"], "again: lock timeout");
    assert_eq!(lines[1]["event"], "library.message");
}

#[test]
fn server_notices_go_to_those_who_asked_and_not_to_the_log() {
    for level in [Level::Error, Level::Trace] {
        let mut warnings = Vec::new();
        let text = captured(JSON, level, || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let work = async { tracing::warn!(target: notices::TARGET, "skipping \"x\"") };
            warnings = runtime.block_on(notices::collect(work)).1;
        });
        assert_eq!((text.as_str(), warnings), ("", vec!["skipping \"x\"".to_owned()]));
    }
}
