//! One day due of a million rows: what the server spends on the whole run, planning included, by its
//! own count, at the default pace. Before them in every index stand 5,000 old jobs that never finished.

use std::time::Duration;

use super::common::{block_on, connect, median, promise};
use super::support::{rows, run};
use super::world::World;
use sqlx::PgConnection;

/// Over two years, of which the first is gone.
const JOBS: u32 = 2_000_000;
const SERVER_MAX_MS: f64 = 50.0;
/// The first run finds the table on the disk, and does not count.
const RUNS: u32 = 4;

/// What any run of any job costs.
const OF_RUNS: &str = "AND query ~ 'job_run|job_control|job_known|_sqlx_migrations'";

/// The dearest statements of the run.
const DEAREST: u32 = 12;

async fn dearest(conn: &mut PgConnection) {
    let sql = format!(
        "SELECT round((total_exec_time + total_plan_time)::numeric, 1), round(total_plan_time::numeric, 1), \
         calls, left(regexp_replace(query, '\\s+', ' ', 'g'), 100) FROM pg_stat_statements \
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = 'bench') ORDER BY 1 DESC LIMIT {DEAREST}"
    );
    println!("    ms, planning, calls of the dearest statements");
    for row in rows(conn, &sql).await {
        let cells: Vec<&str> = row.iter().filter_map(Option::as_deref).collect();
        println!("    {}", cells.join("  "));
    }
}

/// The sum over the statements of the run, in ms.
async fn spent(world: &mut World, what: &str, of: &str) -> f64 {
    let sql = format!(
        "SELECT coalesce(sum({what}), 0) FROM pg_stat_statements \
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = 'bench') {of}"
    );
    world.value(&sql).await.parse().expect("a number")
}

pub fn measure(major: u32) -> bool {
    block_on(async {
        let mut world = World::make(major, JOBS).await;
        println!("PostgreSQL {major}, fsync on; {} jobs of a year, one day of them due", JOBS / 2);
        world.set("pg_stat_statements.track_planning", "on").await;
        let mut conn = world.fresh().await;
        // What is older than that has gone by and by, but for what never finished.
        run(&mut conn, "DELETE FROM ml_jobs WHERE created_at < now() - interval '365 days' AND status <> 'running'").await;
        run(&mut conn, "VACUUM ANALYZE ml_jobs").await;
        let mut all = Vec::new();
        for day in 0..RUNS {
            world.value("SELECT pg_stat_statements_reset()").await;
            world.archive(&format!("{} days", 364 - day), "gentle");
            let spent = self::spent(&mut world, "total_exec_time + total_plan_time", "").await;
            if day == 0 {
                println!("  {spent:.1} ms in the server for the first run, which does not count");
            } else {
                let planning = self::spent(&mut world, "total_plan_time", "").await;
                let of_runs =
                    self::spent(&mut world, "total_exec_time + total_plan_time", OF_RUNS).await;
                println!(
                    "  {spent:.1} ms in the server, {planning:.1} of them planning; {of_runs:.1} for claim and history"
                );
                all.push(Duration::from_secs_f64(spent / 1e3));
                if day + 1 == RUNS {
                    dearest(&mut connect(&world.server, "postgres").await).await;
                }
            }
        }
        promise(
            &format!("{SERVER_MAX_MS} ms at most"),
            median(&all).as_secs_f64() * 1e3 <= SERVER_MAX_MS,
        )
    })
}
