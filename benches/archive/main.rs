//! `cargo bench --bench archive [-- SCENE…]`: what moving old rows costs.
//!
//! `rate`: half of 2,000,000 rows, beside one giant statement, a cursor and the object-relational way.
//! `flat`: whether the last batches are as quick as the first, also beneath an old snapshot.
//! `daily`: what a run with one day due takes in the server.
//! Each run of the program also shows the most memory it had. Without a name, all; on the majors of
//! `PGTEND_TEST_MAJORS`. Servers are the benchmark's own.
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

mod daily;
mod flat;
mod rate;
mod rivals;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|a| a == name);
    let mut kept = true;
    for major in support::majors() {
        if is_asked("rate") {
            kept &= rate::measure(major);
        }
        if is_asked("flat") {
            kept &= flat::measure(major);
        }
        if is_asked("daily") {
            kept &= daily::measure(major);
        }
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
