//! A table of 10,000 partitions: a plan, a run that does nothing, and one that makes some.
//!
//! On the lowest and the highest major (`PGTEND_TEST_MAJORS`), with the server's own
//! `max_locks_per_transaction`: whoever locks every partition in one transaction fails here.

use std::time::Duration;

use pgtend::throwaway::{Binaries, Server};
use sqlx::PgConnection;

use super::support::{majors, run};
use super::{ROUNDS, block_on, connect, durable, median, promise, start, timed_pgtend, value};

/// Each of so many partitions, and so many of them.
const PER_TABLE: u32 = 100;
const TABLES: u32 = 100;
/// A day of hours.
const FURTHER: u32 = 24;

const PLAN_MAX: Duration = Duration::from_secs(2);

pub fn measure() -> bool {
    let mut kept = true;
    for major in majors() {
        let binaries = Binaries::discover(Some(major)).unwrap_or_else(|fault| panic!("{fault}"));
        let server = start(&binaries);
        kept &= block_on(on(&server));
    }
    kept
}

async fn on(server: &Server) -> bool {
    let directory = tempfile::tempdir().expect("a directory");
    make(server).await;
    let mut conn = connect(server, "postgres").await;
    durable(&mut conn).await;
    let locks = value(&mut conn, "SHOW max_locks_per_transaction").await;
    println!(
        "many: PostgreSQL {}, max_locks_per_transaction = {locks}, one table of {} partitions, an hour each",
        server.major(),
        TABLES * PER_TABLE
    );
    let pgtend = |premake: &str, arguments: &[&str]| {
        timed_pgtend(directory.path(), &config(server, premake), arguments)
    };
    let arguments = ["plan", "partitions"];
    let plans: Vec<_> = (0..ROUNDS).map(|_| pgtend("1 hour", &arguments).0).collect();
    println!("  plan             {:>9.3?}", median(&plans));
    pgtend("1 hour", &["once", "partitions"]);
    let arguments = ["once", "partitions"];
    let idle: Vec<_> = (0..ROUNDS).map(|_| pgtend("1 hour", &arguments).0).collect();
    println!("  nothing to do    {:>9.3?}", median(&idle));
    let (made, out) = pgtend("1 day", &arguments);
    let count = out.matches("create_partition").count();
    println!("  {count} more          {made:>9.3?}");
    assert!(count >= FURTHER as usize - 1, "{out}");
    promise("the plan takes 2 seconds at most", plans.iter().all(|plan| *plan <= PLAN_MAX))
}

/// Hours up to the present one. To attach the last of so many takes the server 40 ms, because it reads
/// the bounds of all others first: three minutes for all. So a hundred tables get a hundred each, and
/// the catalog is told that all are partitions of one. What it then says is what it says of partitions
/// that were attached there.
async fn make(server: &Server) {
    let mut conn = connect(server, "postgres").await;
    let like = "(id bigint NOT NULL, at timestamptz NOT NULL, kind text) PARTITION BY RANGE (at)";
    run(&mut conn, &format!("CREATE TABLE hours {like}")).await;
    // The hour that this may take to reach its end is covered too.
    let first = format!(
        "date_trunc('hour', now()) - interval '1 hour' * {} + interval '2 hours'",
        TABLES * PER_TABLE
    );
    for table in 0..TABLES {
        let from = table * PER_TABLE;
        let sql = format!(
            "CREATE TABLE part_{table} {like};
             DO $$
             DECLARE first timestamptz := {first};
             BEGIN FOR n IN {from}..{} LOOP
               EXECUTE format('CREATE TABLE hours_%s PARTITION OF part_{table} FOR VALUES FROM (%L) TO (%L)',
                              n, first + interval '1 hour' * n, first + interval '1 hour' * (n + 1));
             END LOOP; END $$",
            from + PER_TABLE - 1
        );
        run(&mut conn, &sql).await;
    }
    move_all(&mut conn).await;
    // Another session has not read the catalog yet.
    let mut conn = connect(server, "postgres").await;
    let count =
        value(&mut conn, "SELECT count(*) FROM pg_partition_tree('hours') WHERE isleaf").await;
    assert_eq!(count, (TABLES * PER_TABLE).to_string());
    run(&mut conn, "INSERT INTO hours VALUES (1, now())").await;
    run(&mut conn, "VACUUM ANALYZE pg_class, pg_attribute, pg_inherits, pg_depend, pg_type").await;
}

/// From their tables to `hours`.
async fn move_all(conn: &mut PgConnection) {
    let tables = "(SELECT oid FROM pg_class WHERE relname LIKE 'part\\_%' AND relkind = 'p')";
    let sql = format!(
        "SET allow_system_table_mods = on;
         UPDATE pg_depend SET refobjid = 'hours'::regclass
         WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
           AND refobjid IN {tables} AND objid IN (SELECT inhrelid FROM pg_inherits);
         UPDATE pg_inherits SET inhparent = 'hours'::regclass WHERE inhparent IN {tables};
         UPDATE pg_class SET relhassubclass = true WHERE relname = 'hours';
         DO $$ BEGIN FOR n IN 0..{} LOOP EXECUTE format('DROP TABLE part_%s', n); END LOOP; END $$",
        TABLES - 1
    );
    run(conn, &sql).await;
}

fn config(server: &Server, premake: &str) -> String {
    format!(
        "[database]\nurl = \"{}\"\n[partitions]\nschedule = \"17 * * * *\"\n\
         [partitions.tables.\"public.hours\"]\ninterval = \"1 hour\"\npremake = \"{premake}\"\n",
        server.url("postgres")
    )
}
