//! The one line that is no log line: how far a long action is, on a terminal, rewritten in place.
//!
//! A line of the log takes it away and it comes again behind it, so that the two never mix.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Event;
use super::pretty::printable;
use crate::time::duration;

/// People read along: standard error is a terminal, and lines are for people.
static IS_WATCHED: AtomicBool = AtomicBool::new(false);
/// The line is there.
static IS_SHOWN: AtomicBool = AtomicBool::new(false);

/// To the start of the line, and erase it.
const ERASE: &str = "\r\x1b[2K";
/// Longer lines would wrap, and only the last of them would be erased. Every terminal is this wide.
const WIDTH: usize = 79;
const BAR: u64 = 12;
const NAME_MAX: usize = 24;

pub(super) fn watched() {
    IS_WATCHED.store(true, Ordering::Relaxed);
}

/// Shows how far an action is: a `batch.progress` that nobody logs.
pub fn show(progress: &Event) {
    if !IS_WATCHED.load(Ordering::Relaxed) {
        return;
    }
    if let Some(text) = text(progress) {
        IS_SHOWN.store(true, Ordering::Relaxed);
        write(&format!("{ERASE}{text}"));
    }
}

/// Takes it away, as the action has ended.
pub fn clear() {
    write(erase());
}

/// What a line of the log begins with: nothing, or what takes the line away.
pub(super) fn erase() -> &'static str {
    if IS_SHOWN.swap(false, Ordering::Relaxed) { ERASE } else { "" }
}

/// Where standard error cannot be written, nobody is left to tell.
fn write(text: &str) {
    if !text.is_empty() {
        let mut out = std::io::stderr().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// `public.ml_jobs ███░░░░░░░░░ 33 %  40000/120000 rows, 4000/s, 20s left`
fn text(progress: &Event) -> Option<String> {
    let Event::BatchProgress { object, rows, rows_total, rows_per_s, left_s, .. } = progress else {
        return None;
    };
    let name: String = printable(object).chars().take(NAME_MAX).collect();
    let done = rows_total.filter(|total| *total > 0).map(|total| {
        let percent = (rows.saturating_mul(100) / total).min(100);
        let full = percent * BAR / 100;
        let bar = |part: &str, count: u64| part.repeat(usize::try_from(count).unwrap_or(0));
        format!("{}{} {percent} %  ", bar("█", full), bar("░", BAR - full))
    });
    let total = rows_total.map_or_else(String::new, |total| format!("/{total}"));
    let left = left_s.map(|left| format!(", {} left", duration::format(Duration::from_secs(left))));
    let line = format!(
        "{name} {}{rows}{total} rows, {rows_per_s:.0}/s{}",
        done.unwrap_or_default(),
        left.unwrap_or_default()
    );
    Some(line.chars().take(WIDTH).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(object: &str, rows: u64, rows_total: Option<u64>, left_s: Option<u64>) -> String {
        let (object, batches) = (object.to_owned(), 1);
        let event =
            Event::BatchProgress { object, rows, rows_total, batches, rows_per_s: 4_000.4, left_s };
        text(&event).unwrap()
    }

    #[test]
    fn it_says_how_far_an_action_is_and_for_how_long() {
        assert_eq!(
            shown("public.ml_jobs", 40_000, Some(120_000), Some(20)),
            "public.ml_jobs ███░░░░░░░░░ 33 %  40000/120000 rows, 4000/s, 20s left"
        );
        assert_eq!(shown("public.t", 7, None, None), "public.t 7 rows, 4000/s");
        assert!(shown("public.t", 9, Some(3), None).contains("████████████ 100 %  9/3 rows"));
    }

    #[test]
    fn it_never_wraps_and_moves_no_cursor() {
        let long = shown(&"x\u{1b}[2J".repeat(30), 1 << 60, Some(1 << 61), Some(1 << 40));
        assert_eq!(long.chars().count(), WIDTH, "{long}");
        assert!(!long.contains('\u{1b}'), "{long}");
    }
}
