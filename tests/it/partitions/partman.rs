//! `partitions import-partman`: what another tool has on record is printed as our configuration, and
//! what is printed goes on with its partitions.

use pgtend::job::plan::PlanView;
use pgtend::job::{JobName, Verdict};
use pgtend::pg::fault::Kind;

use super::{now, shown};
use crate::support::{Db, InProcess, on_every_major, on_server_with_partman, pgtend};

/// `part_config` as 4.x and as 5.x have it, with the columns that matter and one that does not.
const RECORDS: &str = "
CREATE SCHEMA partman;
CREATE TABLE partman.part_config (
    parent_table text PRIMARY KEY, control text NOT NULL, partition_type text NOT NULL,
    partition_interval text NOT NULL, premake int NOT NULL DEFAULT 4, optimize_trigger int DEFAULT 4,
    epoch text NOT NULL DEFAULT 'none', retention text, retention_schema text,
    retention_keep_table boolean NOT NULL DEFAULT true, datetime_string text,
    automatic_maintenance text NOT NULL DEFAULT 'on', undo_in_progress boolean NOT NULL DEFAULT false,
    template_table text, constraint_cols text[], upsert text NOT NULL DEFAULT '');
CREATE SCHEMA \"Partman 5\";
CREATE TABLE \"Partman 5\".part_config (
    parent_table text PRIMARY KEY, control text NOT NULL, time_encoder text, time_decoder text,
    partition_interval text NOT NULL, partition_type text NOT NULL, premake int NOT NULL DEFAULT 4,
    automatic_maintenance text NOT NULL DEFAULT 'on', template_table text, retention text,
    retention_schema text, retention_keep_table boolean NOT NULL DEFAULT true,
    epoch text NOT NULL DEFAULT 'none', constraint_cols text[], datetime_string text,
    default_table boolean DEFAULT true, date_trunc_interval text, maintenance_order int,
    maintenance_last_run timestamptz, undo_in_progress boolean NOT NULL DEFAULT false);
";

/// Four of the first kind, four of the second, and what cannot be ours.
const SETS: &str = "
CREATE TABLE months (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE months_p2025_12 PARTITION OF months FOR VALUES FROM ('2025-12-01 05:00Z') TO ('2026-01-01 05:00Z');
CREATE TABLE months_p2026_01 PARTITION OF months FOR VALUES FROM ('2026-01-01 05:00Z') TO ('2026-02-01 05:00Z');
CREATE TABLE weeks (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE weeks_p2026w04 PARTITION OF weeks FOR VALUES FROM ('2026-01-19 00:00Z') TO ('2026-01-26 00:00Z');
CREATE TABLE ids (id bigint NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE ids_p1 PARTITION OF ids FOR VALUES FROM (1) TO (1001);
CREATE TABLE ids_p1001 PARTITION OF ids FOR VALUES FROM (1001) TO (2001);
CREATE TABLE epochs (id bigint NOT NULL) PARTITION BY RANGE (id);
INSERT INTO partman.part_config (parent_table, control, partition_type, partition_interval, premake,
    epoch, retention, retention_schema, retention_keep_table, datetime_string, template_table) VALUES
 ('public.months', 'at', 'native', '1 mon', 2, 'none', '1 year', NULL, false, 'YYYY_MM', 'partman.template_public_months'),
 ('public.weeks', 'at', 'native', '7 days', 4, 'none', '90 days', 'attic', true, 'IYYY\"w\"IW', NULL),
 ('public.ids', 'id', 'native', '1000', 3, 'none', '5000', NULL, true, NULL, NULL),
 ('public.epochs', 'id', 'native', '1 day', 5, 'milliseconds', NULL, NULL, true, 'YYYY_MM_DD', NULL),
 ('public.triggers', 'at', 'partman', '1 day', 5, 'none', NULL, NULL, true, 'YYYY_MM_DD', NULL);
CREATE TABLE partman.template_public_months (at timestamptz PRIMARY KEY) WITH (fillfactor = 70);
CREATE TABLE triggers (at timestamptz);

CREATE TABLE \"Odd.T\" (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE halves (at timestamptz NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE halves_p20260120_093000 PARTITION OF halves FOR VALUES FROM ('2026-01-20 09:30Z') TO ('2026-01-20 10:00Z');
CREATE TABLE uuids (id uuid NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE lists (id int NOT NULL) PARTITION BY LIST (id);
CREATE TABLE nested (at timestamptz NOT NULL, b int NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE nested_p20260101 PARTITION OF nested FOR VALUES FROM ('2026-01-01 00:00Z') TO ('2027-01-01 00:00Z')
    PARTITION BY RANGE (b);
INSERT INTO \"Partman 5\".part_config (parent_table, control, time_decoder, partition_interval,
    partition_type, premake, datetime_string, automatic_maintenance) VALUES
 ('public.Odd.T', 'at', NULL, '3 mons', 'range', 4, 'YYYYMMDD', 'on'),
 ('public.halves', 'at', NULL, '00:30:00', 'range', 4, 'YYYYMMDD_HH24MISS', 'on'),
 ('public.uuids', 'id', 'partman.uuid7_time_decoder', '1 year', 'range', 1, 'YYYYMMDD', 'on'),
 ('public.lists', 'id', NULL, '1', 'list', 4, NULL, 'on'),
 ('public.nested', 'at', NULL, '1 year', 'range', 4, 'YYYYMMDD', 'on'),
 ('public.nested_p20260101', 'b', NULL, '100', 'range', 4, NULL, 'on'),
 ('public.gone', 'at', NULL, '1 day', 'range', 4, 'YYYYMMDD', 'on'),
 ('public.epochs', 'id', NULL, '1 day', 'range', 4, 'YYYYMMDD', 'off');
ALTER DATABASE current SET timezone = 'America/New_York';
";

async fn imported(db: &Db) -> String {
    let ran = pgtend(db, "").run(&["partitions", "import-partman"]).await;
    assert_eq!(ran.code, Some(0), "{ran}");
    ran.stdout
}

#[test]
fn both_shapes_of_the_record_are_read() {
    on_every_major(|db| async move {
        db.execute(RECORDS).await;
        let here = format!("ALTER DATABASE \"{}\"", db.name());
        db.execute(&SETS.replace("ALTER DATABASE current", &here)).await;
        let printed = imported(&db).await;
        insta::allow_duplicates! { insta::assert_snapshot!(printed, @r##"
        [partitions]
        schedule = "17 * * * *"

        # What "Partman 5".part_config says (pg_partman).
        # Look it over, then `pgtend plan partitions`. Before the first run take these tables out of its maintenance:
        #   UPDATE "Partman 5".part_config SET automatic_maintenance = 'off'
        #   WHERE parent_table IN ('public.Odd.T', 'public.halves', 'public.uuids');

        [partitions.tables.'public."Odd.T"']
        interval = "3 months"
        premake = "1 year"
        name = "{table}_p{year}{month}{day}"

        # Left to pg_partman: public.epochs: automatic_maintenance = off: run_maintenance leaves it alone

        # Left to pg_partman: public.gone: there is no such table

        [partitions.tables."public.halves"]
        interval = "30 minutes"
        premake = "2 hours"
        name = "{table}_p{year}{month}{day}_{hour}{minute}{second}"

        # Left to pg_partman: public.lists: partition_type = list; only the server's own RANGE partitions are tended

        # Left to pg_partman: public.nested: it is partitioned at two levels, and new partitions would be plain tables

        # Left to pg_partman: public.nested_p20260101: it is partitioned at two levels, and new partitions would be plain tables

        [partitions.tables."public.uuids"]
        key = "uuidv7"
        interval = "1 year"
        premake = "1 year"
        name = "{table}_p{year}{month}{day}"

        # What partman.part_config says (pg_partman).
        # Look it over, then `pgtend plan partitions`. Before the first run take these tables out of its maintenance:
        #   UPDATE partman.part_config SET automatic_maintenance = 'off'
        #   WHERE parent_table IN ('public.epochs', 'public.ids', 'public.months', 'public.weeks');

        [partitions.tables."public.epochs"]
        key = "epoch_ms"
        interval = "1 day"
        premake = "5 days"
        name = "{table}_p{year}_{month}_{day}"

        [partitions.tables."public.ids"]
        interval = 1000
        premake = 3000
        # retention = 5000 has no counterpart: ids tell no time, nothing expires

        [partitions.tables."public.months"]
        interval = "1 month"
        premake = "2 months"
        timezone = "America/New_York"
        name = "{table}_p{year}_{month}"
        retention = "1 year"
        on_expiry = "drop"  # after its quarantine of 7 days
        # its template table has fillfactor=70, index template_public_months_pkey; new partitions are like the parent and have none of it

        # Left to pg_partman: public.triggers: partition_type = partman; only the server's own RANGE partitions are tended

        [partitions.tables."public.weeks"]
        interval = "1 week"
        premake = "4 weeks"
        timezone = "UTC"
        name = "{table}_p{year}w{week}"
        retention = "90 days"
        on_expiry = "detach"
        # retention_schema = attic has no counterpart: what expires stays in its schema
        "##) };

        let app = InProcess::new(&db, &printed).await;
        let plan = app.plan_at(JobName::Partitions, now()).await;
        assert_none_refused(&plan);
        assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
        let outcome = app.once_at(JobName::Partitions, now()).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        for (table, made) in [
            (
                "months",
                "months_p2026_02 FOR VALUES FROM ('2026-02-01 05:00:00+00') TO ('2026-03-01 05:00:00+00')",
            ),
            (
                "weeks",
                "weeks_p2026w05 FOR VALUES FROM ('2026-01-26 00:00:00+00') TO ('2026-02-02 00:00:00+00')",
            ),
            ("ids", "ids_p2001 FOR VALUES FROM ('2001') TO ('3001')"),
            ("epochs", "epochs_p2026_01_20 FOR VALUES FROM ('1768867200000') TO ('1768953600000')"),
            (
                "\"Odd.T\"",
                "Odd.T_p20260101 FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-04-01 00:00:00+00')",
            ),
            (
                "halves",
                "halves_p20260120_100000 FOR VALUES FROM ('2026-01-20 10:00:00+00') TO ('2026-01-20 10:30:00+00')",
            ),
            ("uuids", "uuids_p20260101 FOR VALUES FROM ('019b76da-a800-0000-0000-000000000000')"),
        ] {
            let shown = shown(&db, table).await;
            assert!(shown.contains(made), "{table}: {made} is not in:\n{shown}");
        }
    });
}

#[test]
fn no_record_and_no_right_to_read_it_are_told() {
    on_every_major(|db| async move {
        let program = pgtend(&db, "");
        let ran = program.run(&["partitions", "import-partman"]).await;
        assert_eq!(ran.code, Some(1), "{ran}");
        assert!(ran.stderr.contains("has no table part_config"), "{ran}");
        db.execute(RECORDS).await;
        let role = format!("reader_{}", db.major());
        db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
        let url = db.url_as(&role, "secret");
        let program = pgtend(&db, &format!("[database]\nurl = \"{url}\"\n"));
        let ran = program.run(&["partitions", "import-partman"]).await;
        assert_eq!(ran.code, Some(77), "{ran}");
        let cure = format!("GRANT USAGE ON SCHEMA \"Partman 5\" TO {role}");
        assert!(ran.stderr.contains(&cure), "{ran}");
        db.execute(&format!("DROP ROLE {role}")).await;
    });
}

/// Sets that the extension itself has made, of every kind it knows.
#[test]
fn sets_of_the_extension_itself_go_on() {
    on_server_with_partman(|db| async move {
        db.execute("CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman").await;
        let created = [
            ("years", "timestamptz", "'yearly'"),
            ("quarters", "date", "'quarterly'"),
            ("months", "timestamp", "'monthly'"),
            ("weeks", "timestamptz", "'weekly'"),
            ("days", "timestamptz", "'daily', p_premake := 10"),
            ("hours", "timestamptz", "'hourly'"),
            ("quarter_hours", "timestamptz", "'quarter-hour'"),
            ("five_days", "timestamptz", "'5 days'"),
            ("seconds", "bigint", "'monthly', p_epoch := 'seconds'"),
            ("ids", "bigint", "'10000'"),
            ("Odd T", "timestamptz", "'monthly'"),
        ];
        let at = db.value("SELECT to_json(clock_timestamp()) #>> '{}'").await.parse().unwrap();
        for (table, key, how) in created {
            db.execute(&format!(
                "CREATE TABLE public.\"{table}\" (k {key} NOT NULL) PARTITION BY RANGE (k);
                 SELECT partman.create_parent('public.{table}', 'k', 'native', {how})"
            ))
            .await;
        }
        db.execute("UPDATE partman.part_config SET retention = '10 years' WHERE parent_table <> 'public.ids'").await;
        let before = children(&db).await;
        let printed = imported(&db).await;
        assert!(!printed.contains("Left to pg_partman"), "{printed}");
        let app = InProcess::new(&db, &printed).await;

        // What it has made ahead is all that we are told to.
        let plan = app.plan_at(JobName::Partitions, at).await;
        assert_none_refused(&plan);
        let made: Vec<_> = plan.actions.iter().filter(|action| !action.upkeep).collect();
        assert!(made.is_empty() && plan.warnings.is_empty(), "{made:#?} {:?}", plan.warnings);

        // More of each, by us.
        db.execute("INSERT INTO ids VALUES (1)").await;
        db.execute(
            "UPDATE partman.part_config SET premake = premake + 2, infinite_time_partitions = true",
        )
        .await;
        let app = InProcess::new(&db, &imported(&db).await).await;
        let outcome = app.once_at(JobName::Partitions, at).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        let ours = added(&db, &before).await;
        for (table, ..) in created {
            let is_of = |child: &&String| child.trim_start_matches('"').starts_with(table);
            assert!(ours.iter().any(|child| is_of(&child)), "nothing for {table} in {ours:#?}");
        }

        // Made by the extension instead, they have the same names and bounds.
        for child in &ours {
            db.execute(&format!("DROP TABLE {}", child.split(" FOR VALUES").next().unwrap())).await;
        }
        db.execute("SELECT partman.run_maintenance()").await;
        let theirs = added(&db, &before).await;
        let missing: Vec<_> = ours.iter().filter(|child| !theirs.contains(child)).collect();
        assert!(missing.is_empty(), "{missing:#?} are not in {theirs:#?}");
    });
}

async fn added(db: &Db, before: &[String]) -> Vec<String> {
    children(db).await.into_iter().filter(|child| !before.contains(child)).collect()
}

/// Every partition with its bounds.
async fn children(db: &Db) -> Vec<String> {
    db.column(
        "SELECT inhrelid::regclass || ' ' || pg_get_expr(relpartbound, 0) \
         FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE relkind = 'r' ORDER BY 1",
    )
    .await
}

#[track_caller]
fn assert_none_refused(plan: &PlanView) {
    let refused: Vec<(String, Kind)> = plan
        .refused
        .iter()
        .map(|refused| (refused.fault.to_string(), refused.fault.kind))
        .collect();
    assert_eq!(refused, []);
}
