//! The one function that runs any job, and the one that plans it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::outcome::{ActionOutcome, Outcome, Verdict};
use super::plan::{Action, Plan, PlanView, Refused};
use super::{Context, Job, JobName, apply};
use crate::pg::fault::{Fault, Kind};
use crate::pg::session::{Reader, Session};
use crate::telemetry::{self, Event};
use crate::time::clock;

/// What `once` would do, and why. Reads only.
///
/// # Errors
/// What `observe` reports of the whole job.
pub async fn plan<J: Job>(
    job: &J,
    reader: &mut Reader<'_>,
    now: DateTime<Utc>,
) -> Result<PlanView, Fault> {
    reader.now = now;
    let seen = job.observe(reader).await?;
    Ok(job.plan(&seen, now).view(job.name()))
}

/// The one `run.started` of a run: told when the plan is made, because a run that finds nothing to
/// do should leave no trace at `info`.
#[derive(Debug)]
pub struct Start {
    job: JobName,
    lag_ms: u64,
    told: AtomicBool,
}

impl Start {
    /// A run that was claimed this long after its slot.
    #[must_use]
    pub fn new(job: JobName, lag_ms: u64) -> Self {
        Self { job, lag_ms, told: AtomicBool::new(false) }
    }

    /// Tells it, the first time.
    pub fn tell(&self, actions_planned: usize) {
        if !self.told.swap(true, Ordering::Relaxed) {
            telemetry::emit(Event::RunStarted {
                job: self.job.as_str(),
                lag_ms: self.lag_ms,
                actions_planned: actions_planned as u64,
            });
        }
    }
}

/// What an operator would call work: refused tables too, upkeep not.
fn work_in<A: Action>(plan: &Plan<A>) -> usize {
    plan.refused.len() + plan.actions.iter().filter(|action| !action.is_upkeep()).count()
}

/// Observes, plans and applies. One action that fails never stops the others, unless its fault
/// concerns the whole run. A stop is honoured between actions, and by the action itself between
/// batches.
pub async fn run<J: Job>(
    job: &J,
    session: &mut Session,
    now: DateTime<Utc>,
    stop: &CancellationToken,
    start: &Start,
) -> Outcome {
    let started = clock::monotonic();
    let mut outcome = Outcome::nothing(job.name(), Verdict::Succeeded, None);
    let mut reader = session.reader();
    reader.now = now;
    match job.observe(&mut reader).await {
        Ok(seen) => {
            let plan = job.plan(&seen, now);
            start.tell(work_in(&plan));
            let mut cx = Context { session, now, started, spent: BTreeMap::new(), stop };
            apply_all(job, &mut cx, plan, &mut outcome).await;
        }
        Err(fault) => outcome.error = Some(session.cancelled_or_timed_out(fault, started)),
    }
    outcome.verdict = verdict(&outcome, stop.is_cancelled());
    outcome.duration_ms = clock::millis_since(started);
    outcome
}

async fn apply_all<J: Job>(
    job: &J,
    cx: &mut Context<'_>,
    plan: Plan<J::Action>,
    outcome: &mut Outcome,
) {
    outcome.spared = plan.spared;
    outcome.checklist = plan.checklist;
    warn(job, plan.warnings, outcome);
    outcome.actions = plan.refused.into_iter().map(refused).collect();
    apply::all(job, cx, &plan.actions, outcome).await;
    if outcome.error.is_none() {
        let warnings = job.look_back(cx, &done(&plan.actions, outcome)).await;
        warn(job, warnings, outcome);
    }
}

fn warn<J: Job>(job: &J, warnings: Vec<String>, outcome: &mut Outcome) {
    for warning in &warnings {
        let (job, warning) = (job.name().as_str(), warning.clone());
        telemetry::emit(Event::RunWarned { job, warning });
    }
    outcome.warnings.extend(warnings);
}

/// Those that succeeded.
fn done<'a, A: Action>(actions: &'a [A], outcome: &Outcome) -> Vec<&'a A> {
    let ok = outcome.actions.iter().filter(|done| done.result.is_ok());
    let ok: BTreeSet<(&str, &str)> = ok.map(|done| (done.kind, done.object.as_str())).collect();
    let is_done = |action: &&A| ok.contains(&(action.kind(), action.object().as_str()));
    actions.iter().filter(is_done).collect()
}

/// A refused table counts as a check that failed, so that the exit code and the log say so.
fn refused(refused: Refused) -> ActionOutcome {
    let Refused { object, fault } = &refused;
    telemetry::emit(Event::TableRefused { object: object.clone(), fault: fault.clone() });
    ActionOutcome {
        kind: "check",
        object: refused.object,
        result: Err(refused.fault),
        duration_ms: 0,
        wal: None,
        upkeep: false,
    }
}

fn verdict(outcome: &Outcome, stopped: bool) -> Verdict {
    let failed = outcome.failed();
    match &outcome.error {
        Some(fault) if fault.kind == Kind::LeaseLost => Verdict::Abandoned,
        Some(fault) if fault.kind == Kind::TimedOut => Verdict::TimedOut,
        Some(fault) if fault.kind == Kind::Cancelled && stopped => Verdict::Cancelled,
        Some(_) if outcome.done() > 0 => Verdict::Partial,
        Some(_) => Verdict::Failed,
        None if stopped => Verdict::Cancelled,
        None if failed == 0 => Verdict::Succeeded,
        None if outcome.done() > 0 || !outcome.spared.is_empty() => Verdict::Partial,
        None => Verdict::Failed,
    }
}
