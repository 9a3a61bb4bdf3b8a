//! Lines for people.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use tracing::Level;

/// Fields worth seeing beside the message, which already says the rest.
const SHOWN: [&str; 11] = [
    "run_id",
    "config_file",
    "batches",
    "wal_bytes",
    "baseline_mean_ms",
    "share_pct",
    "hit_pct",
    "temp_bytes",
    "plan",
    "problems",
    "target",
];

/// `12:03:04.123Z INFO  archive       archive succeeded after 1.2 s: …  run_id=12`, with its
/// newline. The time is left out where `timed` says that someone else writes it.
pub(super) fn line(line: &Map<String, Value>, level: Level, colored: bool, timed: bool) -> String {
    let text = |key| line.get(key).and_then(Value::as_str).unwrap_or_default();
    let paint = |color: &str, text: &str| {
        if colored { format!("\x1b[{color}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let mut out = String::new();
    if timed {
        let time = text("ts").get(11..23).unwrap_or_default();
        let _ = write!(out, "{} ", paint(DIM, &format!("{time}Z")));
    }
    let job = if text("job").is_empty() { "pgtend" } else { text("job") };
    let _ = write!(
        out,
        "{} {} {}",
        paint(color(level), &format!("{level:<5}")),
        paint(DIM, &format!("{job:<12}")),
        printable(text("msg"))
    );
    for key in SHOWN {
        let Some(value) = line.get(key) else { continue };
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = write!(out, " {}", paint(DIM, &format!(" {key}={}", printable(&value))));
    }
    out.push('\n');
    // The one field that is no line: here as its own lines, or nobody can read it.
    for frame in text("backtrace").lines() {
        let _ = writeln!(out, "    {}", printable(frame));
    }
    out
}

const DIM: &str = "2";

fn color(level: Level) -> &'static str {
    match level {
        Level::ERROR => "1;31",
        Level::WARN => "33",
        Level::INFO => "32",
        Level::DEBUG => "34",
        Level::TRACE => "35",
    }
}

/// Escapes control characters: a table's name must not move the cursor or begin a second line.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}
