//! `once`: run jobs now, through the same claim as the daemon.

use std::fmt::Write;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::args::{Format, OnceArgs, Slot};
use super::{Failure, output, setup, signals};
use crate::job::{Outcome, Verdict};
use crate::jobs::AnyJob;
use crate::pg::fault::{Fault, Kind};
use crate::scheduler::claim::{Claimed, Trigger, claim};
use crate::scheduler::execute::Engine;
use crate::shutdown::Stop;

/// Nothing was run: already running, already done, or paused.
const NOTHING_RUN: u8 = 3;
/// Some job failed or was partial.
const FAILED: u8 = 1;

pub async fn once(file: Option<&Path>, args: &OnceArgs) -> Result<u8, Failure> {
    let setup = setup::configure(file)?;
    let mut jobs = setup.jobs(&args.jobs)?;
    if args.confirm {
        jobs.iter_mut().for_each(AnyJob::confirm);
    }
    let stop = Stop::default();
    let drain_timeout = setup.loaded.config.daemon.drain_timeout;
    let listening = signals::stop_on_signals(stop.clone(), drain_timeout)?;
    let engine = setup.engine(stop).await?;
    let mut outcomes = Vec::new();
    for job in &jobs {
        if engine.stop.soft.is_cancelled() {
            break;
        }
        // Boxed: it holds the state of whichever job runs.
        let outcome = Box::pin(run_one(&engine, job, args.slot)).await;
        outcomes
            .push(outcome.unwrap_or_else(|fault| {
                Outcome::nothing(job.name(), Verdict::Failed, Some(fault))
            }));
    }
    engine.server.close().await;
    drop(listening);
    show(&outcomes, args.format)
}

/// Prints outcomes, and says what to exit with.
///
/// # Errors
/// Standard output cannot be written.
pub fn show(outcomes: &[Outcome], format: Format) -> Result<u8, Failure> {
    match format {
        Format::Json => output::json(&json!({ "jobs": outcomes }))?,
        Format::Text => output::print(&as_text(outcomes))?,
    }
    Ok(exit_code(outcomes))
}

/// Claims a slot and runs it; one that cannot be had is an outcome too.
///
/// # Errors
/// The server does not answer.
pub async fn run_one(engine: &Engine, job: &AnyJob, slot: Slot) -> Result<Outcome, Fault> {
    let now = engine.server.now().await?;
    let (slot, trigger) = match slot {
        Slot::Now => (now, Trigger::Manual),
        Slot::Scheduled => (newest_slot(job, now)?, Trigger::Schedule),
    };
    let (verdict, why) =
        match claim(&engine.server.control, &engine.holder, job.name(), slot, trigger).await? {
            Claimed::Won(claim) => return Ok(Box::pin(engine.execute(job, &claim, None)).await),
            Claimed::Paused(reason) => (Verdict::SkippedPaused, format!("paused: {reason}")),
            Claimed::Taken(status) => {
                (Verdict::SkippedOverlap, format!("slot {slot} has its run already: {status}"))
            }
            Claimed::Running(since, _) => {
                (Verdict::SkippedOverlap, format!("it is running already, since {since}"))
            }
        };
    let fault = Fault::new(Kind::Changed, "run", why).on(job.name());
    Ok(Outcome::nothing(job.name(), verdict, Some(fault)))
}

fn newest_slot(job: &AnyJob, now: DateTime<Utc>) -> Result<DateTime<Utc>, Fault> {
    let schedule = job.schedule();
    schedule.cron.latest_at_or_before(now, schedule.timezone).ok_or_else(|| {
        let message = format!("its schedule has no slot before {now}");
        Fault::new(Kind::Configuration, "find the newest slot of", message).on(job.name())
    })
}

fn exit_code(outcomes: &[Outcome]) -> u8 {
    let codes: Vec<u8> = outcomes.iter().map(code_of).collect();
    if codes.contains(&FAILED) {
        FAILED
    } else if !codes.is_empty() && codes.iter().all(|&code| code == NOTHING_RUN) {
        NOTHING_RUN
    } else {
        codes.into_iter().filter(|&code| code != NOTHING_RUN).max().unwrap_or(0)
    }
}

fn code_of(outcome: &Outcome) -> u8 {
    match outcome.verdict {
        Verdict::Succeeded => 0,
        Verdict::SkippedOverlap | Verdict::SkippedLate | Verdict::SkippedPaused => NOTHING_RUN,
        Verdict::Partial => FAILED,
        Verdict::Cancelled if outcome.error.as_ref().is_none_or(|f| f.kind != Kind::TimedOut) => 0,
        Verdict::Cancelled | Verdict::TimedOut | Verdict::Abandoned => Kind::TimedOut.exit_code(),
        Verdict::Failed => common_code(outcome),
    }
}

/// A failed run ends with the code its faults have in common: a `CronJob` tries 75 again, not 77.
fn common_code(outcome: &Outcome) -> u8 {
    if let Some(fault) = &outcome.error {
        return fault.kind.exit_code();
    }
    let mut codes = outcome
        .actions
        .iter()
        .filter_map(|action| action.result.as_ref().err())
        .map(|fault| fault.kind.exit_code());
    match codes.next() {
        Some(first) if codes.all(|code| code == first) => first,
        _ => FAILED,
    }
}

fn as_text(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}: {} in {} ms, {} done, {} failed, {} left alone",
            outcome.job,
            outcome.verdict.as_str(),
            outcome.duration_ms,
            outcome.done(),
            outcome.failed(),
            outcome.spared.len(),
        );
        for warning in &outcome.warnings {
            let _ = writeln!(text, "  ! {warning}");
        }
        for item in &outcome.checklist {
            let _ = writeln!(text, "  | {item}");
        }
        for action in &outcome.actions {
            let _ = match &action.result {
                Ok(applied) => {
                    let rows =
                        applied.rows.map_or_else(String::new, |rows| format!(", {rows} rows"));
                    let wal = action.wal.map_or_else(String::new, |wal| format!(", {wal}"));
                    let note =
                        applied.note.as_deref().map_or_else(String::new, |n| format!("; {n}"));
                    writeln!(text, "  + {} {}{rows}{wal}{note}", action.kind, action.object)
                }
                Err(fault) => writeln!(text, "  x {} {}: {fault}", action.kind, action.object),
            };
        }
        if let Some(error) = &outcome.error {
            let _ = writeln!(text, "  x {error}");
        }
    }
    text
}
