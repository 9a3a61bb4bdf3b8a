//! Running a VACUUM, and saying what keeps it from cleaning up.

use std::pin::pin;

use chrono::{DateTime, Utc};

use super::Vacuum;
use crate::job::{Applied, Context};
use crate::pg::blockers;
use crate::pg::catalog::clutter::{self, Holder};
use crate::pg::fault::{Fault, Kind};
use crate::pg::notices;
use crate::pg::session::Session;

/// Vacuums, if there is enough to clean up and nobody is at it. That it could not is no failure:
/// autovacuum will.
///
/// # Errors
/// What concerns the whole run, and what the server refuses for another reason than a lock or the time.
pub async fn vacuum(cx: &mut Context<'_>, vacuum: &Vacuum) -> Result<Applied, Fault> {
    if let Some(shut) = vacuum.allowance.shut(cx.moment()) {
        return Ok(noted(format!("left to autovacuum: {shut}")));
    }
    cx.session.report_counts().await;
    let dead = dead_rows(cx.session, vacuum).await?;
    if dead < vacuum.dead_min {
        return Ok(noted(format!("not needed: {dead} dead rows")));
    }
    if let Some(pid) = clutter::vacuumed_by(cx.session.reader().conn, &vacuum.tree).await? {
        return Ok(noted(format!("left to pid {pid}, which is at it")));
    }
    let result = run(cx, vacuum).await;
    if let Some(reset) = vacuum.reset() {
        cx.session.run(&reset).await?;
    }
    match result {
        Ok(warnings) if !warnings.is_empty() => return Ok(noted(warnings.join("; "))),
        Ok(_) => {}
        Err(fault) => return given_up(fault, cx.stop.is_cancelled()),
    }
    let left = dead_rows(cx.session, vacuum).await?;
    let removed = dead.saturating_sub(left);
    let mut note = format!("{removed} dead rows removed");
    if left >= vacuum.dead_min {
        note += &held(cx.session, left, cx.now).await?;
    }
    Ok(noted(note))
}

/// Runs it; a stop ends it at once. What it did until then is not lost.
async fn run(cx: &mut Context<'_>, vacuum: &Vacuum) -> Result<Vec<String>, Fault> {
    let (statement, watch, stop) = (vacuum.step(), cx.session.watch(), cx.stop.clone());
    let mut running = pin!(notices::collect(cx.session.run(&statement)));
    let (result, warnings) = tokio::select! {
        ended = &mut running => ended,
        () = stop.cancelled() => {
            blockers::cancel(&watch).await;
            running.await
        }
    };
    result.map(|_| warnings)
}

fn given_up(fault: Fault, is_stopping: bool) -> Result<Applied, Fault> {
    let why = match fault.kind {
        Kind::LockNotHad => format!("left to autovacuum: {fault}"),
        Kind::TimedOut => {
            "not finished within database.statement_timeout; autovacuum goes on".into()
        }
        Kind::Cancelled if is_stopping => "stopped on request; autovacuum goes on".into(),
        _ => return Err(fault),
    };
    Ok(noted(why))
}

async fn dead_rows(session: &mut Session, vacuum: &Vacuum) -> Result<u64, Fault> {
    let settled = session.facts().version.has_immediate_counters();
    clutter::settle(session.reader().conn, settled).await?;
    clutter::dead_rows(session.reader().conn, &vacuum.tree).await
}

/// Who needs what could not be removed.
async fn held(session: &mut Session, left: u64, since: DateTime<Utc>) -> Result<String, Fault> {
    let holders = clutter::holders(session.reader().conn, since).await?;
    let named: Vec<String> = holders.iter().map(Holder::to_string).collect();
    let by = if named.is_empty() {
        "by whom is not shown to our role, see pg_monitor".to_owned()
    } else {
        named.join(", ")
    };
    Ok(format!("; {left} cannot be removed yet, older snapshots still see them: {by}"))
}

fn noted(note: String) -> Applied {
    Applied { note: Some(note), ..Applied::default() }
}
