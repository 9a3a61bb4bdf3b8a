//! The one door for writes: what it waits for, what it refuses, and what it leaves behind.

use std::time::Duration;

use pgtend::job::{JobName, Verdict};
use pgtend::pg::fault::{Fault, Kind};
use pgtend::pg::session::Session;
use pgtend::pg::step::{Expect, Mode, Statement, Step};
use pgtend::time::clock;
use sqlx::{Executor, PgConnection, Row};

use crate::support::{
    Db, InProcess, Steps, Told, hourly, on_every_major, run, step, tries, wait_until,
};

pub const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL); \
                     INSERT INTO t VALUES (1, 10), (2, 20)";

/// pgtend on a database with a table, and a session under a claim.
pub async fn claimed(db: &Db, config: &str) -> (InProcess, Session) {
    db.execute(TABLE).await;
    let app = InProcess::new(db, config).await;
    let session = app.door(JobName::Archive).await;
    (app, session)
}

pub async fn pid(conn: &mut PgConnection) -> i32 {
    conn.fetch_one("SELECT pg_backend_pid()").await.unwrap().get(0)
}

/// The table as it was made.
pub async fn assert_untouched(db: &Db) {
    assert_eq!(db.column("SELECT id || ':' || v FROM t ORDER BY id").await, ["1:10", "2:20"]);
}

async fn blocked_by(db: &Db, pid: i32) -> bool {
    let sql = format!("SELECT 1 FROM pg_stat_activity WHERE {pid} = ANY(pg_blocking_pids(pid))");
    !db.rows(&sql).await.is_empty()
}

pub async fn sleeps(db: &Db) -> bool {
    let sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
               AND state = 'active' AND wait_event = 'PgSleep'";
    !db.rows(sql).await.is_empty()
}

pub fn refused(result: Result<Vec<pgtend::pg::session::Done>, Fault>) -> Fault {
    result.map(|done| panic!("not refused: {done:?}")).unwrap_err()
}

#[test]
fn a_lock_not_had_names_who_has_it() {
    on_every_major(|db| async move {
        let (_app, mut session) = claimed(&db, "").await;
        let mut holder = db.connect().await;
        run(&mut holder, "SET application_name = 'import'; BEGIN; LOCK TABLE t").await;
        let holder_pid = pid(&mut holder).await;

        let mut step = step(&["UPDATE public.t SET v = 0"]);
        step.lock = tries(&[150, 150, 150]);
        let started = clock::monotonic();
        let fault = refused(session.run(&step).await);
        let took = clock::monotonic() - started;

        assert_eq!((fault.kind, fault.sqlstate.as_deref()), (Kind::LockNotHad, Some("55P03")));
        let blocker = &fault.blockers[0];
        assert_eq!((blocker.pid, blocker.application.as_str()), (holder_pid, "import"));
        assert_eq!(blocker.state, "idle in transaction");
        assert!((0..60).contains(&blocker.age_s), "{blocker}");
        assert!((Duration::from_millis(450)..Duration::from_secs(10)).contains(&took), "{took:?}");
        let words = format!("blocked by pid {holder_pid} (\"import\" as postgres");
        assert!(fault.to_string().contains(&words), "{fault}");

        run(&mut holder, "COMMIT").await;
        assert_untouched(&db).await;
        session.run(&step).await.unwrap();
        assert_eq!(db.column("SELECT DISTINCT v FROM t").await, ["0"]);
    });
}

#[test]
fn a_blocker_that_leaves_is_waited_for_and_told() {
    on_every_major(|db| async move {
        let (_app, mut session) = claimed(&db, "").await;
        let mut holder = db.connect().await;
        run(&mut holder, "BEGIN; LOCK TABLE t").await;
        let holder_pid = pid(&mut holder).await;
        let mark = db.log_mark();

        let mut step = step(&["UPDATE public.t SET v = 0 WHERE id = 1"]);
        step.lock = tries(&[100; 300]);
        let told = Told::default();
        let freed = async {
            let gave_up = || async { db.server_log_since(mark).contains("lock timeout") };
            wait_until("the first try is over", gave_up).await;
            run(&mut holder, "COMMIT").await;
        };
        let (done, ()) = tokio::join!(told.during(session.run(&step)), freed);
        assert_eq!(done.unwrap()[0].rows, 1);
        let waited = told.named("lock.waited");
        assert_eq!(waited.len(), 1, "{waited:?}");
        assert_eq!(waited[0]["object"], "public.t");
        assert_eq!(waited[0]["blockers"][0]["pid"], holder_pid);
        assert!(waited[0]["tries"].as_u64().unwrap() >= 2, "{waited:?}");
        assert!(waited[0]["lock_wait_ms"].as_u64().unwrap() >= 100, "{waited:?}");
    });
}

#[test]
fn a_stop_ends_the_wait_between_tries() {
    on_every_major(|db| async move {
        let (app, mut session) = claimed(&db, "").await;
        let mut holder = db.connect().await;
        run(&mut holder, "BEGIN; LOCK TABLE t").await;
        app.stop().soft.cancel();
        let mut step = step(&["UPDATE public.t SET v = 0"]);
        step.lock = tries(&[50; 1000]);
        // The first try is made: it is the batch in hand.
        assert_eq!(refused(session.run(&step).await).kind, Kind::LockNotHad);
    });
}

#[test]
fn an_edit_meanwhile_is_tried_again() {
    on_every_major(|db| async move {
        let (_app, mut session) = claimed(&db, "").await;
        let mut other = db.connect().await;
        run(&mut other, "SELECT pg_advisory_lock(1)").await;
        let other_pid = pid(&mut other).await;

        let mut step = step(&[
            "SELECT pg_advisory_xact_lock(1)",
            "UPDATE public.t SET v = v + 1 WHERE id = 1",
        ]);
        step.mode = Mode::RepeatableRead;
        step.lock = tries(&[10_000; 3]);
        let edited = async {
            wait_until("the step has its snapshot", || blocked_by(&db, other_pid)).await;
            run(&mut other, "UPDATE t SET v = v + 100 WHERE id = 1").await;
            run(&mut other, "SELECT pg_advisory_unlock(1)").await;
        };
        let (done, ()) = tokio::join!(session.run(&step), edited);
        done.unwrap();
        assert_eq!(db.value("SELECT v FROM t WHERE id = 1").await, "111");
        // Without a second try it is a conflict, and nothing is lost.
        run(&mut other, "SELECT pg_advisory_lock(1)").await;
        step.lock = tries(&[10_000]);
        let edited = async {
            wait_until("the step has its snapshot", || blocked_by(&db, other_pid)).await;
            run(&mut other, "UPDATE t SET v = v + 100 WHERE id = 1").await;
            run(&mut other, "SELECT pg_advisory_unlock(1)").await;
        };
        let (done, ()) = tokio::join!(session.run(&step), edited);
        let fault = refused(done);
        assert_eq!((fault.kind, fault.sqlstate.as_deref()), (Kind::Conflict, Some("40001")));
        assert_eq!(db.value("SELECT v FROM t WHERE id = 1").await, "211");
    });
}

#[test]
fn a_deadlock_is_tried_again() {
    on_every_major(|db| async move {
        // We look for a deadlock before the other does, so we are its victim.
        let name = db.name();
        db.execute(&format!(r#"ALTER DATABASE "{name}" SET deadlock_timeout = '100ms'"#)).await;
        let (_app, mut session) = claimed(&db, "").await;
        let mut other = db.connect().await;
        run(&mut other, "SET deadlock_timeout = '1h'; BEGIN; UPDATE t SET v = 0 WHERE id = 2")
            .await;
        let other_pid = pid(&mut other).await;
        let mark = db.log_mark();

        let mut step = step(&[
            "UPDATE public.t SET v = 5 WHERE id = 1",
            "UPDATE public.t SET v = 5 WHERE id = 2",
        ]);
        step.lock = tries(&[10_000; 3]);
        let crossing = async {
            wait_until("the step waits", || blocked_by(&db, other_pid)).await;
            run(&mut other, "UPDATE t SET v = 0 WHERE id = 1; COMMIT").await;
        };
        let (done, ()) = tokio::join!(session.run(&step), crossing);
        done.unwrap();
        assert!(db.server_log_since(mark).contains("deadlock detected"));
        assert_eq!(db.column("SELECT DISTINCT v FROM t").await, ["5"]);
    });
}

#[test]
fn a_time_out_is_no_cancel() {
    on_every_major(|db| async move {
        let config = "statement_timeout = \"400ms\"\nlock_timeout = \"100ms\"\n";
        let (_app, mut session) = claimed(&db, config).await;
        let fault = refused(session.run(&step(&["SELECT pg_sleep(60)"])).await);
        assert_eq!((fault.kind, fault.sqlstate.as_deref()), (Kind::TimedOut, Some("57014")));
        assert!(fault.to_string().ends_with("database.statement_timeout is 0.4 s"), "{fault}");
        // The session is as good as before.
        session.run(&step(&["UPDATE public.t SET v = 0"])).await.unwrap();
    });
}

#[test]
fn a_cancel_is_no_time_out() {
    on_every_major(|db| async move {
        let (_app, mut session) = claimed(&db, "").await;
        let pid = pid(session.reader().conn).await;
        let cancelled = async {
            wait_until("the step sleeps", || sleeps(&db)).await;
            db.execute(&format!("SELECT pg_cancel_backend({pid})")).await;
        };
        let step_ = step(&["UPDATE public.t SET v = 0", "SELECT pg_sleep(60)"]);
        let (done, ()) = tokio::join!(session.run(&step_), cancelled);
        let fault = refused(done);
        assert_eq!((fault.kind, fault.sqlstate.as_deref()), (Kind::Cancelled, Some("57014")));
        assert_untouched(&db).await;
        session.run(&step(&["UPDATE public.t SET v = 0"])).await.unwrap();
    });
}

#[test]
fn a_look_that_takes_too_long_has_timed_out() {
    on_every_major(|db| async move {
        let config = "statement_timeout = \"400ms\"\nlock_timeout = \"100ms\"\n";
        let app = InProcess::new(&db, config).await;
        let job = Steps { read: Some("SELECT pg_sleep(60)".to_owned()), ..Steps::default() };
        let outcome = app.run(job, hourly()).await;
        assert_eq!(outcome.verdict, Verdict::TimedOut);
        assert_eq!(outcome.error.unwrap().kind, Kind::TimedOut);
        assert_eq!(db.value("SELECT status FROM pgtend.job_run").await, "timed_out");
    });
}

#[test]
fn an_expectation_that_fails_undoes_the_step() {
    on_every_major(|db| async move {
        let (_app, mut session) = claimed(&db, "").await;
        let expecting = |sql: &str, expect| Step {
            statements: vec![
                Statement::new("UPDATE public.t SET v = 0 WHERE id = 1"),
                Statement::new(sql).expect(expect),
            ],
            ..step(&[])
        };
        for broken in [
            expecting("UPDATE public.t SET v = 0", Expect::RowsOf(0, "rows were added")),
            expecting("SELECT count(*) = 0 FROM public.t", Expect::True("the table is not empty")),
            expecting("SELECT true WHERE false", Expect::True("there is no row")),
            expecting("SELECT NULL::boolean", Expect::True("it is unknown")),
        ] {
            let fault = refused(session.run(&broken).await);
            assert_eq!(fault.kind, Kind::Changed, "{fault}");
            assert_eq!(fault.object.as_deref(), Some("public.t"));
            assert_untouched(&db).await;
        }
        let holds =
            expecting("DELETE FROM public.t WHERE id = 1", Expect::RowsOf(0, "rows were added"));
        session.run(&holds).await.unwrap();
        assert_eq!(db.column("SELECT id FROM t").await, ["2"]);
    });
}

#[test]
fn values_are_sent_beside_the_statement() {
    on_every_major(|db| async move {
        let (_app, mut session) = claimed(&db, "").await;
        let mut step = step(&[]);
        let binds = vec![Some("1".to_owned()), None];
        let sql = "UPDATE public.t SET v = coalesce($2::int, 7) WHERE id = $1::int RETURNING v";
        step.statements = vec![Statement::new(sql).bind(binds)];
        let done = session.run(&step).await.unwrap();
        assert_eq!(done[0].first.as_ref().unwrap().get::<i32, _>(0), 7);
    });
}

/// A statement under a strong lock has an end, however long it would run: the application waits.
#[test]
fn a_lock_is_not_held_for_long() {
    on_every_major(|db| async move {
        let (_app, mut session) = claimed(&db, "").await;
        let mut step = step(&["LOCK TABLE public.t", "SELECT pg_sleep(30)"]);
        step.lock = tries(&[100, 100]).holding(Duration::from_millis(100));
        let started = clock::monotonic();
        let fault = refused(session.run(&step).await);
        assert_eq!(fault.kind, Kind::TimedOut, "{fault}");
        assert!(fault.to_string().contains("for longer than 100 ms"), "{fault}");
        assert!(started.elapsed() < Duration::from_secs(10));
        // An administrator's cancel is none, and the next step has its usual time.
        session.run(&self::step(&["SELECT pg_sleep(0.2)"])).await.unwrap();
        assert_untouched(&db).await;
    });
}

/// Before it holds a lock, a step may take longer: a look at the claim is no reason to give up.
#[test]
fn the_limit_of_a_step_is_not_that_of_the_look_at_its_claim() {
    on_every_major(|db| async move {
        let (_app, mut session) = claimed(&db, "").await;
        let mut step = step(&["UPDATE public.t SET v = 7 WHERE id = 1"]);
        step.lock = tries(&[20_000]).holding(Duration::from_millis(100));
        let mut other = db.connect().await;
        run(&mut other, "BEGIN; SELECT FROM pgtend.job_run FOR UPDATE").await;
        let released = async {
            let waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
                         AND wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '200 ms'";
            wait_until("it has waited for longer", || async { !db.rows(waits).await.is_empty() })
                .await;
            run(&mut other, "ROLLBACK").await;
        };
        let (done, ()) = tokio::join!(session.run(&step), released);
        assert_eq!(done.unwrap()[0].rows, 1);
    });
}
