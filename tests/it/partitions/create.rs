//! What is made, on which bounds, under which names.

use pgtend::job::JobName;

use super::{NOW, config, now, once, plan, shown, succeeded, tend, tending};
use crate::support::{InProcess, on_every_major, pgtend, rows, run, wait_until};

/// Case 7: the clock decides, not the data.
#[test]
fn an_empty_table_is_covered_and_a_second_run_does_nothing() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE events (id bigint, ts timestamptz NOT NULL) PARTITION BY RANGE (ts)",
        )
        .await;
        let app = tending(&db, &[("public.events", "")]).await;
        tend(&app).await;
        let made = shown(&db, "events").await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(made, @r"
    events_p2026_01 FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00')
    events_p2026_02 FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')
    events_p2026_03 FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00')
    ");
        }
        db.execute("INSERT INTO events SELECT g, '2026-01-01'::timestamptz + g * interval '1 day' FROM generate_series(0, 88) g").await;
        let marks = "SELECT description FROM pg_description WHERE description LIKE 'pgtend%'";
        assert_eq!(db.column(marks).await, [""; 0], "the mark is gone once attached");
    });
}

#[test]
fn bounds_are_the_same_whatever_the_servers_zone() {
    on_every_major(|db| async move {
        let name = db.name();
        db.execute(&format!("ALTER DATABASE \"{name}\" SET TimeZone = 'America/New_York'")).await;
        db.execute(&format!("ALTER DATABASE \"{name}\" SET DateStyle = 'German'")).await;
        let mut conn = db.connect().await;
        run(&mut conn, "
            SET TimeZone = 'America/New_York';
            CREATE TABLE tz (ts timestamptz) PARTITION BY RANGE (ts);
            CREATE TABLE tz_old PARTITION OF tz FOR VALUES FROM ('2026-01-15 00:00:00') TO ('2026-01-25 00:00:00');
            CREATE TABLE local (ts timestamp) PARTITION BY RANGE (ts);
            CREATE TABLE day (d date) PARTITION BY RANGE (d);
            CREATE TABLE berlin (ts timestamptz) PARTITION BY RANGE (ts);
        ").await;
        let one = "premake = \"1 day\"";
        let berlin = "premake = \"4 months\"\ntimezone = \"Europe/Berlin\"";
        let tables =
            [("tz", "premake = \"20 days\""), ("local", one), ("day", one), ("berlin", berlin)];
        tend(&tending(&db, &tables).await).await;
        let mut text = String::new();
        for (table, _) in tables {
            text.push_str(&shown(&db, table).await);
        }
        insta::allow_duplicates! {
            insta::assert_snapshot!(text, @r"
    tz_old FOR VALUES FROM ('2026-01-15 05:00:00+00') TO ('2026-01-25 05:00:00+00')
    tz_p2026_01_25_0500_to_2026_02_01 FOR VALUES FROM ('2026-01-25 05:00:00+00') TO ('2026-02-01 00:00:00+00')
    tz_p2026_02 FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')
    local_p2026_01 FOR VALUES FROM ('2026-01-01 00:00:00') TO ('2026-02-01 00:00:00')
    day_p2026_01 FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')
    berlin_p2026_01 FOR VALUES FROM ('2025-12-31 23:00:00+00') TO ('2026-01-31 23:00:00+00')
    berlin_p2026_02 FOR VALUES FROM ('2026-01-31 23:00:00+00') TO ('2026-02-28 23:00:00+00')
    berlin_p2026_03 FOR VALUES FROM ('2026-02-28 23:00:00+00') TO ('2026-03-31 22:00:00+00')
    berlin_p2026_04 FOR VALUES FROM ('2026-03-31 22:00:00+00') TO ('2026-04-30 22:00:00+00')
    berlin_p2026_05 FOR VALUES FROM ('2026-04-30 22:00:00+00') TO ('2026-05-31 22:00:00+00')
    ");
        }
    });
}

#[test]
fn bounds_are_the_same_whatever_the_hosts_zone() {
    on_every_major(|db| async move {
        db.execute("CREATE TABLE events (ts timestamptz) PARTITION BY RANGE (ts)").await;
        let tables = [("events", "timezone = \"Europe/Berlin\"")];
        let here = plan(&tending(&db, &tables).await).await;
        let here: Vec<&String> = here.actions.iter().flat_map(|action| &action.sql).collect();
        for zone in ["Asia/Tokyo", "America/New_York"] {
            let program = pgtend(&db, &config(&tables)).env("TZ", zone).env("PGTZ", zone);
            let ran = program.run(&["plan", "partitions", "--now", NOW, "--format", "json"]).await;
            assert_eq!(ran.code, Some(0), "{ran}");
            let json = ran.json();
            let actions = json["jobs"][0]["actions"].as_array().expect("a list").clone();
            let there: Vec<String> = actions
                .iter()
                .flat_map(|action| action["sql"].as_array().expect("a list").clone())
                .map(|sql| sql.as_str().expect("text").to_owned())
                .collect();
            assert_eq!(there.iter().collect::<Vec<_>>(), here, "with TZ={zone}");
        }
    });
}

/// Cases 12 and 13: dots, quotes, spaces, reserved words; two names of 63 bytes that differ in the last.
#[test]
fn any_name_works() {
    let tables = [
        "public.plain",
        "public.\"With.Dot\"",
        "public.\"say \"\"hi\"\"\"",
        "public.\"order\"",
        "public.\"it's\"",
        "public.\"{brace}\"",
        "public.\"back\\slash\"",
        "public.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx1",
        "public.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx2",
        "public.\"ЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖЖ\"",
        "\"Odd.Schema\".\"T\"",
    ];
    on_every_major(move |db| async move {
        db.execute("CREATE SCHEMA \"Odd.Schema\"").await;
        for (number, table) in tables.iter().enumerate() {
            let index = format!("\"its \\ 'key' {number}\"");
            db.execute(&format!(
                "CREATE TABLE {table} (\"The Key\" date NOT NULL) PARTITION BY RANGE (\"The Key\"); \
                 ALTER TABLE {table} ADD CONSTRAINT {index} UNIQUE (\"The Key\"); \
                 ALTER TABLE {table} REPLICA IDENTITY USING INDEX {index}"
            ))
            .await;
        }
        let app = tending(&db, &tables.map(|table| (table, ""))).await;
        tend(&app).await;
        for table in tables {
            db.execute(&format!(
                "INSERT INTO {table} SELECT '2026-01-01'::date + g FROM generate_series(0, 89) g"
            ))
            .await;
        }
        let most = db.value("SELECT max(octet_length(relname)) FROM pg_class").await;
        assert_eq!(most, "63");
        let kept =
            "SELECT DISTINCT relreplident FROM pg_class WHERE relispartition AND relkind = 'r'";
        assert_eq!(db.column(kept).await, ["i"]);
    });
}

/// Case 12: a name that the server has cut itself.
#[test]
fn forty_cyrillic_letters_are_cut_by_the_server_and_served() {
    on_every_major(|db| async move {
        let asked = "ж".repeat(40);
        db.execute(&format!("CREATE TABLE \"{asked}\" (ts timestamptz) PARTITION BY RANGE (ts)"))
            .await;
        let kept = db.value("SELECT relname FROM pg_class WHERE relkind = 'p'").await;
        assert_eq!(kept, "ж".repeat(31));
        tend(&tending(&db, &[(&format!("public.\"{kept}\""), "")]).await).await;
        assert_eq!(shown(&db, &format!("\"{kept}\"")).await.lines().count(), 3);
    });
}

/// Case 1: unrelated tables and types have the next names. Cases 3 and 4: a wide partition, gaps.
#[test]
fn a_set_made_by_hand_is_continued_and_its_gaps_filled() {
    on_every_major(|db| async move {
        db.execute("
            CREATE TABLE activity_logs (id bigint, at timestamp NOT NULL) PARTITION BY RANGE (at);
            CREATE TABLE activity_logs_2025_09 PARTITION OF activity_logs FOR VALUES FROM ('2025-09-01') TO ('2025-10-01');
            CREATE TABLE activity_logs_2025_11 PARTITION OF activity_logs FOR VALUES FROM ('2025-11-01') TO ('2025-12-01');
            CREATE TABLE activity_logs_2025_12 PARTITION OF activity_logs FOR VALUES FROM ('2025-12-01') TO ('2026-01-01');
            CREATE TABLE wide PARTITION OF activity_logs FOR VALUES FROM ('2026-02-10') TO ('2026-05-15');
            CREATE TABLE ancient PARTITION OF activity_logs FOR VALUES FROM (MINVALUE) TO ('0044-03-15 BC');
            CREATE TABLE far PARTITION OF activity_logs FOR VALUES FROM ('12026-01-01') TO ('infinity');
            CREATE TABLE activity_logs_2026_06 (unrelated int);
            CREATE TYPE activity_logs_2026_07 AS ENUM ('taken');
        ").await;
        let app = tending(&db, &[("activity_logs", "premake = \"6 months\"")]).await;
        let outcome = once(&app).await;
        succeeded(&outcome);
        let made = shown(&db, "activity_logs").await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(made, @r"
    far FOR VALUES FROM ('12026-01-01 00:00:00') TO ('infinity')
    activity_logs_2025_09 FOR VALUES FROM ('2025-09-01 00:00:00') TO ('2025-10-01 00:00:00')
    activity_logs_2025_11 FOR VALUES FROM ('2025-11-01 00:00:00') TO ('2025-12-01 00:00:00')
    activity_logs_2025_12 FOR VALUES FROM ('2025-12-01 00:00:00') TO ('2026-01-01 00:00:00')
    activity_logs_2026_01 FOR VALUES FROM ('2026-01-01 00:00:00') TO ('2026-02-01 00:00:00')
    activity_logs_2026_02_01_to_2026_02_10 FOR VALUES FROM ('2026-02-01 00:00:00') TO ('2026-02-10 00:00:00')
    wide FOR VALUES FROM ('2026-02-10 00:00:00') TO ('2026-05-15 00:00:00')
    activity_logs_2026_05_15_to_2026_06_01 FOR VALUES FROM ('2026-05-15 00:00:00') TO ('2026-06-01 00:00:00')
    activity_logs_2026_06_2 FOR VALUES FROM ('2026-06-01 00:00:00') TO ('2026-07-01 00:00:00')
    activity_logs_2026_07_2 FOR VALUES FROM ('2026-07-01 00:00:00') TO ('2026-08-01 00:00:00')
    ancient FOR VALUES FROM (MINVALUE) TO ('0044-03-15 00:00:00 BC')
    ");
            insta::assert_snapshot!(outcome.warnings.join("\n"), @r"
    public.activity_logs: public.activity_logs_2026_06 exists and is not a partition for 2026-06-01 to 2026-07-01; the partition is called public.activity_logs_2026_06_2
    public.activity_logs: public.activity_logs_2026_07 exists and is not a partition for 2026-07-01 to 2026-08-01; the partition is called public.activity_logs_2026_07_2
    ");
            let spared: Vec<_> = outcome.spared.iter().map(|s| s.reason.as_str()).collect();
            insta::assert_snapshot!(spared.join("\n"), @r"
    no partition holds now; premake = 6 months asks for 2026-07-20 10:00:00
    0044-03-15 BC to 2025-09-01 has no partition and is past; only what is ahead is made
    2025-10-01 to 2025-11-01 has no partition and is past; only what is ahead is made
    ");
        }
        assert!(once(&app).await.actions.is_empty());
    });
}

#[test]
fn a_range_parent_below_a_list_parent_is_served() {
    on_every_major(|db| async move {
        db.execute("
            CREATE TABLE events (id bigint, kind text, ts date, PRIMARY KEY (id, kind, ts)) PARTITION BY LIST (kind);
            CREATE TABLE clicks PARTITION OF events FOR VALUES IN ('click') PARTITION BY RANGE (ts);
        ").await;
        tend(&tending(&db, &[("clicks", "")]).await).await;
        db.execute("INSERT INTO events VALUES (1, 'click', '2026-02-02')").await;
        assert_eq!(db.value("SELECT tableoid::regclass FROM events").await, "clicks_p2026_02");
    });
}

/// Case 26: two processes at once.
#[test]
fn two_at_once_make_each_partition_once() {
    on_every_major(|db| async move {
        db.execute("CREATE TABLE events (ts date) PARTITION BY RANGE (ts)").await;
        let text = config(&[("events", "interval = \"1 day\"\npremake = \"40 days\"")]);
        let (one, two) = tokio::join!(InProcess::new(&db, &text), InProcess::new(&db, &text));
        for _ in 0..3 {
            tokio::join!(one.once(JobName::Partitions), two.once(JobName::Partitions));
        }
        let count = "SELECT count(*), count(DISTINCT relname) FROM pg_class JOIN pg_inherits ON inhrelid = oid";
        assert_eq!(db.rows(count).await, [[Some("41".to_owned()), Some("41".to_owned())]]);
    });
}

#[test]
fn the_plan_changes_nothing_and_shows_the_sql_that_is_run() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE ROLE plan_reader; CREATE ROLE plan_owner;
            CREATE TABLE events (id bigint, ts timestamptz) PARTITION BY RANGE (ts);
            GRANT SELECT ON events TO plan_reader; GRANT CREATE ON SCHEMA public TO plan_owner;
            ALTER TABLE events OWNER TO plan_owner; ALTER TABLE events REPLICA IDENTITY FULL;
        ",
        )
        .await;
        db.execute(&format!("ALTER DATABASE \"{}\" SET log_statement = 'all'", db.name())).await;
        let app = tending(&db, &[("events", "")]).await;
        let planned = plan(&app).await;
        assert_eq!(shown(&db, "events").await, "");
        let mark = db.log_mark();
        let outcome = once(&app).await;
        succeeded(&outcome);
        let objects: Vec<_> = outcome.actions.iter().map(|action| action.object.as_str()).collect();
        assert_eq!(objects, planned.actions.iter().map(|a| a.object.as_str()).collect::<Vec<_>>());
        // The log indents the further lines of a message.
        let statements = planned.actions.iter().flat_map(|a| &a.sql);
        let statements: Vec<String> = statements.map(|sql| sql.replace('\n', "\n\t")).collect();
        assert!(statements.iter().flat_map(|sql| sql.lines()).count() > 10);
        wait_until("the last statement is in the log", || async {
            db.server_log_since(mark).contains(statements[statements.len() - 1].as_str())
        })
        .await;
        let log = db.server_log_since(mark);
        let mut rest = log.as_str();
        for statement in statements {
            let at = rest.find(&format!("statement: {statement}\n"));
            let at = at.unwrap_or_else(|| panic!("not run, or not in order: {statement}"));
            rest = &rest[at + statement.len()..];
        }
        db.execute("DROP OWNED BY plan_reader; DROP TABLE events; DROP OWNED BY plan_owner; DROP ROLE plan_reader, plan_owner").await;
    });
}

#[test]
fn nobody_waits_while_partitions_are_made() {
    on_every_major(|db| async move {
        // The server itself tells of every wait for a lock beyond 50 ms.
        let name = db.name();
        db.execute(&format!("
            ALTER DATABASE \"{name}\" SET deadlock_timeout = '50ms';
            ALTER DATABASE \"{name}\" SET log_lock_waits = on;
            CREATE TABLE events (id bigint, ts timestamptz NOT NULL, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
            CREATE TABLE events_now PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        ")).await;
        let app = tending(&db, &[("events", "interval = \"1 day\"\npremake = \"60 days\"")]).await;
        let (mut reader, mut writer) = (db.connect().await, db.connect().await);
        run(&mut reader, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM events")
            .await;
        run(
            &mut writer,
            "BEGIN; INSERT INTO events VALUES (0, '2026-01-20'); UPDATE events SET id = 1",
        )
        .await;
        let mark = db.log_mark();
        let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut clients = Vec::new();
        for client in 1..=8 {
            let (mut conn, done) = (db.connect().await, done.clone());
            clients.push(tokio::spawn(async move {
                let mut count = 0_u64;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    count += 1;
                    let id = client * 1_000_000 + count;
                    run(
                        &mut conn,
                        &format!("INSERT INTO events VALUES ({id}, '2026-01-20 10:00')"),
                    )
                    .await;
                    rows(&mut conn, &format!("SELECT * FROM events WHERE id = {id}")).await;
                    rows(&mut conn, "SELECT count(*) FROM events WHERE ts > '2026-01-21'").await;
                }
                count
            }));
        }
        let outcome = app.once_at(JobName::Partitions, now()).await;
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let mut served = Vec::new();
        for client in clients {
            served.push(client.await.unwrap());
        }
        succeeded(&outcome);
        assert_eq!(outcome.actions.len(), 49, "2026-02-01 to 2026-03-21");
        assert!(served.iter().all(|count| *count > 0), "{served:?}");
        let log = db.server_log_since(mark);
        let waits: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("still waiting for") && line.contains(" on relation "))
            .collect();
        assert!(waits.is_empty(), "{waits:#?}");

        // The witness: a wait would have been seen.
        run(&mut reader, "SET statement_timeout = '2s'").await;
        let lock = sqlx::raw_sql("LOCK TABLE ONLY events IN ACCESS EXCLUSIVE MODE");
        lock.execute(&mut reader).await.expect_err("the writer is in the way");
        assert!(
            db.server_log_since(mark).contains("still waiting for AccessExclusiveLock on relation")
        );
        run(&mut writer, "COMMIT").await;
    });
}
