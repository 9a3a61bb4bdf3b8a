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

#[path = "../common/mod.rs"]
mod common;

mod beside;
mod many;

use std::process::ExitCode;

use common::{block_on, connect, median, promise, start, timed_pgtend, timed_sql};

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
