//! Watching over one attempt: the lease is renewed beside it, and what exceeds its deadline or its
//! claim is ended on the server, where dropping a future ends nothing.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::{Duration, Instant};

use super::claim::{Claim, LEASE_RENEW, renew};
use crate::job::{JobName, Outcome, Verdict};
use crate::pg::connect::Server;
use crate::pg::fault::{Fault, Kind};
use crate::pg::session::Backend;
use crate::shutdown::Stop;
use crate::telemetry::{self, Event};
use crate::time::clock;

/// Between the rungs of the kill ladder: cancel, terminate, close.
const KILL_STEP: Duration = Duration::from_secs(5);

/// After a renewal that failed.
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// Why an attempt is cut off from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The claim is lost, or can no longer be trusted.
    LeaseLost,
    /// The job's `timeout` is reached.
    Deadline,
    /// A second signal, or the end of `drain_timeout`.
    Hard,
}

/// What an attempt is watched with.
pub struct Watch<'a> {
    /// For cancelling.
    pub server: &'a Server,
    /// For renewing.
    pub claim: &'a Claim,
    /// The whole run must end by then.
    pub deadline: Instant,
    /// The soft token is the attempt's own: it is cancelled with the cut.
    pub stop: &'a Stop,
    /// Who to cancel.
    pub backend: &'a Backend,
}

impl Watch<'_> {
    /// Drives the attempt to its end, or ends it: cancel on the server, 5 s later terminate, 5 s
    /// later drop, which closes its connection.
    pub async fn over(&self, attempt: impl Future<Output = Outcome>) -> Outcome {
        let mut attempt = std::pin::pin!(attempt);
        let cut = tokio::select! {
            biased;
            outcome = &mut attempt => return outcome,
            () = self.keep_lease() => Cut::LeaseLost,
            () = tokio::time::sleep_until(self.deadline.into()) => Cut::Deadline,
            () = self.stop.hard.cancelled() => Cut::Hard,
        };
        self.stop.soft.cancel();
        let ended = self.kill(attempt).await;
        let mut outcome =
            ended.unwrap_or_else(|| Outcome::nothing(self.claim.job, Verdict::Abandoned, None));
        // What had succeeded before the cut stays succeeded; the run itself did not.
        let (verdict, fault) = verdict(cut, self.claim.job);
        outcome.verdict = verdict;
        outcome.error = Some(fault);
        outcome
    }

    async fn kill(&self, mut attempt: Pin<&mut impl Future<Output = Outcome>>) -> Option<Outcome> {
        for terminate in [false, true] {
            if let Some(pid) = self.backend.pid() {
                let signal = async {
                    if terminate {
                        self.server.terminate(pid).await;
                    } else {
                        self.server.cancel(pid).await;
                    }
                    pending::<()>().await;
                };
                tokio::select! {
                    outcome = &mut attempt => return Some(outcome),
                    () = signal => {}
                    () = tokio::time::sleep(KILL_STEP) => {}
                }
            } else if let Ok(outcome) = tokio::time::timeout(KILL_STEP, &mut attempt).await {
                return Some(outcome);
            }
        }
        None
    }

    /// Returns only when the claim is lost or can no longer be trusted.
    async fn keep_lease(&self) {
        let mut trust_until = self.claim.trust_until;
        let mut renewed = clock::monotonic();
        let mut next = renewed + LEASE_RENEW;
        let mut last_fault = None;
        loop {
            tokio::time::sleep_until(next.min(trust_until).into()).await;
            if clock::monotonic() >= trust_until {
                break;
            }
            let renewal = renew(&self.server.control, self.claim.fence);
            match tokio::time::timeout_at(trust_until.into(), renewal).await {
                Ok(Ok(Some(until))) => {
                    trust_until = until;
                    renewed = clock::monotonic();
                    next = renewed + LEASE_RENEW;
                }
                Ok(Ok(None)) | Err(_) => break,
                // The server may be back before the trust ends.
                Ok(Err(fault)) => {
                    last_fault = Some(fault);
                    next = clock::monotonic() + RENEW_AGAIN;
                }
            }
        }
        telemetry::emit(Event::LeaseLost {
            job: self.claim.job.as_str(),
            since_renewal_ms: clock::millis_since(renewed),
            fault: last_fault,
        });
    }
}

fn verdict(cut: Cut, job: JobName) -> (Verdict, Fault) {
    let (verdict, kind, message) = match cut {
        Cut::LeaseLost => (
            Verdict::Abandoned,
            Kind::LeaseLost,
            "the claim was lost or could not be renewed in time; what was committed stays",
        ),
        Cut::Deadline => (
            Verdict::TimedOut,
            Kind::TimedOut,
            "the job's timeout was reached; what was committed stays, the next run carries on",
        ),
        Cut::Hard => (
            Verdict::Cancelled,
            Kind::Cancelled,
            "stopped by force; what was committed stays, the next run carries on",
        ),
    };
    (verdict, Fault::new(kind, "run", message).on(job))
}
