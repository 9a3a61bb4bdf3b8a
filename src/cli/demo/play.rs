//! The play, from the first row to the last look: the application at work, pgtend at work beside it,
//! and an index that gets lost.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::data::{self, CREATE_INDEX, DROP_INDEX};
use super::findings::{Findings, Moved};
use super::latency::Phase;
use super::log::Lines;
use super::progress::{Progress, Said, remark};
use super::report;
use super::stage::{Role, Stage, run};
use super::survey::survey;
use super::words::{count, plural};
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
    let moved = moved(&mut admin, before.now, after.now).await?;
    let history = history::recent(&engine.server.control, None, HISTORY_MAX).await?;
    let version = engine.server.facts.version;
    engine.server.close().await;
    let log = Lines::read(&stage.log())?;
    Ok(Findings { version, before, after, moved, outcomes, history, ledger, log })
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
        self.poll_until("the application without that index", |slow| slow.opened > 0).await?;
        remark("and makes it again");
        run(admin, CREATE_INDEX).await?;
        self.ledger.latencies.enter(Phase::IndexBack);
        self.poll_until("the application with that index again", |slow| slow.resolved > 0).await
    }

    /// As the daemon polls each minute, but sooner.
    async fn poll_until(
        &mut self,
        title: &str,
        is_told: impl Fn(&Slow) -> bool,
    ) -> Result<(), Failure> {
        for _ in 0..POLLS_MAX {
            self.live(title, BETWEEN_POLLS).await;
            self.run(JobName::SlowQueries).await?;
            if is_told(&Slow::of(&Lines::read(&self.stage.log())?)) {
                break;
            }
        }
        Ok(())
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
        let log = self.stage.log();
        let is_first = !self.outcomes.iter().any(|outcome| outcome.job == name);
        let slow_before = Slow::of(&Lines::read(&log)?);
        let slow_words = || match Lines::read(&log) {
            Err(failure) => failure.to_string(),
            Ok(_) if is_first => "counters read, for the next polls to compare with".to_owned(),
            Ok(lines) => Slow::of(&lines).words(slow_before),
        };
        let said = |outcome: &Result<Outcome, Fault>| match outcome {
            Err(failure) => Said::bad(format!("{name}: {failure}")),
            Ok(outcome) if outcome.verdict != Verdict::Succeeded => Said::bad(failed(outcome)),
            Ok(_) if name == JobName::SlowQueries => {
                Said::good(format!("{name}: {}", slow_words()))
            }
            Ok(outcome) => Said::good(done(outcome)),
        };
        let work = Box::pin(once::run_one(self.engine, job, Slot::Now));
        let outcome = self.progress.step(name.as_str(), || self.ledger.live(), work, said).await?;
        self.outcomes.push(outcome);
        Ok(())
    }
}

/// How many statements of the application `slow_queries` has told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slow {
    opened: usize,
    resolved: usize,
}

impl Slow {
    fn of(lines: &Lines) -> Self {
        let [opened, resolved] =
            ["slow_query.opened", "slow_query.resolved"].map(|event| lines.slow(event).len());
        Self { opened, resolved }
    }

    fn words(self, before: Self) -> String {
        match (self.opened - before.opened, self.resolved - before.resolved) {
            (0, 0) => "nothing changed".to_owned(),
            (opened, 0) => format!("{} became slow", plural(opened, "statement")),
            (0, resolved) => format!("{} fast again", plural(resolved, "statement")),
            (opened, resolved) => format!("{opened} became slow, {resolved} fast again"),
        }
    }
}

fn done(outcome: &Outcome) -> String {
    let job = outcome.job;
    match job {
        JobName::Partitions => format!("{job}: {} made", plural(outcome.done(), "partition")),
        JobName::Archive => format!(
            "{job}: {} rows moved in {} batches, {} rows/s",
            count(outcome.rows()),
            count(outcome.batches()),
            count(outcome.rows() * 1000 / outcome.duration_ms.max(1))
        ),
        JobName::Analyze => format!("{job}: {} analyzed", plural(outcome.done(), "table")),
        JobName::SlowQueries => job.to_string(),
    }
}

fn failed(outcome: &Outcome) -> String {
    let why = outcome.first_fault().map_or_else(String::new, |fault| format!(": {fault}"));
    format!("{} {}{why}", outcome.job, outcome.verdict.as_str())
}

/// What lies where it should not: due rows that stayed, and others that went.
async fn moved(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    after: DateTime<Utc>,
) -> Result<Moved, Fault> {
    let due = |at: DateTime<Utc>| {
        let at = at.to_rfc3339();
        format!(
            "status IN ('completed', 'failed') AND created_at < timestamptz '{at}' - interval '30 days'"
        )
    };
    let count = async |conn: &mut PgConnection, from: String| {
        super::survey::count(conn, &from)
            .await
            .map_err(|error| Fault::from_sqlx("count", &error).on("the demo's jobs"))
    };
    Ok(Moved {
        // Due already before anything ran: none may be left.
        due_left: count(conn, format!("FROM ml_jobs WHERE {}", due(before))).await?,
        // Not even due now: none may be there.
        wrongly_moved: count(conn, format!("FROM ml_jobs_archive WHERE NOT ({})", due(after)))
            .await?,
    })
}
