//! The play, from the first row to the last look: the application at work, pgtend at work beside it,
//! and an index that gets lost.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::data::{self, CREATE_INDEX, DROP_INDEX};
use super::findings::Findings;
use super::latency::Phase;
use super::log::Lines;
use super::progress::{Progress, Said, remark};
use super::report;
use super::stage::{Role, Stage, run};
use super::survey::{misplaced, survey};
use super::told::{Told, done, failed};
use super::words::count;
use super::workload::{Ledger, Workload};
use crate::cli::args::Slot;
use crate::cli::{Failure, once, output, plan, setup};
use crate::config;
use crate::job::{JobName, Outcome, Verdict};
use crate::jobs::AnyJob;
use crate::pg::fault::{Fault, Kind};
use crate::scheduler::execute::Engine;
use crate::scheduler::history;
use crate::shutdown::Stop;
use crate::telemetry;

/// How long the application is measured alone.
const ALONE: Duration = Duration::from_secs(4);
/// How long it works between two polls of `slow_queries`.
const BETWEEN_POLLS: Duration = Duration::from_secs(4);
/// A busy machine may need more than one to tell.
const POLLS_MAX: usize = 4;
/// More runs than the demo makes.
const HISTORY_MAX: u32 = 100;

/// Plays it all and looks at the result.
///
/// # Errors
/// The demo itself could not go on. What a job could not do is in the findings.
pub async fn play(stage: &Stage, progress: Progress, stop: Stop) -> Result<Findings, Failure> {
    load(stage, progress).await?;
    let mut admin = stage.admin().await?;
    let before = survey(&mut admin).await?;
    // The environment is left out: nothing in it may lead to another server.
    let loaded = config::load(Some(&stage.config()), std::iter::empty())?;
    let _log = telemetry::init_to(&loaded.config.log, std::io::sink())?;
    let engine = setup::engine(&loaded.config, stop).await?;
    let jobs = AnyJob::configured(&loaded.config);
    show_plan(&engine, &jobs, before.now).await?;

    let workload = Workload::start(&stage.options(Role::Application)?).await?;
    let mut actor = Actor {
        stage,
        progress,
        engine: &engine,
        jobs: &jobs,
        ledger: Arc::clone(workload.ledger()),
        outcomes: Vec::new(),
    };
    actor.tend().await?;
    actor.lose_an_index(&mut admin).await?;
    let outcomes = actor.outcomes;
    let ledger = workload.end().await;

    let after = survey(&mut admin).await?;
    let misplaced = misplaced(&mut admin, &before, &after).await?;
    let history = history::recent(&engine.server.control, None, HISTORY_MAX).await?;
    let version = engine.server.facts.version;
    engine.server.close().await;
    let log = Lines::read(&stage.log())?;
    Ok(Findings { version, before, after, misplaced, outcomes, history, ledger, log })
}

async fn load(stage: &Stage, progress: Progress) -> Result<(), Fault> {
    let said = |loaded: &Result<(), Fault>| match loaded {
        Ok(()) => Said::good(format!(
            "sample data: {} jobs, {} log rows, {} events",
            count(data::JOBS),
            count(data::LOGS),
            count(data::EVENTS)
        )),
        Err(fault) => Said::bad(fault.to_string()),
    };
    progress.step("loading sample data", String::new, data::load(stage), said).await
}

async fn show_plan(engine: &Engine, jobs: &[AnyJob], now: DateTime<Utc>) -> Result<(), Failure> {
    let mut plans = Vec::new();
    for job in jobs {
        plans.push(plan::plan_one(&engine.server, job, now).await?);
    }
    output::print(&report::intentions(&plans))
}

/// Whoever runs the jobs, and once plays the careless colleague.
struct Actor<'a> {
    stage: &'a Stage,
    progress: Progress,
    engine: &'a Engine,
    jobs: &'a [AnyJob],
    ledger: Arc<Ledger>,
    outcomes: Vec<Outcome>,
}

impl Actor<'_> {
    /// Every job once, after a first poll that later ones are compared with.
    async fn tend(&mut self) -> Result<(), Failure> {
        self.live("6 clients of the application, measured alone", ALONE).await;
        self.ledger.latencies.enter(Phase::Tended);
        self.run(JobName::SlowQueries).await?;
        for job in JobName::ALL {
            self.run(job).await?;
        }
        Ok(())
    }

    async fn lose_an_index(&mut self, admin: &mut PgConnection) -> Result<(), Failure> {
        self.ledger.latencies.enter(Phase::IndexLost);
        remark(format_args!("somebody runs: {DROP_INDEX}"));
        run(admin, DROP_INDEX).await?;
        self.poll_until("the application without that index", |told| told.opened > 0).await?;
        remark("and makes it again");
        run(admin, CREATE_INDEX).await?;
        self.ledger.latencies.enter(Phase::IndexBack);
        self.poll_until("the application with that index again", |told| told.resolved > 0).await
    }

    /// As the daemon polls each minute, but sooner.
    async fn poll_until(
        &mut self,
        title: &str,
        is_told: impl Fn(Told) -> bool,
    ) -> Result<(), Failure> {
        for _ in 0..POLLS_MAX {
            self.live(title, BETWEEN_POLLS).await;
            self.run(JobName::SlowQueries).await?;
            if is_told(Told::by(&self.log()?)) {
                break;
            }
        }
        Ok(())
    }

    fn log(&self) -> Result<Lines, Failure> {
        Lines::read(&self.stage.log())
    }

    async fn live(&self, title: &str, length: Duration) {
        let wait = tokio::time::sleep(length);
        self.progress.step(title, || self.ledger.live(), wait, |()| Said::good(title)).await;
    }

    /// Through the same claim as `once`.
    async fn run(&mut self, name: JobName) -> Result<(), Failure> {
        let Some(job) = self.jobs.iter().find(|job| job.name() == name) else {
            return Err(Fault::new(Kind::Bug, "find job", "it is not in demo.toml")
                .on(name)
                .into());
        };
        let told_before = Told::by(&self.log()?);
        let is_first = !self.outcomes.iter().any(|outcome| outcome.job == name);
        let said = |outcome: &Result<Outcome, Fault>| match outcome {
            Err(failure) => Said::bad(format!("{name}: {failure}")),
            Ok(outcome) if outcome.verdict != Verdict::Succeeded => Said::bad(failed(outcome)),
            Ok(_) if name == JobName::SlowQueries && is_first => {
                Said::good(format!("{name}: counters read, for the next polls to compare with"))
            }
            Ok(_) if name == JobName::SlowQueries => match self.log() {
                Ok(lines) => Said::good(format!("{name}: {}", Told::by(&lines).since(told_before))),
                Err(failure) => Said::bad(failure.to_string()),
            },
            Ok(outcome) => Said::good(done(outcome)),
        };
        let work = Box::pin(once::run_one(self.engine, job, Slot::Now));
        let outcome = self.progress.step(name.as_str(), || self.ledger.live(), work, said).await?;
        self.outcomes.push(outcome);
        Ok(())
    }
}
