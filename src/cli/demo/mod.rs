//! `demo`: a throwaway PostgreSQL with an application on it, every job run beside the application,
//! and a report of what changed.
//!
//! It touches nothing else: no configuration but its own, no `DATABASE_URL` and no `PGHOST` leads it to
//! another server, and it removes what it made, however it ends.

use std::fmt::Write;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use crate::pg::fault::{Fault, Kind};
use crate::shutdown::Stop;

use super::args::DemoArgs;
use super::{Failure, output, signals};
use progress::{Progress, Said, wants_color};
use stage::{Role, Stage};

mod data;
mod findings;
mod latency;
mod log;
mod play;
mod progress;
mod report;
mod stage;
mod survey;
mod told;
mod words;
mod workload;

/// Something is not as promised.
const BROKEN: u8 = 1;
/// The server goes in any case; nothing in it needs a drain.
const DRAIN: Duration = Duration::from_secs(1);

pub async fn demo(file: Option<&Path>, args: &DemoArgs) -> Result<u8, Failure> {
    if file.is_some() {
        let message = "demo has a server and a configuration of its own and touches no other: \
                       leave out --config";
        return Err(Failure::Usage(message.to_owned()));
    }
    let stop = Stop::default();
    let listening = signals::stop_on_signals(stop.clone(), DRAIN)?;
    let progress = Progress::new();
    // Not cut off by a signal: once the server is there, it can be removed.
    let stage = match build(args.postgres, progress).await {
        // On a terminal, initdb is interrupted too.
        Err(_) if stop.soft.is_cancelled() => return Err(stopped()),
        built => built?,
    };
    let played = tokio::select! {
        biased;
        () = stop.soft.cancelled() => Err(stopped()),
        played = Box::pin(play::play(&stage, progress, stop.clone())) => played,
    };
    drop(listening);
    let findings = match played {
        Ok(findings) => findings,
        Err(failure) => {
            stage.remove().await?;
            return Err(failure);
        }
    };
    let checks = findings.checks();
    let colored = std::io::stdout().is_terminal() && wants_color();
    output::print(&report::report(&findings, &checks, colored))?;
    let verdict = report::verdict(&checks);
    let farewell = if args.keep { keep(stage).await? } else { removed(stage).await? };
    output::print(&format!("\n{}\n\n{farewell}", words::bold(&verdict, colored)))?;
    Ok(if checks.iter().all(|check| check.kept) { 0 } else { BROKEN })
}

async fn build(major: u32, progress: Progress) -> Result<Stage, Failure> {
    let said = |built: &Result<Stage, Failure>| match built {
        Ok(stage) => Said::good(format!(
            "PostgreSQL {major} on port {}, in {}",
            stage.port(),
            stage.directory().display()
        )),
        Err(_) => Said::bad(format!("no PostgreSQL {major}")),
    };
    let title = format!("starting PostgreSQL {major}");
    progress.step(&title, String::new, Stage::build(major), said).await
}

fn stopped() -> Failure {
    let message = "stopped on request; the server and all it held are removed";
    Fault::new(Kind::Cancelled, "demo", message).into()
}

async fn removed(stage: Stage) -> Result<String, Failure> {
    stage.remove().await?;
    Ok(format!(
        "The server and all it held are removed. To look around, keep it: {} demo --keep\n",
        program()
    ))
}

/// Lets the server live, and says how to look around and how to end it.
async fn keep(stage: Stage) -> Result<String, Failure> {
    let url = stage.url(Role::Pgtend)?;
    let (config, log) = (stage.config(), stage.log());
    let end = stage.leave().await?;
    let (pgtend, config) = (program(), config.display());
    let mut text = String::from("The server stays up. Look around:\n\n");
    for (command, what) in [
        (format!("psql '{url}'"), "the database itself"),
        (format!("{pgtend} --config {config} check"), "is everything in place?"),
        (
            format!("{pgtend} --config {config} plan"),
            "what is there to do now, and what is left alone?",
        ),
        (
            format!("{pgtend} --config {config} run"),
            "the daemon, every job each minute, until Ctrl-C",
        ),
        (format!("{pgtend} --config {config} status"), "last and next runs"),
        (format!("{pgtend} --config {config} history"), "all runs"),
        (format!("less {}", log.display()), "the log, one JSON object per line"),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  # {what}\n  {command}");
    }
    let _ = write!(text, "\nStop the server and remove everything:\n\n  {end}\n");
    Ok(text)
}

/// How this program was called, to be called so again.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "pgtend".to_owned())
}
