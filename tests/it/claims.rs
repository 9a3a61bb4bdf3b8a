//! Claims: one run per slot over all processes, never two at once, and what becomes of the dead.

use chrono::{DateTime, TimeDelta, Utc};
use pgtend::job::{JobName, Outcome, Verdict};
use pgtend::pg::fault::Kind;
use pgtend::scheduler::claim::{
    Claimed, claim_asked_for, finish, record_skipped, renew, take_over,
};
use pgtend::scheduler::{control, history};

use crate::door::{claimed, refused};
use crate::support::{Db, InProcess, Rows, on_every_major, run, step, wait_until};

const JOB: JobName = JobName::Archive;
const RUNS: &str = "SELECT slot AT TIME ZONE 'UTC', status, attempt, finished_at IS NOT NULL \
                    FROM pgtend.job_run ORDER BY slot";
const EXPIRE: &str = "UPDATE pgtend.job_run SET lease_until = clock_timestamp() - interval '1 s'";

fn slot(hour: u32) -> DateTime<Utc> {
    "2026-03-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(hour.into())
}

/// One row of [`RUNS`].
fn row(hour: u32, status: &str, attempt: i32) -> Vec<Option<String>> {
    let slot = slot(hour).format("%Y-%m-%d %H:%M:%S").to_string();
    let ended = if status == "running" { "f" } else { "t" };
    [slot, status.to_owned(), attempt.to_string(), ended.to_owned()].map(Some).into()
}

fn done() -> Outcome {
    Outcome::nothing(JOB, Verdict::Succeeded, None)
}

async fn runs(db: &Db) -> Rows {
    db.rows(RUNS).await
}

#[test]
fn of_many_who_race_for_a_slot_one_runs_it() {
    const SLOTS: u32 = 60;
    on_every_major(|db| async move {
        InProcess::new(&db, "").await;
        let racers = (0..8).map(|_| race(&db, SLOTS));
        let mut won = futures_util::future::join_all(racers).await.concat();
        won.sort_unstable();
        assert_eq!(won, (0..SLOTS).collect::<Vec<_>>());
        let all: Rows = (0..SLOTS).map(|hour| row(hour, "succeeded", 1)).collect();
        assert_eq!(runs(&db).await, all);
    });
}

/// Goes through all slots like a planner that is behind; the hours it has won.
async fn race(db: &Db, slots: u32) -> Vec<u32> {
    let app = InProcess::new(db, "").await;
    let mut won = Vec::new();
    let mut hour = 0;
    while hour < slots {
        match app.claim(JOB, Some(slot(hour))).await {
            Claimed::Won(claim) => {
                won.push(hour);
                finish(&app.server().control, claim.fence, &done()).await.unwrap();
            }
            Claimed::Taken(_) => hour += 1,
            Claimed::Running(..) => {}
            Claimed::Paused(why) => panic!("{why}"),
        }
    }
    won
}

#[test]
fn a_job_never_runs_twice_at_once() {
    on_every_major(|db| async move {
        let (one, other) = (InProcess::new(&db, "").await, InProcess::new(&db, "").await);
        let Claimed::Won(first) = one.claim(JOB, Some(slot(1))).await else { panic!("not won") };
        for app in [&one, &other] {
            let again = app.claim(JOB, Some(slot(1))).await;
            assert!(matches!(&again, Claimed::Taken(status) if status == "running"), "{again:?}");
            let next = app.claim(JOB, Some(slot(2))).await;
            assert!(matches!(next, Claimed::Running(..)), "{next:?}");
        }
        // Another job is another matter.
        let analyze = other.claim(JobName::Analyze, Some(slot(1))).await;
        assert!(matches!(analyze, Claimed::Won(_)), "{analyze:?}");
        finish(&one.server().control, first.fence, &done()).await.unwrap();
        let again = other.claim(JOB, Some(slot(1))).await;
        assert!(matches!(&again, Claimed::Taken(status) if status == "succeeded"), "{again:?}");
        let next = other.claim(JOB, Some(slot(2))).await;
        assert!(matches!(next, Claimed::Won(_)), "{next:?}");
    });
}

#[test]
fn a_dead_holders_run_is_abandoned_by_the_next_claim() {
    on_every_major(|db| async move {
        let (dead, next) = (InProcess::new(&db, "").await, InProcess::new(&db, "").await);
        let Claimed::Won(lost) = dead.claim(JOB, Some(slot(1))).await else { panic!("not won") };
        db.execute(EXPIRE).await;
        let Claimed::Won(_) = next.claim(JOB, Some(slot(2))).await else { panic!("not won") };
        assert_eq!(runs(&db).await, [row(1, "abandoned", 1), row(2, "running", 1)]);
        // Who was only slow cannot write over that.
        finish(&dead.server().control, lost.fence, &done()).await.unwrap();
        assert!(renew(&dead.server().control, lost.fence, &[]).await.unwrap().is_none());
        assert_eq!(runs(&db).await, [row(1, "abandoned", 1), row(2, "running", 1)]);
    });
}

#[test]
fn a_dead_holders_slot_is_taken_over_as_often_as_it_may_be_tried() {
    on_every_major(|db| async move {
        let (dead, next) = (InProcess::new(&db, "").await, InProcess::new(&db, "").await);
        let control = &next.server().control;
        let Claimed::Won(lost) = dead.claim(JOB, Some(slot(1))).await else { panic!("not won") };
        let mut zombie = dead.session(Some(lost.fence)).await;
        // Alive, nothing is taken.
        assert!(take_over(control, "next", JOB, 2).await.unwrap().is_none());
        assert_eq!(runs(&db).await, [row(1, "running", 1)]);

        db.execute(EXPIRE).await;
        let taken = take_over(control, "next", JOB, 2).await.unwrap().expect("it is free");
        assert_eq!((taken.fence.run_id, taken.fence.attempt), (lost.fence.run_id, 2));
        assert_eq!((taken.slot, taken.job), (slot(1), JOB));
        assert_eq!(runs(&db).await, [row(1, "running", 2)]);
        assert!(take_over(control, "third", JOB, 2).await.unwrap().is_none());

        db.execute("CREATE TABLE t (id int)").await;
        let fault = refused(zombie.run(&step(&["INSERT INTO public.t VALUES (1)"])).await);
        assert_eq!(fault.kind, Kind::LeaseLost);
        finish(&dead.server().control, lost.fence, &done()).await.unwrap();
        assert_eq!(runs(&db).await, [row(1, "running", 2)]);
        assert_eq!(db.value("SELECT count(*) FROM t").await, "0");

        // Two tries were all: it does not stay "running" until the next slot.
        db.execute(EXPIRE).await;
        assert!(take_over(control, "third", JOB, 2).await.unwrap().is_none());
        assert_eq!(runs(&db).await, [row(1, "abandoned", 2)]);
    });
}

#[test]
fn a_dead_holders_slot_of_a_paused_job_is_not_run_again() {
    on_every_major(|db| async move {
        let app = InProcess::new(&db, "").await;
        let control = &app.server().control;
        let Claimed::Won(_) = app.claim(JOB, Some(slot(1))).await else { panic!("not won") };
        control::pause(control, JOB, Some("deploy"), None).await.unwrap();
        db.execute(EXPIRE).await;
        assert!(take_over(control, "next", JOB, 3).await.unwrap().is_none());
        assert_eq!(runs(&db).await, [row(1, "abandoned", 1)]);
    });
}

#[test]
fn a_batch_in_hand_lets_the_lease_be_renewed_and_not_be_stolen() {
    on_every_major(|db| async move {
        db.execute("CREATE TABLE t (id int)").await;
        let (holder, thief) = (InProcess::new(&db, "").await, InProcess::new(&db, "").await);
        let Claimed::Won(claim) = holder.claim(JOB, Some(slot(1))).await else { panic!("lost") };
        let mut session = holder.session(Some(claim.fence)).await;
        let mut gate = db.connect().await;
        run(&mut gate, "SELECT pg_advisory_lock(7)").await;
        let batch = step(&["INSERT INTO public.t VALUES (1)", "SELECT pg_advisory_xact_lock(7)"]);
        let meanwhile = async {
            let waiting = "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                           WHERE d.datname = current_database() AND objid = 7 AND NOT granted";
            wait_until("it is in its batch", || async { !db.rows(waiting).await.is_empty() }).await;
            let renewed = renew(&holder.server().control, claim.fence, &[]).await.unwrap();
            assert!(renewed.is_some());
            db.execute(EXPIRE).await;
            let control = &thief.server().control;
            assert!(take_over(control, "thief", JOB, 9).await.unwrap().is_none());
            let next = thief.claim(JOB, Some(slot(2))).await;
            assert!(matches!(next, Claimed::Running(..)), "{next:?}");
            run(&mut gate, "SELECT pg_advisory_unlock(7)").await;
        };
        let (done, ()) = tokio::join!(session.run(&batch), meanwhile);
        done.unwrap();
        let taken = take_over(&thief.server().control, "thief", JOB, 9).await.unwrap();
        assert_eq!(taken.map(|claim| claim.fence.attempt), Some(2));
        assert_eq!(refused(session.run(&batch).await).kind, Kind::LeaseLost);
        assert_eq!(db.column("SELECT id FROM t").await, ["1"]);
    });
}

#[test]
fn a_renewal_says_which_backends_are_missing() {
    on_every_major(|db| async move {
        let (app, mut session) = claimed(&db, "").await;
        let pid = crate::door::pid(session.reader().conn).await;
        let fence = pgtend::pg::session::Fence { run_id: 1, attempt: 1 };
        let control = &app.server().control;
        let other = control.acquire().await.unwrap();
        let mut other = other.detach();
        let pids = [pid, crate::door::pid(&mut other).await];
        let missing =
            || async { renew(control, fence, &pids).await.unwrap().expect("ours").missing };
        assert!(missing().await.is_empty());
        db.execute(&format!("SELECT pg_terminate_backend({pid})")).await;
        wait_until("it is missed", || async { missing().await == [pid] }).await;
    });
}

#[test]
fn a_slot_is_skipped_once() {
    on_every_major(|db| async move {
        let (one, other) = (InProcess::new(&db, "").await, InProcess::new(&db, "").await);
        let verdict = Verdict::SkippedOverlap;
        let mut ours = Vec::new();
        for app in [&one, &other] {
            let control = &app.server().control;
            ours.push(record_skipped(control, "x", JOB, slot(1), verdict, "busy").await.unwrap());
        }
        assert_eq!(ours, [true, false]);
        assert_eq!(runs(&db).await, [row(1, "skipped_overlap", 1)]);
        let claimed = one.claim(JOB, Some(slot(1))).await;
        assert!(
            matches!(&claimed, Claimed::Taken(status) if status == "skipped_overlap"),
            "{claimed:?}"
        );
    });
}

#[test]
fn a_paused_job_does_not_start() {
    on_every_major(|db| async move {
        let app = InProcess::new(&db, "").await;
        let control = &app.server().control;
        let hour = Some(std::time::Duration::from_hours(1));
        control::pause(control, JOB, Some("deploy"), hour).await.unwrap();
        let claimed = app.claim(JOB, Some(slot(1))).await;
        assert!(matches!(&claimed, Claimed::Paused(why) if why == "deploy"), "{claimed:?}");
        assert_eq!(runs(&db).await, Rows::new());
        // A pause that has an end has one.
        db.execute("UPDATE pgtend.job_control SET paused_until = now() - interval '1 s'").await;
        let Claimed::Won(claim) = app.claim(JOB, Some(slot(1))).await else { panic!("paused") };
        finish(control, claim.fence, &done()).await.unwrap();
        control::pause(control, JOB, None, None).await.unwrap();
        let claimed = app.claim(JOB, Some(slot(2))).await;
        assert!(matches!(&claimed, Claimed::Paused(why) if why == "no reason given"));
        assert!(control::resume(control, JOB).await.unwrap());
        assert!(!control::resume(control, JOB).await.unwrap());
        assert!(matches!(app.claim(JOB, Some(slot(2))).await, Claimed::Won(_)));
    });
}

#[test]
fn a_run_asked_for_is_run_by_one_and_not_forgotten() {
    on_every_major(|db| async move {
        let (one, other) = (InProcess::new(&db, "").await, InProcess::new(&db, "").await);
        let ask = |app: &InProcess, hour| {
            let control = app.server().control.clone();
            async move { claim_asked_for(&control, "x", JOB, slot(hour)).await.unwrap() }
        };
        assert!(ask(&one, 1).await.is_none(), "nobody asked");
        // While another run is under way the request stands, with who made it.
        let Claimed::Won(busy) = one.claim(JOB, Some(slot(1))).await else { panic!("not won") };
        control::trigger(&one.server().control, JOB).await.unwrap();
        assert!(matches!(ask(&other, 2).await, Some(Claimed::Running(..))));
        let by = "SELECT triggered_by FROM pgtend.job_control";
        assert_eq!(db.value(by).await, "postgres");
        finish(&one.server().control, busy.fence, &done()).await.unwrap();
        // Of two who see it at once, one has it, also after the run has ended.
        let (first, second) = tokio::join!(ask(&one, 3), ask(&other, 4));
        let won: Vec<_> = [first, second]
            .into_iter()
            .filter_map(|claimed| match claimed {
                Some(Claimed::Won(claim)) => Some(claim),
                None => None,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(won.len(), 1);
        finish(&one.server().control, won[0].fence, &done()).await.unwrap();
        assert!(ask(&one, 5).await.is_none());
        assert!(ask(&other, 6).await.is_none());
        assert_eq!(db.value(by).await, "NULL");
        assert_eq!(db.value("SELECT count(*) FROM pgtend.job_run").await, "2");
    });
}

#[test]
fn history_shrinks_and_keeps_what_the_planner_counts_from() {
    on_every_major(|db| async move {
        let app = InProcess::new(&db, "").await;
        let control = &app.server().control;
        let job_run = "INSERT INTO pgtend.job_run (job, slot, trigger, status, holder) ";
        // Old, the newest of the schedule among them; younger ones by hand; another job's.
        for values in [
            "SELECT 'archive', timestamptz '2026-01-01 UTC' + n * interval '1 h', 'schedule', \
             'succeeded', 'x' FROM generate_series(1, 150) n",
            "VALUES ('archive', '2026-01-20 UTC', 'manual', 'failed', 'x'), \
             ('archive', '2026-03-20 UTC', 'manual', 'failed', 'x'), \
             ('analyze', '2026-01-01 UTC', 'schedule', 'succeeded', 'x'), \
             ('analyze', '2026-01-02 UTC', 'schedule', 'succeeded', 'x')",
        ] {
            db.execute(&format!("{job_run} {values}")).await;
        }
        let before = slot(0);
        let left = "SELECT count(*) FROM pgtend.job_run WHERE job = 'archive'";
        history::purge(control, JOB, before).await.unwrap();
        assert_eq!(db.value(left).await, "52", "a hundred at once");
        history::purge(control, JOB, before).await.unwrap();
        let kept = "SELECT slot AT TIME ZONE 'UTC', trigger FROM pgtend.job_run \
                    WHERE job = 'archive' ORDER BY slot";
        let kept: Vec<String> = db
            .rows(kept)
            .await
            .into_iter()
            .map(|row| row.into_iter().flatten().collect())
            .collect();
        assert_eq!(kept, ["2026-01-07 06:00:00schedule", "2026-03-20 00:00:00manual"]);
        let others = "SELECT count(*) FROM pgtend.job_run WHERE job = 'analyze'";
        assert_eq!(db.value(others).await, "2");
    });
}
