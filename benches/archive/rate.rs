//! Half of two million rows, each way in turn.

use std::time::Duration;

use super::common::{block_on, median, promise, timed_sql, value};
use super::rivals;
use super::world::{Ran, World};

const JOBS: u32 = 2_000_000;
const ROUNDS: usize = 3;
/// The slow ways are measured over so many rows.
const SAMPLE: u32 = 20_000;

const TIMES_ROW_BY_ROW: f64 = 4.0;
const TIMES_OBJECTS: f64 = 15.0;
const MEMORY_MAX_MB: f64 = 40.0;

/// What pgtend runs behind the move, for whoever moves all rows by one statement.
const VACUUM: &str = "VACUUM (ANALYZE, INDEX_CLEANUP ON, TRUNCATE OFF, PARALLEL 0) ml_jobs";

/// What was measured, a value per round.
#[derive(Default)]
struct Rounds {
    giant: Vec<Duration>,
    giant_and_vacuum: Vec<Duration>,
    row_by_row: Vec<Duration>,
    inside: Vec<Duration>,
    objects: Vec<Duration>,
    /// pgtend from start to end, but for its VACUUM.
    ours: Vec<Duration>,
    ours_and_vacuum: Vec<Duration>,
    peak_mb: f64,
}

pub fn measure(major: u32) -> bool {
    block_on(async {
        let mut world = World::make(major, JOBS).await;
        println!("PostgreSQL {major}, fsync on; {JOBS} jobs, half of them due");
        let mut rounds = Rounds::default();
        let mut moved = 0.0;
        for _ in 0..ROUNDS {
            theirs(&mut world, &mut rounds).await;
            let mut conn = world.fresh().await;
            ours(&world.archive("365 days", "full"), &mut rounds);
            let count = value(&mut conn, "SELECT count(*) FROM ml_jobs_archive").await;
            moved = count.parse().expect("a count");
        }
        judged(major, moved, &rounds)
    })
}

async fn theirs(world: &mut World, rounds: &mut Rounds) {
    let mut conn = world.fresh().await;
    let giant = rivals::single_statement(&mut conn, "365 days").await;
    let vacuum = timed_sql(&mut conn, VACUUM).await;
    println!("  round: one statement {giant:.3?}, VACUUM {vacuum:.3?}");
    rounds.giant.push(giant);
    rounds.giant_and_vacuum.push(giant + vacuum);
    // Rows that are not due, in the same table.
    rounds.row_by_row.push(rivals::row_by_row(&mut conn, JOBS / 8 * 5, SAMPLE).await);
    rounds.inside.push(rivals::row_by_row_inside(&mut conn, JOBS / 8 * 6, SAMPLE).await);
    rounds.objects.push(rivals::objects(&mut conn, JOBS / 8 * 7, SAMPLE).await);
}

fn ours(ran: &Ran, rounds: &mut Rounds) {
    let phases: String =
        ran.actions.iter().map(|(kind, took)| format!("{kind} {took:.3?}, ")).collect();
    println!("         pgtend {:.3?}: {phases}all else {:.3?}", ran.took, ran.beside());
    rounds.ours.push(ran.took.saturating_sub(ran.of("vacuum")));
    rounds.ours_and_vacuum.push(ran.took);
    rounds.peak_mb = rounds.peak_mb.max(ran.peak_mb);
}

fn judged(major: u32, moved: f64, rounds: &Rounds) -> bool {
    let sample = f64::from(SAMPLE);
    let ours = told("pgtend", moved, &rounds.ours);
    let giant = ours / told("one statement", moved, &rounds.giant);
    let all = told("pgtend, VACUUM", moved, &rounds.ours_and_vacuum);
    let all = all / told("one, VACUUM", moved, &rounds.giant_and_vacuum);
    let row_by_row = ours / told("row by row", sample, &rounds.row_by_row);
    let inside = ours / told("… inside", sample, &rounds.inside);
    let objects = ours / told("objects", sample, &rounds.objects);
    println!(
        "  {giant:.2} of one statement, {all:.2} with a VACUUM behind both; {row_by_row:.1} times row by row \
         ({inside:.1} times the same inside the server), {objects:.1} times objects; at most {:.1} MB",
        rounds.peak_mb
    );
    let least = if major >= 14 { 1.0 } else { 0.85 };
    [
        promise(&format!("{least} of one statement"), giant >= least),
        promise(&format!("{least} of it with a VACUUM behind both"), all >= least),
        promise(&format!("{TIMES_ROW_BY_ROW} times row by row"), row_by_row >= TIMES_ROW_BY_ROW),
        promise(&format!("{TIMES_OBJECTS} times objects"), objects >= TIMES_OBJECTS),
        promise(&format!("{MEMORY_MAX_MB} MB at most"), rounds.peak_mb <= MEMORY_MAX_MB),
    ]
    .into_iter()
    .all(|kept| kept)
}

/// Prints the median as a rate, in rows per second.
fn told(what: &str, rows: f64, times: &[Duration]) -> f64 {
    let took = median(times);
    let rate = rows / took.as_secs_f64();
    println!("  {what:<14} {took:>9.3?} for {rows} rows: {rate:>9.0} rows/s");
    rate
}
