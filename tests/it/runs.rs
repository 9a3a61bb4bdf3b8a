//! One claimed run: tried again, timed out, stopped, cut off, and always told and recorded once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pgtend::config::checked::Schedule;
use pgtend::job::{Action, Applied, Context, Job, JobName, Outcome, Plan, Verdict};
use pgtend::pg::fault::{Fault, Kind};
use pgtend::pg::session::Reader;
use pgtend::scheduler::supervise::Pace;
use pgtend::time::clock;

use crate::door::{TABLE, pid, sleeps};
use crate::support::{
    Db, InProcess, Proxy, Steps, Told, hourly, on_every_major, run, step, tries, wait_until,
};

const QUICK: Pace =
    Pace { renew: Duration::from_millis(100), kill_step: Duration::from_millis(300) };
const SLEEP: &str = "SELECT pg_sleep(600)";
/// Goes on when it is cancelled.
const STUBBORN: &str = "
CREATE FUNCTION stubborn() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END;
    END LOOP;
END $$";

/// What history holds of the only run.
async fn recorded(db: &Db) -> Vec<String> {
    let sql = "SELECT status, coalesce(sqlstate, '-'), actions_done, actions_failed \
               FROM pgtend.job_run";
    let mut rows = db.rows(sql).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.swap_remove(0).into_iter().flatten().collect()
}

/// One start, one end, and these.
fn assert_told(told: &Told, outcome: &str) {
    assert_eq!(told.named("run.started").len(), 1);
    let finished = told.named("run.finished");
    assert_eq!(finished.len(), 1, "{finished:?}");
    assert_eq!(finished[0]["outcome"], outcome, "{finished:?}");
}

async fn nothing_is_left(db: &Db) {
    let ours = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
                AND application_name = 'pgtend/archive' AND state <> 'idle'";
    wait_until("nothing of ours is left", || async { db.rows(ours).await.is_empty() }).await;
}

fn quick_to_give_up() -> Steps {
    let mut step = step(&["UPDATE public.t SET v = 0"]);
    step.lock = tries(&[20]);
    Steps { steps: vec![step], ..Steps::default() }
}

fn sleeping(statement: &str) -> Steps {
    Steps { steps: vec![step(&[statement])], ..Steps::default() }
}

#[test]
fn a_temporary_fault_is_tried_again() {
    on_every_major(|db| async move {
        db.execute(TABLE).await;
        let app = InProcess::new(&db, "").await;
        let mut holder = db.connect().await;
        run(&mut holder, "BEGIN; LOCK TABLE t").await;
        let told = Told::default();
        let schedule = Schedule { max_attempts: 3, ..hourly() };
        let freed = async {
            let retried = || async { !told.named("run.retried").is_empty() };
            wait_until("it will try again", retried).await;
            run(&mut holder, "COMMIT").await;
        };
        let (outcome, ()) = tokio::join!(told.during(app.run(quick_to_give_up(), schedule)), freed);
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:?}");
        assert_told(&told, "succeeded");
        let retried = told.named("run.retried");
        assert_eq!(retried.len(), 1);
        assert_eq!(
            (&retried[0]["next_attempt"], &retried[0]["max_attempts"]),
            (&2.into(), &3.into())
        );
        assert_eq!(retried[0]["db.response.status_code"], "55P03");
        assert_eq!(recorded(&db).await, ["succeeded", "-", "1", "0"]);
    });
}

#[test]
fn a_stop_ends_the_pause_between_attempts() {
    on_every_major(|db| async move {
        db.execute(TABLE).await;
        let app = InProcess::new(&db, "").await;
        let mut holder = db.connect().await;
        run(&mut holder, "BEGIN; LOCK TABLE t").await;
        let told = Told::default();
        let schedule = Schedule { max_attempts: 3, ..hourly() };
        let stopped = async {
            let retried = || async { !told.named("run.retried").is_empty() };
            wait_until("it will try again", retried).await;
            app.stop().soft.cancel();
        };
        let mark = db.log_mark();
        let (outcome, ()) =
            tokio::join!(told.during(app.run(quick_to_give_up(), schedule)), stopped);
        assert_eq!(outcome.verdict, Verdict::Cancelled, "{outcome:?}");
        assert_told(&told, "cancelled");
        let tries = db.server_log_since(mark).matches("lock timeout").count();
        assert_eq!(tries, 1, "no further attempt was made");
        assert_eq!(recorded(&db).await, ["cancelled", "55P03", "0", "1"]);
    });
}

#[test]
fn what_will_not_pass_is_not_tried_again() {
    on_every_major(|db| async move {
        let app = InProcess::new(&db, "").await;
        let told = Told::default();
        let schedule = Schedule { max_attempts: 3, ..hourly() };
        let job = sleeping("SELECT 1/0");
        let outcome = told.during(app.run(job, schedule)).await;
        assert_eq!(outcome.verdict, Verdict::Failed);
        assert!(told.named("run.retried").is_empty());
        assert_eq!(recorded(&db).await, ["failed", "22012", "0", "1"]);
    });
}

#[test]
fn a_run_past_its_timeout_is_cancelled_on_the_server() {
    on_every_major(|db| async move {
        let app = InProcess::new(&db, "").await;
        let schedule = Schedule { timeout: Duration::from_millis(300), ..hourly() };
        let told = Told::default();
        let outcome = told.during(app.run(sleeping(SLEEP), schedule)).await;
        assert_eq!(outcome.verdict, Verdict::TimedOut);
        assert_eq!(outcome.error.as_ref().map(|fault| fault.kind), Some(Kind::TimedOut));
        nothing_is_left(&db).await;
        assert_told(&told, "timed_out");
        assert_eq!(recorded(&db).await, ["timed_out", "-", "0", "1"]);
    });
}

#[test]
fn what_ignores_a_cancel_is_terminated() {
    on_every_major(|db| async move {
        db.execute(STUBBORN).await;
        let app = InProcess::new(&db, "").await.paced(QUICK);
        let schedule = Schedule { timeout: Duration::from_millis(300), ..hourly() };
        let outcome = app.run(sleeping("SELECT public.stubborn()"), schedule).await;
        assert_eq!(outcome.verdict, Verdict::TimedOut, "{outcome:?}");
        nothing_is_left(&db).await;
        assert_eq!(recorded(&db).await[0], "timed_out");
        // The job can run again.
        assert_eq!(app.run(Steps::default(), hourly()).await.verdict, Verdict::Succeeded);
    });
}

#[test]
fn a_hard_stop_cancels_on_the_server() {
    on_every_major(|db| async move {
        let app = InProcess::new(&db, "").await;
        let stopped = async {
            wait_until("it sleeps", || sleeps(&db)).await;
            assert!(!app.stop().escalate());
            assert!(app.stop().escalate());
        };
        let (outcome, ()) = tokio::join!(app.run(sleeping(SLEEP), hourly()), stopped);
        assert_eq!(outcome.verdict, Verdict::Cancelled);
        nothing_is_left(&db).await;
        assert_eq!(recorded(&db).await[0], "cancelled");
    });
}

#[test]
fn an_administrators_cancel_is_a_failure() {
    on_every_major(|db| async move {
        let app = InProcess::new(&db, "").await;
        let cancelled = async {
            wait_until("it sleeps", || sleeps(&db)).await;
            let ours = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                        WHERE datname = current_database() AND wait_event = 'PgSleep'";
            db.execute(ours).await;
        };
        let (outcome, ()) = tokio::join!(app.run(sleeping(SLEEP), hourly()), cancelled);
        assert_eq!(outcome.verdict, Verdict::Failed);
        assert_eq!(recorded(&db).await, ["failed", "57014", "0", "1"]);
    });
}

/// Runs a job that sleeps, does this to it in its sleep, and returns its outcome.
async fn disturbed(db: &Db, app: &InProcess, told: &Told, sql: &str) -> Outcome {
    let disturbing = async {
        wait_until("it sleeps", || sleeps(db)).await;
        db.execute(sql).await;
    };
    tokio::join!(told.during(app.run(sleeping(SLEEP), hourly())), disturbing).0
}

#[test]
fn a_run_that_was_taken_over_stops() {
    on_every_major(|db| async move {
        let app = InProcess::new(&db, "").await.paced(QUICK);
        let told = Told::default();
        let thief = "UPDATE pgtend.job_run SET attempt = 2, holder = 'thief'";
        let outcome = disturbed(&db, &app, &told, thief).await;
        assert_eq!(outcome.verdict, Verdict::Abandoned);
        assert_eq!(outcome.error.map(|fault| fault.kind), Some(Kind::LeaseLost));
        nothing_is_left(&db).await;
        assert_eq!(told.named("lease.lost").len(), 1);
        assert_told(&told, "abandoned");
        // The row is the thief's.
        assert_eq!(recorded(&db).await[0], "running");
    });
}

#[test]
fn a_run_that_cannot_renew_stops_before_another_may_begin() {
    on_every_major(|db| async move {
        let app = InProcess::new(&db, "").await;
        let mut claim = app.won(JobName::Archive).await;
        claim.trust_until = clock::monotonic() + Duration::from_millis(300);
        let told = Told::default();
        let outcome = told.during(app.execute(sleeping(SLEEP), hourly(), &claim)).await;
        assert_eq!(outcome.verdict, Verdict::Abandoned);
        nothing_is_left(&db).await;
        assert_eq!(told.named("lease.lost").len(), 1);
    });
}

#[test]
fn a_lease_is_renewed_while_the_job_runs() {
    on_every_major(|db| async move {
        let app = InProcess::new(&db, "").await.paced(QUICK);
        let lease = "SELECT lease_until FROM pgtend.job_run";
        let watched = async {
            wait_until("it sleeps", || sleeps(&db)).await;
            let first = db.value(lease).await;
            wait_until("it is renewed", || async { db.value(lease).await > first }).await;
            app.stop().hard.cancel();
        };
        tokio::join!(app.run(sleeping(SLEEP), hourly()), watched);
    });
}

#[test]
fn a_swallowed_connection_is_given_up_and_the_next_run_has_another() {
    on_every_major(|db| async move {
        let network = Proxy::to(&db).await;
        let app = InProcess::without_schema(network.url(), "").await.paced(QUICK);
        pgtend::pg::schema::ensure(app.server()).await.unwrap();
        let lost = async {
            wait_until("it sleeps", || sleeps(&db)).await;
            network.swallow();
            // The server notices by its keep-alive; the test is in more of a hurry.
            let ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                        WHERE datname = current_database() AND application_name LIKE 'pgtend%'";
            db.execute(ours).await;
        };
        let (outcome, ()) = tokio::join!(app.run(sleeping(SLEEP), hourly()), lost);
        assert_eq!(outcome.verdict, Verdict::Failed);
        assert_eq!(outcome.error.map(|fault| fault.kind), Some(Kind::Unreachable));
        assert_eq!(recorded(&db).await[0], "failed");
        assert_eq!(app.run(Steps::default(), hourly()).await.verdict, Verdict::Succeeded);
    });
}

#[test]
fn a_terminated_connection_is_tried_again_on_a_new_one() {
    on_every_major(|db| async move {
        db.execute(TABLE).await;
        let app = InProcess::new(&db, "").await;
        let mut gate = db.connect().await;
        run(&mut gate, "SELECT pg_advisory_lock(7)").await;
        let gate_pid = pid(&mut gate).await;
        let job = Steps {
            steps: vec![step(&[
                "SELECT pg_advisory_xact_lock(7)",
                "UPDATE public.t SET v = v + 1",
            ])],
            ..Steps::default()
        };
        let schedule = Schedule { max_attempts: 2, ..hourly() };
        let terminated = async {
            let waiting = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE {gate_pid} = ANY(pg_blocking_pids(pid))"
            );
            wait_until("it waits", || async { !db.rows(&waiting).await.is_empty() }).await;
            run(&mut gate, "SELECT pg_advisory_unlock(7)").await;
        };
        let (outcome, ()) = tokio::join!(app.run(job, schedule), terminated);
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:?}");
        assert_eq!(db.column("SELECT v FROM t ORDER BY id").await, ["11", "21"]);
    });
}

/// A job with a bug.
struct Panics;

enum Nothing {}

impl Action for Nothing {
    fn kind(&self) -> &'static str {
        "nothing"
    }
    fn object(&self) -> String {
        String::new()
    }
    fn reason(&self) -> String {
        String::new()
    }
    fn sql(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Job for Panics {
    type Seen = ();
    type Action = Nothing;

    fn name(&self) -> JobName {
        JobName::Archive
    }
    async fn observe(&self, _: &mut Reader<'_>) -> Result<(), Fault> {
        Ok(())
    }
    fn plan(&self, (): &(), _: DateTime<Utc>) -> Plan<Nothing> {
        panic!("a bug, as the test wants it");
    }
    async fn apply(&self, _: &mut Context<'_>, action: &Nothing) -> Result<Applied, Fault> {
        match *action {}
    }
}

#[test]
fn a_panic_fails_its_run_and_nothing_else() {
    on_every_major(|db| async move {
        let app = InProcess::new(&db, "").await;
        let told = Told::default();
        let outcome = told.during(app.run(Panics, hourly())).await;
        assert_eq!(outcome.verdict, Verdict::Failed);
        assert_eq!(outcome.error.map(|fault| fault.kind.exit_code()), Some(70));
        assert_told(&told, "failed");
        assert_eq!(recorded(&db).await[0], "failed");
        assert_eq!(app.run(Steps::default(), hourly()).await.verdict, Verdict::Succeeded);
    });
}
