//! Twelve further partitions for each set.
//!
//! `pg_partman` makes the twelve of a set in one transaction: 200 commits in all, which wait for the
//! disk. We make each for itself, those of two sets at a time: a table like its parent, attached, verified and
//! committed; those of a set are compared with it. That is 2,400 commits, which do not wait for the disk: each is
//! made durable by the next that does, at the latest by the run's row of history, which the time includes. Each
//! round has a fresh copy of both databases, and none is dropped before the end: for a minute after
//! files are deleted, ext4 looks through their inodes for each file that it makes, which doubled the
//! time of a partition of either. `pg_partman`'s time is that of the CALL; ours is that of
//! the program, started as often as it takes, because one run makes a thousand at most. Which months are
//! asked for by the same number differs by one on some days, so both are told by the partition. What the
//! server itself takes for a CREATE and an ATTACH in a transaction of their own, one after the other, is told
//! beside them.

use std::time::Duration;

use super::beside::{Beside, MAINTENANCE, PARENTS, PREMAKE, partitions};
use super::support::{rows, run};
use super::{
    ROUNDS, block_on, connect, durable, median, promise, timed_pgtend, timed_sql, times, value,
};

const FURTHER: u32 = 12;
const TIMES: f64 = 1.5;

/// The statements that make the partitions of after that moment, and nothing else.
const BARE: &str = "SELECT format('BEGIN; SET LOCAL synchronous_commit = off; \
    CREATE TABLE %1$I (LIKE %2$I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE); \
    ALTER TABLE %2$I ATTACH PARTITION %1$I %3$s; COMMIT', \
    c.relname, i.inhparent::regclass, pg_get_expr(c.relpartbound, c.oid)) \
    FROM pg_class AS c JOIN pg_inherits AS i ON i.inhrelid = c.oid \
    WHERE c.relkind = 'r' AND c.oid > {last} ORDER BY c.oid";

pub fn measure() -> bool {
    let directory = tempfile::tempdir().expect("a directory");
    block_on(async {
        let Some(beside) = Beside::make().await else { return true };
        let server = &beside.server;
        let mut admin = connect(server, "postgres").await;
        println!("creation: {}; {FURTHER} further for each", beside.words());
        let [mut theirs, mut ours, mut bare] = [const { Vec::new() }; 3];
        for round in 0..ROUNDS {
            let [theirs_now, ours_now, bare_now] =
                ["theirs", "ours", "bare"].map(|name| format!("{name}_{round}"));
            beside.copy(&mut admin, "theirs", &theirs_now).await;
            beside.copy(&mut admin, "ours", &ours_now).await;
            beside.copy(&mut admin, "ours", &bare_now).await;
            let config = |premake| beside.config(&ours_now, premake);
            timed_pgtend(directory.path(), &config(PREMAKE), &["once", "partitions"]);
            durable(&mut admin).await;

            let mut conn = connect(server, &theirs_now).await;
            let before = partitions(&mut conn).await;
            let sql = format!("UPDATE partman.part_config SET premake = {}", PREMAKE + FURTHER);
            run(&mut conn, &sql).await;
            theirs.push(timed_sql(&mut conn, MAINTENANCE).await / (PARENTS * FURTHER));
            assert_eq!(partitions(&mut conn).await, before + PARENTS * FURTHER, "theirs");
            drop(conn);

            run(&mut admin, "CHECKPOINT").await;
            let mut conn = connect(server, &ours_now).await;
            let before = partitions(&mut conn).await;
            let last = value(&mut conn, "SELECT max(oid)::text FROM pg_class").await;
            let (mut made, mut took) = (0, Duration::ZERO);
            // One run makes so many at most; the last one finds nothing to do, and does not count.
            loop {
                let arguments = ["once", "partitions"];
                let run = timed_pgtend(directory.path(), &config(PREMAKE + FURTHER), &arguments).0;
                let now = partitions(&mut conn).await - before;
                if now == made {
                    break;
                }
                (made, took) = (now, took + run);
            }
            assert!(made >= PARENTS * (FURTHER - 1), "ours: {made}");
            ours.push(took / made);

            run(&mut admin, "CHECKPOINT").await;
            let statements = rows(&mut conn, &BARE.replace("{last}", &last)).await;
            let statements: Vec<String> = statements.into_iter().flatten().flatten().collect();
            assert_eq!(statements.len(), usize::try_from(made).expect("small"), "bare");
            let mut conn = connect(server, &bare_now).await;
            let mut took = Duration::ZERO;
            for statement in &statements {
                took += timed_sql(&mut conn, statement).await;
            }
            bare.push(took / made);
        }
        let [theirs, ours, bare] = [&theirs, &ours, &bare].map(|times| median(times));
        let faster = times(theirs, ours);
        println!(
            "  a partition: pg_partman {theirs:>8.2?}   pgtend {ours:>8.2?}   {faster:.2} times faster"
        );
        println!("  CREATE and ATTACH and nothing else, each pair a transaction: {bare:.2?}");
        promise(&format!("{TIMES} times faster"), faster >= TIMES)
    })
}
