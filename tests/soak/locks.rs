//! Everything that makes, detaches, drops or restores a partition, beside open transactions and eight
//! clients: how long did the server let them wait for locks?

use std::time::Duration;

use crate::support::scenes::{Scene, scenes};
use crate::support::{Crowd, Db, Met, on_own_server, pgtend, run};

/// Making partitions fills a WAL segment; zeroing the next one on this disk would stall every
/// writer, whoever filled the last.
const SERVER: [(&str, &str); 2] = [("max_connections", "100"), ("wal_init_zero", "off")];
/// Nobody waits for this long for premake: the shortest wait that is logged is below.
const PREMAKE_MAX_MS: f64 = 50.0;
/// The cap on every other wait.
const CAP_MS: f64 = 100.0;
/// A wait ends when its process has its turn. Where the machine kept an idle one waiting, and for no less
/// than what is too much of a wait, that says nothing: the scene is played again, so often at most.
const PLAYED_MAX: usize = 3;
/// How long the clients are measured without pgtend.
const BEFORE: Duration = Duration::from_secs(5);
/// And their longest statement beside premake is longer by this at most.
const ADDED_MAX: Duration = Duration::from_millis(50);

#[test]
fn locks() {
    on_own_server(&SERVER, |db, _server| async move {
        for scene in scenes() {
            let mut played = 1;
            while let Err(too_long) = keeps(&db, &scene).await {
                assert!(played < PLAYED_MAX, "{too_long}");
                eprintln!("played again: {too_long}");
                played += 1;
                empty(&db).await;
            }
            empty(&db).await;
        }
    });
}

/// The error tells of a wait that may be too long because of the machine; any other fails the test.
async fn keeps(db: &Db, scene: &Scene) -> Result<(), String> {
    let played = scene.play(db).await;
    let most = if scene.gets_through { PREMAKE_MAX_MS } else { CAP_MS };
    let mut kept = Ok(());
    for (when, met) in [("held up", &played.held_up), ("free", &played.free)] {
        eprintln!("{} | {} | {when} | {}", db.major(), scene.name, shown(met));
        let too_much = met.longest_wait() - most;
        if too_much > 0.0 {
            let says = format!("{}, {when}: waits of {:?} ms", scene.name, met.waits);
            let may_be_the_machine = too_much <= millis(met.stalled);
            assert!(may_be_the_machine, "{says}");
            kept = Err(says);
        }
    }
    if scene.gets_through && kept.is_ok() {
        added(db, scene, &played.held_up).await;
    }
    kept
}

async fn empty(db: &Db) {
    db.execute("DROP SCHEMA pgtend CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        .await;
}

/// The same clients without pgtend.
async fn added(db: &Db, scene: &Scene, beside: &Met) {
    let crowd = Crowd::start(db, scene.clients).await;
    tokio::time::sleep(BEFORE).await;
    let alone = crowd.stop().await;
    eprintln!("{} | {} | without pgtend | {}", db.major(), scene.name, shown(&alone));
    assert!(
        beside.within(1000) <= alone.within(1000) + ADDED_MAX,
        "{}: a client waited",
        scene.name
    );
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn shown(met: &Met) -> String {
    format!(
        "longest wait for a lock {:.0} ms of {} above 10 ms, stalls of the machine {:.0} ms at most, {:.0} ms together; statements {}: half within {:?}, 999 of 1,000 within {:?}, all within {:?}",
        met.longest_wait(),
        met.waits.len(),
        millis(met.stall),
        millis(met.stalled),
        met.took.len(),
        met.within(500),
        met.within(999),
        met.within(1000)
    )
}

/// Rows that refer to what leaves: as many as it takes for the server's search to be slow.
const MANY: &str = "
SET TimeZone = 'UTC';
CREATE TABLE events (id int, ts date, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE events_ahead PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2125-01-01');
INSERT INTO events SELECT g, d FROM unnest(ARRAY['2020-02-02', '2026-01-01']::date[]) d, generate_series(1, 100000) g;
CREATE TABLE notes (id int, ts date, FOREIGN KEY (id, ts) REFERENCES events);
INSERT INTO notes SELECT 1 + g % 100000, '2026-01-01' FROM generate_series(1, 1500000) g;
ANALYZE";

/// A search that takes too long is ended: the application waits for no longer than for a lock.
#[test]
fn a_long_search_is_ended() {
    on_own_server(&SERVER, |db, _server| async move {
        run(&mut db.connect().await, MANY).await;
        let clients =
            ["SELECT id FROM events WHERE id = 7", "INSERT INTO notes VALUES (7, '2026-01-01')"];
        let config = "[partitions]\nschedule = \"0 0 1 1 *\"\n[partitions.tables.\"public.events\"]\n\
                      interval = \"1 year\"\npremake = \"1 year\"\nretention = \"2 years\"\nexpire_max_share = 1\n";
        let crowd = Crowd::start(&db, &clients).await;
        let ran = pgtend(&db, config).run(&["once", "partitions", "--confirm"]).await;
        let met = crowd.stop().await;
        eprintln!(
            "{} | detach of what 1.5 million rows may refer to | {}",
            db.major(),
            shown(&met)
        );
        assert!(
            ran.code == Some(1) && ran.stdout.contains("in a quiet hour: ALTER TABLE"),
            "{ran}"
        );
        assert!(met.longest_wait() <= CAP_MS + 50.0, "waits of {:?} ms", met.waits);
    });
}
