//! Watching over one attempt: the lease is renewed beside it, and what exceeds its deadline or its
//! claim is ended on the server, where dropping a future ends nothing.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::{Duration, Instant};

use super::claim::{Claim, LEASE_RENEW, renew};
use crate::job::{JobName, Outcome, Verdict};
use crate::pg::connect::Server;
use crate::pg::fault::{Fault, Kind};
use crate::pg::session::Backends;
use crate::shutdown::Stop;
use crate::telemetry::{self, Event};
use crate::time::clock;

/// How a run is watched. A test may be in more of a hurry.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two renewals of the lease: a third of it.
    pub renew: Duration,
    /// Between the rungs of the kill ladder: cancel, terminate, close.
    pub kill_step: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { renew: LEASE_RENEW, kill_step: Duration::from_secs(5) }
    }
}

/// One renewal may take this long; then another connection is tried.
const RENEW_PATIENCE: Duration = Duration::from_secs(5);
/// After a renewal that failed.
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// Why an attempt is cut off from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The claim is lost, or can no longer be trusted.
    LeaseLost,
    /// Its server process is gone, and the network does not say so.
    BackendGone,
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
    pub backends: &'a Backends,
    /// How soon.
    pub pace: Pace,
}

impl Watch<'_> {
    /// Drives the attempt to its end, or ends it: cancel on the server, a step later terminate, a
    /// step later drop, which closes its connection.
    pub async fn over(&self, attempt: impl Future<Output = Outcome>) -> Outcome {
        let mut attempt = std::pin::pin!(attempt);
        let cut = tokio::select! {
            biased;
            outcome = &mut attempt => return outcome,
            cut = self.keep_lease() => cut,
            () = tokio::time::sleep_until(self.deadline.into()) => Cut::Deadline,
            () = self.stop.hard.cancelled() => Cut::Hard,
        };
        self.stop.soft.cancel();
        // There is nobody to kill where the backend is gone.
        let ended = if cut == Cut::BackendGone { None } else { self.kill(attempt).await };
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
            let pids = self.backends.pids();
            if !pids.is_empty() {
                let signal = async {
                    for pid in pids {
                        if terminate {
                            self.server.terminate(pid).await;
                        } else {
                            self.server.cancel(pid).await;
                        }
                    }
                    pending::<()>().await;
                };
                tokio::select! {
                    outcome = &mut attempt => return Some(outcome),
                    () = signal => {}
                    () = tokio::time::sleep(self.pace.kill_step) => {}
                }
            } else if let Ok(outcome) =
                tokio::time::timeout(self.pace.kill_step, &mut attempt).await
            {
                return Some(outcome);
            }
        }
        None
    }

    /// Returns only when the claim is lost or can no longer be trusted, or when it is renewed for
    /// a server process that is not there any more.
    async fn keep_lease(&self) -> Cut {
        let mut trust_until = self.claim.trust_until;
        let mut renewed = clock::monotonic();
        let mut next = renewed + self.pace.renew;
        let mut last_fault = None;
        let mut missing = Vec::new();
        loop {
            tokio::time::sleep_until(next.min(trust_until).into()).await;
            let now = clock::monotonic();
            if now >= trust_until {
                break;
            }
            let pids = self.backends.pids();
            let renewal = renew(&self.server.control, self.claim.fence, &pids);
            let give_up = trust_until.min(now + RENEW_PATIENCE);
            match tokio::time::timeout_at(give_up.into(), renewal).await {
                Ok(Ok(Some(renewal))) => {
                    trust_until = renewal.trust_until;
                    renewed = clock::monotonic();
                    next = renewed + self.pace.renew;
                    // Twice, and still waited for: once may be a session that was just closed.
                    let waited_for = self.backends.pids();
                    let is_gone = |pid: &i32| missing.contains(pid) && waited_for.contains(pid);
                    if renewal.missing.iter().any(is_gone) {
                        return Cut::BackendGone;
                    }
                    missing = renewal.missing;
                }
                Ok(Ok(None)) => break,
                // The server may be back before the trust ends.
                Ok(Err(fault)) => {
                    last_fault = Some(fault);
                    next = clock::monotonic() + RENEW_AGAIN;
                }
                Err(_) => next = clock::monotonic(),
            }
        }
        telemetry::emit(Event::LeaseLost {
            job: self.claim.job.as_str(),
            since_renewal_ms: clock::millis_since(renewed),
            fault: last_fault,
        });
        Cut::LeaseLost
    }
}

fn verdict(cut: Cut, job: JobName) -> (Verdict, Fault) {
    let (verdict, kind, message) = match cut {
        Cut::LeaseLost => (
            Verdict::Abandoned,
            Kind::LeaseLost,
            "the claim was lost or could not be renewed in time; what was committed stays",
        ),
        Cut::BackendGone => (
            Verdict::Failed,
            Kind::Unreachable,
            "its server process is gone, and the network did not say so; what was committed stays",
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
