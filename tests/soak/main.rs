//! `make soak`: the daemon under load, for minutes. `calm` runs one daemon; `crowd` runs two, of
//! which one is killed every 20 seconds, and a loop of `once` beside them.
//!
//! `PGTEND_SOAK_MINUTES` (default 10) says how long, `PGTEND_TEST_MAJORS` where.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on says so and fails; the report goes to standard error"
)]

#[path = "../it/support/mod.rs"]
mod support;

mod adopt;
mod archive;
mod drain;
mod exchange;
mod hand_over;
mod load;
mod locks;
mod verdict;

use std::time::Duration;

use pgtend::time::clock;
use support::{Daemon, Db, Program, on_own_server, pgtend};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use load::Load;

/// How often one of two daemons is killed.
const KILL_EVERY: Duration = Duration::from_secs(20);

const CONFIG: &str = r#"
[log]
level = "debug"

[partitions]
schedule = "* * * * *"
[partitions.tables."public.activity_logs"]
interval = "1 month"
premake = "3 months"

[archive]
schedule = "* * * * *"
[archive.tables."public.ml_jobs"]
into = "public.ml_jobs_archive"
age_column = "created_at"
older_than = "30 days"
where = "status IN ('completed', 'failed')"
create_target = true
batch_rows = 500

[analyze]
schedule = "* * * * *"

[slow_queries]
schedule = "* * * * *"
slow_mean = "100ms"
"#;

#[test]
fn calm() {
    on_own_server(&[("max_connections", "100")], |db, _server| async move {
        let load = Load::start(&db).await;
        let program = pgtend(&db, CONFIG);
        let daemon = program.spawn(&["run"]);
        daemon.event("daemon.ready", |_| true).await;
        let watch = verdict::Watch::start(&db).await;
        sleep(minutes()).await;
        let logs = vec![stopped(daemon).await];
        let ledger = load.stop().await;
        verdict::Report::gather(&db, watch, &ledger, logs).await.judge("calm");
    });
}

#[test]
fn crowd() {
    on_own_server(&[("max_connections", "100")], |db, _server| async move {
        let load = Load::start(&db).await;
        let program = pgtend(&db, CONFIG);
        let steady = program.spawn(&["run"]);
        steady.event("daemon.ready", |_| true).await;
        let watch = verdict::Watch::start(&db).await;
        let over = CancellationToken::new();
        let (mut logs, codes, ()) = tokio::join!(
            killed_again_and_again(&program, &over),
            once_in_a_loop(&db, &over),
            async {
                sleep(minutes()).await;
                over.cancel();
            }
        );
        logs.push(stopped(steady).await);
        let strange: Vec<_> = codes.iter().filter(|code| ![0, 3].contains(*code)).collect();
        assert!(strange.is_empty(), "once ended with {strange:?} of {} runs", codes.len());
        let ledger = load.stop().await;
        verdict::Report::gather(&db, watch, &ledger, logs).await.judge("crowd");
    });
}

fn minutes() -> Duration {
    let minutes = std::env::var("PGTEND_SOAK_MINUTES").unwrap_or_else(|_| "10".into());
    Duration::from_secs(60 * minutes.parse::<u64>().expect("PGTEND_SOAK_MINUTES=10"))
}

/// SIGTERM, and exit 0.
async fn stopped(daemon: Daemon) -> Vec<serde_json::Value> {
    daemon.signal("TERM");
    let asked = clock::monotonic();
    let ran = daemon.wait_exit().await;
    assert_eq!(ran.code, Some(0), "{ran}");
    eprintln!("stopped {} ms after SIGTERM", clock::millis_since(asked));
    ran.log()
}

async fn killed_again_and_again(
    program: &Program,
    over: &CancellationToken,
) -> Vec<Vec<serde_json::Value>> {
    let mut logs = Vec::new();
    let mut ticks = interval(KILL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut daemon = program.spawn(&["run"]);
    loop {
        tokio::select! {
            () = over.cancelled() => break,
            _ = ticks.tick() => {}
        }
        logs.push(daemon.log());
        daemon.kill9().await;
        daemon = program.spawn(&["run"]);
    }
    daemon.event("daemon.ready", |_| true).await;
    logs.push(stopped(daemon).await);
    logs
}

async fn once_in_a_loop(db: &Db, over: &CancellationToken) -> Vec<i32> {
    let program = pgtend(db, CONFIG);
    let mut codes = Vec::new();
    while !over.is_cancelled() {
        codes.push(program.run(&["once"]).await.code.unwrap_or(-1));
        sleep(Duration::from_millis(700)).await;
    }
    codes
}
