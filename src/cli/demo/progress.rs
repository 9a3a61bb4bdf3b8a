//! What is going on, a line per step, on standard error: standard output is for results.
//!
//! On a terminal the line lives while its step runs; elsewhere it is written once, at the end.

use std::fmt::Display;
use std::future::Future;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::words;
use crate::time::clock;

const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME: Duration = Duration::from_millis(100);
/// How wide what is said about a step may get before the time is pushed to the right.
const WIDTH: usize = 84;
/// To the start of the line, and erase it.
const REWIND: &str = "\r\x1b[2K";

/// How a step ended.
pub struct Said {
    /// With a tick, or with a cross.
    pub good: bool,
    /// What was done.
    pub words: String,
}

impl Said {
    /// Done.
    pub fn good(words: impl Into<String>) -> Self {
        Self { good: true, words: words.into() }
    }

    /// Failed.
    pub fn bad(words: impl Into<String>) -> Self {
        Self { good: false, words: words.into() }
    }
}

/// Where steps are told.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    lively: bool,
    colored: bool,
}

impl Progress {
    /// As standard error and `NO_COLOR` want it.
    #[must_use]
    pub fn new() -> Self {
        let lively = std::io::stderr().is_terminal();
        Self { lively, colored: lively && wants_color() }
    }

    /// Runs a step. `live` says how far it is, `said` how it ended.
    pub async fn step<T>(
        self,
        title: &str,
        live: impl Fn() -> String,
        work: impl Future<Output = T>,
        said: impl FnOnce(&T) -> Said,
    ) -> T {
        let started = clock::monotonic();
        let mut work = std::pin::pin!(work);
        let mut frames = FRAMES.iter().cycle();
        let done = loop {
            if let (true, Some(frame)) = (self.lively, frames.next()) {
                write(format_args!("{REWIND}  {frame} {title}  {}  {}", elapsed(started), live()));
            }
            tokio::select! {
                biased;
                done = &mut work => break done,
                () = tokio::time::sleep(FRAME) => {}
            }
        };
        let Said { good, words } = said(&done);
        let rewind = if self.lively { REWIND } else { "" };
        let mark = words::mark(good, self.colored);
        write(format_args!("{rewind}  {mark} {words:WIDTH$} {:>7}\n", elapsed(started)));
        done
    }
}

/// A remark between steps.
pub fn remark(words: impl Display) {
    write(format_args!("  · {words}\n"));
}

/// Whether colours are wanted on a terminal, by the convention of `NO_COLOR`.
#[must_use]
pub fn wants_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn elapsed(since: Instant) -> String {
    format!("{:.1} s", clock::monotonic().saturating_duration_since(since).as_secs_f64())
}

/// A terminal that went away is no reason to stop.
fn write(text: std::fmt::Arguments<'_>) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_fmt(text).and_then(|()| out.flush());
}
