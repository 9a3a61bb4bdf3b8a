//! Wake-ups at cron slots, by tokio-cron-scheduler. It decides nothing.
//!
//! A wake-up says "look now"; what is due is the planner's business ([`super::due`]). That is all
//! that scheduler may be trusted with: it freezes a zone's offset, has no overlap guard, forgets what
//! it missed, and falls silent when the wall clock goes back (`ARCHITECTURE.md`). So every job is
//! registered in UTC, lines of another zone as once a minute, and the planner keeps a timer of its
//! own beside it: a wake-up that is late, doubled or missing does no harm.

use std::sync::Arc;

use chrono_tz::Tz;
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::config::checked::Schedule;
use crate::pg::fault::{Fault, Kind};

/// Its form has a field of seconds in front.
const EVERY_MINUTE: &str = "0 * * * * *";

/// The wake-ups of all configured jobs. Works on the multi-thread runtime only: on the other,
/// adding a job never returns.
pub struct Waker {
    scheduler: JobScheduler,
    registered: Vec<Job>,
    rung: Arc<Notify>,
}

impl Waker {
    /// Begins to wake at the slots of these jobs, each with its name.
    ///
    /// # Errors
    /// The scheduler does not start or does not take a job: a bug, there or here.
    pub async fn start(jobs: &[(&str, &Schedule)]) -> Result<Self, Fault> {
        let scheduler = JobScheduler::new().await.map_err(|error| fault(&error))?;
        scheduler.start().await.map_err(|error| fault(&error))?;
        let mut waker = Self { scheduler, registered: Vec::new(), rung: Arc::default() };
        waker.registered = waker.register(jobs).await?;
        Ok(waker)
    }

    /// Returns at the next wake-up, or at once if there was one since the last call.
    pub async fn wait(&self) {
        self.rung.notified().await;
    }

    /// Wakes at the slots of these jobs instead, and once right now: they may be due.
    ///
    /// # Errors
    /// The scheduler does not take a job; then the old wake-ups stay.
    pub async fn replace(&mut self, jobs: &[(&str, &Schedule)]) -> Result<(), Fault> {
        let new = self.register(jobs).await?;
        let old = std::mem::replace(&mut self.registered, new);
        self.unregister(&old).await;
        self.rung.notify_one();
        Ok(())
    }

    /// Stops waking.
    pub async fn shutdown(&mut self) {
        // It stops at its next look, within 0.5 s, and reports no failure.
        let _ = self.scheduler.shutdown().await;
    }

    async fn register(&self, jobs: &[(&str, &Schedule)]) -> Result<Vec<Job>, Fault> {
        let mut registered = Vec::with_capacity(jobs.len());
        for (name, schedule) in jobs {
            let added = match self.add(&wake_expression(schedule)).await {
                // Its parser is older than ours and does not know every form, `LW` for one.
                Err(JobSchedulerError::ParseSchedule) => self.add(EVERY_MINUTE).await,
                added => added,
            };
            match added {
                Ok(job) => registered.push(job),
                Err(error) => {
                    self.unregister(&registered).await;
                    return Err(fault(&error).on(name));
                }
            }
        }
        Ok(registered)
    }

    async fn add(&self, expression: &str) -> Result<Job, JobSchedulerError> {
        let job = Job::new_async(expression, {
            let rung = Arc::clone(&self.rung);
            move |_, _| {
                let rung = Arc::clone(&rung);
                Box::pin(async move { rung.notify_one() })
            }
        })?;
        self.scheduler.add(job.clone()).await?;
        Ok(job)
    }

    async fn unregister(&self, jobs: &[Job]) {
        for job in jobs {
            // One that stays wakes the planner for nothing, which does no harm.
            let _ = self.scheduler.remove(&job.guid()).await;
        }
    }
}

fn wake_expression(schedule: &Schedule) -> String {
    match schedule.timezone {
        Tz::UTC => schedule.cron.wake_expression(),
        _ => EVERY_MINUTE.to_owned(),
    }
}

fn fault(error: &JobSchedulerError) -> Fault {
    Fault::new(Kind::Bug, "register the wake-ups of", format!("tokio-cron-scheduler: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::checked::Catchup;

    fn schedule(cron: &str, timezone: Tz) -> Schedule {
        Schedule {
            cron: cron.parse().unwrap(),
            timezone,
            jitter: Duration::ZERO,
            timeout: Duration::from_hours(1),
            max_attempts: 1,
            catchup: Catchup::Latest,
            start_deadline: None,
        }
    }

    #[test]
    fn a_line_of_a_zone_wakes_every_minute() {
        let wakes = |tz| wake_expression(&schedule("30 2 * * *", tz));
        assert_eq!(wakes(Tz::UTC), "0 30 2 * * *");
        assert_eq!(wakes(Tz::Europe__Berlin), EVERY_MINUTE);
    }

    /// The scheduler has a parser of its own, of another version than ours.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_form_of_a_line_is_taken_and_replaced() {
        let lines = [
            "17 * * * *",
            "*/5 1-3 * jan MON-FRI",
            "0 0 L * ?",
            "0 0 LW * FRIL",
            "0 0 15W * SUN#2",
            "@weekly",
            "0 0 1 * +MON",
            "0 0 * * 7",
        ];
        let schedules = lines.map(|line| schedule(line, Tz::UTC));
        let jobs: Vec<_> = lines.iter().copied().zip(&schedules).collect();
        let mut waker = Waker::start(&jobs).await.unwrap();
        assert_eq!(waker.registered.len(), lines.len());
        waker.replace(&jobs[..1]).await.unwrap();
        assert_eq!(waker.registered.len(), 1);
        // The planner is to look at what replaced them.
        tokio::time::timeout(Duration::from_secs(5), waker.wait()).await.unwrap();
        waker.shutdown().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_wakes() {
        let mut waker = Waker::start(&[]).await.unwrap();
        waker.add("* * * * * *").await.unwrap();
        for _ in 0..2 {
            tokio::time::timeout(Duration::from_secs(10), waker.wait()).await.unwrap();
        }
        waker.shutdown().await;
    }
}
