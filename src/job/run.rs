//! The one function that runs any job, and the one that plans it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::outcome::{ActionOutcome, Outcome, Verdict};
use super::plan::{Action, Plan, PlanView, Refused};
use super::{Context, Job, JobName};
use crate::pg::fault::{Fault, Kind};
use crate::pg::session::{Reader, Session};
use crate::pg::wal::Mark;
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
    outcome.warnings = plan.warnings;
    outcome.checklist = plan.checklist;
    for warning in &outcome.warnings {
        let (job, warning) = (job.name().as_str(), warning.clone());
        telemetry::emit(Event::RunWarned { job, warning });
    }
    outcome.actions = plan.refused.into_iter().map(refused).collect();
    let mut not_had: BTreeMap<String, Fault> = BTreeMap::new();
    let mut mark = None;
    for action in &plan.actions {
        if cx.stop.is_cancelled() {
            outcome.error = Some(stopped(job));
            return;
        }
        if action.follows().is_some_and(|kind| outcome.has_failed(kind, &action.object())) {
            continue;
        }
        let started = clock::monotonic();
        let queue = action.queue().unwrap_or_default();
        let before = not_had.get(&queue);
        let is_tried = before.is_none();
        let is_heavy = action.is_heavy() && is_tried;
        // Where the action before ended, if that was heavy too.
        let from = match mark.take() {
            None if is_heavy => cx.session.wal_mark().await,
            from => from,
        };
        let result = match before {
            Some(fault) => Err(not_tried(fault)),
            // Boxed: its state would be part of every future around it.
            None => Box::pin(job.apply(cx, action)).await,
        };
        if let Err(fault) = &result
            && is_tried
            && fault.kind == Kind::LockNotHad
            && !queue.is_empty()
        {
            not_had.insert(queue, fault.clone());
        }
        let ends_run = result.as_ref().err().filter(|fault| fault.kind.ends_run()).cloned();
        let duration_ms = clock::millis_since(started);
        if is_heavy && ends_run.is_none() {
            mark = cx.session.wal_mark().await;
        }
        let done = ActionOutcome {
            kind: action.kind(),
            object: action.object(),
            result,
            duration_ms,
            wal: mark.zip(from).and_then(|(to, from): (Mark, Mark)| to.since(from)),
            upkeep: action.is_upkeep(),
        };
        if is_tried && (!done.upkeep || done.result.is_err()) {
            telemetry::emit(event(&done));
        }
        outcome.actions.push(done);
        if ends_run.is_some() {
            outcome.error = ends_run;
            return;
        }
    }
}

/// It would wait for what another action has just waited for in vain, which has been told.
fn not_tried(before: &Fault) -> Fault {
    let message = format!(
        "not tried, because {} did not get its lock in this run",
        before.object.as_deref().unwrap_or("another")
    );
    let fault = Fault::new(Kind::LockNotHad, "wait for a lock", message);
    Fault { blockers: before.blockers.clone(), ..fault }.with_hint("the next run tries again")
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

fn event(done: &ActionOutcome) -> Event {
    let (kind, object, duration_ms) = (done.kind, done.object.clone(), done.duration_ms);
    match &done.result {
        Ok(applied) => Event::ActionDone {
            kind,
            object,
            rows: applied.rows,
            batches: applied.batches,
            duration_ms,
            wal: done.wal,
            note: applied.note.clone(),
        },
        Err(fault) => Event::ActionFailed { kind, object, duration_ms, fault: fault.clone() },
    }
}

fn stopped<J: Job>(job: &J) -> Fault {
    Fault::new(Kind::Cancelled, "run", "stopped on request; the next run carries on").on(job.name())
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
