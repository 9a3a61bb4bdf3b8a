//! The runs under way in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use super::claim::Claim;
use super::execute::Engine;
use crate::job::JobName;
use crate::jobs::AnyJob;
use crate::time::clock;

/// The runs under way, `max_concurrent_jobs` at most.
#[derive(Clone)]
pub struct Runs {
    places: Arc<Semaphore>,
    under_way: Arc<Mutex<BTreeMap<JobName, Instant>>>,
    tasks: TaskTracker,
    ended: Arc<Notify>,
}

impl Runs {
    /// Room for this many at once.
    #[must_use]
    pub fn new(max_concurrent_jobs: u32) -> Self {
        Self {
            places: Arc::new(Semaphore::new(max_concurrent_jobs as usize)),
            under_way: Arc::default(),
            tasks: TaskTracker::new(),
            ended: Arc::default(),
        }
    }

    /// A place to run in, if there is one.
    #[must_use]
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// The jobs under way, with their start.
    #[must_use]
    pub fn under_way(&self) -> Vec<(JobName, Instant)> {
        self.lock().iter().map(|(&job, &since)| (job, since)).collect()
    }

    /// Waits until one ends.
    pub async fn one_ended(&self) {
        self.ended.notified().await;
    }

    /// Waits until all have ended.
    pub async fn all_ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Begins a claimed run.
    pub fn begin(
        &self,
        engine: Engine,
        job: Arc<AnyJob>,
        claim: Claim,
        next_run_at: Option<DateTime<Utc>>,
        place: OwnedSemaphorePermit,
    ) {
        self.lock().insert(claim.job, clock::monotonic());
        let runs = self.clone();
        self.tasks.spawn(async move {
            // Boxed: it holds the state of whichever job runs.
            Box::pin(engine.execute(&*job, &claim, next_run_at)).await;
            runs.lock().remove(&claim.job);
            drop(place);
            runs.ended.notify_one();
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobName, Instant>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
