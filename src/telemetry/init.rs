//! Turning telemetry on: once, after the configuration is known.
//!
//! What goes wrong before that (usage, configuration) is told by the command line itself, as
//! text, so no logger is needed earlier.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{Registry, reload};

use super::TARGET;
use super::emit;
use super::event::Event;
use super::file::RollingFile;
use super::layer::{LogLayer, Style};
use super::live;
use crate::config::checked::{Level, Log, LogFormat};
use crate::pg::fault::{Fault, Kind};
use crate::pg::notices;

/// What can still be changed about logging. There is nothing to flush: a line is written before
/// [`emit`] returns.
pub struct Guard {
    filter: reload::Handle<Targets, Registry>,
    file: Option<Arc<Mutex<RollingFile>>>,
}

/// Sends log lines to standard error and, if configured, to the rolling file; panics become
/// `daemon.panicked`. Once per process.
///
/// # Errors
/// `Io` if the log file cannot be written.
pub fn init(log: &Log) -> Result<Guard, Fault> {
    let Style { pretty, journal, .. } = style(log.format);
    if pretty && !journal && std::io::stderr().is_terminal() {
        live::watched();
    }
    init_to(log, std::io::stderr())
}

/// The same with another place in standard error's stead: the demo leaves that to its progress.
///
/// # Errors
/// As [`init()`].
pub fn init_to(log: &Log, out: impl Write + Send + 'static) -> Result<Guard, Fault> {
    let file = match &log.file {
        Some(settings) => Some(Arc::new(Mutex::new(RollingFile::open(settings.clone())?))),
        None => None,
    };
    let (filter, handle) = reload::Layer::new(filter(log.level));
    let lines = LogLayer { style: style(log.format), out: Mutex::new(out), file: file.clone() };
    let subscriber =
        tracing_subscriber::registry().with(lines.with_filter(filter)).with(notices::layer());
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|error| Fault::new(Kind::Bug, "start logging", error.to_string()))?;
    std::panic::set_hook(Box::new(|info| emit(panicked(info))));
    Ok(Guard { filter: handle, file })
}

impl Guard {
    /// Changes the lowest level written.
    pub fn set_level(&self, level: Level) {
        // Fails only when the subscriber is gone, and then there is nothing to change.
        let _ = self.filter.reload(filter(level));
    }

    /// Opens the log file again by its name, after logrotate has moved it away.
    pub fn reopen(&self) {
        if let Some(file) = &self.file {
            file.lock().unwrap_or_else(PoisonError::into_inner).reopen();
        }
    }

    /// Lines the log file could not take since the start.
    #[must_use]
    pub fn write_errors(&self) -> u64 {
        self.file
            .as_ref()
            .map_or(0, |file| file.lock().unwrap_or_else(PoisonError::into_inner).write_errors())
    }
}

/// Our events from `level` on, other crates' warnings unless everything is asked for. Server
/// notices have their own layer.
pub(super) fn filter(level: Level) -> Targets {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let others = if level == LevelFilter::TRACE { level } else { level.min(LevelFilter::WARN) };
    Targets::new()
        .with_default(others)
        .with_target(TARGET, level)
        .with_target(notices::TARGET, LevelFilter::OFF)
}

fn style(format: LogFormat) -> Style {
    let terminal = std::io::stderr().is_terminal();
    Style {
        pretty: match format {
            LogFormat::Auto => terminal,
            LogFormat::Pretty => true,
            LogFormat::Json => false,
        },
        colored: terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        journal: is_journal(),
    }
}

/// Whether standard error is the journal's: systemd says which file that is. The variable alone
/// is not enough, children whose output goes elsewhere inherit it.
fn is_journal() -> bool {
    use std::os::unix::fs::MetadataExt;
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    std::fs::metadata("/proc/self/fd/2")
        .is_ok_and(|file| stream == *format!("{}:{}", file.dev(), file.ino()))
}

fn panicked(info: &PanicHookInfo<'_>) -> Event {
    let message = info.payload_as_str().unwrap_or("no message");
    let backtrace = Backtrace::capture();
    Event::DaemonPanicked {
        location: info.location().map(ToString::to_string).unwrap_or_default(),
        thread: std::thread::current().name().unwrap_or_default().to_owned(),
        fault: Fault::new(Kind::Bug, "run", message)
            .with_hint("this is a bug in pgtend; please report it with this line"),
        backtrace: (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string()),
    }
}
