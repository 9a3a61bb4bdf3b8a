//! One claimed run from its start to its row of history.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::claim::{self, Claim};
use super::history;
use super::supervise::{Pace, Watch};
use crate::config::checked::Schedule;
use crate::job::run::{self, Start};
use crate::job::{Job, Outcome, Verdict};
use crate::jobs::AnyJob;
use crate::pg::connect::Server;
use crate::pg::fault::{Class, Fault, Kind};
use crate::pg::session::{Backends, Session, SessionSpec};
use crate::shutdown::Stop;
use crate::telemetry::{self, Event, RunFields, RunFinished};
use crate::time::clock;
use crate::time::period::Period;

/// The first pause between attempts of a slot; it doubles.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest pause between attempts.
const RETRY_MAX: Duration = Duration::from_mins(1);
/// Before each try to write history: an outcome that cannot be written is `abandoned` later.
const RECORD_PAUSES: [Duration; 3] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2)];

/// What can be run: a configured job, and in tests any job with a schedule.
pub trait Runnable: Send + Sync {
    /// When it runs, how long, and how often it is tried.
    fn schedule(&self) -> &Schedule;

    /// See [`run::run`].
    fn run(
        &self,
        session: &mut Session,
        now: DateTime<Utc>,
        stop: &CancellationToken,
        start: &Start,
    ) -> impl Future<Output = Outcome> + Send;
}

impl Runnable for AnyJob {
    fn schedule(&self) -> &Schedule {
        self.schedule()
    }

    async fn run(
        &self,
        session: &mut Session,
        now: DateTime<Utc>,
        stop: &CancellationToken,
        start: &Start,
    ) -> Outcome {
        self.run(session, now, stop, start).await
    }
}

impl<J: Job> Runnable for (J, Schedule) {
    fn schedule(&self) -> &Schedule {
        &self.1
    }

    async fn run(
        &self,
        session: &mut Session,
        now: DateTime<Utc>,
        stop: &CancellationToken,
        start: &Start,
    ) -> Outcome {
        run::run(&self.0, session, now, stop, start).await
    }
}

/// What a run needs of its process.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The server.
    pub server: Server,
    /// Random per process.
    pub holder: String,
    /// How long history is kept.
    pub history_retention: Period,
    /// Soft and hard stop.
    pub stop: Stop,
    /// How a run is watched.
    pub pace: Pace,
}

impl Engine {
    /// Runs a claimed slot to its end and writes its history: exactly one `run.started` and one
    /// `run.finished`.
    pub async fn execute(
        &self,
        job: &impl Runnable,
        claim: &Claim,
        next_run_at: Option<DateTime<Utc>>,
    ) -> Outcome {
        let span = telemetry::run_span(&RunFields {
            job: claim.job.as_str(),
            run_id: claim.fence.run_id,
            slot: claim.slot,
            trigger: claim.trigger.as_str(),
            attempt: claim.fence.attempt.unsigned_abs(),
            database: self.server.facts.database.clone(),
            address: self.server.facts.address.clone(),
        });
        self.start_to_finish(job, claim, next_run_at).instrument(span).await
    }

    async fn start_to_finish(
        &self,
        job: &impl Runnable,
        claim: &Claim,
        next_run_at: Option<DateTime<Utc>>,
    ) -> Outcome {
        let started = clock::monotonic();
        let lag = claim.claimed_at - claim.slot;
        let lag_ms = u64::try_from(lag.num_milliseconds()).unwrap_or(0);
        let start = Start::new(claim.job, lag_ms);
        let backends = Backends::default();
        let stop = Stop { soft: self.stop.soft.child_token(), hard: self.stop.hard.clone() };
        let deadline = started + job.schedule().timeout;
        let (server, pace) = (&self.server, self.pace);
        let watch = Watch { server, claim, deadline, stop: &stop, backends: &backends, pace };
        let mut outcome =
            watch.over(self.attempts(job, claim, &stop.soft, &backends, &start)).await;
        start.tell(outcome.actions.len());
        outcome.duration_ms = clock::millis_since(started);
        self.record(claim, &outcome).await;
        telemetry::emit(Event::RunFinished(RunFinished {
            job: claim.job.as_str(),
            outcome: outcome.verdict,
            duration_ms: outcome.duration_ms,
            actions_done: outcome.done() as u64,
            actions_failed: outcome.failed() as u64,
            spared: outcome.spared.len() as u64,
            rows: outcome.rows(),
            batches: outcome.batches(),
            wal: outcome.wal(),
            next_run_at,
            fault: outcome.first_fault().cloned(),
        }));
        outcome
    }

    /// Tries the slot again while the fault is temporary and tries are left. What earlier attempts
    /// did stays in the outcome.
    async fn attempts(
        &self,
        job: &impl Runnable,
        claim: &Claim,
        stop: &CancellationToken,
        backends: &Backends,
        start: &Start,
    ) -> Outcome {
        let max_attempts = job.schedule().max_attempts;
        let mut pause = RETRY_FIRST;
        let mut done = Vec::new();
        let mut attempt = 1;
        loop {
            let mut outcome = self.attempt(job, claim, stop, backends, start).await;
            let fault = worth_another_try(&outcome).filter(|_| attempt < max_attempts).cloned();
            let Some(fault) = fault.filter(|_| !stop.is_cancelled()) else {
                if outcome.verdict == Verdict::Failed && !done.is_empty() {
                    outcome.verdict = Verdict::Partial;
                }
                done.append(&mut outcome.actions);
                return Outcome { actions: done, ..outcome };
            };
            let jittered = pause.mul_f64(0.8 + 0.4 * fastrand::f64());
            telemetry::emit(Event::RunRetried {
                job: claim.job.as_str(),
                next_attempt: attempt + 1,
                max_attempts,
                next_attempt_in_ms: u64::try_from(jittered.as_millis()).unwrap_or(u64::MAX),
                fault,
            });
            if tokio::time::timeout(jittered, stop.cancelled()).await.is_ok() {
                done.append(&mut outcome.actions);
                outcome.verdict = Verdict::Cancelled;
                return Outcome { actions: done, ..outcome };
            }
            done.extend(outcome.actions.into_iter().filter(|action| action.result.is_ok()));
            pause = (pause * 2).min(RETRY_MAX);
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        job: &impl Runnable,
        claim: &Claim,
        stop: &CancellationToken,
        backends: &Backends,
        start: &Start,
    ) -> Outcome {
        let spec = SessionSpec {
            name: claim.job.as_str(),
            fence: Some(claim.fence),
            backends: backends.clone(),
            stop: stop.clone(),
        };
        let opened = async {
            let session = Session::open(&self.server, spec).await?;
            Ok::<_, Fault>((session, self.server.now().await?))
        };
        let failed = |fault| Outcome::nothing(claim.job, Verdict::Failed, Some(fault));
        let (mut session, now) = match opened.await {
            Ok(opened) => opened,
            Err(fault) => return failed(self.server.reason(fault).await),
        };
        // A panic is a bug of one job, not the end of the daemon; the hook has logged it.
        let run = AssertUnwindSafe(job.run(&mut session, now, stop, start)).catch_unwind().await;
        let Ok(outcome) = run else {
            let message = "it panicked; see the log";
            return failed(Fault::new(Kind::Bug, "run", message).on(claim.job));
        };
        if outcome.rows() > 0 && outcome.error.is_none() {
            session.close_counted().await;
        } else {
            session.close();
        }
        outcome
    }

    /// Writes history, and shortens it. A fault here is logged and not more: the lease ends by
    /// itself, and the run is then `abandoned` for others.
    async fn record(&self, claim: &Claim, outcome: &Outcome) {
        for pause in RECORD_PAUSES {
            // A timer of no time still takes a millisecond.
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            match claim::finish(&self.server.control, claim.fence, outcome).await {
                Ok(()) => break,
                Err(fault) => {
                    telemetry::emit(Event::HistoryWriteFailed { job: claim.job.as_str(), fault });
                }
            }
        }
        let before = self.history_retention.before(claim.claimed_at, chrono_tz::UTC);
        if let Err(fault) = history::purge(&self.server.control, claim.job, before).await {
            tracing::debug!(%fault, "history is not shortened; the next run tries again");
        }
    }
}

/// The temporary fault that ended the attempt, or one of its actions.
fn worth_another_try(outcome: &Outcome) -> Option<&Fault> {
    if !matches!(outcome.verdict, Verdict::Failed | Verdict::Partial) {
        return None;
    }
    let of_actions = outcome.actions.iter().filter_map(|action| action.result.as_ref().err());
    outcome.error.iter().chain(of_actions).find(|fault| fault.class() == Class::Retry)
}
