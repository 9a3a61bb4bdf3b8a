//! Rows at the edges of partitions, and rows that have no place at all.

use super::{once, plan, shown, succeeded, tend, tending};
use crate::support::{on_every_major, run};

/// Case 9: a day of the table's zone begins at the same moment for each type, whatever zone the session
/// that inserts is in.
#[test]
fn rows_on_both_sides_of_midnight_land_in_their_days() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE TABLE moment (at timestamptz) PARTITION BY RANGE (at);
            CREATE TABLE clock (at timestamp) PARTITION BY RANGE (at);
            CREATE TABLE day (at date) PARTITION BY RANGE (at);
        ",
        )
        .await;
        let berlin = "interval = \"1 day\"\npremake = \"80 days\"\ntimezone = \"Europe/Berlin\"";
        tend(&tending(&db, &["moment", "clock", "day"].map(|table| (table, berlin))).await).await;
        let mut conn = db.connect().await;
        // Berlin is one hour ahead of UTC in winter, two from 29 March 2026 on.
        run(
            &mut conn,
            "
            SET TimeZone = 'Asia/Tokyo';
            INSERT INTO moment VALUES ('2026-02-28 22:59:59.999999+00'), ('2026-02-28 23:00+00'),
                                      ('2026-03-29 21:59:59.999999+00'), ('2026-03-29 22:00+00');
            INSERT INTO clock VALUES ('2026-02-28 23:59:59.999999'), ('2026-03-01 00:00'),
                                     ('2026-03-29 23:59:59.999999'), ('2026-03-30 00:00');
            INSERT INTO day VALUES ('2026-02-28'), ('2026-03-01'), ('2026-03-29'), ('2026-03-30');
        ",
        )
        .await;
        for table in ["moment", "clock", "day"] {
            let homes = format!("SELECT tableoid::regclass FROM {table} ORDER BY at");
            let expected = ["2026_02_28", "2026_03_01", "2026_03_29", "2026_03_30"]
                .map(|day| format!("{table}_p{day}"));
            assert_eq!(db.column(&homes).await, expected);
        }
    });
}

/// Case 14: rows without a key lie in the default partition; they neither block a range nor make the
/// server scan, and they stay.
#[test]
fn rows_without_a_key_stay_in_the_default_partition() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE TABLE events (id int, ts timestamptz) PARTITION BY RANGE (ts);
            CREATE TABLE rest PARTITION OF events DEFAULT;
            INSERT INTO events SELECT g, NULL FROM generate_series(1, 50001) g;
        ",
        )
        .await;
        let app = tending(&db, &[("events", "premake = \"1 day\"")]).await;
        let sql = plan(&app).await.actions[0].sql.join("\n");
        assert!(sql.contains("VALIDATE CONSTRAINT"), "it is large, so a CHECK comes first: {sql}");
        succeeded(&once(&app).await);
        db.execute("INSERT INTO events VALUES (0, NULL), (-1, '2026-01-20')").await;
        assert_eq!(db.value("SELECT count(*) FROM rest WHERE ts IS NULL").await, "50002");
        assert_eq!(db.value("SELECT count(*) FROM events_p2026_01").await, "1");
        assert_eq!(shown(&db, "events").await.lines().count(), 2);
    });
}

/// Cases 3 and 4: a wide partition made by hand ahead, and a gap in the middle of what is ahead.
#[test]
fn what_is_ahead_is_continued_around() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE TABLE events (ts date) PARTITION BY RANGE (ts);
            CREATE TABLE wide PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-04-01');
            CREATE TABLE later PARTITION OF events FOR VALUES FROM ('2026-05-01') TO ('2026-06-01');
        ",
        )
        .await;
        tend(&tending(&db, &[("events", "premake = \"5 months\"")]).await).await;
        let covered = shown(&db, "events").await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(covered, @r"
        wide FOR VALUES FROM ('2026-01-01') TO ('2026-04-01')
        events_p2026_04 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')
        later FOR VALUES FROM ('2026-05-01') TO ('2026-06-01')
        events_p2026_06 FOR VALUES FROM ('2026-06-01') TO ('2026-07-01')
        ");
        }
    });
}
