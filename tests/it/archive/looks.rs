//! Who looks for the next range, and how often.

use std::time::Duration;

use pgtend::job::Verdict;
use pgtend::time::clock;

use super::orders::world;
use super::{assert_whole, config_for, keep, once};
use crate::support::{Db, InProcess, NO_ROWS, on_every_major};

/// Who looked for a range, in turn, or counted. The logged statement names its session.
async fn looked(db: &Db, config: &str) -> Vec<&'static str> {
    db.execute(&format!("ALTER DATABASE \"{}\" SET log_statement = 'all'", db.name())).await;
    let app = InProcess::new(db, &config_for("jobs", "created_at", config)).await;
    let mark = db.log_mark();
    assert_eq!(once(&app).await.verdict, Verdict::Succeeded);
    assert_eq!(db.rows("SELECT * FROM jobs").await, NO_ROWS);
    assert_whole(db, "jobs", "jobs_archive").await;
    let who = |line: &str| match line {
        _ if line.contains("WITH counted AS MATERIALIZED") => Some("counted"),
        _ if line.contains("SELECT count(*), min(age)") => Some("counted"),
        _ if !["-- the first range", "-- the next range"].iter().any(|it| line.contains(it)) => {
            None
        }
        _ if line.contains("pgtend/control") => Some("beside"),
        _ => Some("before"),
    };
    db.server_log_since(mark).lines().filter_map(who).collect()
}

/// 34 rows: more than a batch has, so that the count does not tell the first range. Beside the third batch the
/// last range is found; then the proof. Where batches rest, nobody is to have two of our connections to bear
/// because of a look.
#[test]
fn without_rests_the_next_range_is_looked_for_while_a_batch_moves() {
    on_every_major(|db| async move {
        let at_pace = |pace| format!("pace = '{pace}'\norder = 'oldest'\nbatch_rows = 10");
        world(&db).await;
        let whole = looked(&db, &at_pace("full")).await;
        assert_eq!(whole, ["counted", "before", "beside", "beside", "beside", "before"]);
        world(&db).await;
        let gentle = looked(&db, &at_pace("gentle")).await;
        assert_eq!(gentle, [&["counted"][..], &["before"; 5]].concat());
    });
}

/// How long the plan's range is good for.
const FRESH: Duration = Duration::from_secs(2);
/// How often a machine may take longer than that.
const TRIES: u32 = 5;

/// The count tells where all of them are, and their batch goes by it.
#[test]
fn a_days_rows_are_read_once_before_they_move() {
    on_every_major(|db| async move {
        for (more, looks) in
            [(2_966, &["counted"][..]), (2_967, &["counted", "counted", "before", "before"])]
        {
            let mut is_quick = false;
            for _ in 0..TRIES {
                world(&db).await;
                db.execute(&format!(
                    "INSERT INTO jobs SELECT i, 'job', 'done', now() - interval '39 days' \
                     FROM generate_series(41, 40 + {more}) AS i; \
                     DROP TABLE kept"
                ))
                .await;
                keep(&db, "jobs").await;
                let begun = clock::monotonic();
                let looked = looked(&db, "order = 'oldest'").await;
                is_quick = begun.elapsed() < FRESH;
                if is_quick {
                    assert_eq!(looked, looks, "{more} more");
                    break;
                }
            }
            assert!(is_quick, "no run took less than {FRESH:?}");
        }
    });
}
