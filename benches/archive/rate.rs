//! Half of two million rows, each way in turn.

use std::time::Duration;

use super::common::{block_on, median, promise};
use super::rivals;
use super::world::{World, value};

const JOBS: u32 = 2_000_000;
const ROUNDS: usize = 3;
/// The slow ways are measured over so many rows.
const SAMPLE: u32 = 30_000;

const TIMES_CURSOR: f64 = 4.0;
const TIMES_OBJECTS: f64 = 15.0;
const MEMORY_MAX_MB: f64 = 40.0;

pub fn measure(major: u32) -> bool {
    block_on(async {
        let mut world = World::make(major, JOBS).await;
        println!("PostgreSQL {major}, fsync on; {JOBS} jobs, half of them due");
        let [mut giants, mut ours, mut cursors, mut objects] = [const { Vec::new() }; 4];
        let (mut peak_mb, mut moved) = (0.0_f64, 0.0);
        for _ in 0..ROUNDS {
            let mut conn = world.fresh().await;
            giants.push(rivals::single_statement(&mut conn).await);
            // Rows that are not due, in the same table.
            cursors.push(rivals::cursor(&mut conn, JOBS / 4 * 3, SAMPLE).await);
            objects.push(rivals::objects(&mut conn, JOBS / 8 * 7, SAMPLE).await);
            drop(conn);

            let mut conn = world.fresh().await;
            let ran = world.archive("365 days");
            ours.push(ran.took);
            peak_mb = peak_mb.max(ran.peak_mb);
            moved = value(&mut conn, "SELECT count(*) FROM ml_jobs_archive")
                .await
                .parse()
                .expect("a count");
            let ratio = giants[giants.len() - 1].as_secs_f64() / ran.took.as_secs_f64();
            println!(
                "  round: the single statement {:.3?}, pgtend {:.3?}: {ratio:.2}",
                giants[giants.len() - 1],
                ran.took
            );
        }
        let ours = told("pgtend", moved, median(&ours));
        let giant = ours / told("one statement", moved, median(&giants));
        let cursor = ours / told("a cursor", SAMPLE.into(), median(&cursors));
        let objects = ours / told("objects", SAMPLE.into(), median(&objects));
        println!(
            "  {giant:.2} of one statement, {cursor:.1} times a cursor, {objects:.1} times objects; at most {peak_mb:.1} MB"
        );
        let least = if major >= 14 { 1.0 } else { 0.85 };
        [
            promise(&format!("{least} of one statement"), giant >= least),
            promise(&format!("{TIMES_CURSOR} times a cursor"), cursor >= TIMES_CURSOR),
            promise(&format!("{TIMES_OBJECTS} times objects"), objects >= TIMES_OBJECTS),
            promise(&format!("{MEMORY_MAX_MB} MB at most"), peak_mb <= MEMORY_MAX_MB),
        ]
        .into_iter()
        .all(|kept| kept)
    })
}

/// Prints a rate, in rows per second.
fn told(what: &str, rows: f64, took: Duration) -> f64 {
    let rate = rows / took.as_secs_f64();
    println!("  {what:<14} {took:>9.3?} for {rows} rows: {rate:>9.0} rows/s");
    rate
}
