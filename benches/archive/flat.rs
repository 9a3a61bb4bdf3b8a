//! Whether batches become slower as the run goes on.
//!
//! Rows are stamped with the beginning of their batch, so the archive tells what each batch took. A machine that
//! is slower for some seconds makes a run look as if it became slower, or quicker: the median of three is held
//! against what is promised.

use sqlx::PgConnection;

use super::common::{block_on, connect, middle, promise};
use super::support::{rows, run};
use super::world::World;

const JOBS: u32 = 2_000_000;
const TIMES_MAX: f64 = 1.2;
const ROUNDS: usize = 3;

pub fn measure(major: u32) -> bool {
    block_on(async {
        let mut world = World::make(major, JOBS).await;
        println!("PostgreSQL {major}, fsync on; {JOBS} jobs, half of them due");
        let mut kept = true;
        for beneath_a_snapshot in [false, true] {
            let what =
                if beneath_a_snapshot { "beneath an old snapshot" } else { "nobody else there" };
            let mut ratios = Vec::new();
            for _ in 0..ROUNDS {
                ratios.push(slower(&mut world, what, beneath_a_snapshot).await);
            }
            let ratio = middle(&ratios);
            println!("  {what}: the median is {ratio:.2}");
            kept &=
                promise(&format!("{what}: at most {TIMES_MAX} times slower"), ratio <= TIMES_MAX);
        }
        // What of it is the server's: behind a checkpoint each page is written whole to the WAL once more.
        world.set("max_wal_size", "32GB").await;
        slower(&mut world, "with no checkpoint meanwhile", false).await;
        kept
    })
}

/// How much longer the last tenth of the batches takes than the first.
async fn slower(world: &mut World, what: &str, beneath_a_snapshot: bool) -> f64 {
    let mut conn = world.fresh().await;
    let mut reader = connect(&world.server, "bench").await;
    if beneath_a_snapshot {
        let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM ml_jobs LIMIT 1";
        run(&mut reader, sql).await;
    }
    world.archive("365 days", "full");
    let times = batches(&mut conn).await;
    let tenths: Vec<f64> = times.chunks_exact(times.len() / 10).map(middle).collect();
    let ratio = tenths[tenths.len() - 1] / tenths[0];
    println!(
        "  {what}: {} batches, by tenths {tenths:.2?} ms for a thousand rows; the last, of the first: {ratio:.2}",
        times.len()
    );
    ratio
}

/// What each batch took until the next began, in ms for a thousand rows.
async fn batches(conn: &mut PgConnection) -> Vec<f64> {
    let sql = "SELECT extract(epoch FROM lead(at) OVER (ORDER BY at) - at) * 1e6 / count FROM ( \
               SELECT archived_at AS at, count(*) FROM ml_jobs_archive GROUP BY 1) AS batch ORDER BY at";
    let found = rows(conn, sql).await;
    found.iter().filter_map(|row| row[0].as_deref()?.parse().ok()).collect()
}
