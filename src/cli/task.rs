//! A run of one job with another task than the configuration's: under its claim, through its door, into
//! its history.

use std::path::Path;

use super::args::{Format, Slot};
use super::once::{self, run_one};
use super::plan::{self, plan_one};
use super::{Failure, setup, signals};
use crate::job::JobName;
use crate::jobs::AnyJob;
use crate::shutdown::Stop;

/// Runs it, or shows what it would do.
///
/// # Errors
/// The configuration, the connection; the job is not configured.
pub async fn run(
    file: Option<&Path>,
    job: JobName,
    ask: impl Fn(&mut AnyJob),
    is_plan: bool,
    format: Format,
) -> Result<u8, Failure> {
    let setup = setup::configure(file)?;
    let mut jobs = setup.jobs(&[job.as_str().to_owned()])?;
    jobs.iter_mut().for_each(ask);
    if is_plan {
        let server = setup.connect().await?;
        let now = server.now().await?;
        let mut plans = Vec::new();
        for job in &jobs {
            plans.push(plan_one(&server, job, now).await?);
        }
        server.close().await;
        plan::show(&server, now, &plans, format)?;
        return Ok(u8::from(plans.iter().any(|plan| !plan.refused.is_empty())));
    }
    let stop = Stop::default();
    let listening =
        signals::stop_on_signals(stop.clone(), setup.loaded.config.daemon.drain_timeout)?;
    let engine = setup.engine(stop).await?;
    let mut outcomes = Vec::new();
    for job in &jobs {
        outcomes.push(Box::pin(run_one(&engine, job, Slot::Now)).await?);
    }
    engine.server.close().await;
    drop(listening);
    once::show(&outcomes, format)
}
