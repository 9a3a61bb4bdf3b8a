//! Every operation of premake and retention, killed with SIGKILL after every statement: the next
//! run ends where an uninterrupted one does.
//!
//! The clock is the real one, so bounds are far from it: years behind and, where nothing is to be
//! made, a century ahead.

use crate::support::{Db, KillPoints, on_every_major, pgtend, run, wait_until};

const HEAD: &str = "[partitions]\nschedule = \"17 * * * *\"\n\
                    [partitions.tables.\"public.events\"]\ninterval = \"1 year\"\n";

/// Two old years, and one partition that reaches far ahead.
const OLD_YEARS: &str = "
SET TimeZone = 'UTC';
CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1), (2);
CREATE TABLE events (id int, ts date NOT NULL, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE events_2021 PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE events_ahead PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2125-01-01');
INSERT INTO events (id, ts) VALUES (1, '2020-02-02'), (2, '2021-02-02'), (3, '2026-02-02');";

const EXPIRE: &str = "premake = \"1 year\"\nretention = \"2 years\"\nexpire_max_share = 1\n";
const DROP: &str = "on_expiry = \"drop\"\n";
const ONCE: &[&str] = &["once", "partitions"];
const CONFIRM: &[&str] = &["once", "partitions", "--confirm"];

fn config(settings: &[&str]) -> String {
    HEAD.to_owned() + &settings.concat()
}

#[track_caller]
fn has(statements: &[String], part: &str) {
    assert!(statements.iter().any(|sql| sql.contains(part)), "no {part} in {statements:#?}");
}

async fn expired(db: &Db, settings: &[&str]) {
    let ran = pgtend(db, &config(settings)).run(CONFIRM).await;
    assert_eq!(ran.code, Some(0), "{ran}");
}

#[test]
fn premake() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE users (id int PRIMARY KEY);
             CREATE TABLE events (id int, ts date, user_id int REFERENCES users, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
             CREATE TABLE notes (id int, ts date, FOREIGN KEY (id, ts) REFERENCES events);
             CREATE ROLE killed_reader; GRANT SELECT ON events TO killed_reader;
             ALTER TABLE events ENABLE ROW LEVEL SECURITY, REPLICA IDENTITY FULL",
        )
        .await;
        let done = KillPoints::of(&db, &config(&["premake = \"1 year\""]), ONCE).run().await;
        has(&done, "ATTACH PARTITION");
        db.execute("DROP OWNED BY killed_reader; DROP ROLE killed_reader").await;
    });
}

#[test]
fn premake_beside_a_large_default_partition() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE events (id int, ts date) PARTITION BY RANGE (ts);
             CREATE TABLE events_default PARTITION OF events DEFAULT;
             INSERT INTO events SELECT g, '1999-01-01' FROM generate_series(1, 50001) g",
        )
        .await;
        let done = KillPoints::of(&db, &config(&["premake = \"1 day\""]), ONCE).run().await;
        has(&done, "VALIDATE CONSTRAINT pgtend_hole");
    });
}

/// Concurrently from 14 on, in one transaction on 13.
#[test]
fn detach() {
    on_every_major(|db| async move {
        db.execute(OLD_YEARS).await;
        let done = KillPoints::of(&db, &config(&[EXPIRE]), CONFIRM).run().await;
        has(&done, if db.major() < 14 { "DETACH PARTITION" } else { "CONCURRENTLY" });
    });
}

/// A default partition and foreign keys, either way.
#[test]
fn detach_under_the_strong_lock() {
    on_every_major(|db| async move {
        db.execute(OLD_YEARS).await;
        db.execute(
            "CREATE TABLE events_default PARTITION OF events DEFAULT; INSERT INTO events VALUES (9, '1999-01-01');
             ALTER TABLE events ADD user_id int DEFAULT 1 REFERENCES users;
             CREATE TABLE notes (id int, ts date, FOREIGN KEY (id, ts) REFERENCES events); INSERT INTO notes VALUES (3, '2026-02-02')",
        )
        .await;
        let done = KillPoints::of(&db, &config(&[EXPIRE]), CONFIRM).run().await;
        has(&done, "LOCK TABLE public.notes");
        has(&done, "pgtend_bound");
    });
}

#[test]
fn drop_after_the_quarantine() {
    on_every_major(|db| async move {
        db.execute(OLD_YEARS).await;
        db.execute("ALTER TABLE events ADD user_id int DEFAULT 1 REFERENCES users").await;
        expired(&db, &[EXPIRE, DROP]).await;
        db.execute(
            "UPDATE pgtend.partition_quarantine SET detached_at = detached_at - interval '1 month'",
        )
        .await;
        let done = KillPoints::of(&db, &config(&[EXPIRE, DROP]), ONCE).run().await;
        has(&done, "DROP TABLE public.events_2020");
    });
}

/// What a drain left of a default partition.
#[test]
fn drop_what_a_drain_left() {
    on_every_major(|db| async move {
        db.execute(OLD_YEARS).await;
        db.execute(
            "CREATE TABLE events_default PARTITION OF events DEFAULT;
             INSERT INTO events VALUES (9, '2019-02-02'), (10, '1999-01-01')",
        )
        .await;
        let config = config(&["premake = \"1 year\"\n", "quarantine = \"3 days\"\n"]);
        let ran = pgtend(&db, &config).run(&["partitions", "drain", "events"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        db.execute("UPDATE pgtend.partition_carve SET done_at = done_at - interval '4 days'").await;
        let done = KillPoints::of(&db, &config, ONCE).run().await;
        has(&done, "DROP TABLE public.events_default_drained");
    });
}

/// Its bound proven by DETACH CONCURRENTLY, or still to be proven.
#[test]
fn restore() {
    on_every_major(|db| async move {
        db.execute(OLD_YEARS).await;
        db.execute("CREATE INDEX ON events (id)").await;
        expired(&db, &[EXPIRE]).await;
        let again: &[&str] =
            &["partitions", "restore", "public.events", "--partition", "events_2020"];
        let done = KillPoints::of(&db, &config(&[EXPIRE]), again).then_exits(&[0, 1]).run().await;
        has(&done, "ATTACH PARTITION public.events_2020");
        if db.major() < 14 {
            has(&done, "VALIDATE CONSTRAINT pgtend_bound");
        }
    });
}

/// What earlier runs and people left: a pending detach, one that was not noted, one that is attached
/// again, one that is gone.
#[test]
fn carrying_on() {
    on_every_major(|db| async move {
        db.execute(OLD_YEARS).await;
        db.execute(
            "CREATE TABLE events_2018 PARTITION OF events FOR VALUES FROM ('2018-01-01') TO ('2019-01-01');
             CREATE TABLE events_2019 PARTITION OF events FOR VALUES FROM ('2019-01-01') TO ('2020-01-01')",
        )
        .await;
        expired(&db, &[EXPIRE]).await;
        db.execute(
            "ALTER TABLE events ATTACH PARTITION events_2018 FOR VALUES FROM ('2018-01-01') TO ('2019-01-01');
             DROP TABLE events_2019;
             UPDATE pgtend.partition_quarantine SET detached_at = NULL WHERE name = 'public.events_2020';
             ALTER TABLE events_2020 DROP CONSTRAINT pgtend_quarantine;
             DROP TRIGGER pgtend_quarantine ON events_2020",
        )
        .await;
        if db.major() >= 14 {
            db.execute(
                "ALTER TABLE events_2021 DROP CONSTRAINT pgtend_quarantine; DROP TRIGGER pgtend_quarantine ON events_2021;
                 ALTER TABLE events ATTACH PARTITION events_2021 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
                 UPDATE pgtend.partition_quarantine SET detached_at = NULL WHERE name = 'public.events_2021'",
            )
            .await;
            half_detached(&db, "events", "events_2021").await;
        }
        let done = KillPoints::of(&db, &config(&[EXPIRE]), ONCE).run().await;
        has(&done, "restored_at = ");
        has(&done, "ADD CONSTRAINT pgtend_quarantine");
        has(&done, "DELETE FROM partition_quarantine");
        if db.major() >= 14 {
            has(&done, "FINALIZE");
        }
    });
}

/// A DETACH CONCURRENTLY that timed out behind a reader. Not on 13.
pub async fn half_detached(db: &Db, table: &str, partition: &str) {
    let mut reader = db.connect().await;
    run(
        &mut reader,
        &format!("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM {table}"),
    )
    .await;
    let mut conn = db.connect().await;
    run(&mut conn, "SET lock_timeout = '100ms'").await;
    let sql = format!("ALTER TABLE {table} DETACH PARTITION {partition} CONCURRENTLY");
    let detach = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
    detach.execute(&mut conn).await.expect_err("the reader is in the way");
    drop((reader, conn));
    let open = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
                AND state = 'idle in transaction'";
    wait_until("the reader is gone", || async { db.rows(open).await.is_empty() }).await;
}
