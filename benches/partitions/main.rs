//! `cargo bench --bench partitions`: what maintenance costs. Scenes, each by its name; without one, all.
//!
//! - `idle`: nothing to do for 200 tables, beside `pg_partman`.
//! - `creation`: twelve further partitions for each of them, beside `pg_partman`.
//! - `many`: a table of 10,000 partitions.
//!
//! Servers are the benchmark's own. What is made to be measured is made without fsync; what is
//! measured is measured with it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark that cannot go on says so and fails; its figures go to standard output"
)]

#[path = "../../tests/it/support/mod.rs"]
mod support;

#[path = "../common/mod.rs"]
mod common;

mod beside;
mod creation;
mod idle;
mod many;

use std::process::{Command, ExitCode};
use std::time::Duration;

use common::{block_on, connect, median, promise, since, timed_pgtend, timed_sql, value};
use pgtend::throwaway::{Binaries, Server};
use sqlx::PgConnection;
use support::run;

fn main() -> ExitCode {
    common::play(&[
        ("idle", idle::measure),
        ("creation", creation::measure),
        ("many", many::measure),
    ])
}

/// Rounds of each measurement, ours and theirs in turn; what is told is the median.
const ROUNDS: usize = 3;

/// A server as one is run, but for fsync, which [`durable`] turns on: locks, cache and all else are
/// what a server has that nobody has configured.
fn start(binaries: &Binaries) -> Server {
    let settings = [("full_page_writes", "on"), ("shared_buffers", "128MB")];
    Server::start(binaries, &settings).unwrap_or_else(|fault| panic!("{fault}"))
}

/// From here on commits reach the disk. What was made before is there already.
async fn durable(conn: &mut PgConnection) {
    run(conn, "CHECKPOINT").await;
    let synced = Command::new("sync").status().expect("run sync");
    assert!(synced.success(), "sync: {synced}");
    // Of what follows in the server's directory, not of this session.
    run(conn, "ALTER SYSTEM SET fsync = on").await;
    run(conn, "SELECT pg_reload_conf()").await;
    while value(conn, "SELECT setting FROM pg_settings WHERE name = 'fsync'").await != "on" {
        tokio::task::yield_now().await;
    }
}

/// How many times `theirs` is `ours`.
fn times(theirs: Duration, ours: Duration) -> f64 {
    theirs.as_secs_f64() / ours.as_secs_f64()
}
