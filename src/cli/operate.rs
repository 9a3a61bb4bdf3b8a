//! `migrate`, `pause`, `resume`, `trigger`: operating daemons through the database.

use std::path::Path;

use super::args::PauseArgs;
use super::history::job_named;
use super::{Failure, output, setup};
use crate::scheduler::control;
use crate::shutdown::Stop;
use crate::time::duration;

pub async fn migrate(file: Option<&Path>) -> Result<u8, Failure> {
    let setup = setup::configure(file)?;
    let engine = setup.engine(Stop::default()).await?;
    output::print(&format!("schema {} is up to date\n", engine.server.facts.schema))?;
    engine.server.close().await;
    Ok(0)
}

pub async fn pause(file: Option<&Path>, args: &PauseArgs) -> Result<u8, Failure> {
    let job = job_named(&args.job)?;
    let length = args
        .duration
        .as_deref()
        .map(duration::parse)
        .transpose()
        .map_err(|error| Failure::Usage(format!("--for: {error}")))?;
    let setup = setup::configure(file)?;
    let engine = setup.engine(Stop::default()).await?;
    control::pause(&engine.server.control, job, args.reason.as_deref(), length).await?;
    engine.server.close().await;
    output::print(&format!("{job} is paused; a run under way goes on to its end\n"))?;
    Ok(0)
}

pub async fn resume(file: Option<&Path>, word: &str) -> Result<u8, Failure> {
    let job = job_named(word)?;
    let setup = setup::configure(file)?;
    let engine = setup.engine(Stop::default()).await?;
    let was_paused = control::resume(&engine.server.control, job).await?;
    engine.server.close().await;
    let text = if was_paused { "starts again at its next slot" } else { "was not paused" };
    output::print(&format!("{job} {text}\n"))?;
    Ok(0)
}

pub async fn trigger(file: Option<&Path>, word: &str) -> Result<u8, Failure> {
    let job = job_named(word)?;
    let setup = setup::configure(file)?;
    let engine = setup.engine(Stop::default()).await?;
    let paused = control::trigger(&engine.server.control, job).await?;
    engine.server.close().await;
    let when = match paused {
        None => "a running daemon starts it within 15 s".to_owned(),
        Some(reason) => format!("it is paused ({reason}), and starts when the pause ends"),
    };
    output::print(&format!("{job} is asked for; {when}\n"))?;
    Ok(0)
}
