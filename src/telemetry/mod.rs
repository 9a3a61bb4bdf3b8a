//! Telemetry: one event, one line.
//!
//! What may be logged is the closed list [`Event`]; [`emit`] is the only way to log it. Inside a
//! [`run_span`] every line also carries the run's context. How a line looks is decided in
//! `format`, where it goes in `layer` and `file`, and `docs/log.schema.json` holds every line.
mod event;
#[cfg(test)]
mod examples;
mod fields;
mod file;
mod format;
mod init;
mod layer;
mod level;
mod live;
mod msg;
mod pretty;
mod run;
mod slow_query;
#[cfg(test)]
mod tests;

pub use event::Event;
pub use fields::JobState;
pub use init::{Guard, init, init_to};
pub use live::{clear, show};
pub use run::{RunFields, RunFinished, run_span};
pub use slow_query::{Coverage, CoverageGap, SlowQuery, SlowReason};

use std::sync::OnceLock;

/// The target of our own events and spans; everything else is `library.message`.
const TARGET: &str = "pgtend";

/// This process, as its lines name it: 16 hexadecimal digits, random at each start.
#[must_use]
pub fn instance() -> &'static str {
    static INSTANCE: OnceLock<String> = OnceLock::new();
    INSTANCE.get_or_init(|| format!("{:016x}", fastrand::u64(..)))
}

/// Writes one line. Cheap when the level is off: the fields are not even put together.
///
/// Blocks until the line is written, so nothing is lost however the process ends. Without
/// [`init()`] it does nothing.
#[expect(clippy::needless_pass_by_value, reason = "an event that was told is used up")]
pub fn emit(event: Event) {
    // The level of a tracing event is part of its call site, hence five of them.
    match event.level() {
        tracing::Level::ERROR => tracing::error!(target: TARGET, payload = event.payload()),
        tracing::Level::WARN => tracing::warn!(target: TARGET, payload = event.payload()),
        tracing::Level::INFO => tracing::info!(target: TARGET, payload = event.payload()),
        tracing::Level::DEBUG => tracing::debug!(target: TARGET, payload = event.payload()),
        tracing::Level::TRACE => tracing::trace!(target: TARGET, payload = event.payload()),
    }
}
