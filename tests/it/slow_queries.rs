//! Slow statements on real servers: told once, by exact figures, without their literals.

use serde_json::Value;

use crate::support::{
    Db, NO_ROWS, Program, Ran, on_every_major, on_own_server, pgtend, run, wait_until,
};

const CONFIG: &str = "[slow_queries]\nschedule = \"* * * * *\"\nslow_mean = \"100ms\"\n";
/// In every literal; must be in no log line and in no table of ours.
const CANARY: &str = "hunter2canary";

async fn install(db: &Db) {
    db.execute("CREATE EXTENSION pg_stat_statements").await;
}

/// One poll: a process of its own, as a `CronJob` starts it. Returns its lines about statements.
async fn poll(program: &Program) -> Vec<Value> {
    let ran = program.run(&["once", "slow_queries"]).await;
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(!ran.to_string().contains(CANARY), "{ran}");
    lines(&ran)
}

fn lines(ran: &Ran) -> Vec<Value> {
    let about = |line: &Value| line["event"].as_str().is_some_and(|e| e.starts_with("slow_query."));
    ran.log().into_iter().filter(about).collect()
}

/// The lines about the statement that has this word in its text: `opened`, `resolved`.
fn events(lines: &[Value], word: &str) -> Vec<String> {
    let about = |line: &&Value| line["query"].as_str().is_some_and(|query| query.contains(word));
    let event = |line: &Value| line["event"].as_str().unwrap_or_default()[11..].to_owned();
    lines.iter().filter(about).map(event).collect()
}

fn gaps(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["event"] == "slow_query.coverage").map(|l| &l["gaps"]).collect()
}

/// A statement of its own for each name: what it selects from counts, an alias would not.
fn statement(name: &str, seconds: f64) -> String {
    format!("SELECT pg_sleep({seconds}), '{CANARY}' FROM {name}")
}

/// Runs it as often, each call this long.
async fn call(db: &Db, name: &str, times: usize, seconds: f64) {
    db.execute(&format!("CREATE TABLE IF NOT EXISTS {name} AS SELECT 1 AS one")).await;
    for _ in 0..times {
        db.execute(&statement(name, seconds)).await;
    }
}

/// Calls and total time so far, from the view itself.
async fn recorded(db: &Db, name: &str) -> (f64, f64) {
    let sql = format!(
        "SELECT calls, total_exec_time FROM pg_stat_statements WHERE query LIKE 'SELECT pg_sleep%{name}' AND dbid = (SELECT oid FROM pg_database \
         WHERE datname = current_database())"
    );
    let rows = db.rows(&sql).await;
    let number = |n: usize| rows[0][n].as_ref().expect("a number").parse().expect("a number");
    (number(0), number(1))
}

#[test]
fn one_line_when_a_statement_turns_slow_and_one_when_it_is_fast_again() {
    on_every_major(|db| async move {
        install(&db).await;
        let program = pgtend(&db, CONFIG);
        call(&db, "report", 3, 0.15).await;
        assert_eq!(poll(&program).await.len(), 0, "the first poll is silent");

        call(&db, "report", 5, 0.001).await;
        assert_eq!(events(&poll(&program).await, "report"), NOTHING);

        let before = recorded(&db, "report").await;
        call(&db, "report", 2, 0.15).await;
        let after = recorded(&db, "report").await;
        let told = poll(&program).await;
        assert_eq!(events(&told, "report"), ["opened"]);
        let line = told.iter().find(|line| line["query"].as_str().is_some()).expect("the line");
        assert_eq!((&line["calls"], &line["reason"]), (&2.into(), &"mean".into()), "{line}");
        let mean_ms = (after.1 - before.1) / (after.0 - before.0);
        let told_ms = line["mean_ms"].as_f64().expect("a number");
        assert!((told_ms - mean_ms).abs() < 0.01, "told {told_ms}, in truth {mean_ms}");
        assert_eq!(line["query"], "SELECT pg_sleep($1), $2 FROM report");
        assert!(line["queryid"].is_string() && line["user"] == "postgres", "{line}");

        call(&db, "report", 1, 0.15).await;
        assert_eq!(events(&poll(&program).await, "report"), NOTHING, "still slow: silent");
        call(&db, "report", 3, 0.001).await;
        assert_eq!(events(&poll(&program).await, "report"), ["resolved"]);
        assert_eq!(events(&poll(&program).await, "report"), NOTHING);
    });
}

const NOTHING: [&str; 0] = [];

#[test]
fn resets_restarts_and_evictions_neither_invent_nor_lose_a_state() {
    let settings = [("pg_stat_statements.max", "100"), ("autovacuum", "off")];
    on_own_server(&settings, |db, server| async move {
        install(&db).await;
        let program = pgtend(&db, CONFIG);
        call(&db, "steady", 3, 0.12).await;
        assert_eq!(events(&poll(&program).await, "steady"), NOTHING);
        call(&db, "steady", 2, 0.12).await;
        assert_eq!(events(&poll(&program).await, "steady"), ["opened"]);

        db.execute("SELECT pg_stat_statements_reset()").await;
        call(&db, "steady", 7, 0.12).await;
        call(&db, "after_reset", 2, 0.12).await;
        let told = poll(&program).await;
        assert_eq!(events(&told, "steady"), NOTHING, "still slow");
        assert_eq!(events(&told, "after_reset"), ["opened"]);

        forget(&db, "steady").await;
        call(&db, "steady", 2, 0.12).await;
        assert_eq!(events(&poll(&program).await, "steady"), NOTHING, "a targeted reset");

        db.pool().close().await;
        server.get().restart().expect("a restart");
        assert_eq!(events(&poll(&program).await, "steady"), NOTHING, "a clean restart");
        let again = Reconnected::to(&db).await;
        again.call("steady", 0.12).await;
        assert_eq!(events(&poll(&program).await, "steady"), NOTHING, "still slow");

        again.evict_everything().await;
        let told = poll(&program).await;
        assert_eq!(events(&told, "steady"), NOTHING, "evicted is not resolved");
        assert_eq!(gaps(&told), [&serde_json::json!(["evictions"])]);
        for _ in 0..50 {
            again.call("steady", 0.001).await;
        }
        assert_eq!(events(&poll(&program).await, "steady"), ["resolved"]);
    });
}

async fn forget(db: &Db, name: &str) {
    let sql = format!(
        "SELECT pg_stat_statements_reset(userid, dbid, queryid) FROM pg_stat_statements \
         WHERE query LIKE 'SELECT pg_sleep%{name}'"
    );
    assert_ne!(db.rows(&sql).await, NO_ROWS, "it was there");
}

/// A connection of its own: the pool of a restarted server is closed.
struct Reconnected(tokio::sync::Mutex<sqlx::PgConnection>);

impl Reconnected {
    async fn to(db: &Db) -> Self {
        Self(tokio::sync::Mutex::new(db.connect().await))
    }

    async fn call(&self, name: &str, seconds: f64) {
        run(&mut *self.0.lock().await, &statement(name, seconds)).await;
    }

    /// Two hundred other statements, in a house for one hundred, each called often.
    async fn evict_everything(&self) {
        for n in 0..200 {
            // As many columns as no other statement has.
            let sql = format!("SELECT {};", vec!["1"; n + 1].join(", ")).repeat(5);
            run(&mut *self.0.lock().await, &sql).await;
        }
    }
}

#[test]
fn no_literal_reaches_the_log_or_our_tables() {
    on_every_major(|db| async move {
        install(&db).await;
        let config = CONFIG.replace("100ms", "1ms") + "slow_max = \"1ms\"\n";
        let program = pgtend(&db, &config);
        poll(&program).await;
        let role = format!("canary_{}", db.major());
        for sql in [
            format!("CREATE ROLE {role} PASSWORD '{CANARY}'"),
            format!("ALTER ROLE {role} SET search_path = {CANARY}"),
            format!("DROP ROLE {role}"),
            format!("CREATE TABLE t AS SELECT '{CANARY}'::text AS c FROM pg_sleep(0.002)"),
            format!("COMMENT ON TABLE t IS '{CANARY}'"),
            format!("DO $$ BEGIN PERFORM '{CANARY}', pg_sleep(0.002); END $$"),
            format!("SET application_name = '{CANARY}'"),
            format!("EXPLAIN ANALYZE SELECT '{CANARY}' FROM pg_sleep(0.002)"),
            format!("/* token={CANARY} */ SELECT c FROM t WHERE c = E'\\'{CANARY}'"),
            format!("INSERT INTO t SELECT $${CANARY}$$ FROM pg_sleep(0.002)"),
        ] {
            db.execute(&sql).await;
        }
        let ran = program.run(&["plan", "slow_queries"]).await;
        assert!(
            !ran.to_string().contains(CANARY) && ran.stdout.contains("INSERT INTO t SELECT"),
            "{ran}"
        );
        let told = poll(&program).await;
        assert!(events(&told, "INSERT INTO t SELECT") == ["opened"], "{told:?}");
        for table in ["statement_baseline", "statement_text", "statement_slow"] {
            let sql = format!("SELECT FROM pgtend.{table} r WHERE r::text ~ '{CANARY}'");
            assert_eq!(db.rows(&sql).await, NO_ROWS, "{table}");
        }
    });
}

#[test]
fn every_version_of_the_extension_in_any_schema() {
    on_every_major(|db| async move {
        let newest = db.major() - if db.major() < 16 { 5 } else { 6 };
        db.execute(r#"CREATE SCHEMA "Odd.""Schema""#).await;
        for minor in 8..=newest {
            let sql = format!(
                r#"CREATE EXTENSION pg_stat_statements SCHEMA "Odd.""Schema" VERSION '1.{minor}'"#
            );
            db.execute(&sql).await;
            let program = pgtend(&db, CONFIG);
            let name = format!("version_{minor}");
            assert_eq!(events(&poll(&program).await, &name), NOTHING);
            call(&db, &name, 2, 0.11).await;
            assert_eq!(events(&poll(&program).await, &name), ["opened"], "1.{minor}");
            db.execute("DROP EXTENSION pg_stat_statements").await;
        }
        let sql = r#"CREATE EXTENSION pg_stat_statements SCHEMA "Odd.""Schema" VERSION '1.7'"#;
        db.execute(sql).await;
        let ran = pgtend(&db, CONFIG).run(&["once", "slow_queries"]).await;
        assert_eq!(ran.code, Some(78), "{ran}");
        assert!(ran.stdout.contains("ALTER EXTENSION pg_stat_statements UPDATE"), "{ran}");
    });
}

#[test]
fn a_missing_extension_says_how_to_get_it() {
    on_every_major(|db| async move {
        let ran = pgtend(&db, CONFIG).run(&["once", "slow_queries"]).await;
        assert_eq!(ran.code, Some(78), "{ran}");
        assert!(ran.stdout.contains("CREATE EXTENSION pg_stat_statements"), "{ran}");
    });
}

#[test]
fn a_library_that_is_not_loaded_is_another_matter() {
    on_own_server(&[("shared_preload_libraries", "")], |db, _server| async move {
        install(&db).await;
        let ran = pgtend(&db, CONFIG).run(&["once", "slow_queries"]).await;
        assert_eq!(ran.code, Some(78), "{ran}");
        assert!(ran.stdout.contains("shared_preload_libraries and restart"), "{ran}");
    });
}

#[test]
fn a_role_that_may_not_see_others_says_so_and_invents_nothing_once_it_may() {
    on_every_major(|db| async move {
        install(&db).await;
        let role = format!("blind_{}", db.name());
        db.execute(&format!(
            "CREATE ROLE \"{role}\" LOGIN PASSWORD 'p'; GRANT CREATE ON DATABASE \"{}\" TO \"{role}\"",
            db.name()
        ))
        .await;
        let url = db.url_as(&role, "p");
        let program = pgtend(&db, &format!("[database]\nurl = \"{url}\"\n{CONFIG}"));
        call(&db, "hidden_one", 3, 0.12).await;
        poll(&program).await;
        call(&db, "hidden_one", 1, 0.12).await;
        let told = poll(&program).await;
        assert_eq!(events(&told, "hidden_one"), NOTHING);
        assert_eq!(gaps(&told), [&serde_json::json!(["hidden"])]);
        assert_eq!(gaps(&poll(&program).await), NO_GAPS, "told once");

        db.execute(&format!("GRANT pg_read_all_stats TO \"{role}\"")).await;
        let told = poll(&program).await;
        assert_eq!(events(&told, "hidden_one"), NOTHING, "old, not new");
        assert_eq!(gaps(&told), [&serde_json::json!([])]);
        call(&db, "hidden_one", 1, 0.12).await;
        assert_eq!(events(&poll(&program).await, "hidden_one"), ["opened"]);
        db.execute(&format!("DROP OWNED BY \"{role}\" CASCADE; DROP ROLE \"{role}\"")).await;
    });
}

const NO_GAPS: [&Value; 0] = [];

#[test]
fn a_plan_shows_the_lines_and_changes_nothing() {
    on_every_major(|db| async move {
        install(&db).await;
        let program = pgtend(&db, CONFIG);
        let ran = program.run(&["plan", "slow_queries", "--format", "json"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(db.value("SELECT to_regnamespace('pgtend') IS NULL").await, "t");

        poll(&program).await;
        call(&db, "planned", 2, 0.12).await;
        let baseline = db.rows("SELECT md5(b::text) FROM pgtend.statement_baseline b").await;
        let plan = program.run(&["plan", "slow_queries", "--format", "json"]).await.json();
        let check = async || program.run(&["plan", "slow_queries", "--check"]).await.code;
        assert_eq!(check().await, Some(3), "a line to tell");
        let action = &plan["jobs"][0]["actions"][0];
        assert!(
            action["reason"].as_str().expect("text").contains("logs: slow: mean 1"),
            "{action}"
        );
        let after = db.rows("SELECT md5(b::text) FROM pgtend.statement_baseline b").await;
        assert_eq!(baseline, after);

        db.execute(&format!("ALTER DATABASE \"{}\" SET log_statement = 'all'", db.name())).await;
        let mark = db.log_mark();
        assert_eq!(events(&poll(&program).await, "planned"), ["opened"]);
        let log = db.server_log_since(mark).replace("\n\t", "\n");
        assert_eq!(check().await, Some(0), "nothing but the next baseline");
        for sql in action["sql"].as_array().expect("SQL") {
            let sql = sql.as_str().expect("text");
            assert!(log.contains(sql), "not run as shown: {sql}\n{log}");
        }
    });
}

/// Two processes may poll at once, where a claim was lost; only one of them tells.
#[test]
fn a_poll_that_another_one_has_overtaken_tells_nothing() {
    on_every_major(|db| async move {
        install(&db).await;
        let program = pgtend(&db, CONFIG);
        poll(&program).await;
        call(&db, "overtaken", 2, 0.12).await;

        let mut other = db.connect().await;
        run(&mut other, "BEGIN; LOCK TABLE pgtend.statement_baseline IN EXCLUSIVE MODE").await;
        let waits = "SELECT FROM pg_locks WHERE NOT granted \
                     AND relation = 'pgtend.statement_baseline'::regclass";
        let overtaking = async {
            wait_until("the poll wants to store", || async { db.rows(waits).await != NO_ROWS })
                .await;
            run(&mut other, "UPDATE pgtend.statement_baseline SET taken_at = now(); COMMIT").await;
        };
        let (ran, ()) = tokio::join!(program.run(&["once", "slow_queries"]), overtaking);
        assert!(ran.stdout.contains("another process has polled since"), "{ran}");
        assert_eq!(events(&lines(&ran), "overtaken"), NOTHING);
    });
}

#[test]
fn a_superusers_own_statements_are_not_recorded() {
    on_every_major(|db| async move {
        install(&db).await;
        let program = pgtend(&db, CONFIG);
        poll(&program).await;
        poll(&program).await;
        let own = "SELECT query FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
                   WHERE d.datname = current_database() AND query LIKE '%statement_baseline%' \
                   AND query LIKE 'UPDATE%'";
        assert_eq!(db.rows(own).await, NO_ROWS);
    });
}
