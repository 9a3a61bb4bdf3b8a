//! Every kind of key and grid: rows at and around the bounds land where the bounds say.

use pgtend::job::{JobName, Verdict};
use pgtend::pg::fault::Kind;

use super::ids::WIDTH;
use super::{config, now, once, shown, succeeded, tend, tending};
use crate::support::{Db, InProcess, on_every_major, wait_until};

/// `partition id`, a line each: where the rows are.
pub(super) async fn homes(db: &Db, table: &str, label: &str) -> Vec<String> {
    let sql = format!("SELECT tableoid::regclass || ' ' || {label} FROM {table} ORDER BY id");
    db.column(&sql).await
}

/// How a row gets the key of an instant, in SQL and not in our own words.
const CODES: [(&str, &str, &str); 6] = [
    ("epoch_s", "bigint", "floor(extract(epoch FROM at))::int8"),
    ("epoch_ms", "bigint", "floor(extract(epoch FROM at) * 1000)::int8"),
    ("epoch_us", "bigint", "(extract(epoch FROM at)::numeric * 1000000)::int8"),
    ("epoch_ns", "bigint", "(extract(epoch FROM at)::numeric * 1000000)::int8 * 1000"),
    (
        "uuidv7",
        "uuid",
        "(lpad(to_hex(floor(extract(epoch FROM at)::numeric * 1000)::int8), 12, '0') || \
         '7' || substr(md5(at::text), 1, 3) || '8' || substr(md5(at::text), 4, 15))::uuid",
    ),
    (
        "snowflake",
        "bigint",
        "((floor(extract(epoch FROM at)::numeric * 1000)::int8 - 1288834974657) << 22) | 4194303",
    ),
];

fn settings(code: &str) -> String {
    let epoch = match code {
        "snowflake" => "snowflake_epoch = 1288834974657\n",
        _ => "",
    };
    format!("key = \"{code}\"\n{epoch}timezone = \"Europe/Berlin\"\n")
}

/// Now, and the last and the first moments around the bounds of Berlin's months.
#[test]
fn rows_of_every_code_land_in_their_month() {
    on_every_major(|db| async move {
        for (code, key_type, encode) in CODES {
            let table = format!("by_{code}");
            db.execute(&format!(
                "CREATE TABLE {table} (id {key_type} PRIMARY KEY, at timestamptz) PARTITION BY RANGE (id)"
            ))
            .await;
            tend(&tending(&db, &[(&table, &settings(code))]).await).await;
            db.execute(&format!(
                "INSERT INTO {table} SELECT {encode}, at FROM (VALUES \
                 ('2025-12-31 23:00:00+00'::timestamptz), ('2026-01-20 10:00:00.123+00'), \
                 ('2026-01-31 22:59:59.999+00'), ('2026-01-31 23:00:00+00'), \
                 ('2026-02-28 22:59:59+00'), ('2026-02-28 23:00:00+00'), \
                 ('2026-03-31 21:59:59.999+00')) AS moments(at)"
            ))
            .await;
            let month = "to_char(at AT TIME ZONE 'Europe/Berlin', 'YYYY_MM')";
            let expected = ["01", "01", "01", "02", "02", "03", "03"]
                .map(|month| format!("{table}_p2026_{month} 2026_{month}"));
            assert_eq!(homes(&db, &table, month).await, expected);
            for outside in ["2025-12-31 22:59:59.999+00", "2026-03-31 22:00:00+00"] {
                let sql = format!(
                    "INSERT INTO {table} SELECT {encode}, at FROM (VALUES ('{outside}'::timestamptz)) AS moments(at)"
                );
                let mut conn = db.connect().await;
                let error = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut conn).await;
                error.expect_err("no partition holds it");
            }
        }
    });
}

/// Hourly over both edges of daylight saving, each row of each quarter of an hour, in a session of
/// the table's zone.
#[test]
fn hours_have_no_gap_and_no_overlap_over_daylight_saving() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE exact (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
             CREATE TABLE wall (id bigint, at timestamp NOT NULL) PARTITION BY RANGE (at);
             CREATE TABLE milli (id bigint NOT NULL, at timestamptz) PARTITION BY RANGE (id);",
        )
        .await;
        let hourly = "interval = \"1 hour\"\npremake = \"8 hours\"\ntimezone = \"Europe/Berlin\"\n";
        let app = InProcess::new(
            &db,
            &config(&[
                ("exact", hourly),
                ("wall", hourly),
                ("milli", &format!("{hourly}key = \"epoch_ms\"\n")),
            ]),
        )
        .await;
        for begin in ["2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z"] {
            let outcome = app.once_at(JobName::Partitions, begin.parse().unwrap()).await;
            succeeded(&outcome);
            let quarters = format!(
                "SELECT q, '{begin}'::timestamptz + q * interval '15 minutes' AS at FROM generate_series(0, 31) q"
            );
            db.execute(&format!("INSERT INTO exact SELECT q, at FROM ({quarters}) s")).await;
            db.execute(&format!(
                "INSERT INTO wall SELECT q, at AT TIME ZONE 'Europe/Berlin' FROM ({quarters}) s"
            ))
            .await;
            db.execute(&format!(
                "INSERT INTO milli SELECT extract(epoch FROM at) * 1000, at FROM ({quarters}) s"
            ))
            .await;
        }
        let wrong = "SELECT tableoid::regclass || ' ' || at FROM exact \
                     WHERE tableoid::regclass::text <> 'exact_p' || to_char(at AT TIME ZONE 'UTC', 'YYYY_MM_DD_HH24') \
                     UNION ALL SELECT tableoid::regclass || ' ' || at FROM milli \
                     WHERE tableoid::regclass::text <> 'milli_p' || to_char(at AT TIME ZONE 'UTC', 'YYYY_MM_DD_HH24') \
                     UNION ALL SELECT tableoid::regclass || ' ' || at FROM wall \
                     WHERE tableoid::regclass::text <> 'wall_p' || to_char(at, 'YYYY_MM_DD_HH24')";
        assert_eq!(db.column(wrong).await, [""; 0]);
        assert_eq!(db.value("SELECT count(*) FROM exact").await, "64");
        // 9 hours each. On the wall clock that is 10 in spring, of which one never comes, and 8 in
        // autumn, of which one comes twice.
        for table in ["exact", "milli", "wall"] {
            assert_eq!(shown(&db, table).await.lines().count(), 18, "{table}");
        }
    });
}

#[test]
fn quarters_of_an_hour_weeks_and_anchors_are_laid() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE quarter_hours (id int, at timestamptz) PARTITION BY RANGE (at);
             CREATE TABLE fortnights (id int, at date) PARTITION BY RANGE (at);
             CREATE TABLE fiscal (id int, at timestamp) PARTITION BY RANGE (at);
             CREATE TABLE quarters (id int, at date) PARTITION BY RANGE (at);",
        )
        .await;
        tend(
            &tending(
                &db,
                &[
                    ("quarter_hours", "interval = \"15 minutes\"\npremake = \"20 minutes\""),
                    (
                        "fortnights",
                        "interval = \"2 weeks\"\npremake = \"1 day\"\nanchor = \"2024-01-01\"",
                    ),
                    (
                        "fiscal",
                        "interval = \"1 year\"\npremake = \"1 day\"\nanchor = \"2020-10-01\"",
                    ),
                    ("quarters", "interval = \"1 quarter\"\npremake = \"3 months\""),
                ],
            )
            .await,
        )
        .await;
        let mut text = String::new();
        for table in ["quarter_hours", "fortnights", "fiscal", "quarters"] {
            text.push_str(&shown(&db, table).await);
        }
        insta::allow_duplicates! {
            insta::assert_snapshot!(text, @r"
    quarter_hours_p2026_01_20_10_00 FOR VALUES FROM ('2026-01-20 10:00:00+00') TO ('2026-01-20 10:15:00+00')
    quarter_hours_p2026_01_20_10_15 FOR VALUES FROM ('2026-01-20 10:15:00+00') TO ('2026-01-20 10:30:00+00')
    fortnights_p2026_01_12 FOR VALUES FROM ('2026-01-12') TO ('2026-01-26')
    fiscal_p2025 FOR VALUES FROM ('2025-10-01 00:00:00') TO ('2026-10-01 00:00:00')
    quarters_p2026q1 FOR VALUES FROM ('2026-01-01') TO ('2026-04-01')
    quarters_p2026q2 FOR VALUES FROM ('2026-04-01') TO ('2026-07-01')
    ");
        }
    });
}

#[test]
fn a_set_of_uuids_made_by_others_is_continued_without_a_gap() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE ids (id uuid) PARTITION BY RANGE (id);
             CREATE TABLE ids_2026_01 PARTITION OF ids FOR VALUES FROM ('019b76da-a800-7000-8000-000000000000') TO ('019c167f-cc00-7000-8000-000000000000');",
        )
        .await;
        tend(&tending(&db, &[("ids", "key = \"uuidv7\"")]).await).await;
        let made = shown(&db, "ids").await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(made, @r"
    ids_2026_01 FOR VALUES FROM ('019b76da-a800-7000-8000-000000000000') TO ('019c167f-cc00-7000-8000-000000000000')
    ids_p2026_02 FOR VALUES FROM ('019c167f-cc00-7000-8000-000000000000') TO ('019ca6b1-dc00-0000-0000-000000000000')
    ids_p2026_03 FOR VALUES FROM ('019ca6b1-dc00-0000-0000-000000000000') TO ('019d4657-0000-0000-0000-000000000000')
    ");
        }
    });
}

#[test]
fn a_range_parent_may_itself_be_a_partition() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1);
             CREATE TABLE events (tenant int, ts timestamptz, user_id int REFERENCES users, PRIMARY KEY (tenant, ts)) PARTITION BY LIST (tenant);
             CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1) PARTITION BY RANGE (ts);
             CREATE TABLE events_rest PARTITION OF events DEFAULT;
             CREATE TABLE log (id bigint, ts timestamptz) PARTITION BY RANGE (ts);
             CREATE TABLE log_january PARTITION OF log FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00') PARTITION BY RANGE (ts);
             CREATE TABLE log_february PARTITION OF log FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00') PARTITION BY RANGE (id);",
        )
        .await;
        let mut reader = db.connect().await;
        crate::support::run(&mut reader, "BEGIN; SELECT * FROM events; SELECT * FROM log; INSERT INTO events VALUES (2, '2026-01-02')").await;
        let app = tending(
            &db,
            &[("events_1", ""), ("log_january", "interval = \"1 week\""), ("log_february", WIDTH)],
        )
        .await;
        tend(&app).await;
        crate::support::run(&mut reader, "COMMIT").await;
        db.execute("INSERT INTO events VALUES (1, '2026-02-02', 1); INSERT INTO log VALUES (1500, '2026-01-31 23:59:59+00'), (1500, '2026-02-01 00:00:00+00')").await;
        let homes = "SELECT tableoid::regclass::text FROM events WHERE tenant = 1 UNION ALL SELECT tableoid::regclass::text FROM log ORDER BY 1";
        assert_eq!(
            db.column(homes).await,
            [
                "events_1_p2026_02",
                "log_february_p0000001000",
                "log_january_p2026_01_26_to_2026_02_01"
            ]
        );
        assert_eq!(shown(&db, "log_january").await.lines().count(), 2, "none beyond January");
    });
}

/// The CHECK that spares a large default partition its scan is understood for each type of key.
#[test]
fn a_large_default_partition_is_not_scanned_for_any_key() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE by_ms (id bigint) PARTITION BY RANGE (id);
             CREATE TABLE by_ms_default PARTITION OF by_ms DEFAULT;
             INSERT INTO by_ms SELECT g FROM generate_series(1, 50001) g;
             CREATE TABLE by_s (id int) PARTITION BY RANGE (id);
             CREATE TABLE by_s_default PARTITION OF by_s DEFAULT;
             INSERT INTO by_s SELECT g FROM generate_series(1, 50001) g;
             CREATE TABLE by_uuid (id uuid) PARTITION BY RANGE (id);
             CREATE TABLE by_uuid_default PARTITION OF by_uuid DEFAULT;
             INSERT INTO by_uuid SELECT lpad(g::text, 32, '0')::uuid FROM generate_series(1, 50001) g;",
        )
        .await;
        db.execute(&format!("ALTER DATABASE \"{}\" SET log_min_messages = 'debug1'", db.name()))
            .await;
        let month = |code| format!("key = \"{code}\"\npremake = \"1 day\"");
        let (ms, s, uuid) = (month("epoch_ms"), month("epoch_s"), month("uuidv7"));
        let app = tending(&db, &[("by_ms", &ms), ("by_s", &s), ("by_uuid", &uuid)]).await;
        let mark = db.log_mark();
        tend(&app).await;
        wait_until("the server says why it did not scan", || async {
            let log = db.server_log_since(mark);
            ["by_ms", "by_s", "by_uuid"].iter().all(|table| {
                log.contains(&format!(
                    "updated partition constraint for default partition \"{table}_default\" is implied"
                ))
            })
        })
        .await;
    });
}

/// Each change of the interval leaves every row from now on a home.
#[test]
fn a_change_of_the_interval_fills_the_odd_edge() {
    on_every_major(|db| async move {
        db.execute("CREATE TABLE events (id serial, ts timestamptz) PARTITION BY RANGE (ts)").await;
        let at = |interval: &str, premake: &str| {
            format!(
                "interval = \"{interval}\"\npremake = \"{premake}\"\ntimezone = \"America/New_York\""
            )
        };
        let changes = [
            ("1 month", "20 days"),
            ("1 week", "45 days"),
            ("1 day", "52 days"),
            ("6 hours", "54 days"),
            ("1 month", "90 days"),
        ];
        for (interval, premake) in changes {
            tend(&tending(&db, &[("events", &at(interval, premake))]).await).await;
        }
        db.execute("INSERT INTO events (ts) SELECT '2026-01-20 10:00:00+00'::timestamptz + h * interval '1 hour' FROM generate_series(0, 90 * 24) h").await;
        let made = shown(&db, "events").await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(made, @r"
    events_p2026_01 FOR VALUES FROM ('2026-01-01 05:00:00+00') TO ('2026-02-01 05:00:00+00')
    events_p2026_02 FOR VALUES FROM ('2026-02-01 05:00:00+00') TO ('2026-03-01 05:00:00+00')
    events_p2026_03_01_to_2026_03_02 FOR VALUES FROM ('2026-03-01 05:00:00+00') TO ('2026-03-02 05:00:00+00')
    events_p2026w10 FOR VALUES FROM ('2026-03-02 05:00:00+00') TO ('2026-03-09 04:00:00+00')
    events_p2026_03_09 FOR VALUES FROM ('2026-03-09 04:00:00+00') TO ('2026-03-10 04:00:00+00')
    events_p2026_03_10 FOR VALUES FROM ('2026-03-10 04:00:00+00') TO ('2026-03-11 04:00:00+00')
    events_p2026_03_11 FOR VALUES FROM ('2026-03-11 04:00:00+00') TO ('2026-03-12 04:00:00+00')
    events_p2026_03_12 FOR VALUES FROM ('2026-03-12 04:00:00+00') TO ('2026-03-13 04:00:00+00')
    events_p2026_03_13 FOR VALUES FROM ('2026-03-13 04:00:00+00') TO ('2026-03-14 04:00:00+00')
    events_p2026_03_14_0400_to_2026_03_14_0600 FOR VALUES FROM ('2026-03-14 04:00:00+00') TO ('2026-03-14 06:00:00+00')
    events_p2026_03_14_06 FOR VALUES FROM ('2026-03-14 06:00:00+00') TO ('2026-03-14 12:00:00+00')
    events_p2026_03_14_12 FOR VALUES FROM ('2026-03-14 12:00:00+00') TO ('2026-03-14 18:00:00+00')
    events_p2026_03_14_18 FOR VALUES FROM ('2026-03-14 18:00:00+00') TO ('2026-03-15 00:00:00+00')
    events_p2026_03_15_00 FOR VALUES FROM ('2026-03-15 00:00:00+00') TO ('2026-03-15 06:00:00+00')
    events_p2026_03_15_06 FOR VALUES FROM ('2026-03-15 06:00:00+00') TO ('2026-03-15 12:00:00+00')
    events_p2026_03_15_0800_to_2026_04_01 FOR VALUES FROM ('2026-03-15 12:00:00+00') TO ('2026-04-01 04:00:00+00')
    events_p2026_04 FOR VALUES FROM ('2026-04-01 04:00:00+00') TO ('2026-05-01 04:00:00+00')
    ");
        }
    });
}

#[test]
fn what_does_not_fit_is_refused_and_stops_no_one() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE fine (ts date) PARTITION BY RANGE (ts);
             CREATE TABLE narrow (id int) PARTITION BY RANGE (id);
             CREATE TABLE two_columns (id bigint, ts date) PARTITION BY RANGE (id, ts);
             CREATE TABLE expression (id bigint) PARTITION BY RANGE ((id / 2));
             CREATE TABLE exact (id numeric) PARTITION BY RANGE (id);
             CREATE TABLE by_uuid (id uuid) PARTITION BY RANGE (id);
             CREATE TABLE by_day (ts date) PARTITION BY RANGE (ts);",
        )
        .await;
        let milli = "key = \"epoch_ms\"";
        let app = tending(
            &db,
            &[
                ("fine", ""),
                ("narrow", milli),
                ("two_columns", milli),
                ("expression", milli),
                ("exact", milli),
                ("by_uuid", ""),
                ("by_day", "interval = \"1 hour\""),
            ],
        )
        .await;
        let outcome = once(&app).await;
        assert_eq!(
            (outcome.verdict, outcome.done(), outcome.failed()),
            (Verdict::Partial, 3, 6),
            "{outcome:#?}"
        );
        let refused: Vec<String> = outcome
            .actions
            .iter()
            .filter_map(|action| action.result.as_ref().err())
            .map(|fault| {
                assert_eq!(fault.kind, Kind::Refused, "{fault}");
                fault.to_string()
            })
            .collect();
        insta::allow_duplicates! { insta::assert_snapshot!(refused.join("\n"), @r#"
    tend partitions of public.by_day: its key ts is of type date, which has no hours, but interval = 1 hour; write interval = "1 day" or longer
    tend partitions of public.by_uuid: its key id is of type uuid, which tells time only in version 7; write key = "uuidv7" if all of its values are of that version, or remove it from [partitions.tables]
    tend partitions of public.exact: its key id is of type numeric; dates, timestamps, integers and uuid are supported; partition it by a column of such a type, or remove it from [partitions.tables]
    tend partitions of public.expression: its key is an expression, not a plain column; partition it by a column, or remove it from [partitions.tables]
    tend partitions of public.narrow: its key id of type integer has no value for 2026-01-20; check key = … in [partitions.tables]; if it is right, the table needs a wider key
    tend partitions of public.two_columns: its key has 2 columns; one is supported; partition it by its time column alone, or remove it from [partitions.tables]
    "#); }
        // What fits now fits no more in 2038, and is told before.
        let app = tending(&db, &[("narrow", "key = \"epoch_s\"")]).await;
        succeeded(&app.once_at(JobName::Partitions, now()).await);
        let late = app.once_at(JobName::Partitions, "2037-12-20T00:00:00Z".parse().unwrap()).await;
        let fault = late.first_fault().expect("a fault");
        assert!(fault.message.contains("ends at 2038-01-19 03:14:07 UTC"), "{fault}");
    });
}
