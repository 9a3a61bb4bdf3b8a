//! A drain or a split, killed with SIGKILL after every statement: the same command again ends where an
//! uninterrupted one does. By each method.

use crate::support::{Db, KillPoints, on_every_major};

const CONFIG: &str = "[partitions]\nschedule = \"17 * * * *\"\n\
                      [partitions.tables.\"public.events\"]\ninterval = \"1 year\"\npremake = \"1 year\"\n";
const DRAIN: &[&str] = &["partitions", "drain", "events"];

/// Rows of years long past, and one of the far future that stays.
async fn world(db: &Db, rows: u32, years: u32) {
    db.execute(&format!(
        "SET TimeZone = 'UTC';
         CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1);
         CREATE TABLE events (id int, ts date, user_id int REFERENCES users, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
         CREATE TABLE events_default PARTITION OF events DEFAULT;
         CREATE INDEX ON events (ts);
         INSERT INTO events SELECT g, make_date(2020 + g % {years}, 2, 2), 1 FROM generate_series(1, {rows}) g"
    ))
    .await;
}

async fn survives(db: &Db, then: &[&str], method: &str) {
    let done = KillPoints::of(db, CONFIG, DRAIN).then(then).run().await;
    assert!(done.iter().any(|sql| sql.contains(method)), "no {method} in {done:#?}");
}

#[test]
fn copied_under_the_lock() {
    on_every_major(|db| async move {
        world(&db, 10, 2).await;
        db.execute("INSERT INTO events VALUES (0, '9999-01-01')").await;
        survives(&db, DRAIN, "'at_once'").await;
    });
}

#[test]
fn attached_as_it_is() {
    on_every_major(|db| async move {
        world(&db, 10_001, 1).await;
        survives(&db, DRAIN, "'whole'").await;
    });
}

/// Here the job carries on what the command began.
#[test]
fn copied_while_captured() {
    on_every_major(|db| async move {
        world(&db, 10_001, 1).await;
        db.execute(
            "INSERT INTO events VALUES (0, '9999-01-01');
             CREATE TABLE events_ahead PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2125-01-01')",
        )
        .await;
        survives(&db, DRAIN, "'copy'").await;
    });
}

const SPLIT: &[&str] = &["partitions", "split", "events"];
const SPLITTING: &str = "[partitions]\nschedule = \"17 * * * *\"\n[partitions.tables.\"public.events\"]\n\
                         interval = \"1 year\"\npremake = \"1 year\"\nsplit = true\n";

/// One wide partition up to 2024, and one that reaches far ahead: nothing is made.
async fn wide(db: &Db, rows: u32, years: u32, key: &str) {
    db.execute(&format!(
        "SET TimeZone = 'UTC';
         CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1);
         CREATE TABLE events (id int, ts date, user_id int REFERENCES users {key}) PARTITION BY RANGE (ts);
         CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
         CREATE TABLE events_ahead (LIKE events); ALTER TABLE events ATTACH PARTITION events_ahead FOR VALUES FROM ('2024-01-01') TO ('2125-01-01');
         CREATE INDEX ON events (ts);
         INSERT INTO events SELECT g, make_date(2019 + g % {years}, 2, 2), 1 FROM generate_series(1, {rows}) g"
    ))
    .await;
}

/// Few rows under the lock; the job carries on what the command began.
#[test]
fn split_under_the_lock() {
    on_every_major(|db| async move {
        wide(&db, 10, 2, ", PRIMARY KEY (id, ts)").await;
        let done = KillPoints::of(&db, SPLITTING, SPLIT).then(&["once", "partitions"]).run().await;
        assert!(done.iter().any(|sql| sql.contains("'at_once'")), "{done:#?}");
        assert!(done.iter().any(|sql| sql.contains("RENAME TO events_old_split")), "{done:#?}");
    });
}

#[test]
fn split_while_captured() {
    on_every_major(|db| async move {
        wide(&db, 10_001, 2, ", PRIMARY KEY (id, ts)").await;
        let done = KillPoints::of(&db, SPLITTING, SPLIT).run().await;
        assert!(done.iter().any(|sql| sql.contains("'copy'")), "{done:#?}");
    });
}

/// Nothing tells its rows apart, and all are of one year.
#[test]
fn split_as_it_is() {
    on_every_major(|db| async move {
        wide(&db, 10_001, 1, "").await;
        let done = KillPoints::of(&db, SPLITTING, SPLIT).run().await;
        assert!(done.iter().any(|sql| sql.contains("'whole'")), "{done:#?}");
    });
}
