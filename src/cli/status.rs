//! `status`: per job, the last run, its outcome and the next run.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::args::Format;
use super::{Failure, output, setup};
use crate::jobs::AnyJob;
use crate::scheduler::due;
use crate::scheduler::history::{self, Entry};
use crate::scheduler::look::{self, JobFacts};

pub async fn status(file: Option<&Path>, format: Format) -> Result<u8, Failure> {
    let setup = setup::configure(file)?;
    let jobs = setup.jobs(&[])?;
    let server = setup.connect().await?;
    setup::need_schema(&server).await?;
    let control = &server.control;
    let names: Vec<_> = jobs.iter().map(AnyJob::name).collect();
    let facts = look::look(control, &names).await?;
    let last = history::last(control).await?;
    server.close().await;
    let rows: Vec<Row> = jobs
        .iter()
        .zip(&facts.jobs)
        .map(|(job, seen)| Row {
            seen,
            last: last.iter().find(|entry| entry.job == seen.job.as_str()),
            next: due::decide(&seen.due(job.schedule()), facts.now).next_at,
        })
        .collect();
    match format {
        Format::Json => output::json(&json!({
            "pgtend": env!("CARGO_PKG_VERSION"),
            "now": facts.now,
            "jobs": rows.iter().map(Row::as_json).collect::<Vec<_>>(),
        }))?,
        Format::Text => output::print(&as_text(&rows))?,
    }
    Ok(0)
}

struct Row<'a> {
    seen: &'a JobFacts,
    last: Option<&'a Entry>,
    next: Option<DateTime<Utc>>,
}

impl Row<'_> {
    fn as_json(&self) -> Value {
        json!({
            "job": self.seen.job,
            "last_run": self.last,
            "next_run_at": self.next,
            "paused": self.seen.paused,
        })
    }
}

fn as_text(rows: &[Row<'_>]) -> String {
    let mut table =
        output::table(&["JOB", "LAST RUN", "OUTCOME", "DONE", "FAILED", "ROWS", "NEXT RUN"]);
    let time = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%SZ").to_string();
    for row in rows {
        let last = row.last;
        let next = match (&row.seen.paused, row.next) {
            (Some(reason), _) => format!("paused: {reason}"),
            (None, Some(at)) => time(at),
            (None, None) => "never".to_owned(),
        };
        table.add_row([
            row.seen.job.to_string(),
            last.map_or_else(|| "never".to_owned(), |entry| time(entry.started_at)),
            last.map(|entry| entry.status.clone()).unwrap_or_default(),
            last.map(|entry| entry.actions_done.to_string()).unwrap_or_default(),
            last.map(|entry| entry.actions_failed.to_string()).unwrap_or_default(),
            last.map(|entry| entry.rows.to_string()).unwrap_or_default(),
            next,
        ]);
    }
    format!("{}\n", table.trim_fmt())
}
