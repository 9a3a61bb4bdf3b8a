//! `history`: the runs of the past.

use std::path::Path;

use super::args::{Format, HistoryArgs};
use super::{Failure, output, setup};
use crate::job::JobName;
use crate::pg::wal::Wal;
use crate::scheduler::history::{Entry, recent};

pub async fn history(file: Option<&Path>, args: &HistoryArgs) -> Result<u8, Failure> {
    let job = args.job.as_deref().map(job_named).transpose()?;
    let setup = setup::configure(file)?;
    let server = setup.connect().await?;
    setup::need_schema(&server).await?;
    let entries = recent(&server.control, job, args.limit).await?;
    server.close().await;
    match args.format {
        Format::Json => output::json(&entries)?,
        Format::Text => output::print(&as_text(&entries))?,
    }
    Ok(0)
}

/// The job of that name, configured or not: history outlives a section.
///
/// # Errors
/// Where there is no such job.
pub fn job_named(word: &str) -> Result<JobName, Failure> {
    JobName::from_word(word).ok_or_else(|| {
        let all: Vec<_> = JobName::ALL.iter().map(|job| job.as_str()).collect();
        Failure::Usage(format!("there is no job {word:?}; the jobs are {}", all.join(", ")))
    })
}

fn as_text(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "no run yet\n".to_owned();
    }
    let mut table = output::table(&[
        "RUN", "JOB", "SLOT", "TRIGGER", "OUTCOME", "TOOK", "DONE", "FAILED", "ROWS", "WAL",
        "ERROR",
    ]);
    for entry in entries {
        let took = entry.finished_at.map(|end| (end - entry.started_at).num_milliseconds());
        table.add_row([
            entry.run_id.clone(),
            entry.job.clone(),
            entry.slot.format("%Y-%m-%d %H:%M:%SZ").to_string(),
            entry.trigger.clone(),
            entry.status.clone(),
            took.map_or_else(String::new, |ms| format!("{ms} ms")),
            entry.actions_done.to_string(),
            entry.actions_failed.to_string(),
            entry.rows.to_string(),
            entry.wal.map_or_else(String::new, Wal::in_short),
            entry.error.clone().unwrap_or_default(),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}
