//! Actions one after the other.

use std::collections::BTreeMap;

use super::outcome::{ActionOutcome, Applied, Outcome};
use super::plan::Action;
use super::{Context, Job};
use crate::pg::fault::{Fault, Kind};
use crate::pg::wal::Mark;
use crate::telemetry::{self, Event};
use crate::time::clock;

/// What is known of the actions before, by those behind them.
#[derive(Default)]
pub(super) struct Line {
    /// Whose locks were not had.
    not_had: BTreeMap<String, Fault>,
    /// Where the action before ended, if that was heavy too.
    mark: Option<Mark>,
}

impl Line {
    /// One after the other. What ends the run is the outcome's error.
    pub(super) async fn work<'a, J: Job>(
        &mut self,
        job: &J,
        cx: &mut Context<'_>,
        actions: impl IntoIterator<Item = &'a J::Action>,
        outcome: &mut Outcome,
    ) where
        J::Action: 'a,
    {
        for action in actions {
            if cx.stop.is_cancelled() {
                outcome.error = Some(stopped(job));
                return;
            }
            if action.follows().is_some_and(|kind| outcome.has_failed(kind, &action.object())) {
                continue;
            }
            let done = self.one(job, cx, action).await;
            outcome.error = done.result.as_ref().err().filter(|it| it.kind.ends_run()).cloned();
            outcome.actions.push(done);
            if outcome.error.is_some() {
                return;
            }
        }
    }

    async fn one<J: Job>(
        &mut self,
        job: &J,
        cx: &mut Context<'_>,
        action: &J::Action,
    ) -> ActionOutcome {
        let started = clock::monotonic();
        let queue = action.queue().unwrap_or_default();
        let before = self.not_had.get(&queue);
        let is_tried = before.is_none();
        let is_heavy = action.is_heavy() && is_tried;
        let from = match self.mark.take() {
            None if is_heavy => cx.session.wal_mark().await,
            from => from,
        };
        let result = match before {
            Some(fault) => Err(not_tried(fault)),
            // Boxed: its state would be part of every future around it.
            None => Box::pin(job.apply(cx, action)).await,
        };
        let duration_ms = clock::millis_since(started);
        if is_heavy && !result.as_ref().is_err_and(|fault| fault.kind.ends_run()) {
            self.mark = cx.session.wal_mark().await;
        }
        let wal = self.mark.zip(from).and_then(|(to, from): (Mark, Mark)| to.since(from));
        self.note(queue, is_tried, &result);
        let (kind, object, upkeep) = (action.kind(), action.object(), action.is_upkeep());
        let done = ActionOutcome { kind, object, result, duration_ms, wal, upkeep };
        if is_tried && (!done.upkeep || done.result.is_err()) {
            telemetry::emit(event(&done));
        }
        done
    }

    fn note(&mut self, queue: String, is_tried: bool, result: &Result<Applied, Fault>) {
        if let Err(fault) = result
            && is_tried
            && fault.kind == Kind::LockNotHad
            && !queue.is_empty()
        {
            self.not_had.insert(queue, fault.clone());
        }
    }
}

/// It would wait for what another action has just waited for in vain, which has been told.
fn not_tried(before: &Fault) -> Fault {
    let message = format!(
        "not tried, because {} did not get its lock in this run",
        before.object.as_deref().unwrap_or("another")
    );
    let fault = Fault::new(Kind::LockNotHad, "wait for a lock", message);
    Fault { blockers: before.blockers.clone(), ..fault }.with_hint("the next run tries again")
}

fn event(done: &ActionOutcome) -> Event {
    let (kind, object, duration_ms) = (done.kind, done.object.clone(), done.duration_ms);
    match &done.result {
        Ok(applied) => Event::ActionDone {
            kind,
            object,
            rows: applied.rows,
            batches: applied.batches,
            duration_ms,
            wal: done.wal,
            note: applied.note.clone(),
        },
        Err(fault) => Event::ActionFailed { kind, object, duration_ms, fault: fault.clone() },
    }
}

fn stopped<J: Job>(job: &J) -> Fault {
    Fault::new(Kind::Cancelled, "run", "stopped on request; the next run carries on").on(job.name())
}
