//! Nothing to do: the run that comes every hour.
//!
//! Both are measured twice in each round: in a session of their own that has just begun, as
//! `pg_partman`'s background worker, `pg_cron` and our daemon open one each time; and once more in the
//! same session, whose caches are warm. `pg_partman`'s time is that of the CALL. Ours is that of a
//! daemon's whole run: claim, session, look, plan, history. Beside it stand the first run of a daemon,
//! which looks at everything, and the program, from its start to its end.

use std::time::Duration;

use pgtend::job::{JobName, Verdict};
use pgtend::time::clock;

use super::beside::{Beside, MAINTENANCE, PREMAKE, sections};
use super::support::{InProcess, run};
use super::{
    ROUNDS, block_on, connect, durable, median, promise, since, timed_pgtend, timed_sql, times,
};

/// In a session that has just begun, either side pays first what any session pays, and ours has a
/// second connection for its claim and its history.
const TIMES: [(&str, f64); 2] = [("in a new session", 8.0), ("in the same session", 15.0)];

pub fn measure() -> bool {
    let directory = tempfile::tempdir().expect("a directory");
    block_on(async {
        let Some(beside) = Beside::make().await else { return true };
        let server = &beside.server;
        let url = server.url("ours");
        let config = beside.config("ours", PREMAKE);
        // Its schema, and what a first run leaves.
        timed_pgtend(directory.path(), &config, &["once", "partitions"]);
        run(&mut connect(server, "ours").await, "VACUUM ANALYZE").await;
        durable(&mut connect(server, "postgres").await).await;

        println!("idle: {}", beside.words());
        let [mut theirs, mut ours] = [const { [const { Vec::new() }; 2] }; 2];
        let [mut firsts, mut programs] = [const { Vec::new() }; 2];
        for _ in 0..ROUNDS {
            let mut conn = connect(server, "theirs").await;
            for times in &mut theirs {
                times.push(timed_sql(&mut conn, MAINTENANCE).await);
            }
            let mut process = InProcess::without_schema(&url, &sections(PREMAKE)).await;
            firsts.push(timed_run(&process).await);
            process.reconnect(&url).await;
            for times in &mut ours {
                times.push(timed_run(&process).await);
            }
            programs.push(timed_pgtend(directory.path(), &config, &["once", "partitions"]).0);
        }
        let mut kept = true;
        for ((what, least), (theirs, ours)) in TIMES.into_iter().zip(theirs.iter().zip(&ours)) {
            let (theirs, ours) = (median(theirs), median(ours));
            let faster = times(theirs, ours);
            println!(
                "  {what:<20} pg_partman {theirs:>8.1?}   pgtend {ours:>8.1?}   {faster:>5.1} times faster"
            );
            kept &= promise(&format!("{what}: {least} times faster"), faster >= least);
        }
        println!("  a daemon's first run {:>29.1?}", median(&firsts));
        println!("  the program          {:>31.1?}, from its start to its end", median(&programs));
        kept
    })
}

/// One run, from its claim to its row of history.
async fn timed_run(process: &InProcess) -> Duration {
    let started = clock::monotonic();
    let outcome = process.once(JobName::Partitions).await.expect("nobody else runs it");
    let took = since(started);
    assert_eq!(outcome.verdict, Verdict::Succeeded, "{outcome:?}");
    assert_eq!(outcome.done(), 0, "{outcome:?}");
    took
}
