//! The planner: asks what is due, claims it, begins it. Its loop is the daemon's pulse.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::claim::{Claimed, Trigger, claim, claim_asked_for, record_skipped, take_over};
use super::due::{self, Decision, SkipReason};
use super::execute::Engine;
use super::look::{self, Facts, JobFacts};
use super::outage::Outage;
use super::runs::Runs;
use super::systemd;
use super::wake::Waker;
use crate::config::checked::Catchup;
use crate::job::{JobName, Verdict};
use crate::jobs::AnyJob;
use crate::pg::connect::Server;
use crate::pg::fault::{Fault, Kind};
use crate::telemetry::{self, Event};
use crate::time::clock;

/// At least this often the planner looks, by the monotonic clock, whatever the wall clock does:
/// triggers, pauses and orphaned runs are seen within this.
const SWEEP: Duration = Duration::from_secs(15);
/// A slot that finds a run started by hand waits this long for its end before it is skipped.
const PATIENCE: chrono::TimeDelta = chrono::TimeDelta::seconds(30);
/// How soon a slot that waits is looked at again.
const SOON: Duration = Duration::from_secs(1);

/// What the process asks of its planner.
pub enum Request {
    /// New jobs, and perhaps a new server.
    Reload(Box<Engine>, Vec<AnyJob>),
    /// One line per job.
    Status,
}

/// Why the planner looks again.
enum Woken {
    Stopped,
    Asked(Request),
    Due,
}

/// The planner of one process.
pub struct Planner {
    engine: Engine,
    jobs: Vec<Arc<AnyJob>>,
    runs: Runs,
    waker: Waker,
    outage: Outage,
    /// Slots set aside are told once.
    told: BTreeSet<(JobName, DateTime<Utc>)>,
    /// The server knows since when there are these jobs.
    remembered: bool,
    next: Option<(JobName, DateTime<Utc>)>,
    last: Option<Facts>,
}

impl Planner {
    /// A planner of these jobs, with wake-ups at their slots.
    ///
    /// # Errors
    /// Where the waker cannot start.
    pub async fn start(
        engine: Engine,
        jobs: Vec<AnyJob>,
        max_concurrent_jobs: u32,
    ) -> Result<Self, Fault> {
        let jobs: Vec<_> = jobs.into_iter().map(Arc::new).collect();
        let waker = Waker::start(&schedules(&jobs)).await?;
        Ok(Self {
            engine,
            jobs,
            runs: Runs::new(max_concurrent_jobs),
            waker,
            outage: Outage::default(),
            told: BTreeSet::new(),
            remembered: false,
            next: None,
            last: None,
        })
    }

    /// Serves slots until asked to stop. The process, begun at `started`, is ready after the first
    /// look.
    pub async fn serve(&mut self, mut requests: mpsc::Receiver<Request>, started: Instant) {
        let mut first = true;
        let soft = self.engine.stop.soft.clone();
        loop {
            let pause = tokio::select! {
                biased;
                pause = systemd::beating(self.tick()) => pause,
                // A pass in hand takes milliseconds; a server that is silent must not hold us.
                () = async { soft.cancelled().await; tokio::time::sleep(SOON).await } => break,
            };
            if std::mem::take(&mut first) {
                let startup_ms = clock::millis_since(started);
                telemetry::emit(Event::DaemonReady { startup_ms, next_run_at: self.next_run_at() });
                systemd::ready(&self.summary());
            }
            systemd::alive(&self.summary());
            let woken = async {
                tokio::select! {
                    biased;
                    () = soft.cancelled() => Woken::Stopped,
                    Some(request) = requests.recv() => Woken::Asked(request),
                    () = self.waker.wait() => Woken::Due,
                    () = self.runs.one_ended() => Woken::Due,
                    () = tokio::time::sleep(pause) => Woken::Due,
                }
            };
            match systemd::beating(woken).await {
                Woken::Stopped => break,
                Woken::Asked(request) => self.obey(request).await,
                Woken::Due => {}
            }
        }
        self.waker.shutdown().await;
    }

    /// The runs in this process.
    #[must_use]
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// The server it works on.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.engine.server
    }

    /// When something is due next, as of the last look.
    #[must_use]
    pub fn next_run_at(&self) -> Option<DateTime<Utc>> {
        self.next.map(|(_, at)| at)
    }

    /// One pass; how long to sleep after it. A server that is away is asked again, ever slower.
    async fn tick(&mut self) -> Duration {
        let patience = self.engine.server.patience();
        let passed = tokio::time::timeout(patience, self.pass()).await.unwrap_or_else(|_| {
            let silent = format!("no answer within {} s", patience.as_secs());
            Err(Fault::new(Kind::Unreachable, "look at the schedule", silent))
        });
        match passed {
            Ok(pause) => {
                self.outage.over(&self.engine.server.facts);
                pause
            }
            Err(fault) => {
                let fault = self.engine.server.reason(fault).await;
                self.outage.goes_on(&self.engine.server.facts.address, fault)
            }
        }
    }

    async fn pass(&mut self) -> Result<Duration, Fault> {
        let control = &self.engine.server.control;
        if !self.remembered {
            look::remember(control, &names(&self.jobs)).await?;
            self.remembered = true;
        }
        let facts = look::look(control, &names(&self.jobs)).await?;
        if facts.standby {
            return Err(Fault::new(
                Kind::Standby,
                "look at the schedule",
                "the server is a standby",
            ));
        }
        self.outage.compare_clocks(facts.now);
        let mut pause = SWEEP;
        self.next = None;
        for (job, seen) in self.jobs.clone().iter().zip(&facts.jobs) {
            let decision = due::decide(&seen.due(job.schedule()), facts.now);
            self.tell_set_aside(seen.job, &decision);
            pause = pause.min(self.serve_job(job, seen, &decision, facts.now).await?);
            if let Some(at) = decision.next_at {
                self.next =
                    [self.next, Some((seen.job, at))].into_iter().flatten().min_by_key(|n| n.1);
            }
        }
        if let Some(at) = self.next_run_at() {
            pause = pause.min((at - facts.now).to_std().unwrap_or_default());
        }
        self.last = Some(facts);
        Ok(pause.max(Duration::from_millis(20)))
    }

    /// Does what was decided for one job; how soon it wants to be looked at again.
    async fn serve_job(
        &self,
        job: &Arc<AnyJob>,
        seen: &JobFacts,
        decision: &Decision,
        now: DateTime<Utc>,
    ) -> Result<Duration, Fault> {
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
        let asked = seen.triggered_by.is_some() && seen.paused.is_none();
        if decision.run.is_empty() && !asked && !seen.orphaned {
            return Ok(SWEEP);
        }
        // All places taken: the run that ends wakes us.
        let Some(place) = self.runs.place() else { return Ok(SWEEP) };
        let control = &self.engine.server.control;
        if let Some(&slot) = decision.run.first() {
            return match claim(control, &self.engine.holder, seen.job, slot, Trigger::Schedule)
                .await?
            {
                Claimed::Won(claim) => {
                    tell_missed(job, decision);
                    self.runs.begin(
                        self.engine.clone(),
                        Arc::clone(job),
                        claim,
                        decision.next_at,
                        place,
                    );
                    Ok(if decision.run.len() > 1 { SOON } else { SWEEP })
                }
                Claimed::Running(_, trigger) => {
                    self.overlap(job, slot, trigger, decision, now).await
                }
                Claimed::Taken(_) | Claimed::Paused(_) => Ok(SWEEP),
            };
        }
        if seen.orphaned {
            let max_attempts = job.schedule().max_attempts;
            let taken = take_over(control, &self.engine.holder, seen.job, max_attempts).await?;
            if let Some(claim) = taken {
                self.runs.begin(
                    self.engine.clone(),
                    Arc::clone(job),
                    claim,
                    decision.next_at,
                    place,
                );
            }
            return Ok(SWEEP);
        }
        self.serve_trigger(job, seen, decision, now, place).await
    }

    /// A run asked for by hand: whoever takes the request runs it.
    async fn serve_trigger(
        &self,
        job: &Arc<AnyJob>,
        seen: &JobFacts,
        decision: &Decision,
        now: DateTime<Utc>,
        place: tokio::sync::OwnedSemaphorePermit,
    ) -> Result<Duration, Fault> {
        let (control, holder) = (&self.engine.server.control, &self.engine.holder);
        match claim_asked_for(control, holder, seen.job, now).await? {
            Some(Claimed::Won(claim)) => {
                let by = seen.triggered_by.clone();
                telemetry::emit(Event::JobTriggered { job: seen.job.as_str(), by });
                self.runs.begin(
                    self.engine.clone(),
                    Arc::clone(job),
                    claim,
                    decision.next_at,
                    place,
                );
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

    fn tell_set_aside(&mut self, job: JobName, decision: &Decision) {
        let Some(slot) = decision.set_aside else { return };
        if self.told.insert((job, slot)) {
            let warning =
                format!("history holds slot {slot}, ahead of the server's clock; set aside");
            telemetry::emit(Event::RunWarned { job: job.as_str(), warning });
        }
    }

    async fn obey(&mut self, request: Request) {
        match request {
            Request::Reload(engine, jobs) => {
                self.engine = *engine;
                self.jobs = jobs.into_iter().map(Arc::new).collect();
                if let Err(fault) = self.waker.replace(&schedules(&self.jobs)).await {
                    // The sweep serves what the waker misses.
                    tracing::warn!(%fault, "the wake-ups of the configuration before stay");
                }
                self.remembered = false;
                systemd::ready(&self.summary());
            }
            Request::Status => super::report::report(&self.jobs, self.last.as_ref(), &self.runs),
        }
    }

    /// One line for `systemctl status`.
    fn summary(&self) -> String {
        let running: Vec<_> = self.runs.under_way().iter().map(|(job, _)| job.as_str()).collect();
        match self.next {
            _ if !running.is_empty() => format!("running {}", running.join(", ")),
            Some((job, at)) => format!("idle; next {job} {}", at.format("%Y-%m-%d %H:%M:%SZ")),
            None => "idle; nothing is due".to_owned(),
        }
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

fn names(jobs: &[Arc<AnyJob>]) -> Vec<JobName> {
    jobs.iter().map(|job| job.name()).collect()
}

fn schedules(jobs: &[Arc<AnyJob>]) -> Vec<(&'static str, &crate::config::checked::Schedule)> {
    jobs.iter().map(|job| (job.name().as_str(), job.schedule())).collect()
}
