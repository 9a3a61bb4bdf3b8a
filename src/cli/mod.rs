//! The command line: arguments in, exit code out. The only place that builds things.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use futures_util::FutureExt;

use args::{Cli, Command, ConfigCommand};
pub use exit::Failure;

mod archive;
pub mod args;
mod check;
mod config;
mod demo;
mod exit;
mod history;
mod once;
mod operate;
mod output;
mod partitions;
mod plan;
mod reload;
mod run;
mod setup;
mod signals;
mod status;
mod task;

use crate::pg::fault::{Fault, Kind};

/// Runs pgtend.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let work = AssertUnwindSafe(dispatch(cli)).catch_unwind();
            // The hook has logged it.
            let bug = |_| Err(Fault::new(Kind::Bug, "run", "pgtend panicked").into());
            let code = exit::code(runtime.block_on(work).unwrap_or_else(bug));
            // A name look-up or file write that hangs must not keep a stopped daemon alive.
            runtime.shutdown_timeout(Duration::from_millis(100));
            code
        }
        Err(error) => exit::code(Err(Failure::io("start the runtime", &error))),
    }
}

async fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let file = cli.config.as_deref();
    match cli.command {
        Command::Run => run::run(file).await,
        Command::Once(args) => Box::pin(once::once(file, &args)).await,
        Command::Plan(args) => plan::plan(file, &args).await,
        Command::Status(args) => status::status(file, args.format).await,
        Command::Migrate => operate::migrate(file).await,
        Command::Config(ConfigCommand::Show) => config::show(file),
        Command::Config(ConfigCommand::Schema) => config::schema(),
        Command::Partitions(command) => Box::pin(partitions::partitions(file, &command)).await,
        Command::Archive(command) => Box::pin(archive::archive(file, &command)).await,
        Command::History(args) => history::history(file, &args).await,
        Command::Pause(args) => operate::pause(file, &args).await,
        Command::Resume { job } => operate::resume(file, &job).await,
        Command::Trigger { job } => operate::trigger(file, &job).await,
        Command::Completions { shell } => output::completions(shell),
        Command::Man => output::man(),
        Command::Check(args) => check::check(file, args.format).await,
        Command::Demo(args) => demo::demo(file, &args).await,
    }
}
