//! The analyze job against real servers.
use pgtend::job::{JobName, Outcome, Verdict};
use pgtend::pg::fault::Kind;
use pgtend::pg::notices;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{Db, InProcess, on_every_major, run, wait_until};

const CONFIG: &str = "[analyze]\nschedule = \"*/15 * * * *\"\n";

/// Two filled partitions of three.
const EVENTS: &str = "
CREATE TABLE events (at date NOT NULL, tenant int, kind text) PARTITION BY RANGE (at);
CREATE TABLE events_01 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE events_02 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE events_03 PARTITION OF events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
INSERT INTO events SELECT date '2026-01-01' + i % 59, i % 1000, 'k' FROM generate_series(1, 20000) i;
";

/// One run, which hears the server's warnings as the program does.
async fn once(app: &InProcess) -> Outcome {
    let listening = tracing_subscriber::registry().with(notices::layer());
    let outcome = app.once(JobName::Analyze).with_subscriber(listening).await;
    outcome.expect("nobody else runs it")
}

/// `kind object` of what was done, and what failed.
fn done(outcome: &Outcome) -> Vec<String> {
    let done = outcome.actions.iter().filter(|action| action.result.is_ok());
    done.map(|action| format!("{} {}", action.kind, action.object)).collect()
}

/// Does one run and expects this and nothing else of it.
#[track_caller]
fn assert_did(outcome: &Outcome, expected: &[&str]) {
    assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:#?}");
    assert_eq!(done(outcome), expected);
}

/// Runs statements on a connection of its own, and waits until the server has counted the rows they
/// write into these tables (or below them).
async fn write(db: &Db, sql: &str, counted: &[(&str, u64)]) {
    let mut conn = db.connect().await;
    run(&mut conn, sql).await;
    // At its end a session reports what it counted.
    sqlx::Connection::close(conn).await.expect("close");
    for (table, rows) in counted {
        let sql = format!(
            "SELECT sum(pg_stat_get_tuples_inserted(oid) + pg_stat_get_tuples_updated(oid) \
                        + pg_stat_get_tuples_deleted(oid)) = {rows} \
             FROM pg_class WHERE relkind = 'r' AND relname LIKE '{table}'"
        );
        wait_until(&format!("{rows} rows of {table} are counted"), || async {
            db.value(&sql).await == "t"
        })
        .await;
    }
}

/// Up to 17 a parent is analyzed with all its partitions.
fn has_only(db: &Db) -> bool {
    db.major() >= 18
}

#[test]
fn a_parent_that_was_never_analyzed_gets_statistics_once() {
    on_every_major(|db| async move {
        write(&db, EVENTS, &[("events\\___", 20_000)]).await;
        let app = InProcess::new(&db, CONFIG).await;
        let outcome = once(&app).await;
        if has_only(&db) {
            // The parent knows of all rows, the partitions of theirs; the empty one is left alone.
            let all = ["analyze_parent public.events", "analyze public.events_01"];
            assert_did(&outcome, &[all[0], all[1], "analyze public.events_02"]);
        } else {
            assert_did(&outcome, &["analyze_tree public.events"]);
        }
        let of_parent = "SELECT attname FROM pg_stats WHERE tablename = 'events' AND inherited \
                         ORDER BY attname";
        assert_eq!(db.column(of_parent).await, ["at", "kind", "tenant"]);
        assert_did(&once(&app).await, &[]);
        assert_did(&once(&app).await, &[]);
    });
}

#[test]
fn a_freshly_loaded_partition_is_analyzed_and_its_parent_when_enough_has_changed() {
    on_every_major(|db| async move {
        write(&db, EVENTS, &[("events\\___", 20_000)]).await;
        let app = InProcess::new(&db, CONFIG).await;
        assert_eq!(once(&app).await.verdict, Verdict::Succeeded);

        // 900 rows: the partition has no statistics, for the parent they are below the threshold.
        let load = "INSERT INTO events SELECT '2026-03-01', i, 'k' FROM generate_series(1, 900) i";
        write(&db, load, &[("events\\___", 20_900)]).await;
        // Up to 17 it had been analyzed with the others, while it was empty.
        assert_did(&once(&app).await, &["analyze public.events_03"]);
        assert_did(&once(&app).await, &[]);

        // Together with these they are above 5 %, and the partition is stale by itself.
        let load = "INSERT INTO events SELECT '2026-03-02', i, 'k' FROM generate_series(1, 1100) i";
        write(&db, load, &[("events\\___", 22_000)]).await;
        wait_until("the counters are believed", || async {
            !app.plan(JobName::Analyze).await.actions.is_empty()
        })
        .await;
        let outcome = once(&app).await;
        if has_only(&db) {
            assert_did(&outcome, &["analyze_parent public.events", "analyze public.events_03"]);
        } else {
            assert_did(&outcome, &["analyze_tree public.events"]);
        }
        assert_did(&once(&app).await, &[]);

        // A partition with rows that leaves changes the parent, too.
        db.execute("ALTER TABLE events DETACH PARTITION events_01").await;
        let parent = if has_only(&db) {
            "analyze_parent public.events"
        } else {
            "analyze_tree public.events"
        };
        assert_did(&once(&app).await, &[parent]);
        assert_did(&once(&app).await, &[]);
    });
}

#[test]
fn new_indexes_on_expressions_and_new_statistics_objects_are_filled() {
    on_every_major(|db| async move {
        let tables = "CREATE TABLE a (x int, y int, t text);
                      CREATE TABLE b (x int);
                      INSERT INTO a SELECT i, i / 10, i FROM generate_series(1, 2000) i;
                      INSERT INTO b SELECT generate_series(1, 2000);";
        write(&db, tables, &[("a", 2000), ("b", 2000)]).await;
        let app = InProcess::new(&db, CONFIG).await;
        assert_did(&once(&app).await, &["analyze public.a", "analyze public.b"]);

        for change in [
            "CREATE INDEX ON a (lower(t))",
            "CREATE STATISTICS deps (dependencies, ndistinct, mcv) ON x, y FROM a",
            "ALTER TABLE a ADD new int DEFAULT 1",
        ] {
            db.execute(change).await;
            assert_did(&once(&app).await, &["analyze public.a"]);
            assert_did(&once(&app).await, &[]);
        }
        let built = "SELECT n_distinct IS NOT NULL AND dependencies IS NOT NULL FROM pg_stats_ext";
        assert_eq!(db.value(built).await, "t");
    });
}

#[test]
fn what_never_gets_statistics_is_not_analyzed_for_ever() {
    on_every_major(|db| async move {
        let tables = "
            CREATE TABLE odd (id int, nothing text, j json, p point, x xid, r int4range,
                              words tsvector, list int[], unseen int,
                              twice int GENERATED ALWAYS AS (id * 2) STORED);
            ALTER TABLE odd ALTER unseen SET STATISTICS 0;
            CREATE INDEX ON odd ((id + 1)) WHERE id < 0;
            CREATE STATISTICS impossible ON id, unseen FROM odd;
            CREATE STATISTICS unrelated (dependencies) ON id, twice FROM odd;
            INSERT INTO odd SELECT i, NULL, '{}', '(1,2)', '7' FROM generate_series(1, 3000) i;
            CREATE TABLE empty (id int);
            CREATE TABLE emptied (id int);
            INSERT INTO emptied SELECT generate_series(1, 3000);
            TRUNCATE emptied;
            CREATE TABLE hollow (id int) PARTITION BY LIST (id);
            CREATE TABLE hollow_1 PARTITION OF hollow FOR VALUES IN (1);
            CREATE TABLE childless (id int) PARTITION BY LIST (id);
            CREATE MATERIALIZED VIEW seen AS SELECT id FROM odd;
            CREATE UNLOGGED TABLE unlogged AS SELECT id FROM odd;
            CREATE TEMPORARY TABLE passing AS SELECT id FROM odd;";
        write(&db, tables, &[("odd", 3000)]).await;
        let app = InProcess::new(&db, CONFIG).await;
        let outcome = once(&app).await;
        let expected =
            ["emptied", "odd", "seen", "unlogged"].map(|t| format!("analyze public.{t}"));
        let mut found = done(&outcome);
        found.sort();
        assert_eq!(found, expected, "{outcome:#?}");
        // The object that can never be built is no failure of the table, but not hidden either.
        let odd = outcome.actions.iter().find(|action| action.object == "public.odd").unwrap();
        let note = odd.result.as_ref().unwrap().note.as_deref().unwrap();
        assert!(note.contains("public.impossible"), "{note}");
        assert_did(&once(&app).await, &[]);
        assert_did(&once(&app).await, &[]);
    });
}

/// A role of this test's own, which owns what it makes.
async fn role(db: &Db, right: &str) -> (String, String) {
    let role = format!("{}_{right}", db.name().chars().rev().take(40).collect::<String>());
    db.execute(&format!(
        "CREATE ROLE \"{role}\" LOGIN PASSWORD 'secret';
         GRANT CREATE ON DATABASE \"{}\" TO \"{role}\"; GRANT ALL ON SCHEMA public TO \"{role}\"",
        db.name()
    ))
    .await;
    let url = db.url_as(&role, "secret");
    (role, url)
}

#[test]
fn a_table_of_another_owner_is_refused_with_the_cure() {
    on_every_major(|db| async move {
        let (me, url) = role(&db, "tend").await;
        let (other, _) = role(&db, "other").await;
        let tables = format!(
            "CREATE TABLE mine AS SELECT generate_series(1, 2000) AS id;
             CREATE TABLE theirs AS SELECT generate_series(1, 2000) AS id;
             ALTER TABLE mine OWNER TO \"{me}\"; ALTER TABLE theirs OWNER TO \"{other}\";"
        );
        write(&db, &tables, &[("mine", 2000), ("theirs", 2000)]).await;
        let app = InProcess::without_schema(&url, CONFIG).await;
        pgtend::pg::schema::ensure(app.server()).await.unwrap();

        let outcome = once(&app).await;
        assert_eq!(
            (outcome.verdict, done(&outcome)),
            (Verdict::Partial, vec!["analyze public.mine".into()])
        );
        let fault = outcome.first_fault().unwrap();
        assert_eq!(
            (fault.kind, fault.object.as_deref()),
            (Kind::Permission, Some("public.theirs"))
        );

        // The cure cures. Before 17 it is membership in the owner's role.
        let (cure, _) = fault.hint.as_ref().unwrap().split_once([';', '(']).unwrap();
        db.execute(cure).await;
        let outcome = once(&app).await;
        assert_eq!(
            (outcome.verdict, done(&outcome)),
            (Verdict::Succeeded, vec!["analyze public.theirs".into()])
        );
        // MAINTAIN alone does not show the statistics: this is said, and not a reason to go on.
        let again = once(&app).await;
        assert_did(&again, &[]);
        assert_eq!(again.warnings.len(), usize::from(db.major() >= 17), "{:?}", again.warnings);
    });
}

#[test]
fn a_locked_table_fails_alone_and_names_the_blocker() {
    on_every_major(|db| async move {
        let tables = "CREATE TABLE busy AS SELECT generate_series(1, 5000) AS id;
                      CREATE TABLE free AS SELECT generate_series(1, 2000) AS id;";
        write(&db, tables, &[("busy", 5000), ("free", 2000)]).await;
        let app = InProcess::new(&db, &format!("{CONFIG}max_attempts = 1\n")).await;
        let mut holder = db.connect().await;
        run(&mut holder, "SET application_name = 'holder'; BEGIN; LOCK TABLE busy").await;
        // Looking hangs behind nothing.
        assert_eq!(app.plan(JobName::Analyze).await.actions.len(), 2);
        let outcome = once(&app).await;
        assert_eq!(
            (outcome.verdict, done(&outcome)),
            (Verdict::Partial, vec!["analyze public.free".into()])
        );
        let fault = outcome.first_fault().unwrap();
        assert_eq!((fault.kind, fault.object.as_deref()), (Kind::LockNotHad, Some("public.busy")));
        assert_eq!(fault.blockers[0].application, "holder");

        run(&mut holder, "COMMIT").await;
        assert_did(&once(&app).await, &["analyze public.busy"]);
    });
}

#[test]
fn a_table_that_the_server_skips_has_failed() {
    on_every_major(|db| async move {
        let (me, url) = role(&db, "tend").await;
        let tables = format!(
            "CREATE TABLE first AS SELECT generate_series(1, 5000) AS id;
             CREATE TABLE second AS SELECT generate_series(1, 2000) AS id;
             CREATE TABLE third AS SELECT generate_series(1, 1000) AS id;
             ALTER TABLE third OWNER TO \"{me}\"; ALTER TABLE first OWNER TO \"{me}\"; ALTER TABLE second OWNER TO \"{me}\";"
        );
        write(&db, &tables, &[("first", 5000), ("second", 2000)]).await;
        let app = InProcess::without_schema(&url, CONFIG).await;
        pgtend::pg::schema::ensure(app.server()).await.unwrap();

        // The run has looked and waits for the first table; meanwhile the second changes hands, and
        // the third goes.
        let mut holder = db.connect().await;
        run(&mut holder, "BEGIN; LOCK TABLE first IN SHARE UPDATE EXCLUSIVE MODE").await;
        let takeover = async {
            wait_until("the run waits for the first table", || async {
                let waiting = "SELECT count(*) FROM pg_stat_activity \
                               WHERE datname = current_database() AND wait_event_type = 'Lock' \
                               AND query LIKE 'ANALYZE%'";
                db.value(waiting).await != "0"
            })
            .await;
            db.execute("ALTER TABLE second OWNER TO CURRENT_USER; DROP TABLE third").await;
            run(&mut holder, "COMMIT").await;
        };
        let (outcome, ()) = tokio::join!(once(&app), takeover);
        // A table that is gone needs nothing any more.
        let expected = vec!["analyze public.first".into(), "analyze public.third".into()];
        assert_eq!((outcome.verdict, done(&outcome)), (Verdict::Partial, expected), "{outcome:#?}");
        let fault = outcome.first_fault().unwrap();
        assert!(fault.message.contains("second"), "{fault}");
        assert!(fault.hint.is_some());
        assert_eq!(db.value("SELECT count(*) FROM pg_stats WHERE tablename = 'second'").await, "0");
    });
}

#[test]
fn schemas_and_exclusions_hold() {
    on_every_major(|db| async move {
        let tables = "CREATE SCHEMA app; CREATE SCHEMA \"Odd.One\";
                      CREATE TABLE app.\"Order\" AS SELECT generate_series(1, 2000) AS id;
                      CREATE TABLE app.scratch AS SELECT generate_series(1, 2000) AS id;
                      CREATE TABLE \"Odd.One\".\"a\"\"b\" AS SELECT generate_series(1, 2000) AS id;
                      CREATE TABLE public.other AS SELECT generate_series(1, 2000) AS id;";
        write(&db, tables, &[("Order", 2000), ("scratch", 2000), ("other", 2000)]).await;
        let config =
            format!("{CONFIG}schemas = ['app', '\"Odd.One\"']\nexclude = ['app.scratch']\n");
        let app = InProcess::new(&db, &config).await;
        let mut found = done(&once(&app).await);
        found.sort();
        assert_eq!(found, ["analyze \"Odd.One\".\"a\"\"b\"", "analyze app.\"Order\""]);
        let analyzed = "SELECT DISTINCT schemaname || '.' || tablename FROM pg_stats \
                        WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";
        assert_eq!(db.column(analyzed).await, ["Odd.One.a\"b", "app.Order"]);
    });
}

#[test]
fn pgtends_own_tables_and_the_catalogs_are_left_to_autovacuum() {
    on_every_major(|db| async move {
        let app = InProcess::new(&db, CONFIG).await;
        assert_did(&once(&app).await, &[]);
        assert_did(&once(&app).await, &[]);
    });
}

#[test]
fn what_the_archive_has_moved_is_analyzed_once() {
    on_every_major(|db| async move {
        let tables = "CREATE TABLE jobs (id int PRIMARY KEY, at timestamptz NOT NULL);
                      CREATE TABLE old_jobs (LIKE jobs INCLUDING INDEXES);
                      INSERT INTO jobs SELECT i, now() - interval '60 days' + i * interval '1 minute'
                      FROM generate_series(1, 50000) i;";
        write(&db, tables, &[("jobs", 50_000)]).await;
        let archive = "[archive]\nschedule = '0 0 1 1 *'\n[archive.tables.'jobs']\ninto = 'old_jobs'\n\
                       age_column = 'at'\nolder_than = '30 days'\n";
        let app = InProcess::new(&db, &format!("{archive}{CONFIG}")).await;
        let moved = app.once(JobName::Archive).await.unwrap();
        assert_eq!((moved.verdict, moved.rows()), (Verdict::Succeeded, 43_200), "{moved:#?}");
        let mut both = done(&once(&app).await);
        both.sort();
        assert_eq!(both, ["analyze public.jobs", "analyze public.old_jobs"]);
        // Counts that come too late would be taken for new changes.
        assert_did(&once(&app).await, &[]);
    });
}
