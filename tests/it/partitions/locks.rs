//! What an application meets while pgtend works: how long it waits for locks, and what becomes of
//! its queries on a standby.

use crate::support::scenes::{PATIENT_S, Scene, scenes};
use crate::support::{Db, Standby, on_every_major, on_own_server, pgtend, rows, run, wait_until};

/// Nobody may queue behind a patient wait, let alone behind somebody's transaction. A busy machine may make
/// a second of a try of 80 ms; `make soak` has the limits of the promise.
const BUSY_MS: f64 = PATIENT_S as f64 * 1e3 * 0.8;

async fn play(db: &Db, scene: &Scene) {
    let played = scene.play(db).await;
    for (when, met) in [("held up", &played.held_up), ("free", &played.free)] {
        assert!(
            met.longest_wait() < BUSY_MS,
            "{}, {when}: waits of {:?} ms",
            scene.name,
            met.waits
        );
    }
}

async fn play_all(db: &Db, which: impl Fn(&Scene) -> bool) {
    for scene in scenes().iter().filter(|scene| which(scene)) {
        play(db, scene).await;
        db.execute("DROP SCHEMA pgtend CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            .await;
    }
}

/// Case 22, 23: open readers and writers, as long as they like.
#[test]
fn premake_beside_open_transactions() {
    on_every_major(|db| async move {
        play_all(&db, |scene| scene.name.starts_with("premake")).await;
    });
}

#[test]
fn retention_beside_open_transactions() {
    on_every_major(|db| async move {
        play_all(&db, |scene| !scene.name.starts_with("premake")).await;
    });
}

const WORLD: &str = "SET TimeZone = 'UTC';
CREATE TABLE events (id int, ts date) PARTITION BY RANGE (ts);
DO $$ BEGIN EXECUTE format('CREATE TABLE events_now PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
  date_trunc('month', now()), date_trunc('month', now()) + interval '1 month'); END $$;
INSERT INTO events VALUES (1, current_date)";

/// Case 42: a query on a standby outlives premake there. What others do to make a partition ends it.
#[test]
fn a_query_on_a_standby_outlives_premake() {
    on_own_server(&[("max_connections", "200")], |db, server| async move {
        db.execute(WORLD).await;
        let standby = Standby::of(&server, db.name());
        let mut query = standby.connect().await;
        run(&mut query, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM events").await;
        let config = "[partitions]\nschedule = \"0 0 1 1 *\"\n[partitions.tables.\"public.events\"]\ninterval = \"1 month\"\n";
        let ran = pgtend(&db, config).run(&["once", "partitions"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        replayed(&db, &standby).await;
        assert_eq!(rows(&mut query, "SELECT id FROM events").await, [[Some("1".to_owned())]]);

        let log = standby.log();
        assert!(!log.contains("conflict with recovery"), "{log}");
        db.execute("CREATE TABLE by_hand PARTITION OF events FOR VALUES FROM ('2000-01-01') TO ('2001-01-01')").await;
        wait_until("the query is cancelled", || async {
            standby.log().contains("conflict with recovery")
        })
        .await;
    });
}

/// The standby has done what the primary has.
async fn replayed(db: &Db, standby: &Standby) {
    let done = db.value("SELECT pg_current_wal_insert_lsn()").await;
    let mut conn = standby.connect().await;
    let sql = format!("SELECT pg_last_wal_replay_lsn() >= '{done}'::pg_lsn");
    // Commits wait for nobody here, so the last of them may still be on its way.
    db.execute("SELECT pg_switch_wal()").await;
    for _ in 0..3_000 {
        if rows(&mut conn, &sql).await == [[Some("t".to_owned())]] {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the standby does not follow: {}", standby.log());
}
