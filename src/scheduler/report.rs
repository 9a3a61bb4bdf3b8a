//! SIGUSR1: the status of every job, in the log.

use std::sync::Arc;

use super::due;
use super::look::{Facts, JobFacts};
use super::runs::Runs;
use crate::job::Verdict;
use crate::jobs::AnyJob;
use crate::telemetry::{self, Event, JobState};
use crate::time::clock;

/// One line per job, as of the planner's last look.
pub fn report(jobs: &[Arc<AnyJob>], last: Option<&Facts>, runs: &Runs) {
    let under_way = runs.under_way();
    for job in jobs {
        let name = job.name();
        let seen = last.and_then(|facts| facts.jobs.iter().find(|seen| seen.job == name));
        let running = under_way.iter().find(|(running, _)| *running == name);
        telemetry::emit(Event::StatusReported {
            job: name.as_str(),
            state: state(seen, running.is_some()),
            last_outcome: seen.and_then(|s| Verdict::from_word(&s.last_run.as_ref()?.0)),
            last_run_at: seen.and_then(|s| s.last_run.as_ref()).map(|run| run.1),
            running_ms: running.map(|(_, since)| clock::millis_since(*since)),
            next_run_at: last.zip(seen).and_then(|(facts, seen)| {
                due::decide(&seen.due(job.schedule()), facts.now).next_at
            }),
        });
    }
}

fn state(seen: Option<&JobFacts>, running: bool) -> JobState {
    if running {
        JobState::Running
    } else if seen.is_some_and(|seen| seen.paused.is_some()) {
        JobState::Paused
    } else {
        JobState::Idle
    }
}
