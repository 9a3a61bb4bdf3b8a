//! Maintenance of 200 parents beside `pg_partman`, which does it in SQL inside the server.
//!
//! Its own `create_parent` makes the sets: 17 monthly partitions and a default one each, with a
//! primary key, an index and a thousand rows. The database is then copied, so both find the same.
//! Both have run once before they are measured. `pg_partman`'s time is that of the CALL on an open
//! connection; ours is that of the run, as the daemon has it, and beside it that of the program from
//! its start to its end: configuration, connections, claim, history.

use std::fmt::Write;
use std::time::Duration;

use pgtend::throwaway::Server;
use sqlx::PgConnection;

use super::support::{rows, run, with_partman};
use super::{block_on, connect, median, promise, start, timed_pgtend, timed_sql};

const PARENTS: u32 = 200;
/// Eight months back, the present one and eight ahead.
const PREMAKE: u32 = 8;
const FURTHER: u32 = 12;
const ROUNDS: usize = 5;

const NOOP_TIMES: f64 = 15.0;
const CREATION_TIMES: f64 = 1.5;

pub fn measure() -> bool {
    let Some(binaries) = with_partman() else {
        println!(
            "SKIPPED: pg_partman is not installed (Debian: apt-get install postgresql-15-partman)"
        );
        return true;
    };
    let server = start(&binaries);
    let directory = tempfile::tempdir().expect("a directory");
    block_on(async {
        let mut theirs = connect(&server, "postgres").await;
        run(&mut theirs, "CREATE DATABASE theirs").await;
        let mut theirs = connect(&server, "theirs").await;
        let version = make(&mut theirs).await;
        drop(theirs);
        let mut admin = connect(&server, "postgres").await;
        run(&mut admin, "CREATE DATABASE ours TEMPLATE theirs").await;

        println!(
            "PostgreSQL {}, pg_partman {version}, fsync on; {PARENTS} parents of 17 partitions and a default one",
            server.major()
        );
        let pgtend = |premake: u32| {
            timed_pgtend(directory.path(), &config(&server, premake), &["once", "partitions"]).0
        };
        let mut theirs = connect(&server, "theirs").await;
        let mut ours = connect(&server, "ours").await;
        pgtend(PREMAKE);
        run(&mut theirs, MAINTENANCE).await;
        for conn in [&mut theirs, &mut ours] {
            run(conn, "VACUUM ANALYZE").await;
            run(conn, "CHECKPOINT").await;
        }

        let [mut calls, mut runs, mut programs] = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            calls.push(timed_sql(&mut theirs, MAINTENANCE).await);
            programs.push(pgtend(PREMAKE));
            runs.push(last_run(&mut ours).await);
        }
        let noop = told("nothing to do", median(calls), median(runs), median(programs));

        let before = [partitions(&mut theirs).await, partitions(&mut ours).await];
        run(
            &mut theirs,
            &format!("UPDATE partman.part_config SET premake = {}", PREMAKE + FURTHER),
        )
        .await;
        let call = timed_sql(&mut theirs, MAINTENANCE).await;
        run(&mut ours, "CHECKPOINT").await;
        // One run makes a thousand at most.
        let (mut in_runs, mut in_programs) = (Duration::ZERO, Duration::ZERO);
        let wanted = before[1] + PARENTS * FURTHER;
        while partitions(&mut ours).await < wanted {
            in_programs += pgtend(PREMAKE + FURTHER);
            in_runs += last_run(&mut ours).await;
        }
        let after = [partitions(&mut theirs).await, partitions(&mut ours).await];
        assert_eq!(after, [before[0] + PARENTS * FURTHER, wanted], "partitions of theirs and ours");
        let creation = told("12 further each", call, in_runs, in_programs);
        let quick =
            promise(&format!("nothing to do: {NOOP_TIMES} times faster"), noop >= NOOP_TIMES);
        promise(&format!("creation: {CREATION_TIMES} times faster"), creation >= CREATION_TIMES)
            && quick
    })
}

/// What the last run took, by the record.
async fn last_run(conn: &mut PgConnection) -> Duration {
    let sql = "SELECT extract(epoch FROM finished_at - started_at) FROM pgtend.job_run ORDER BY run_id DESC LIMIT 1";
    let found = rows(conn, sql).await;
    let seconds = found[0][0].as_deref().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs_f64(seconds.expect("seconds"))
}

const MAINTENANCE: &str = "CALL partman.run_maintenance_proc()";

/// Makes the sets, and says which version of the extension did.
async fn make(conn: &mut PgConnection) -> String {
    run(conn, "CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman").await;
    for number in 0..PARENTS {
        let sql = format!(
            "CREATE TABLE set_{number} (id bigint NOT NULL, at timestamptz NOT NULL, kind text, payload jsonb, \
                PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
             CREATE INDEX ON set_{number} (kind, at);
             SELECT partman.create_parent('public.set_{number}', 'at', 'native', 'monthly', p_premake := {PREMAKE})"
        );
        run(conn, &sql).await;
    }
    // Without it, it makes no partition ahead of an empty table.
    run(conn, "UPDATE partman.part_config SET infinite_time_partitions = true").await;
    let fill = format!(
        "DO $$ BEGIN FOR n IN 0..{} LOOP
           EXECUTE format('INSERT INTO set_%s SELECT g, now() - interval ''5 hours'' * g, ''k'', ''{{}}''
                           FROM generate_series(1, 1000) g', n);
         END LOOP; END $$",
        PARENTS - 1
    );
    run(conn, &fill).await;
    let found =
        rows(conn, "SELECT extversion FROM pg_extension WHERE extname = 'pg_partman'").await;
    found[0][0].clone().unwrap_or_default()
}

fn config(server: &Server, premake: u32) -> String {
    let mut text = format!(
        "[database]\nurl = \"{}\"\n[partitions]\nschedule = \"17 * * * *\"\n",
        server.url("ours")
    );
    for number in 0..PARENTS {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "[partitions.tables.\"public.set_{number}\"]\ninterval = \"1 month\"\npremake = \"{premake} months\"\n"
        );
    }
    text
}

async fn partitions(conn: &mut PgConnection) -> u32 {
    let found =
        rows(conn, "SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r'").await;
    found[0][0].as_deref().and_then(|count| count.parse().ok()).expect("a count")
}

/// Prints all three, and says how many times the run is faster than the CALL.
fn told(what: &str, call: Duration, run: Duration, program: Duration) -> f64 {
    let times = call.as_secs_f64() / run.as_secs_f64();
    println!(
        "  {what:<16} pg_partman {call:>8.3?}   pgtend {run:>8.3?} (the program {program:.3?})   {times:.1} times faster"
    );
    times
}
