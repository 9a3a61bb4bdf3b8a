//! One test binary: everything that needs a PostgreSQL server or the compiled program.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::large_futures,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on says so and fails, and its futures may be large; clippy knows \
              #[test] functions, not their helpers"
)]
mod analyze;
mod archive;
mod demo;
mod door;
mod notices;
mod partitions;
mod session;
mod slow_queries;
mod stop;
mod support;
mod throwaway;
mod tidy;
