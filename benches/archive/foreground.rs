//! Eight clients at a fixed rate on the table whose old rows are moved: what they notice.
//!
//! The machine may be noisy: nobody and the gentle pace take turns, and medians are held against what is
//! promised. A client's latency counts from the moment its transaction was due, so that one that is late makes
//! the next one late as well, as with people who wait.

use std::process::Stdio;
use std::time::Duration;

use pgtend::time::clock;
use sqlx::PgConnection;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::common::{block_on, connect, middle, promise, value};
use super::support::{run, send_signal};
use super::world::{FINISHED, World};

const JOBS: u32 = 2_000_000;
const CLIENTS: u32 = 8;
/// Of all clients together.
const PER_SECOND: u32 = 300;
const LASTS: Duration = Duration::from_secs(8);
const ROUNDS: usize = 5;

const P99_TIMES_MAX: f64 = 3.0;
const ROWS_PER_S_MIN: f64 = 40_000.0;
const LOCK_WAIT_MAX_MS: f64 = 50.0;

pub fn measure(major: u32) -> bool {
    block_on(async {
        let mut world = World::make(major, JOBS).await;
        println!(
            "PostgreSQL {major}, fsync on; {JOBS} jobs, half of them due; {CLIENTS} clients, {PER_SECOND} transactions per second"
        );
        let (mut alone, mut gentle) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            alone.push(played(&mut world, None).await);
            gentle.push(played(&mut world, Some("gentle")).await);
        }
        played(&mut world, Some("full")).await;
        judged(&alone, &gentle)
    })
}

fn judged(alone: &[Met], gentle: &[Met]) -> bool {
    let median =
        |of: fn(&Met) -> f64, rounds: &[Met]| middle(&rounds.iter().map(of).collect::<Vec<f64>>());
    let (quiet, p99) = (median(|met| met.p99_ms, alone), median(|met| met.p99_ms, gentle));
    let rate = median(|met| met.rows_per_s, gentle);
    let lock_wait = gentle.iter().map(|met| met.lock_wait_ms).fold(0.0, f64::max);
    println!(
        "  medians: p99 {quiet:.2} ms with nobody, {p99:.2} ms at the gentle pace, {:.1} times; {rate:.0} rows moved per second",
        p99 / quiet
    );
    [
        promise(
            &format!("gentle: p99 at most {P99_TIMES_MAX} times"),
            p99 <= P99_TIMES_MAX * quiet,
        ),
        promise(&format!("gentle: {ROWS_PER_S_MIN} rows per second"), rate >= ROWS_PER_S_MIN),
        promise(
            &format!("gentle: no wait for a lock above {LOCK_WAIT_MAX_MS} ms"),
            lock_wait <= LOCK_WAIT_MAX_MS,
        ),
    ]
    .into_iter()
    .all(|kept| kept)
}

/// What the clients met.
struct Met {
    p99_ms: f64,
    lock_wait_ms: f64,
    rows_per_s: f64,
}

async fn played(world: &mut World, pace: Option<&str>) -> Met {
    let mut conn = world.fresh().await;
    run(&mut conn, "CREATE SEQUENCE ids START 100000000").await;
    run(&mut conn, "ALTER DATABASE bench SET log_lock_waits = on").await;
    run(&mut conn, "ALTER DATABASE bench SET deadlock_timeout = '10ms'").await;
    let log = std::fs::metadata(world.server.log_path()).map_or(0, |log| log.len());
    let over = CancellationToken::new();
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut conn = connect(&world.server, "bench").await;
        run(&mut conn, "SET application_name = 'client'").await;
        let over = over.clone();
        clients.push(tokio::spawn(async move { work(&mut conn, number, &over).await }));
    }
    let begun = clock::monotonic();
    match pace {
        Some(pace) => archived(world, pace).await,
        None => tokio::time::sleep(LASTS).await,
    }
    let lasted = begun.elapsed().as_secs_f64();
    over.cancel();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await.expect("no client failed"));
    }
    took.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank in a list"
        )]
        let rank = (took.len() as f64 * share) as usize;
        took[rank.min(took.len() - 1)].as_secs_f64() * 1e3
    };
    let lock_wait_ms = longest_wait(world, log);
    let moved = value(&mut conn, "SELECT count(*) FROM ml_jobs_archive").await;
    let rows_per_s = moved.parse::<f64>().expect("a number") / lasted;
    println!(
        "  {:<8} p50 {:>6.2} ms, p99 {:>7.2} ms, longest {:>7.2} ms, longest wait for a lock {lock_wait_ms:>5.1} ms; {rows_per_s:>7.0} rows moved per second",
        pace.unwrap_or("nobody"),
        at(0.5),
        at(0.99),
        at(1.0),
    );
    Met { p99_ms: at(0.99), lock_wait_ms, rows_per_s }
}

/// One client: a new job, a look at one and an edit of one that is not due; every fourth edit is of
/// one that is.
async fn work(conn: &mut PgConnection, number: u32, over: &CancellationToken) -> Vec<Duration> {
    let period = Duration::from_secs(1) * CLIENTS / PER_SECOND;
    let mut due = clock::monotonic() + period * number / CLIENTS;
    let mut took = Vec::new();
    for turn in 0_u32.. {
        tokio::time::sleep_until(due.into()).await;
        if over.is_cancelled() {
            break;
        }
        let young = JOBS - 1 - fastrand::u32(0..JOBS / 10);
        let edited = if turn.is_multiple_of(4) { 1 + fastrand::u32(0..JOBS / 2) } else { young };
        run(
            conn,
            &format!(
                "BEGIN; SELECT status FROM ml_jobs WHERE id = {young}; \
                 UPDATE ml_jobs SET score = 0.5 WHERE id = {edited}; \
                 INSERT INTO ml_jobs (id, job_uuid, customer_id, status, created_at, payload) \
                 VALUES (nextval('ids'), gen_random_uuid(), 1, 'pending', now(), repeat('x', 300)); COMMIT"
            ),
        )
        .await;
        took.push(due.elapsed());
        due += period;
    }
    took
}

/// Runs the program for a while. Its start and its end count.
async fn archived(world: &World, pace: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("pgtend.toml");
    let url = world.server.url("bench");
    let config = format!(
        "[database]\nurl = \"{url}\"\n[archive]\nschedule = \"30 2 * * *\"\n\
         [archive.tables.\"public.ml_jobs\"]\ninto = \"public.ml_jobs_archive\"\n\
         age_column = \"created_at\"\nolder_than = \"365 days\"\nwhere = \"{FINISHED}\"\n\
         pace = \"{pace}\"\nvacuum = false\n"
    );
    std::fs::write(&file, config).expect("write the configuration");
    let mut program = Command::new(env!("CARGO_BIN_EXE_pgtend"))
        .args(["once", "archive"])
        .env_clear()
        .env("PGTEND_CONFIG", &file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("start pgtend");
    let pid = program.id().expect("it runs");
    if tokio::time::timeout(LASTS, program.wait()).await.is_err() {
        send_signal("TERM", pid);
        program.wait().await.expect("it ends");
    }
}

/// The longest wait of a client, by the server's log; 0 where none was above 10 ms.
fn longest_wait(world: &World, from: u64) -> f64 {
    let log = std::fs::read(world.server.log_path()).expect("the server's log");
    let log = String::from_utf8_lossy(&log[usize::try_from(from).expect("small")..]).into_owned();
    log.lines()
        .filter(|line| line.contains(" client: ") && line.contains(" acquired "))
        .filter_map(|line| line.rsplit_once(" after ")?.1.split_once(" ms")?.0.parse::<f64>().ok())
        .fold(0.0, f64::max)
}
