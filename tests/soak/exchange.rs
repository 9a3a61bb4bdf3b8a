//! What is asked of a command that exchanges the table `events` for others: when it is over, and for
//! how long it held the strongest lock, as the server's log has it.

use std::time::Duration;

use chrono::NaiveDateTime;
use pgtend::time::clock;

use crate::support::Db;

/// Far longer than it takes.
const PATIENCE: Duration = Duration::from_mins(10);

/// Waits until its run has ended.
pub async fn is_over(db: &Db) {
    let started = clock::monotonic();
    while db.rows("SELECT 1 FROM pgtend.job_run WHERE status <> 'running'").await.is_empty() {
        assert!(clock::monotonic() - started < PATIENCE, "it does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// From the end of `LOCK TABLE ONLY parent` to the end of the COMMIT after it.
pub fn held(log: &str) -> Duration {
    let at = |line: &str| {
        let stamp = line.get(..23).expect("a line of the log begins with its time");
        NaiveDateTime::parse_from_str(stamp, "%Y-%m-%d %H:%M:%S%.3f").expect("its time")
    };
    let mut locked = None;
    let mut longest = Duration::ZERO;
    for line in log.lines() {
        if line.contains("duration: ")
            && line.contains("LOCK TABLE ONLY public.events IN ACCESS EXCLUSIVE")
        {
            locked = Some(at(line));
        } else if line.contains("duration: ") && line.ends_with("statement: COMMIT") {
            if let Some(locked) = locked.take() {
                longest = longest.max((at(line) - locked).to_std().expect("later"));
            }
        } else if line.ends_with("statement: ROLLBACK") {
            locked = None;
        }
    }
    assert!(longest > Duration::ZERO, "no exchange in the log:\n{log}");
    longest
}
