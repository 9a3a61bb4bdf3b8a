use std::io::Write;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tracing_subscriber::layer::{Layer, SubscriberExt};

use super::layer::{LogLayer, Style};
use super::*;
use crate::config::checked::Level;

/// What standard error would have got.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const JSON: Style = Style { pretty: false, colored: false, journal: false };

/// The text written while `work` ran.
fn captured(style: Style, level: Level, work: impl FnOnce()) -> String {
    let out = Captured::default();
    let layer = LogLayer { style, out: Mutex::new(out.clone()), file: None };
    let subscriber = tracing_subscriber::registry()
        .with(layer.with_filter(init::filter(level)))
        .with(crate::pg::notices::layer());
    tracing::subscriber::with_default(subscriber, work);
    String::from_utf8(out.0.lock().unwrap().clone()).unwrap()
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn run_fields() -> RunFields {
    RunFields {
        job: "archive",
        run_id: i64::MAX,
        slot: instant("2025-01-01T02:30:00Z"),
        trigger: "schedule",
        attempt: 1,
        database: "app".into(),
        address: "db.internal".into(),
    }
}

#[test]
fn lines_in_a_run_carry_its_context_at_any_level() {
    let text = captured(JSON, Level::Error, || {
        run_span(&run_fields()).in_scope(|| {
            tracing::error_span!("inner").in_scope(|| {
                emit(Event::JobPaused { job: "archive", by: None });
                tracing::error!(target: "sqlx::pool", password = "canary", "pool is tired");
            });
        });
    });
    let line: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(line["run_id"], i64::MAX.to_string());
    assert_eq!(line["event"], "library.message");
    assert_eq!(line["msg"], "pool is tired");
    assert!(!text.contains("canary"), "{text}");
}
