//! A drain or a split that is under way is called off: everything is as it was, and it can be begun
//! anew.

use pgtend::job::Verdict;
use pgtend::jobs::partitions::Task;
use pgtend::pg::fault::Kind;

use super::drain::{EVENTS, OVER_MONTHS, fill, nothing_is_left};
use super::{config, once, plan, succeeded, tending};
use crate::support::{Application, Db, KillPoints, World, digest, on_every_major, pgtend, run};

fn drain(abort: bool) -> Task {
    Task::Drain { table: "events".parse().unwrap(), abort }
}

fn split(abort: bool) -> Task {
    Task::Split { table: "events".parse().unwrap(), abort }
}

/// All that stands, without pgtend's own schema.
async fn shape(db: &Db) -> Vec<String> {
    let lines = digest(db).await.into_iter();
    lines.filter(|line| !line.contains("pgtend.")).collect()
}

/// Begun as far as it gets beside an open reader: all rows are copied, and the exchange is not had.
#[test]
fn what_was_begun_is_taken_back_under_writers() {
    on_every_major(|db| async move {
        db.execute(EVENTS).await;
        fill(&db, 12_000, OVER_MONTHS).await;
        let mut app = tending(&db, &[("events", "")]).await;
        let before = shape(&db).await;
        app.ask(&drain(false));
        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN; SELECT count(*) FROM events").await;
        assert_eq!(once(&app).await.first_fault().unwrap().kind, Kind::LockNotHad);
        run(&mut reader, "COMMIT").await;
        // The other command names the right one.
        app.ask(&split(true));
        let other = once(&app).await;
        assert!(other.actions.is_empty());
        assert!(
            other.spared[0].reason.ends_with("pgtend partitions drain public.events --abort"),
            "{other:#?}"
        );

        app.ask(&drain(true));
        let planned = plan(&app).await;
        assert_eq!(planned.actions[0].kind, "give_up_drain");
        let outcome = once(&app).await;
        succeeded(&outcome);
        assert_eq!(shape(&db).await, before);
        assert_eq!(db.value("SELECT count(*) FROM pgtend.partition_carve").await, "0");
        let again = once(&app).await;
        succeeded(&again);
        assert_eq!(
            (again.actions.len(), again.spared[0].reason.as_str()),
            (0, "no drain of it is under way")
        );

        // And once more while the application writes: nothing is lost, and the next drain goes through.
        app.ask(&drain(false));
        let writing = Application::start(&db, World::new("events", OVER_MONTHS)).await;
        run(&mut reader, "BEGIN; SELECT count(*) FROM events").await;
        assert_eq!(once(&app).await.verdict, Verdict::Failed);
        run(&mut reader, "COMMIT").await;
        app.ask(&drain(true));
        succeeded(&once(&app).await);
        writing.goes_on().await;
        app.ask(&drain(false));
        succeeded(&once(&app).await);
        let ledger = writing.stop().await;
        ledger.holds(&db, "SELECT id, v FROM events").await;
        nothing_is_left(&db).await;
    });
}

/// The partition itself was dropped meanwhile: what was made for its rows can still be taken back.
#[test]
fn what_has_lost_its_partition_is_taken_back() {
    on_every_major(|db| async move {
        db.execute(EVENTS).await;
        fill(&db, 12_000, OVER_MONTHS).await;
        let mut app = tending(&db, &[("events", "")]).await;
        app.ask(&drain(false));
        let mut reader = db.connect().await;
        run(&mut reader, "BEGIN; SELECT count(*) FROM events").await;
        assert_eq!(once(&app).await.first_fault().unwrap().kind, Kind::LockNotHad);
        run(&mut reader, "COMMIT").await;
        db.execute("DROP TABLE events_default").await;
        app.ask(&Task::Tend { confirm: false });
        let outcome = once(&app).await;
        succeeded(&outcome);
        assert!(
            outcome.actions.iter().any(|action| action.kind == "give_up_drain"),
            "{outcome:#?}"
        );
        nothing_is_left(&db).await;
    });
}

const YEARS: &str = "
SET TimeZone = 'UTC';
CREATE TABLE events (id bigint NOT NULL, ts timestamptz NOT NULL, v bigint NOT NULL, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);";

/// Begins it with the command as an operator types it, takes it back, and is killed after every
/// statement of that.
async fn killed(db: &Db, partition: &str, what: &str) {
    db.execute(&format!("{YEARS} {partition}")).await;
    fill(db, 10_001, "make_date(2015 + $1::int % 3, 2, 2)").await;
    let years = config(&[("events", "interval = \"1 year\"\npremake = \"1 year\"")]);
    let mut reader = db.connect().await;
    run(&mut reader, "BEGIN; SELECT count(*) FROM events").await;
    let ran = pgtend(db, &years).run(&["partitions", what, "events"]).await;
    assert!(ran.code != Some(0) && ran.stdout.contains("exchange public.events_"), "{ran}");
    run(&mut reader, "COMMIT").await;
    drop(reader);
    let done = KillPoints::of(db, &years, &["partitions", what, "events", "--abort"]).run().await;
    let made = "DROP TABLE IF EXISTS public.events_p2015";
    for part in ["DROP FUNCTION", made, "DELETE FROM partition_carve"] {
        assert!(done.iter().any(|sql| sql.contains(part)), "no {part} in {done:#?}");
    }
}

#[test]
fn killed_while_a_drain_is_taken_back() {
    on_every_major(|db| async move {
        killed(&db, "CREATE TABLE events_default PARTITION OF events DEFAULT", "drain").await;
    });
}

#[test]
fn killed_while_a_split_is_taken_back() {
    on_every_major(|db| async move {
        let wide = "CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2015-01-01') TO ('2018-01-01')";
        killed(&db, wide, "split").await;
    });
}
