//! `cargo bench --bench archive [-- SCENE…]`: what moving old rows costs.
//!
//! `rate`: half of 2,000,000 rows, beside one giant statement, row by row and the object-relational way.
//! `flat`: whether the last batches are as quick as the first, also beneath an old snapshot.
//! `daily`: what a run with one day due takes in the server, beside one statement.
//! `foreground`: what eight clients at a fixed rate notice, at either pace.
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
mod foreground;
mod rate;
mod rivals;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    common::play(&[
        ("rate", || on_every_major(rate::measure)),
        ("flat", || on_every_major(flat::measure)),
        ("daily", || on_every_major(daily::measure)),
        ("foreground", || on_every_major(foreground::measure)),
    ])
}

fn on_every_major(measure: fn(u32) -> bool) -> bool {
    support::majors().into_iter().map(measure).fold(true, |kept, one| kept & one)
}
