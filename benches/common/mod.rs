//! What the benchmarks share: servers, the program, times.
#![allow(dead_code, reason = "each benchmark uses what it needs")]

use std::future::Future;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pgtend::throwaway::{Binaries, Server};
use pgtend::time::clock;
use sqlx::{Connection, PgConnection};

use super::support::{rows, run};

/// Its name, and what measures it: whether all that was promised was kept.
pub type Scene = (&'static str, fn() -> bool);

/// Plays the scenes that are asked for by name on the command line; without a name, all.
pub fn play(scenes: &[Scene]) -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if let Some(stranger) = asked.iter().find(|a| scenes.iter().all(|(name, _)| name != a)) {
        let names: Vec<&str> = scenes.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no scene {stranger}; there are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    let mut kept = true;
    for (name, measure) in scenes {
        if asked.is_empty() || asked.iter().any(|a| a == name) {
            kept &= measure();
        }
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// As a server is run, not as a test's: commits reach the disk.
pub const DURABLE: [(&str, &str); 3] =
    [("fsync", "on"), ("full_page_writes", "on"), ("shared_buffers", "128MB")];

pub fn start(binaries: &Binaries) -> Server {
    Server::start(binaries, &DURABLE).unwrap_or_else(|fault| panic!("{fault}"))
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

pub async fn connect(server: &Server, database: &str) -> PgConnection {
    PgConnection::connect(&server.url(database)).await.expect("connect")
}

/// The one value of a query, as text; empty for NULL.
pub async fn value(conn: &mut PgConnection, sql: &str) -> String {
    rows(conn, sql).await[0][0].clone().unwrap_or_default()
}

/// What one statement, or several, take.
pub async fn timed_sql(conn: &mut PgConnection, sql: &str) -> Duration {
    let started = clock::monotonic();
    run(conn, sql).await;
    since(started)
}

/// The program with this configuration, from its start to its end.
pub fn timed_pgtend(
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

pub fn since(started: Instant) -> Duration {
    clock::monotonic().saturating_duration_since(started)
}

pub fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

/// The median of figures: a checkpoint or a neighbour spoils a few.
pub fn middle(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

pub fn promise(what: &str, kept: bool) -> bool {
    println!("  {} {what}", if kept { "kept:" } else { "NOT KEPT:" });
    kept
}
