//! The planner: asks what is due, claims it, begins it. Its loop is the daemon's pulse.

mod serve;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::due::{self, Decision};
use super::execute::Engine;
use super::look::{self, Facts};
use super::outage::Outage;
use super::runs::Runs;
use super::systemd;
use super::wake::Waker;
use crate::job::JobName;
use crate::jobs::AnyJob;
use crate::pg::connect::Server;
use crate::pg::fault::{Fault, Kind};
use crate::telemetry::{self, Event};
use crate::time::clock;

/// At least this often the planner looks, by the monotonic clock, whatever the wall clock does:
/// triggers, pauses and orphaned runs are seen within this.
const SWEEP: Duration = Duration::from_secs(15);
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
    /// One line per job is to be told after the next look.
    asked_for_status: bool,
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
            asked_for_status: false,
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
            if std::mem::take(&mut self.asked_for_status) {
                super::report::report(&self.jobs, self.last.as_ref(), &self.runs);
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
            Request::Status => self.asked_for_status = true,
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

fn names(jobs: &[Arc<AnyJob>]) -> Vec<JobName> {
    jobs.iter().map(|job| job.name()).collect()
}

fn schedules(jobs: &[Arc<AnyJob>]) -> Vec<(&'static str, &crate::config::checked::Schedule)> {
    jobs.iter().map(|job| (job.name().as_str(), job.schedule())).collect()
}
