//! A table of 10,000 partitions: a plan, a run that does nothing, and one that makes some.
//!
//! On the lowest and the highest major (`PGTEND_TEST_MAJORS`), with the server's own
//! `max_locks_per_transaction`: whoever locks every partition in one transaction fails here.

use std::time::Duration;

use pgtend::throwaway::{Binaries, Server};
use sqlx::PgConnection;

use super::support::{majors, rows, run};
use super::{block_on, connect, promise, start, timed_pgtend};

const PARTITIONS: u32 = 10_000;
/// In one transaction: so many locks are always had.
const BATCH: u32 = 250;
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
    let mut conn = connect(server, "postgres").await;
    make(&mut conn).await;
    println!("PostgreSQL {}, one table of {PARTITIONS} partitions, an hour each", server.major());
    let pgtend = |premake: &str, arguments: &[&str]| {
        timed_pgtend(directory.path(), &config(server, premake), arguments)
    };
    let (planned, _) = pgtend("1 hour", &["plan", "partitions"]);
    println!("  plan             {planned:>9.3?}");
    pgtend("1 hour", &["once", "partitions"]);
    let (idle, _) = pgtend("1 hour", &["once", "partitions"]);
    println!("  nothing to do    {idle:>9.3?}");
    let (made, out) = pgtend("1 day", &["once", "partitions"]);
    let count = out.matches("create_partition").count();
    println!("  {count} more          {made:>9.3?}");
    assert!(count >= FURTHER as usize - 1, "{out}");
    promise("the plan takes 2 seconds at most", planned <= PLAN_MAX)
}

/// Hours up to the present one, attached newest last.
async fn make(conn: &mut PgConnection) {
    run(conn, "CREATE TABLE hours (id bigint NOT NULL, at timestamptz NOT NULL, kind text) PARTITION BY RANGE (at)")
        .await;
    let mut next = 0;
    while next < PARTITIONS {
        let sql = format!(
            "DO $$
             DECLARE first timestamptz := date_trunc('hour', now()) - interval '1 hour' * {PARTITIONS} + interval '2 hours';
             BEGIN FOR n IN {next}..{} LOOP
               EXECUTE format('CREATE TABLE hours_%s (LIKE hours)', n);
               EXECUTE format('ALTER TABLE hours ATTACH PARTITION hours_%s FOR VALUES FROM (%L) TO (%L)',
                              n, first + interval '1 hour' * n, first + interval '1 hour' * (n + 1));
             END LOOP; END $$",
            next + BATCH - 1
        );
        run(conn, &sql).await;
        next += BATCH;
    }
    let found =
        rows(conn, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'hours'::regclass").await;
    assert_eq!(found[0][0].as_deref(), Some("10000"));
    run(conn, "VACUUM ANALYZE").await;
}

fn config(server: &Server, premake: &str) -> String {
    format!(
        "[database]\nurl = \"{}\"\n[partitions]\nschedule = \"17 * * * *\"\n\
         [partitions.tables.\"public.hours\"]\ninterval = \"1 hour\"\npremake = \"{premake}\"\n",
        server.url("postgres")
    )
}
