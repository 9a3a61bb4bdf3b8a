//! `status`: per job, the last run, its outcome and the next run.

use std::fmt::Write;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::args::Format;
use super::plan::plan_one;
use super::{Failure, output, setup};
use crate::job::plan::PlanView;
use crate::job::{Refused, Standing};
use crate::jobs::AnyJob;
use crate::pg::fault::Fault;
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
    let mut rows = Vec::new();
    for (job, seen) in jobs.iter().zip(&facts.jobs) {
        rows.push(Row {
            seen,
            last: last.iter().find(|entry| entry.job == seen.job.as_str()),
            next: due::decide(&seen.due(job.schedule()), facts.now).next_at,
            standing: plan_one(&server, job, facts.now).await.map(standing),
        });
    }
    server.close().await;
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

/// A table that is refused stands still, and that matters most.
fn standing(plan: PlanView) -> Vec<Standing> {
    let refused = plan.refused.into_iter().map(|Refused { object, fault }| Standing {
        object,
        measure: "refused",
        value: fault.why(),
    });
    refused.chain(plan.standing).collect()
}

struct Row<'a> {
    seen: &'a JobFacts,
    last: Option<&'a Entry>,
    next: Option<DateTime<Utc>>,
    /// How things stand with its tables; a job that cannot look says why.
    standing: Result<Vec<Standing>, Fault>,
}

impl Row<'_> {
    fn as_json(&self) -> Value {
        json!({
            "job": self.seen.job,
            "last_run": self.last,
            "next_run_at": self.next,
            "paused": self.seen.paused,
            "standing": self.standing.as_ref().unwrap_or(&Vec::new()),
            "error": self.standing.as_ref().err().map(ToString::to_string),
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
    format!("{}\n{}", table.trim_fmt(), standings(rows))
}

/// How things stand: until when tables are covered, what waits to be archived.
fn standings(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for row in rows {
        // Writing to a string cannot fail.
        let _ = match &row.standing {
            Ok(standing) => standing.iter().try_for_each(|stands| {
                let measure = stands.measure.replace('_', " ");
                writeln!(text, "{}: {} {measure} {}", row.seen.job, stands.object, stands.value)
            }),
            Err(fault) => writeln!(text, "{}: {fault}", row.seen.job),
        };
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}
