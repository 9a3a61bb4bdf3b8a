//! One test binary: everything that needs a PostgreSQL server or the compiled program.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on says so and fails; clippy knows #[test] functions, not their helpers"
)]
mod analyze;
mod archive;
mod claims;
mod cli;
mod connect;
mod daemon;
mod demo;
mod door;
mod ledger;
mod notices;
mod notify;
mod pages;
mod partitions;
mod plan_is_run;
mod runs;
mod session;
mod slow_queries;
mod stop;
mod support;
mod throwaway;
mod tidy;
