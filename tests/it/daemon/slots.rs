//! Slots: each has one run, whoever is there to run it, and whoever died over it.

use std::time::Duration;

use pgtend::time::clock;

use super::{EACH_MINUTE, RARELY, TABLE, at_work, config, ready, runs};
use crate::support::{Daemon, Db, Gate, on_every_major, on_the_newest_major, pgtend, wait_until};

/// The job has been known for this long, and nobody served its slots.
async fn unserved_for(db: &Db, interval: &str) {
    let known = format!(
        "INSERT INTO pgtend.job_known VALUES ('partitions', \
         date_trunc('minute', now()) - interval '{interval}')"
    );
    db.execute(&known).await;
}

async fn migrated(db: &Db, config: &str) -> crate::support::Program {
    db.execute(TABLE).await;
    let program = pgtend(db, config);
    assert_eq!(program.run(&["migrate"]).await.code, Some(0));
    program
}

fn count(daemon: &Daemon, event: &str) -> usize {
    daemon.log().iter().filter(|line| line["event"] == event).count()
}

#[test]
fn two_daemons_and_a_loop_of_once_share_the_slots() {
    on_every_major(|db| async move {
        let text = config(EACH_MINUTE, "") + "\n[daemon]\nhistory_retention = \"7 days\"\n";
        let text = text.replace("[partitions]\n", "[partitions]\ncatchup = \"all\"\n");
        let program = migrated(&db, &text).await;
        unserved_for(&db, "40 minutes").await;
        let daemons = [program.spawn(&["run"]), program.spawn(&["run"])];
        let served = "SELECT count(*) >= 40 FROM pgtend.job_run WHERE trigger = 'schedule'";
        let mut codes = Vec::new();
        let deadline = clock::monotonic() + Duration::from_mins(1);
        while db.value(served).await == "f" {
            assert!(clock::monotonic() < deadline, "{:?} after {codes:?}", runs(&db).await);
            codes.push(program.run(&["once", "partitions"]).await.code);
        }
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 3))), "{codes:?}");
        let slots = "SELECT count(*), count(DISTINCT slot), count(*) FILTER (WHERE attempt = 1), \
                     (extract(epoch FROM max(slot) - min(slot)) / 60 + 1)::int \
                     FROM pgtend.job_run WHERE trigger = 'schedule'";
        let found = db.rows(slots).await.concat();
        assert!(found.iter().all(|n| *n == found[0]), "{found:?}");
        for daemon in &daemons {
            assert_eq!(count(daemon, "run.started"), count(daemon, "run.finished"));
        }
        for daemon in daemons {
            daemon.signal("TERM");
            assert_eq!(daemon.wait_exit().await.code, Some(0));
        }
        assert!(runs(&db).await.iter().all(|status| status == "succeeded"));
    });
}

#[test]
fn a_slot_that_meets_its_own_job_is_skipped_once() {
    on_every_major(|db| async move {
        // The newest slot was half an hour ago: longer than a run by hand is waited for.
        let minute = "SELECT (extract(minute FROM now())::int + 30) % 60";
        let hourly = format!("{} * * * *", db.value(minute).await);
        let (program, first, gate) = at_work(&db, &config(&hourly, "")).await;
        let second = program.spawn(&["run"]);
        second.event("daemon.ready", |_| true).await;
        db.execute("UPDATE pgtend.job_known SET since = now() - interval '3 hours'").await;
        let daemons = [first, second];
        for daemon in &daemons {
            daemon.signal("USR1");
        }
        wait_until("the slot is skipped", || async { runs(&db).await.len() == 2 }).await;
        assert_eq!(runs(&db).await, ["running", "skipped_overlap"]);
        let told = |event| daemons.iter().map(|daemon| count(daemon, event)).sum::<usize>();
        wait_until("it is told", || async { told("run.skipped") == 1 }).await;
        // A later look finds nothing more to say.
        for daemon in &daemons {
            let looks = count(daemon, "status.reported");
            daemon.signal("USR1");
            wait_until("it looks again", || async { count(daemon, "status.reported") > looks })
                .await;
        }
        assert_eq!((told("run.skipped"), told("run.missed")), (1, 1));
        gate.open().await;
        wait_until("the run ends", || async { runs(&db).await[0] == "succeeded" }).await;
        assert_eq!(runs(&db).await, ["succeeded", "skipped_overlap"]);
    });
}

#[test]
fn a_paused_job_skips_its_slots_and_keeps_what_was_asked_for() {
    on_every_major(|db| async move {
        let program = migrated(&db, &config(EACH_MINUTE, "")).await;
        unserved_for(&db, "5 minutes").await;
        let paused = program.run(&["pause", "partitions", "--reason", "deploy", "--for", "1h"]);
        assert_eq!(paused.await.code, Some(0));
        assert_eq!(program.run(&["trigger", "partitions"]).await.code, Some(0));
        assert_eq!(program.run(&["once", "partitions"]).await.code, Some(3));
        let daemon = program.spawn(&["run"]);
        let skipped = daemon.event("run.skipped", |_| true).await;
        assert_eq!(skipped["reason"], "skipped_paused", "{skipped}");
        assert!(runs(&db).await.iter().all(|status| status == "skipped_paused"));
        assert_eq!(program.run(&["resume", "partitions"]).await.code, Some(0));
        daemon.signal("USR1");
        daemon.event("job.triggered", |line| line["by"] == "postgres").await;
        daemon.event("run.finished", |line| line["trigger"] == "manual").await;
    });
}

#[test]
fn once_twice_at_once_runs_once() {
    on_every_major(|db| async move {
        let program = migrated(&db, &config(RARELY, "")).await;
        let gate = Gate::closed(&db).await;
        let first = program.run(&["once", "partitions"]);
        let second = async {
            gate.reached().await;
            let second = program.run(&["once", "--format", "json", "partitions"]).await;
            gate.open().await;
            second
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!(first.code, Some(0), "{first}");
        assert_eq!(second.code, Some(3), "{second}");
        let job = &second.json()["jobs"][0];
        assert_eq!(job["outcome"], "skipped_overlap", "{second}");
        assert!(job["error"].as_str().unwrap().contains("running already"), "{second}");
        // The slot of a schedule has one run, however often it is asked for.
        let scheduled = ["once", "--slot", "scheduled", "partitions"];
        assert_eq!(program.run(&scheduled).await.code, Some(0));
        assert_eq!(program.run(&scheduled).await.code, Some(3));
        assert_eq!(runs(&db).await, ["succeeded", "succeeded"]);
    });
}

/// The one test that waits for a lease: within its 30 s and 5 more, another daemon has the run.
#[test]
fn a_killed_daemons_run_is_taken_over() {
    // The server notices a dead client in the middle of a statement from 14 on.
    on_the_newest_major(|db| async move {
        let (program, killed, gate) = at_work(&db, &config(RARELY, "")).await;
        let heir = program.spawn(&["run"]);
        heir.event("daemon.ready", |_| true).await;
        let died = clock::monotonic();
        killed.kill9().await;
        drop(gate);
        let finished = async {
            loop {
                if count(&heir, "run.finished") > 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(35), finished).await.expect("taken over in 35 s");
        assert!(died.elapsed() < Duration::from_secs(35));
        let finished = heir.event("run.finished", |_| true).await;
        assert_eq!((&finished["attempt"], &finished["outcome"]), (&2.into(), &"succeeded".into()));
        assert_eq!(runs(&db).await, ["succeeded"]);
    });
}

#[test]
fn an_idle_daemon_holds_two_connections_at_most() {
    on_every_major(|db| async move {
        let (program, daemon) = ready(&db, &config(RARELY, "idle_timeout = \"1s\"")).await;
        super::trigger(&program, &daemon).await;
        daemon.event("run.finished", |_| true).await;
        let ours = "SELECT count(*) <= 2 FROM pg_stat_activity \
                    WHERE datname = current_database() AND application_name LIKE 'pgtend%'";
        wait_until("it lets its connections go", || async { db.value(ours).await == "t" }).await;
        let working = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND application_name = 'pgtend/partitions'";
        wait_until("the work connection is closed", || async { db.value(working).await == "0" })
            .await;
    });
}
