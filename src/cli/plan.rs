//! `plan`: what `once` would do and why; changes nothing.

use std::fmt::Write;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::args::{Format, PlanArgs};
use super::{Failure, output, setup};
use crate::job::JobName;
use crate::job::plan::PlanView;
use crate::jobs::AnyJob;
use crate::pg::connect::Server;
use crate::pg::fault::Fault;
use crate::pg::session::{Backends, Session, SessionSpec};
use crate::shutdown::Stop;

/// `plan --check`: there is something to do.
const SOMETHING_TO_DO: u8 = 3;

pub async fn plan(file: Option<&Path>, args: &PlanArgs) -> Result<u8, Failure> {
    let setup = setup::configure(file)?;
    let mut jobs = setup.jobs(&args.jobs)?;
    if args.confirm {
        jobs.iter_mut().for_each(AnyJob::confirm);
    }
    let server = setup.connect().await?;
    let now = match args.now {
        Some(now) => now,
        None => server.now().await?,
    };
    let mut plans = Vec::new();
    let mut fault = None;
    for job in &jobs {
        match plan_one(&server, job, now).await {
            Ok(plan) => plans.push(plan),
            Err(broken) => {
                plans.push(PlanView::broken(job.name(), broken.clone()));
                fault.get_or_insert(broken);
            }
        }
    }
    server.close().await;
    show(&server, now, &plans, args.format)?;
    Ok(match fault {
        Some(fault) => fault.kind.exit_code(),
        None if args.check => verdict(&plans),
        None => 0,
    })
}

/// Prints plans.
///
/// # Errors
/// Standard output cannot be written.
pub fn show(
    server: &Server,
    now: DateTime<Utc>,
    plans: &[PlanView],
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&as_json(server, plans)),
        Format::Text => output::print(&as_text(server, now, plans)),
    }
}

/// A session without a claim: the door refuses it every write.
pub async fn look(server: &Server, job: JobName) -> Result<Session, Fault> {
    let spec = SessionSpec {
        name: job.as_str(),
        fence: None,
        backends: Backends::default(),
        stop: Stop::default().soft,
    };
    Session::open(server, spec).await
}

/// What one job would do.
pub async fn plan_one(
    server: &Server,
    job: &AnyJob,
    now: DateTime<Utc>,
) -> Result<PlanView, Fault> {
    let mut session = look(server, job.name()).await?;
    let plan = job.plan(&mut session.reader(), now).await;
    session.close();
    plan
}

fn verdict(plans: &[PlanView]) -> u8 {
    if plans.iter().any(|plan| !plan.refused.is_empty()) {
        1
    } else if plans.iter().flat_map(|plan| &plan.actions).any(|action| !action.upkeep) {
        SOMETHING_TO_DO
    } else {
        0
    }
}

fn as_json(server: &Server, plans: &[PlanView]) -> serde_json::Value {
    json!({
        "pgtend": env!("CARGO_PKG_VERSION"),
        "server": {
            "version": server.facts.version.to_string(),
            "database": server.facts.database,
            "address": server.facts.address,
        },
        "jobs": plans,
    })
}

fn as_text(server: &Server, now: DateTime<Utc>, plans: &[PlanView]) -> String {
    let facts = &server.facts;
    let mut text = format!(
        "pgtend {} on PostgreSQL {}, database {} at {}, as of {}\nNothing is changed by this command.\n",
        env!("CARGO_PKG_VERSION"),
        facts.version,
        facts.database,
        facts.address,
        now.format("%Y-%m-%d %H:%M:%SZ"),
    );
    for plan in plans {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{plan}");
    }
    text
}
