//! What the daemon is told.

use std::time::Duration;

use pgtend::time::clock;

use super::{RARELY, at_work, config, has_partitions, nothing_is_left, ready, runs, trigger};
use crate::support::{Gate, on_every_major, on_own_server, pgtend, run};

#[test]
fn sigterm_ends_an_idle_daemon_at_once() {
    on_every_major(|db| async move {
        let (_program, daemon) = ready(&db, &config(RARELY, "")).await;
        let told = clock::monotonic();
        daemon.signal("TERM");
        let ran = daemon.wait_exit().await;
        assert!(told.elapsed() < Duration::from_secs(5), "{ran}");
        assert_eq!(ran.code, Some(0), "{ran}");
        let log = ran.log();
        let stopping = log.iter().find(|line| line["event"] == "daemon.stopping").unwrap();
        assert_eq!(stopping["signal"], "SIGTERM");
        let last = log.last().unwrap();
        assert_eq!((&last["event"], &last["exit_code"]), (&"daemon.stopped".into(), &0.into()));
        nothing_is_left(&db).await;
    });
}

#[test]
fn sigterm_while_the_server_is_away() {
    on_own_server(&[], |db, server| async move {
        let program = pgtend(&db, &config(RARELY, "connect_timeout = \"1m\""));
        server.get().stop().unwrap();
        let daemon = program.spawn(&["run"]);
        daemon.event("daemon.started", |_| true).await;
        let told = clock::monotonic();
        daemon.signal("INT");
        let ran = daemon.wait_exit().await;
        assert_eq!(ran.code, Some(0), "{ran}");
        assert!(told.elapsed() < Duration::from_secs(5), "{ran}");
    });
}

#[test]
fn the_run_in_hand_ends_in_good_order() {
    on_every_major(|db| async move {
        let (_program, daemon, gate) = at_work(&db, &config(RARELY, "")).await;
        daemon.signal("TERM");
        daemon.event("daemon.stopping", |line| line["running"][0] == "partitions").await;
        gate.open().await;
        let ran = daemon.wait_exit().await;
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(runs(&db).await, ["cancelled"]);
        // The statement in hand was finished and committed.
        assert!(has_partitions(&db).await);
        nothing_is_left(&db).await;
    });
}

#[test]
fn a_second_sigterm_cancels_on_the_server() {
    on_every_major(|db| async move {
        let (_program, daemon, _gate) = at_work(&db, &config(RARELY, "")).await;
        daemon.signal("TERM");
        daemon.event("daemon.stopping", |_| true).await;
        daemon.signal("TERM");
        let ran = daemon.wait_exit().await;
        assert_eq!(ran.code, Some(75), "{ran}");
        assert_eq!(runs(&db).await, ["cancelled"]);
        assert!(!has_partitions(&db).await);
        nothing_is_left(&db).await;
    });
}

#[test]
fn drain_timeout_holds() {
    on_every_major(|db| async move {
        let drain = "[daemon]\ndrain_timeout = \"2s\"\n";
        let (_program, daemon, _gate) = at_work(&db, &config(RARELY, drain)).await;
        let told = clock::monotonic();
        daemon.signal("TERM");
        let ran = daemon.wait_exit().await;
        assert_eq!(ran.code, Some(75), "{ran}");
        assert!(told.elapsed() < Duration::from_secs(3), "{:?}: {ran}", told.elapsed());
        assert_eq!(runs(&db).await, ["cancelled"]);
        nothing_is_left(&db).await;
    });
}

/// What cannot be cancelled is left behind, not waited for.
#[test]
fn drain_timeout_holds_whatever_the_server_does() {
    on_own_server(&[], |db, server| async move {
        let drain = "[daemon]\ndrain_timeout = \"2s\"\n";
        let (_program, daemon, _gate) = at_work(&db, &config(RARELY, drain)).await;
        let postmaster = server.get().pid().unwrap();
        let backends = db.column("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
        let all: Vec<u32> = backends.await.iter().map(|pid| pid.parse().unwrap()).collect();
        for pid in all.iter().chain([&postmaster]) {
            crate::support::send_signal("STOP", *pid);
        }
        let told = clock::monotonic();
        daemon.signal("TERM");
        let ran = daemon.wait_exit().await;
        for pid in all.iter().chain([&postmaster]) {
            crate::support::send_signal("CONT", *pid);
        }
        assert_eq!(ran.code, Some(75), "{ran}");
        assert!(told.elapsed() < Duration::from_secs(4), "{:?}: {ran}", told.elapsed());
    });
}

#[test]
fn sighup_takes_a_valid_configuration() {
    on_every_major(|db| async move {
        let (program, daemon) = ready(&db, &config(RARELY, "")).await;
        let changed = config("0 0 2 1 *", "[daemon]\ndrain_timeout = \"5s\"\n");
        program.rewrite_config(&changed.replace("{url}", db.url()));
        daemon.signal("HUP");
        let reloaded = daemon.event("config.reloaded", |_| true).await;
        let keys = reloaded["changed"].to_string();
        assert_eq!(keys, r#"["daemon.drain_timeout","partitions.schedule"]"#);
        assert_eq!(reloaded["restart_needed"].to_string(), r#"["daemon.drain_timeout"]"#);
        daemon.signal("USR1");
        let status = daemon.event("status.reported", |_| true).await;
        assert!(status["next_run_at"].as_str().unwrap().contains("-01-02T00:00:00"), "{status}");
    });
}

#[test]
fn sighup_refuses_a_wrong_one_and_changes_nothing() {
    on_every_major(|db| async move {
        let (program, daemon) = ready(&db, &config(RARELY, "")).await;
        let wrong = config("never", "lock_time = \"1s\"").replace("{url}", db.url());
        program.rewrite_config(&wrong);
        daemon.signal("HUP");
        let rejected = daemon.event("config.rejected", |_| true).await;
        let problems: Vec<&str> =
            rejected["problems"].as_array().unwrap().iter().filter_map(|p| p.as_str()).collect();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("pgtend.toml:4:1: database.lock_time:"), "{problems:?}");
        assert!(problems[1].contains("partitions.schedule"), "{problems:?}");
        // It still serves, by the configuration before.
        program.rewrite_config(&config(RARELY, "").replace("{url}", db.url()));
        trigger(&program, &daemon).await;
        daemon.event("run.finished", |line| line["outcome"] == "succeeded").await;
    });
}

#[test]
fn sighup_moves_to_another_database() {
    on_every_major(|db| async move {
        let (program, daemon, gate) = at_work(&db, &config(RARELY, "")).await;
        let mut admin = db.connect().await;
        let other = format!("{}_other", &db.name()[1..]);
        run(&mut admin, &format!(r#"CREATE DATABASE "{other}""#)).await;
        let there = db.url().replace(db.name(), &other);
        let unreachable = there.replace(&other, "missing");
        program.rewrite_config(&config(RARELY, "").replace("{url}", &unreachable));
        daemon.signal("HUP");
        let rejected = daemon.event("config.rejected", |_| true).await;
        assert!(rejected["error.message"].as_str().unwrap().contains("missing"), "{rejected}");

        program.rewrite_config(&config(RARELY, "").replace("{url}", &there));
        daemon.signal("HUP");
        let reloaded = daemon.event("config.reloaded", |_| true).await;
        assert_eq!(reloaded["changed"].to_string(), r#"["database.url"]"#);
        // The run in hand ends where it began.
        gate.open().await;
        let finished = daemon.event("run.finished", |_| true).await;
        assert_eq!(
            (&finished["outcome"], &finished["db.namespace"]),
            (&"succeeded".into(), &db.name().into())
        );
        assert!(has_partitions(&db).await);
        trigger(&program, &daemon).await;
        daemon.event("run.finished", |line| line["db.namespace"] == other.as_str()).await;
        daemon.signal("TERM");
        assert_eq!(daemon.wait_exit().await.code, Some(0));
        run(&mut admin, &format!(r#"DROP DATABASE "{other}" WITH (FORCE)"#)).await;
    });
}

#[test]
fn sigusr1_tells_how_every_job_stands() {
    on_every_major(|db| async move {
        let (program, daemon) = ready(&db, &config(RARELY, "")).await;
        daemon.signal("USR1");
        let idle = daemon.event("status.reported", |line| line["state"] == "idle").await;
        assert_eq!((&idle["job"], idle.get("last_outcome")), (&"partitions".into(), None));
        let gate = Gate::closed(&db).await;
        trigger(&program, &daemon).await;
        gate.reached().await;
        daemon.signal("USR1");
        let running = daemon.event("status.reported", |line| line["state"] == "running").await;
        assert!(running["running_ms"].is_u64(), "{running}");
        gate.open().await;
        daemon.event("run.finished", |_| true).await;
        assert_eq!(program.run(&["pause", "partitions", "--reason", "x"]).await.code, Some(0));
        let paused = |line: &serde_json::Value| {
            line["state"] == "paused" && line["last_outcome"] == "succeeded"
        };
        daemon.signal("USR1");
        daemon.event("status.reported", paused).await;
    });
}
