//! Where lines come from and go to: one tracing layer that writes standard error and the file.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::TARGET;
use super::event::Event;
use super::file::RollingFile;
use super::format;
use super::live;
use super::pretty;
use super::run::SPAN;
use crate::time::clock;

/// How lines on standard error look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// For people; otherwise JSON.
    pub pretty: bool,
    /// With colours (pretty only).
    pub colored: bool,
    /// Into the journal: it wants the priority as `<3>` … `<7>`, takes it off again, and keeps
    /// the time itself.
    pub journal: bool,
}

/// Writes each event to `out` in its style, and as JSON to the file.
///
/// Each line is one blocking write: 66 µs with the file, measured in a debug build. At our rate, a
/// few lines a minute and a capped number per poll, a thread and a queue in between would save
/// nothing, and measured they lose lines: a queue drops them when full, or gives up a second after
/// the end.
pub(super) struct LogLayer<W> {
    pub style: Style,
    pub out: Mutex<W>,
    pub file: Option<Arc<Mutex<RollingFile>>>,
}

/// What [`super::run_span`] hangs on its span.
#[derive(Clone)]
struct RunContext(Map<String, Value>);

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Write + Send + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        if metadata.target() != TARGET || metadata.name() != SPAN {
            return;
        }
        let mut found = Found::default();
        attributes.record(&mut found);
        if let (Some(span), Some(fields)) = (context.span(id), found.payload()) {
            span.extensions_mut().replace(RunContext(fields));
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut found = Found::default();
        event.record(&mut found);
        let fields = found.payload().filter(|_| metadata.target() == TARGET).unwrap_or_else(|| {
            Event::LibraryMessage {
                target: metadata.target().to_owned(),
                level: *metadata.level(),
                message: found.sentence(metadata.target()),
            }
            .fields()
        });
        let run = context
            .event_scope(event)
            .and_then(|mut spans| spans.find_map(|s| s.extensions().get::<RunContext>().cloned()));
        self.write(*metadata.level(), run.map(|run| run.0).unwrap_or_default(), fields);
    }
}

impl<W: Write> LogLayer<W> {
    fn write(&self, level: Level, run: Map<String, Value>, fields: Map<String, Value>) {
        let line = format::assemble(now(), level, run, fields);
        self.write_out(level, &line);
        let Some(file) = &self.file else { return };
        let change =
            file.lock().unwrap_or_else(PoisonError::into_inner).append(&format::json(line));
        // Not through tracing: the file would be asked to log that it cannot.
        if let Some(event) = change {
            let line = format::assemble(now(), event.level(), Map::new(), event.fields());
            self.write_out(event.level(), &line);
        }
    }

    /// Where standard error itself cannot be written, nobody is left to tell.
    fn write_out(&self, level: Level, line: &Map<String, Value>) {
        let text = match self.style {
            Style { pretty: true, colored, journal } => {
                pretty::line(line, level, colored, !journal)
            }
            Style { pretty: false, .. } => format::json(line.clone()),
        };
        let text = if self.style.journal { format!("<{}>{text}", priority(level)) } else { text };
        let text = format!("{}{text}", live::erase());
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// The moment of writing. It orders lines and decides nothing, so it needs no injected clock.
fn now() -> String {
    clock::wall().to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// syslog's word for a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// The fields of a tracing event or span we read.
#[derive(Default)]
struct Found {
    payload: Option<String>,
    message: String,
    /// The field `error` or `fault`.
    error: Option<String>,
}

impl Found {
    /// The message; with the error only where our own modules put it, for theirs hold no secrets.
    fn sentence(self, target: &str) -> String {
        match self.error.filter(|_| target.starts_with("pgtend::")) {
            Some(error) => format!("{}: {error}", self.message),
            None => self.message,
        }
    }

    fn payload(&self) -> Option<Map<String, Value>> {
        serde_json::from_str(self.payload.as_deref()?).ok()
    }
}

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "payload" => self.payload = Some(value.to_owned()),
            "message" => value.clone_into(&mut self.message),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "error" | "fault" => self.error = Some(format!("{value:?}")),
            _ => {}
        }
    }
}
