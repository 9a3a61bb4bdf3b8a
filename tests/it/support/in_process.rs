//! Jobs run inside the test, through the same claim and the same runner as in the program: for
//! tests that look at an outcome as a value, or stop a run at an exact place.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, Utc};
use pgtend::config;
use pgtend::config::checked::Schedule;
use pgtend::job::plan::PlanView;
use pgtend::job::run::Start;
use pgtend::job::{Job, JobName, Outcome};
use pgtend::jobs::AnyJob;
use pgtend::jobs::partitions::Task;
use pgtend::pg::connect::Server;
use pgtend::pg::schema;
use pgtend::pg::session::{Backends, Fence, Session, SessionSpec};
use pgtend::scheduler::claim::{Claim, Claimed, Trigger, claim, finish};
use pgtend::scheduler::execute::Engine;
use pgtend::scheduler::supervise::Pace;
use pgtend::shutdown::Stop;

use super::db::Db;

/// A configuration, connected.
pub struct InProcess {
    engine: Engine,
    jobs: Vec<AnyJob>,
}

impl InProcess {
    /// Reads the configuration, to which the database's URL is added, and makes pgtend's own schema.
    pub async fn new(db: &Db, config: &str) -> Self {
        let this = Self::without_schema(db.url(), config).await;
        schema::ensure(&this.engine.server).await.expect("pgtend's own schema");
        this
    }

    /// The same with another URL, and nothing made.
    pub async fn without_schema(url: &str, config: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("pgtend.toml");
        fs::write(&file, format!("[database]\nurl = \"{url}\"\n\n{config}")).expect("write");
        let loaded = config::load(Some(&file), std::iter::empty());
        let config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
        let server = Box::pin(Server::connect(&config.database)).await.expect("connect");
        let engine = Engine {
            server,
            holder: format!("test {}", COUNT.fetch_add(1, Ordering::Relaxed)),
            history_retention: config.daemon.history_retention,
            stop: Stop::default(),
            pace: Pace::default(),
        };
        Self { jobs: AnyJob::configured(&config), engine }
    }

    /// The same process after its connections were closed: it keeps what its jobs remember.
    pub async fn reconnect(&mut self, url: &str) {
        self.engine.server = Self::without_schema(url, "").await.engine.server;
    }

    /// Gives its job `partitions` another task.
    pub fn ask(&mut self, task: &Task) {
        self.jobs.iter_mut().for_each(|job| job.ask(task));
    }

    /// A person agrees to what its jobs would newly destroy.
    pub fn confirm(&mut self) {
        self.jobs.iter_mut().for_each(AnyJob::confirm);
    }

    /// The tokens that stop its runs.
    pub fn stop(&self) -> &Stop {
        &self.engine.stop
    }

    /// Its part that runs claimed slots.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The same process in more, or less, of a hurry.
    pub fn paced(mut self, pace: Pace) -> Self {
        self.engine.pace = pace;
        self
    }

    /// Its pools.
    pub fn server(&self) -> &Server {
        &self.engine.server
    }

    /// One run, now. `None`: another process runs this job.
    pub async fn once(&self, job: JobName) -> Option<Outcome> {
        match self.claim(job, None).await {
            Claimed::Won(claim) => {
                Some(Box::pin(self.engine.execute(self.job(job), &claim, None)).await)
            }
            _ => None,
        }
    }

    /// One run of a job of the test's own.
    pub async fn run(&self, job: impl Job, schedule: Schedule) -> Outcome {
        let claim = self.won(job.name()).await;
        self.execute(job, schedule, &claim).await
    }

    /// The same under a claim that is there.
    pub async fn execute(&self, job: impl Job, schedule: Schedule, claim: &Claim) -> Outcome {
        Box::pin(self.engine.execute(&(job, schedule), claim, None)).await
    }

    /// One run as of another time.
    pub async fn once_at(&self, job: JobName, now: DateTime<Utc>) -> Outcome {
        let claim = self.won(job).await;
        let mut session = self.session(Some(claim.fence)).await;
        let start = Start::new(job, 0);
        let outcome = self.job(job).run(&mut session, now, &self.engine.stop.soft, &start).await;
        let recorded = finish(&self.engine.server.control, claim.fence, &outcome).await;
        recorded.expect("recorded");
        outcome
    }

    /// What a run would do.
    pub async fn plan(&self, job: JobName) -> PlanView {
        let now = self.engine.server.now().await.expect("the clock");
        self.plan_at(job, now).await
    }

    /// What a run would do as of another time.
    pub async fn plan_at(&self, job: JobName, now: DateTime<Utc>) -> PlanView {
        let mut session = self.session(None).await;
        let plan = Box::pin(self.job(job).plan(&mut session.reader(), now)).await;
        plan.unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// The claim of this slot, or of this moment.
    pub async fn claim(&self, job: JobName, slot: Option<DateTime<Utc>>) -> Claimed {
        let (slot, trigger) = match slot {
            Some(slot) => (slot, Trigger::Schedule),
            None => (self.engine.server.now().await.expect("the clock"), Trigger::Manual),
        };
        let claimed = claim(&self.engine.server.control, &self.engine.holder, job, slot, trigger);
        claimed.await.unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// A claim of this moment that nobody else has.
    pub async fn won(&self, job: JobName) -> Claim {
        match self.claim(job, None).await {
            Claimed::Won(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    /// The door for writes, under a claim of this job.
    pub async fn door(&self, job: JobName) -> Session {
        self.session(Some(self.won(job).await.fence)).await
    }

    /// A session that works under a claim, or under none.
    pub async fn session(&self, fence: Option<Fence>) -> Session {
        let spec = SessionSpec {
            name: "test",
            fence,
            backends: Backends::default(),
            stop: self.engine.stop.soft.clone(),
        };
        Session::open(&self.engine.server, spec).await.unwrap_or_else(|fault| panic!("{fault}"))
    }

    fn job(&self, name: JobName) -> &AnyJob {
        self.jobs.iter().find(|job| job.name() == name).expect("it is configured")
    }
}
