//! A wide partition is split at the bounds of the grid while the table is used.

use pgtend::job::Outcome;
use pgtend::jobs::partitions::Task;
use pgtend::jobs::partitions::adopt::Wish;
use pgtend::pg::fault::Kind;

use super::drain::nothing_is_left;
use super::expiry::{confirmed, kinds};
use super::{config, once, plan, shown, succeeded, tending};
use crate::support::{Application, Db, InProcess, World, on_every_major, pgtend};

const SPLIT: &str = "split = true";
/// Over a year, up to five days before `NOW`.
const OVER_A_YEAR: &str = "'2025-01-01 00:00:00+00'::timestamptz + $1 % 380 * interval '1 day'";

/// The names of the partitions, in the order of their bounds.
async fn names(db: &Db) -> Vec<String> {
    let mut lines: Vec<(String, String)> = shown(db, "events")
        .await
        .lines()
        .map(|line| line.split_once(" FOR VALUES FROM ").unwrap())
        .map(|(name, bound)| (bound.replace("(MINVALUE", " "), name.to_owned()))
        .collect();
    lines.sort();
    lines.into_iter().map(|(_, name)| name).collect()
}

async fn splits(app: &InProcess) -> Outcome {
    let outcome = once(app).await;
    succeeded(&outcome);
    outcome
}

fn split(outcome: &Outcome) -> Vec<String> {
    let done = kinds(outcome).into_iter().filter(|(kind, _)| *kind == "split_partition");
    done.map(|(_, object)| object).collect()
}

/// One partition up to the spring, with a row on each of these days.
async fn wide(db: &Db, days: &str) {
    db.execute(&format!(
        "SET TimeZone = 'UTC';
         CREATE TABLE events (id bigint, ts timestamptz NOT NULL, v bigint, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
         CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2026-03-01');
         INSERT INTO events SELECT row_number() OVER (), day, 1 FROM {days} day"
    ))
    .await;
}

#[test]
fn an_adopted_table_is_split_under_writers() {
    on_every_major(|db| async move {
        db.execute(&format!(
            "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1);
             CREATE TABLE events (id bigint PRIMARY KEY, ts timestamptz NOT NULL, v bigint NOT NULL,
               u int DEFAULT 1 REFERENCES users, note text DEFAULT repeat('x', 40),
               twice bigint GENERATED ALWAYS AS (v * 2) STORED);
             CREATE INDEX ON events (ts); CREATE VIEW seen AS SELECT id, v FROM events;
             INSERT INTO events (id, ts, v) SELECT n, {}, 1 FROM generate_series(1, 20000) n",
            OVER_A_YEAR.replace("$1", "n")
        ))
        .await;
        let mut app = tending(&db, &[("public.events", SPLIT)]).await;
        let table = "public.events".parse().unwrap();
        app.ask(&Task::Adopt(Wish { table, column: None, abort: false }));
        succeeded(&once(&app).await);
        assert_eq!(names(&db).await, ["events_until_2026_03_01", "events_p2026_03"]);

        app.ask(&Task::Tend { confirm: false });
        let world = World {
            // An update may move a row to another month, and back.
            moved_key: Some(OVER_A_YEAR.replace("$1", "($1 + $2 * 7)")),
            ..World::new("events", OVER_A_YEAR)
        };
        let writing = Application::start(&db, world).await;
        let outcome = splits(&app).await;
        assert_eq!(split(&outcome), ["public.events_until_2026_03_01"], "{outcome:#?}");
        writing.goes_on().await;
        let ledger = writing.stop().await;
        ledger.holds(&db, "SELECT id, v FROM events").await;
        ledger.holds(&db, "SELECT id, v FROM seen").await;
        assert_eq!(db.value("SELECT count(*) FROM events WHERE twice <> v * 2").await, "0");
        let mut months = vec!["events_until_2025_01_01".to_owned()];
        months.extend((1..=12).map(|month| format!("events_p2025_{month:02}")));
        months.extend((1..=3).map(|month| format!("events_p2026_{month:02}")));
        assert_eq!(names(&db).await, months);
        nothing_is_left(&db).await;
        assert!(once(&app).await.actions.is_empty());
        let left = "SELECT name FROM pgtend.partition_carve WHERE stage = 'done'";
        assert_eq!(db.column(left).await, ["public.events_until_2026_03_01_split"]);
    });
}

/// More weeks than one exchange makes: the oldest first, the others in turn, each row in its week.
#[test]
fn more_cells_than_one_exchange_makes_are_split_in_turn() {
    on_every_major(|db| async move {
        wide(&db, "generate_series('2025-01-06'::timestamptz, '2026-01-18', '1 day')").await;
        let settings = "split = true\ninterval = \"1 week\"\npremake = \"1 week\"";
        let app = tending(&db, &[("events", settings)]).await;
        let first = splits(&app).await;
        assert_eq!(split(&first), ["public.events_old"]);
        let after_one = names(&db).await;
        assert_eq!(after_one.len(), 24);
        assert_eq!(
            after_one[..3],
            ["events_until_2025_01_06", "events_p2025w02", "events_p2025w03"]
        );
        let mut runs = 1;
        loop {
            let outcome = splits(&app).await;
            if outcome.actions.is_empty() {
                break;
            }
            runs += 1;
            assert!(runs < 5, "{outcome:#?}");
        }
        let weeks = "SELECT count(DISTINCT tableoid) || ' ' || count(DISTINCT date_trunc('week', ts AT TIME ZONE 'UTC')) || ' ' || count(*) FROM events";
        assert_eq!(db.value(weeks).await, "54 54 378");
        nothing_is_left(&db).await;
    });
}

/// What is expired is retention's; what is split leaves month by month, and what is not yet stays.
#[test]
fn retention_takes_what_is_split_and_leaves_the_rest() {
    on_every_major(|db| async move {
        wide(&db, "generate_series('2022-01-01'::timestamptz, '2026-01-01', '1 month')").await;
        let settings = "split = true\nretention = \"45 months\"\nexpire_max_share = 1";
        let mut app = confirmed(&db, &[("events", settings)]).await;
        assert_eq!(split(&splits(&app).await), ["public.events_old"]);
        app.ask(&Task::Tend { confirm: true });
        let outcome = splits(&app).await;
        let left: Vec<_> =
            kinds(&outcome).into_iter().filter(|(kind, _)| *kind == "detach_partition").collect();
        let old = [
            "public.events_until_2022_01_01",
            "public.events_p2022_01",
            "public.events_p2022_02",
            "public.events_p2022_03",
        ];
        assert_eq!(left, old.map(|name| ("detach_partition", name.to_owned())), "{outcome:#?}");
        // The newer ones, in one wide partition, are all there.
        assert_eq!(
            db.value("SELECT count(*) || ' ' || min(ts)::date FROM events").await,
            "46 2022-04-01"
        );
    });
}

/// Years without a row stay in one partition.
#[test]
fn empty_cells_make_no_partitions() {
    on_every_major(|db| async move {
        wide(&db, "unnest(ARRAY['2001-05-05', '2001-06-06', '2025-12-12']::timestamptz[])").await;
        let app = tending(&db, &[("events", SPLIT)]).await;
        splits(&app).await;
        let all = [
            "events_until_2001_05_01",
            "events_p2001_05",
            "events_p2001_06",
            "events_p2001_07_01_to_2025_12_01",
            "events_p2025_12",
            "events_p2026_01",
            "events_p2026_02",
            "events_p2026_03",
        ];
        assert_eq!(names(&db).await, all);
        assert!(splits(&app).await.actions.is_empty());
        // A row comes into one of them.
        db.execute("INSERT INTO events VALUES (9, '2010-10-10', 1)").await;
        assert_eq!(split(&splits(&app).await), ["public.events_p2001_07_01_to_2025_12_01"]);
        assert_eq!(
            db.value("SELECT tableoid::regclass FROM events WHERE id = 9").await,
            "events_p2010_10"
        );
        assert!(splits(&app).await.actions.is_empty());
    });
}

/// After a change from months to days, a month that was there is split into days.
#[test]
fn after_a_change_of_interval_the_old_cells_are_split() {
    on_every_major(|db| async move {
        db.execute(
            "SET TimeZone = 'UTC';
             CREATE TABLE events (id bigint, ts timestamptz NOT NULL) PARTITION BY RANGE (ts);
             CREATE TABLE events_p2025_12 PARTITION OF events FOR VALUES FROM ('2025-12-01') TO ('2026-01-01');
             CREATE TABLE events_p2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
             INSERT INTO events SELECT n, '2025-12-05'::timestamptz + n * interval '1 day' FROM generate_series(0, 2) n",
        )
        .await;
        let settings = "interval = \"1 day\"\npremake = \"3 days\"\nsplit = true";
        let app = tending(&db, &[("events", settings)]).await;
        assert_eq!(split(&splits(&app).await), ["public.events_p2025_12"]);
        let days =
            "SELECT string_agg(tableoid::regclass || ' ' || id, ',' ORDER BY id) FROM events";
        assert_eq!(
            db.value(days).await,
            "events_p2025_12_05 0,events_p2025_12_06 1,events_p2025_12_07 2"
        );
        assert!(splits(&app).await.actions.is_empty(), "January is empty");
        assert_eq!(shown(&db, "events").await.lines().count(), 6);
    });
}

/// By ids, and with the end open.
#[test]
fn ids_are_split_too() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE events (id bigint PRIMARY KEY, v bigint) PARTITION BY RANGE (id);
             CREATE TABLE events_all PARTITION OF events FOR VALUES FROM (0) TO (MAXVALUE);
             INSERT INTO events SELECT n, 1 FROM generate_series(1, 2500) n",
        )
        .await;
        let settings = "interval = 1000\npremake = 1000\nsplit = true";
        let app = tending(&db, &[("events", settings)]).await;
        assert_eq!(split(&splits(&app).await), ["public.events_all"]);
        let placed = "SELECT string_agg(part || ' ' || n, ',' ORDER BY part) FROM (SELECT tableoid::regclass::text AS part, count(*) AS n FROM events GROUP BY 1) s";
        assert_eq!(
            db.value(placed).await,
            "events_p0000000000 999,events_p0000001000 1000,events_p0000002000 501"
        );
        assert!(
            shown(&db, "events").await.contains("events_from_0000004000"),
            "{}",
            shown(&db, "events").await
        );
        assert!(splits(&app).await.actions.is_empty());
    });
}

#[test]
fn what_stands_in_the_way_is_named() {
    on_every_major(|db| async move {
        wide(&db, "generate_series('2025-11-01'::timestamptz, '2026-01-01', '1 day')").await;
        db.execute("CREATE TABLE notes (id bigint, ts timestamptz, CONSTRAINT k FOREIGN KEY (id, ts) REFERENCES events)").await;
        let app = tending(&db, &[("events", SPLIT)]).await;
        let outcome = once(&app).await;
        let fault = outcome.first_fault().expect("it is referred to");
        assert_eq!(fault.kind, Kind::Refused);
        assert!(
            fault.message.contains("foreign key k of public.notes, which points at it"),
            "{fault}"
        );
        db.execute("DROP TABLE notes; CREATE TABLE events_default PARTITION OF events DEFAULT")
            .await;
        db.execute("INSERT INTO events VALUES (-1, '9999-01-01', 1); ANALYZE events_default").await;
        assert_eq!(split(&splits(&app).await), ["public.events_old"]);
        assert_eq!(db.value("SELECT count(*) FROM events").await, "63");
    });
}

/// The command as an operator types it.
#[test]
fn the_command_shows_its_plan_and_splits() {
    on_every_major(|db| async move {
        wide(&db, "generate_series('2025-11-01'::timestamptz, '2026-01-01', '1 day')").await;
        let program = pgtend(&db, &config(&[("events", "")]));
        let shown = program.run(&["partitions", "split", "events", "--plan"]).await;
        assert!(
            shown.code == Some(0)
                && shown.stdout.contains(
                    "+ split_partition public.events_old: it spans more than interval = 1 month"
                ),
            "{shown}"
        );
        let ran = program.run(&["partitions", "split", "events"]).await;
        assert!(
            ran.code == Some(0)
                && ran.stdout.contains("+ split_partition public.events_old, 62 rows"),
            "{ran}"
        );
        let again = program.run(&["partitions", "split", "events"]).await;
        assert!(
            again.code == Some(0) && again.stdout.contains("0 done, 0 failed, 1 left alone"),
            "{again}"
        );
        let tending = tending(&db, &[("events", "")]).await;
        assert!(plan(&tending).await.actions.iter().all(|action| action.kind != "split_partition"));
    });
}
