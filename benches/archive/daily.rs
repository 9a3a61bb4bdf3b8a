//! One day due of a million rows: what the server spends on the whole run, planning included, by its
//! own count, at the default pace.
//!
//! Once with nothing old but what is due, which is held against the promise, and once with 5,000 old jobs
//! that never finished before them in every index. How fast the machine is today, another day's rows tell
//! that go by one statement in the same run.

use super::common::{block_on, connect, middle, promise};
use super::rivals;
use super::support::{rows, run};
use super::world::World;
use sqlx::PgConnection;

/// Over two years, of which the first is gone.
const JOBS: u32 = 2_000_000;
const SERVER_MAX_MS: f64 = 50.0;
/// The first run finds the table on the disk, and does not count. What else the host has to do adds to
/// single ones: the median is held against the promise, and the least of them told beside it.
const RUNS: u32 = 8;

/// What is gone before. The days to come are then without jobs that never finish, too …
const CLEAN: &str = "created_at < now() - interval '365 days' \
                     OR created_at < now() - interval '350 days' AND status = 'running'";
/// … or the year before has left its own.
const WITH_REMAINS: &str = "created_at < now() - interval '365 days' AND status <> 'running'";

/// What any run of any job costs: its claim and its history. A batch looks at the claim as well, and notes
/// its run; that is not meant.
const OF_RUNS: &str = "AND query ~ 'job_run|job_control|job_known|_sqlx_migrations' \
                       AND query !~ 'archive_batch|^SELECT \\S+ FROM job_run WHERE run_id'";

/// The dearest statements of the run.
const DEAREST: u32 = 12;

const WITH_PLANNING: &str = "total_exec_time + total_plan_time";

pub fn measure(major: u32) -> bool {
    block_on(async {
        let mut world = World::make(major, JOBS).await;
        println!("PostgreSQL {major}, fsync on; {} jobs of a year, one day of them due", JOBS / 2);
        world.set("pg_stat_statements.track_planning", "on").await;
        println!("  nothing old but what is due");
        let spent = days(&mut world, CLEAN).await;
        let kept = promise(&format!("{SERVER_MAX_MS} ms at most"), spent <= SERVER_MAX_MS);
        println!("  with 5,000 old jobs that never finished");
        days(&mut world, WITH_REMAINS).await;
        kept
    })
}

/// Day after day, by one statement and by the program in turn: the median of the latter, in ms.
async fn days(world: &mut World, gone: &str) -> f64 {
    let mut conn = world.fresh().await;
    run(&mut conn, &format!("DELETE FROM ml_jobs WHERE {gone}")).await;
    run(&mut conn, "VACUUM ANALYZE ml_jobs").await;
    // What that wrote is not the day's.
    run(&mut conn, "CHECKPOINT").await;
    let (mut ours, mut times) = (Vec::new(), Vec::new());
    for turn in 0..RUNS {
        let one = one_statement(world, &mut conn, 364 - 2 * turn).await;
        world.value("SELECT pg_stat_statements_reset()").await;
        world.archive(&format!("{} days", 363 - 2 * turn), "gentle");
        let spent = self::spent(world, WITH_PLANNING, "").await;
        let planning = self::spent(world, "total_plan_time", "").await;
        let of_runs = self::spent(world, WITH_PLANNING, OF_RUNS).await;
        println!(
            "  {spent:.1} ms in the server, {planning:.1} of them planning, {of_runs:.1} for claim and history; \
             one statement {one:.1} ms: {:.1} times{}",
            spent / one,
            if turn == 0 { "; does not count" } else { "" }
        );
        if turn > 0 {
            ours.push(spent);
            times.push(spent / one);
        }
        if turn + 1 == RUNS {
            dearest(&mut connect(&world.server, "postgres").await).await;
        }
    }
    let (spent, least) = (middle(&ours), ours.iter().copied().fold(f64::INFINITY, f64::min));
    println!(
        "  medians: {spent:.1} ms, {:.1} times the one statement; at least {least:.1} ms",
        middle(&times)
    );
    spent
}

/// What one statement takes for a day, counted in the same way: without the wait for its commit.
async fn one_statement(world: &mut World, conn: &mut PgConnection, days: u32) -> f64 {
    world.value("SELECT pg_stat_statements_reset()").await;
    rivals::single_statement(conn, &format!("{days} days")).await;
    spent(world, WITH_PLANNING, "").await
}

/// The sum over the statements since the last reset, in ms.
async fn spent(world: &mut World, what: &str, of: &str) -> f64 {
    let sql = format!(
        "SELECT coalesce(sum({what}), 0) FROM pg_stat_statements \
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = 'bench') {of}"
    );
    world.value(&sql).await.parse().expect("a number")
}

async fn dearest(conn: &mut PgConnection) {
    let sql = format!(
        "SELECT round((total_exec_time + total_plan_time)::numeric, 1), round(total_plan_time::numeric, 1), \
         plans, calls, left(regexp_replace(query, '\\s+', ' ', 'g'), 100) FROM pg_stat_statements \
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = 'bench') ORDER BY 1 DESC LIMIT {DEAREST}"
    );
    println!("    ms, planning, plans, calls of the dearest statements");
    for row in rows(conn, &sql).await {
        let cells: Vec<&str> = row.iter().filter_map(Option::as_deref).collect();
        println!("    {}", cells.join("  "));
    }
}
