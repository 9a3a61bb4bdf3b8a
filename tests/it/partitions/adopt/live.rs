//! Under writers and a reader, against a ledger of what was committed.

use std::time::Duration;

use super::{adopt, adopting};
use crate::support::{Application, Db, World, on_every_major};

/// Ids in order of time over a year, as an application makes them.
const KEY: &str = "'2025-01-01'::timestamptz + $1 % 380 * interval '1 day'";

async fn world(db: &Db, rows: u32) {
    db.execute(&format!(
        "SET TimeZone = 'UTC'; CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1);
         CREATE TABLE events (id bigint PRIMARY KEY, ts timestamptz NOT NULL, v bigint NOT NULL, u int DEFAULT 1 REFERENCES users, payload text DEFAULT repeat('x', 40));
         CREATE INDEX ON events (ts);
         CREATE VIEW seen AS SELECT id, v FROM events;
         CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER noted BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION noted();
         INSERT INTO events (id, ts, v) SELECT n, {}, 1 FROM generate_series(1, {rows}) n; ANALYZE events",
        KEY.replace("$1", "n")
    ))
    .await;
}

#[test]
fn nothing_is_lost_doubled_or_stale() {
    on_every_major(|db| async move {
        world(&db, 20_000).await;
        let app = adopting(&db).await;
        let mut world = World::new("events", KEY);
        world.pause = Duration::from_millis(1);
        let application = Application::start(&db, world).await;
        adopt(&app).await;
        application.goes_on().await;
        let ledger = application.stop().await;
        ledger.holds(&db, "SELECT id, v FROM events").await;
        ledger.holds(&db, "SELECT id, v FROM seen").await;
        let parts = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass";
        assert_eq!(db.value(parts).await, "2");
    });
}
