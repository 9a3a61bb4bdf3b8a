//! How far a move is, on a terminal: one line, rewritten in place.

use super::config_for;
use super::time_limits::{ROWS, backlog};
use crate::support::{on_every_major, pgtend};

/// To the start of the line, and erase it.
const ERASE: &str = "\r\x1b[2K";

/// The rows of `public.jobs █░░░░░░░░░░░ 9 %  8100/90000 rows, 5400/s, 16s left`.
fn rows(shown: &str) -> u64 {
    let total = format!("/{ROWS} rows, ");
    let is_bar = shown.starts_with("public.jobs ") && shown.contains(['█', '░']);
    let (before, rate) = shown.split_once(&total).expect(shown);
    assert!(is_bar && rate.contains("/s"), "{shown}");
    before.rsplit(' ').next().unwrap().parse().expect(shown)
}

#[test]
fn a_terminal_shows_how_far_a_move_is_and_is_left_as_it_was() {
    on_every_major(|db| async move {
        backlog(&db).await;
        let config = config_for("jobs", "created_at", "max_duration = '1500ms'");
        let program = pgtend(&db, &config).env("NO_COLOR", "1");
        let (code, sent) = program.run_on_terminal(&["once", "archive"]).await;
        assert_eq!(code, Some(0), "{sent}");
        let (mut shown, mut left) = (Vec::new(), Vec::new());
        for line in sent.split("\r\n") {
            let mut parts: Vec<_> = line.split(ERASE).collect();
            left.extend(parts.pop());
            assert_eq!(*parts.first().unwrap_or(&""), "", "it mixes with what stays: {sent:?}");
            shown.extend(parts.into_iter().filter(|part| !part.is_empty()));
        }
        let rows: Vec<u64> = shown.into_iter().map(rows).collect();
        assert!(rows.len() >= 2 && rows.is_sorted() && rows[0] < rows[rows.len() - 1], "{sent:?}");
        assert!(left.iter().any(|line| line.contains("the next run goes on")), "{left:#?}");
        let is_bar = |line: &&&str| line.contains(['█', '░', '\u{1b}']);
        assert_eq!(left.iter().find(is_bar), None);
    });
}
