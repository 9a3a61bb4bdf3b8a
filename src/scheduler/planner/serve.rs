//! What the planner does about one job, once it is decided.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::OwnedSemaphorePermit;

use super::super::claim::{
    Claim, Claimed, Trigger, claim, claim_asked_for, record_skipped, take_over,
};
use super::super::due::{Decision, SkipReason};
use super::super::look::JobFacts;
use super::{Planner, SOON, SWEEP};
use crate::config::checked::Catchup;
use crate::job::{JobName, Verdict};
use crate::jobs::AnyJob;
use crate::pg::fault::Fault;
use crate::telemetry::{self, Event};

/// A slot that finds a run started by hand waits this long for its end before it is skipped.
const PATIENCE: chrono::TimeDelta = chrono::TimeDelta::seconds(30);

impl Planner {
    /// Does what was decided for one job; how soon it wants to be looked at again.
    pub(super) async fn serve_job(
        &self,
        job: &Arc<AnyJob>,
        seen: &JobFacts,
        decision: &Decision,
        now: DateTime<Utc>,
    ) -> Result<Duration, Fault> {
        self.skip_slots(job, seen, decision).await?;
        let asked = seen.triggered_by.is_some() && seen.paused.is_none();
        if decision.run.is_empty() && !asked && !seen.is_orphaned(now) {
            // Should its holder have died, its run is taken over as soon as its lease ends.
            let lease = seen.lease_until.and_then(|until| (until - now).to_std().ok());
            return Ok(lease.unwrap_or(SWEEP).min(SWEEP));
        }
        // All places taken: the run that ends wakes us.
        let Some(place) = self.runs.place() else { return Ok(SWEEP) };
        let (control, holder) = (&self.engine.server.control, &self.engine.holder);
        if let Some(&slot) = decision.run.first() {
            return match claim(control, holder, seen.job, slot, Trigger::Schedule).await? {
                Claimed::Won(claim) => {
                    tell_missed(job, decision);
                    self.begin(job, claim, decision, place);
                    Ok(if decision.run.len() > 1 { SOON } else { SWEEP })
                }
                Claimed::Running(_, trigger) => {
                    self.overlap(job, slot, trigger, decision, now).await
                }
                Claimed::Taken(_) | Claimed::Paused(_) => Ok(SWEEP),
            };
        }
        if seen.is_orphaned(now) {
            let max_attempts = job.schedule().max_attempts;
            if let Some(claim) = take_over(control, holder, seen.job, max_attempts).await? {
                self.begin(job, claim, decision, place);
            }
            return Ok(SWEEP);
        }
        self.serve_trigger(job, seen, decision, now, place).await
    }

    fn begin(
        &self,
        job: &Arc<AnyJob>,
        claim: Claim,
        decision: &Decision,
        place: OwnedSemaphorePermit,
    ) {
        self.runs.begin(self.engine.clone(), Arc::clone(job), claim, decision.next_at, place);
    }

    async fn skip_slots(
        &self,
        job: &AnyJob,
        seen: &JobFacts,
        decision: &Decision,
    ) -> Result<(), Fault> {
        for skip in &decision.skip {
            let (verdict, why) = match skip.why {
                SkipReason::Late => {
                    (Verdict::SkippedLate, "found after its start deadline".to_owned())
                }
                SkipReason::Paused => {
                    let reason = seen.paused.as_deref().unwrap_or_default();
                    (Verdict::SkippedPaused, format!("the job is paused: {reason}"))
                }
            };
            if self.skip(seen.job, skip.slot, verdict, &why, decision).await? {
                tell_missed(job, decision);
            }
        }
        Ok(())
    }

    /// A run asked for by hand: whoever takes the request runs it.
    async fn serve_trigger(
        &self,
        job: &Arc<AnyJob>,
        seen: &JobFacts,
        decision: &Decision,
        now: DateTime<Utc>,
        place: OwnedSemaphorePermit,
    ) -> Result<Duration, Fault> {
        let (control, holder) = (&self.engine.server.control, &self.engine.holder);
        match claim_asked_for(control, holder, seen.job, now).await? {
            Some(Claimed::Won(claim)) => {
                let by = seen.triggered_by.clone();
                telemetry::emit(Event::JobTriggered { job: seen.job.as_str(), by });
                self.begin(job, claim, decision, place);
                Ok(SWEEP)
            }
            // The request stands until the run under way has ended.
            Some(Claimed::Running(..)) => Ok(SOON),
            Some(Claimed::Taken(_) | Claimed::Paused(_)) | None => Ok(SWEEP),
        }
    }

    /// The slot came while the job was running. `catchup = "all"` lets it wait; a run started by
    /// hand is given a while; otherwise the slot is recorded as skipped.
    async fn overlap(
        &self,
        job: &AnyJob,
        slot: DateTime<Utc>,
        trigger: Trigger,
        decision: &Decision,
        now: DateTime<Utc>,
    ) -> Result<Duration, Fault> {
        let waits = trigger == Trigger::Manual && now - slot < PATIENCE;
        if waits || job.schedule().catchup == Catchup::All {
            return Ok(SOON);
        }
        let why = "the run before was still going";
        if self.skip(job.name(), slot, Verdict::SkippedOverlap, why, decision).await? {
            tell_missed(job, decision);
        }
        Ok(SWEEP)
    }

    /// Records a slot that is not run. Whoever records it tells it; false where another did.
    async fn skip(
        &self,
        job: JobName,
        slot: DateTime<Utc>,
        verdict: Verdict,
        why: &str,
        decision: &Decision,
    ) -> Result<bool, Fault> {
        let control = &self.engine.server.control;
        let ours = record_skipped(control, &self.engine.holder, job, slot, verdict, why).await?;
        if ours {
            let next_run_at = decision.next_at;
            telemetry::emit(Event::RunSkipped {
                job: job.as_str(),
                slot,
                reason: verdict,
                next_run_at,
            });
        }
        Ok(ours)
    }
}

fn tell_missed(job: &AnyJob, decision: &Decision) {
    let Some(missed) = decision.missed else { return };
    telemetry::emit(Event::RunMissed {
        job: job.name().as_str(),
        slots: missed.slots as u64,
        first_slot: missed.first,
        last_slot: missed.last,
        catchup: job.schedule().catchup.as_str(),
    });
}
