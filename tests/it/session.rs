//! The one door for writes.

use std::time::Duration;

use pgtend::job::JobName;
use pgtend::pg::fault::Kind;
use pgtend::pg::step::{LockWait, Mode, Statement, Step};

use crate::support::{InProcess, on_every_major, wait_until};

fn config(statement_timeout: &str) -> String {
    format!(
        "statement_timeout = \"{statement_timeout}\"\nlock_timeout = \"100ms\"\n\
         [analyze]\nschedule = \"* * * * *\""
    )
}

fn sleep(seconds: u32) -> Step {
    Step {
        doing: "sleep on",
        object: "public.t".to_owned(),
        mode: Mode::Transaction,
        lock: LockWait::patient(Duration::from_millis(100)),
        statements: vec![Statement::new(format!("SELECT pg_sleep({seconds})"))],
    }
}

/// Both are SQLSTATE 57014: one concerns a table, the other ends the run.
#[test]
fn a_statement_that_took_too_long_is_told_from_one_that_was_cancelled() {
    on_every_major(|db| async move {
        let hasty = InProcess::new(&db, &config("200ms")).await;
        let mut door = hasty.door(JobName::Analyze).await;
        let fault = door.run(&sleep(30)).await.expect_err("it takes too long");
        assert_eq!((fault.kind, fault.kind.ends_run()), (Kind::TimedOut, false), "{fault}");

        let calm = InProcess::new(&db, &config("10m")).await;
        let mut door = calm.door(JobName::Archive).await;
        let cancelled = tokio::spawn(async move { door.run(&sleep(30)).await });
        let sleeping = "SELECT coalesce((SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                        WHERE query LIKE 'SELECT pg_sleep%' AND datname = current_database()), false)";
        wait_until("it sleeps", || async { db.value(sleeping).await == "t" }).await;
        let fault = cancelled.await.unwrap().expect_err("it was cancelled");
        assert_eq!((fault.kind, fault.kind.ends_run()), (Kind::Cancelled, true), "{fault}");
    });
}
