//! `cargo bench --bench partitions`: what maintenance costs.
//!
//! `beside`: `pg_partman` and pgtend, on one server, in databases that are copies of each other.
//! `many`: a table of 10,000 partitions. Without a name, both. Servers are the benchmark's own.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark that cannot go on says so and fails; its figures go to standard output"
)]

#[path = "../../tests/it/support/mod.rs"]
mod support;

mod beside;
mod many;

use std::future::Future;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pgtend::throwaway::{Binaries, Server};
use pgtend::time::clock;
use sqlx::{Connection, PgConnection};

use support::run;

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|a| a == name);
    let mut kept = true;
    if is_asked("beside") {
        kept &= beside::measure();
    }
    if is_asked("many") {
        kept &= many::measure();
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// As a server is run, not as a test's: commits reach the disk.
const DURABLE: [(&str, &str); 3] =
    [("fsync", "on"), ("full_page_writes", "on"), ("shared_buffers", "128MB")];

fn start(binaries: &Binaries) -> Server {
    Server::start(binaries, &DURABLE).unwrap_or_else(|fault| panic!("{fault}"))
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

async fn connect(server: &Server, database: &str) -> PgConnection {
    PgConnection::connect(&server.url(database)).await.expect("connect")
}

/// What one statement, or several, take.
async fn timed_sql(conn: &mut PgConnection, sql: &str) -> Duration {
    let started = clock::monotonic();
    run(conn, sql).await;
    since(started)
}

/// The program with this configuration, from its start to its end.
fn timed_pgtend(
    directory: &std::path::Path,
    config: &str,
    arguments: &[&str],
) -> (Duration, String) {
    let file = directory.join("pgtend.toml");
    std::fs::write(&file, config).expect("write the configuration");
    let started = clock::monotonic();
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_pgtend"))
        .args(arguments)
        .env_clear()
        .env("PGTEND_CONFIG", &file)
        .output()
        .expect("start pgtend");
    let took = since(started);
    let (out, log) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "pgtend {arguments:?}: {}\n{out}\n{log}", ran.status);
    (took, out.into_owned())
}

fn since(started: Instant) -> Duration {
    clock::monotonic().saturating_duration_since(started)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn promise(what: &str, kept: bool) -> bool {
    println!("  {} {what}", if kept { "kept:" } else { "NOT KEPT:" });
    kept
}
