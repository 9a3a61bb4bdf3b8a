//! Tables without a key: only its place tells a row from others, and equal rows are several rows.
use std::time::Duration;

use pgtend::job::{JobName, Verdict};

use super::{assert_whole, config_for, keep, moved, names, once};
use crate::support::{
    Application, Db, InProcess, KillPoints, NO_ROWS, World, on_every_major, pgtend, run,
};

/// Ten rows that are due, three times each, and as many that are not.
const LOG: &str = "
CREATE TABLE log (name text, at timestamptz);
INSERT INTO log SELECT 'old ' || n, now() - interval '60 days' FROM generate_series(1, 10) AS n, generate_series(1, 3);
INSERT INTO log SELECT 'young ' || n, now() FROM generate_series(1, 10) AS n;
INSERT INTO log VALUES ('ageless', NULL);
";

fn config(more: &str) -> String {
    config_for("log", "at", &format!("create_target = true\n{more}"))
}

async fn world(db: &Db, sql: &str, more: &str) -> InProcess {
    db.execute(LOG).await;
    db.execute(sql).await;
    keep(db, "log").await;
    InProcess::new(db, &config(more)).await
}

const DUE: &str = "log WHERE at < now() - interval '30 days'";

#[test]
fn rows_without_a_key_move_and_equal_ones_each_once() {
    on_every_major(|db| async move {
        for made in [
            "",
            "CREATE INDEX ON log (at)",
            "ANALYZE log",
            "CREATE UNIQUE INDEX ON log ((at IS NULL)) WHERE at IS NULL",
        ] {
            db.execute("DROP TABLE IF EXISTS log, log_archive, kept").await;
            let app = world(&db, made, "batch_rows = 4").await;
            let plan = app.plan(JobName::Archive).await;
            let reason = &plan.actions.last().expect("a move").reason;
            let why = "along (ctid), block by block, as no key tells its rows apart: each pass reads all of it";
            assert!(reason.contains(why), "{reason}");
            let applied = moved(&app).await;
            assert_eq!(applied.rows, Some(30), "{made}");
            assert!(applied.batches >= 8, "{made}: {applied:?}");
            assert_eq!(names(&db, DUE).await, [""; 0], "{made}");
            assert_whole(&db, "log", "log_archive").await;
            assert_eq!(db.rows("SELECT * FROM pgtend.archive_position").await, NO_ROWS);
            let idle = once(&app).await;
            assert!(idle.actions.is_empty(), "{idle:#?}");
        }
    });
}

/// A key that the server can neither sort nor compare as its own counts as none.
#[test]
fn a_key_of_a_type_of_our_own_is_none_and_rows_move() {
    on_every_major(|db| async move {
        let app = world(
            &db,
            "CREATE TYPE pair AS (a int, b int); ALTER TABLE log ADD COLUMN k pair; \
             WITH n AS (SELECT ctid AS place, row_number() OVER () AS n FROM log) \
             UPDATE log SET k = (n, 1)::pair FROM n WHERE log.ctid = place; \
             ALTER TABLE log ADD PRIMARY KEY (k)",
            "batch_rows = 7",
        )
        .await;
        assert_eq!(moved(&app).await.rows, Some(30));
        assert_whole(&db, "log", "log_archive").await;
    });
}

/// What a range of blocks costs: its blocks, and not the table, on every version.
#[test]
fn a_range_is_found_without_reading_the_whole_table() {
    on_every_major(|db| async move {
        let many =
            "INSERT INTO log SELECT 'many', now() FROM generate_series(1, 30000); ANALYZE log";
        let app = world(&db, many, "").await;
        moved(&app).await;
        db.execute("INSERT INTO log VALUES ('late', now() - interval '40 days')").await;
        let plan = app.plan(JobName::Archive).await;
        let wanted = if db.major() >= 14 { "Tid Range Scan on log" } else { "Tid Scan on log" };
        let texts = plan.actions[0].sql.iter().filter(|sql| sql.contains("ctid <= $3"));
        let texts: Vec<_> = texts.filter(|sql| !sql.contains("only where")).collect();
        assert!(texts.len() >= 3, "{plan}");
        for text in texts {
            let sql = text
                .replace("$1", "'2020-01-01'")
                .replace("$2", "'(0,0)'::text")
                .replace("$3", "'(0,65535)'::text")
                .replace(" archive_batch", " pgtend.archive_batch")
                .replace(" job_run", " pgtend.job_run");
            let explained = db.column(&format!("EXPLAIN {sql}")).await.join("\n");
            assert!(explained.contains(wanted), "{sql}\n{explained}");
        }
    });
}

/// Few rows that are due among many blocks: no batch spans them all.
#[test]
fn rare_rows_of_a_wide_table_move() {
    on_every_major(|db| async move {
        let app = world(
            &db,
            "ALTER TABLE log ALTER COLUMN name SET STORAGE PLAIN; \
             INSERT INTO log SELECT CASE WHEN n % 290 = 0 THEN 'rare' ELSE 'many' END || n || repeat(' ', 5000), \
               now() - CASE WHEN n % 290 = 0 THEN interval '50 days' ELSE interval '0' END \
             FROM generate_series(1, 1200) AS n; \
             ANALYZE log",
            "",
        )
        .await;
        let applied = moved(&app).await;
        assert_eq!(applied.rows, Some(34));
        let spans = db
            .column(
                "SELECT ((last->>0)::point)[0] - ((first->>0)::point)[0] FROM pgtend.archive_batch",
            )
            .await;
        if db.major() < 14 {
            let far = spans.iter().filter(|span| span.parse::<f64>().expect("blocks") > 255.0);
            assert_eq!(far.count(), 0, "{spans:?}");
        }
        assert_eq!(names(&db, DUE).await, [""; 0]);
        assert_whole(&db, "log", "log_archive").await;
    });
}

/// No index finds what lies behind a bare stretch, so no sweep ends there, though a VACUUM comes behind it; and a
/// pass of the whole table follows: the last batch makes a row due that lies in the first block.
#[test]
fn a_sweep_without_a_key_goes_to_the_end_and_a_whole_pass_proves_it() {
    on_every_major(|db| async move {
        let app = world(
            &db,
            "CREATE TABLE log_archive (name text, at timestamptz); \
             INSERT INTO log VALUES ('late', now()); \
             INSERT INTO log SELECT 'bulk ' || n, now() - interval '50 days' FROM generate_series(1, 60000) AS n; \
             INSERT INTO log SELECT 'fresh ' || n, now() FROM generate_series(1, 30000) AS n; \
             INSERT INTO log SELECT 'behind ' || n, now() - interval '50 days' FROM generate_series(1, 100) AS n; \
             CREATE FUNCTION finish() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               UPDATE public.log SET at = '2001-01-01' WHERE name = 'late' AND at > '2002-01-01' \
                 AND NOT EXISTS (SELECT FROM public.log WHERE name LIKE 'behind%'); \
               RETURN NULL; END $$; \
             CREATE TRIGGER finish AFTER DELETE ON log FOR EACH STATEMENT EXECUTE FUNCTION finish(); \
             ANALYZE log",
            "pace = 'full'",
        )
        .await;
        db.execute("UPDATE kept SET at = '2001-01-01' WHERE name = 'late'").await;
        let outcome = once(&app).await;
        assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
        let kinds: Vec<_> = outcome.actions.iter().map(|action| action.kind).collect();
        assert_eq!(kinds, ["move_rows", "vacuum"]);
        assert_eq!(names(&db, DUE).await, [""; 0]);
        assert_eq!(names(&db, "log_archive WHERE name = 'late'").await, ["late"]);
        assert_whole(&db, "log", "log_archive").await;
    });
}

/// One of three equal rows is held: the two others go, and it goes the next time.
#[test]
fn a_held_row_is_left_and_its_equals_go() {
    on_every_major(|db| async move {
        let app = world(&db, "", "batch_rows = 10").await;
        let mut other = db.connect().await;
        run(
            &mut other,
            "BEGIN; SELECT FROM log WHERE ctid = (SELECT min(ctid) FROM log WHERE name = 'old 5') FOR UPDATE",
        )
        .await;
        let applied = moved(&app).await;
        assert_eq!(applied.rows, Some(29));
        let note = applied.note.expect("a note");
        assert!(note.contains("1 rows that others hold locked are left"), "{note}");
        assert_eq!(names(&db, DUE).await, ["old 5"]);
        run(&mut other, "COMMIT").await;
        assert_eq!(moved(&app).await.rows, Some(1));
        assert_whole(&db, "log", "log_archive").await;
    });
}

/// An update gives a row another place, which may be one that a row has just left.
#[test]
fn an_application_at_work_on_rows_without_a_key_loses_nothing() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE TABLE log (id bigint, v bigint, ts timestamptz) WITH (fillfactor = 50); \
             INSERT INTO log SELECT n, 1, now() - interval '60 days' FROM generate_series(1, 4000) n; \
             CREATE INDEX ON log (id); ANALYZE log",
        )
        .await;
        let text = config_for(
            "log",
            "ts",
            "create_target = true\nbatch_rows = 500\npace = 'full'\nwhere = 'id % 3 < 2'",
        );
        let app = InProcess::new(&db, &text).await;
        let key = "now() - interval '60 days' + $1 * interval '1 second'";
        let writers = World {
            rows_may_leave: true,
            moved_key: Some(
                "now() - $2 % 2 * interval '70 days' + $1 * interval '1 second'".to_owned(),
            ),
            pause: Duration::from_millis(2),
            ..World::new("log", key)
        };
        let writers = Application::start(&db, writers).await;
        for _ in 0..4 {
            let outcome = once(&app).await;
            assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
            db.execute("VACUUM log").await;
            writers.goes_on().await;
        }
        let ledger = writers.stop().await;
        let both = "SELECT id, v FROM log UNION ALL SELECT id, v FROM log_archive";
        ledger.holds(&db, both).await;
        let archived = db.value("SELECT count(*) > 2000 FROM log_archive").await;
        assert_eq!(archived, "t", "the archiver did its work meanwhile");
        moved(&app).await;
        let left = "SELECT id FROM log WHERE ts < now() - interval '31 days' AND id % 3 < 2";
        assert_eq!(db.rows(left).await, NO_ROWS);
        ledger.holds(&db, both).await;
    });
}

#[test]
fn a_move_without_a_key_survives_every_kill() {
    on_every_major(|db| async move {
        db.execute(LOG).await;
        db.execute("CREATE TABLE log_archive (name text, at timestamptz); ANALYZE log").await;
        let text = config_for("log", "at", "batch_rows = 12");
        let done = KillPoints::of(&db, &text, &["once", "archive"]).run().await;
        assert!(done.iter().any(|sql| sql.contains("ctid >= ")), "{done:#?}");
    });
}

/// Equal rows are several rows. An archive that takes only one of them is refused what it would lose.
#[test]
fn an_archive_that_takes_fewer_rows_stops_the_table_with_the_reason() {
    on_every_major(|db| async move {
        let made = "CREATE TABLE log_archive (name text UNIQUE, at timestamptz)";
        let app = world(&db, made, "batch_rows = 4").await;
        // Each row alone would find its equal there.
        for more in ["batch_rows = 4", "batch_rows = 1"] {
            let outcome = InProcess::new(&db, &config(more)).await.once(JobName::Archive).await;
            let outcome = outcome.expect("nobody else runs it");
            let fault = outcome.actions[0].result.as_ref().expect_err("it stops");
            assert_eq!(fault.sqlstate.as_deref(), Some("23505"), "{fault}");
            let hint = fault.hint.as_deref().unwrap_or_default();
            assert!(
                hint.contains(
                    "public.log_archive allows fewer rows than public.log: drop that constraint"
                ),
                "{hint}"
            );
            assert_whole(&db, "log", "log_archive").await;
        }
        db.execute("ALTER TABLE log_archive DROP CONSTRAINT log_archive_name_key").await;
        moved(&app).await;
        assert_eq!(names(&db, DUE).await, [""; 0]);
        assert_whole(&db, "log", "log_archive").await;
    });
}

#[test]
fn rows_without_a_key_come_back_and_the_record_adds_up() {
    on_every_major(|db| async move {
        let app = world(&db, "CREATE INDEX ON log (at)", "batch_rows = 4").await;
        moved(&app).await;
        db.execute("CREATE INDEX ON log_archive (at)").await;
        let program = pgtend(&db, &config("batch_rows = 4"));
        let verify = async || {
            let ran = program.run(&["archive", "verify"]).await;
            assert_eq!(ran.code, Some(0), "{ran}");
        };
        verify().await;
        let which = "name IN ('old 2', 'old 7')";
        let ran = program.run(&["archive", "restore", "log", "--where", which]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(names(&db, DUE).await, ["old 2", "old 2", "old 2", "old 7", "old 7", "old 7"]);
        assert_whole(&db, "log", "log_archive").await;
        verify().await;
        let ran = program.run(&["archive", "restore", "log", "--since", "2020-01-01"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(names(&db, "log_archive").await, [""; 0]);
        assert_whole(&db, "log", "log_archive").await;
        verify().await;
    });
}

/// The archive has no key, the hot table has: what is taken is neither overwritten nor dropped.
#[test]
fn a_restore_without_a_key_that_meets_a_taken_one_stops_and_says_why() {
    on_every_major(|db| async move {
        let app = world(&db, "CREATE TABLE log_archive (name text, at timestamptz)", "").await;
        moved(&app).await;
        db.execute("DELETE FROM log; ALTER TABLE log ADD PRIMARY KEY (name)").await;
        let program = pgtend(&db, &config(""));
        let ran = program.run(&["archive", "restore", "log", "--where", "name = 'old 3'"]).await;
        assert_eq!(ran.code, Some(1), "{ran}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("nothing of this batch came back; delete that row of"), "{ran}");
        assert_eq!(names(&db, "log").await, [""; 0]);
        assert_eq!(names(&db, "log_archive").await.len(), 30);
    });
}

#[test]
fn rows_without_a_key_are_deleted_for_good_where_that_is_agreed() {
    on_every_major(|db| async move {
        db.execute(LOG).await;
        keep(&db, "log").await;
        let text = "[archive]\nschedule = \"30 2 * * *\"\n[archive.tables.log]\ndelete = true\n\
                    age_column = 'at'\nolder_than = \"30 days\"\nbatch_rows = 4";
        let mut app = InProcess::new(&db, text).await;
        app.confirm();
        assert_eq!(moved(&app).await.rows, Some(30));
        assert_eq!(names(&db, DUE).await, [""; 0]);
        let gone = "(SELECT * FROM kept WHERE at < now() - interval '30 days')";
        assert_whole(&db, "log", &format!("{gone} AS gone")).await;
    });
}
