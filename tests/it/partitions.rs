//! The partitions job against real servers.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use pgtend::job::plan::PlanView;
use pgtend::job::{JobName, Outcome, Verdict};

use crate::support::{Db, InProcess, Rows};

mod adopt;
mod beside;
mod called_off;
mod create;
mod drain;
mod drain_kill_points;
mod drain_limits;
mod drift;
mod drop_at_once;
mod edges;
mod expiry;
mod expiry_beside;
mod expiry_crashes;
mod expiry_evidence;
mod expiry_neighbours;
mod faults;
mod grids;
mod ids;
mod kill_points;
mod lanes;
mod leftovers;
mod likeness;
mod locks;
mod memory;
mod partman;
mod recipes;
mod restore;
mod rivals;
mod split;
mod standing;
mod takeover;

const NOW: &str = "2026-01-20T10:00:00Z";

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

/// A configuration of these tables, monthly and two months ahead unless they say otherwise.
fn config(tables: &[(&str, &str)]) -> String {
    let mut text = "[partitions]\nschedule = \"17 * * * *\"\n".to_owned();
    for (name, settings) in tables {
        let has = |key: &str| settings.contains(key);
        let interval = if has("interval") { "" } else { "interval = \"1 month\"\n" };
        let premake = if has("premake") { "" } else { "premake = \"2 months\"\n" };
        let key = name.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(text, "[partitions.tables.\"{key}\"]\n{interval}{premake}{settings}");
    }
    text
}

/// pgtend for these tables, inside the test.
async fn tending(db: &Db, tables: &[(&str, &str)]) -> InProcess {
    InProcess::new(db, &config(tables)).await
}

async fn once(app: &InProcess) -> Outcome {
    app.once_at(JobName::Partitions, now()).await
}

async fn plan(app: &InProcess) -> PlanView {
    app.plan_at(JobName::Partitions, now()).await
}

/// A run that must succeed, and a second one that must find nothing to do.
#[track_caller]
fn succeeded(outcome: &Outcome) {
    assert!(outcome.verdict == Verdict::Succeeded, "{outcome:#?}");
}

async fn tend(app: &InProcess) {
    succeeded(&once(app).await);
    let again = once(app).await;
    succeeded(&again);
    assert!(again.actions.is_empty(), "a second run does {:#?}", again.actions);
}

/// The partitions of a table with their bounds, in UTC.
async fn partitions(db: &Db, table: &str) -> Rows {
    let mut conn = db.connect().await;
    crate::support::run(&mut conn, "SET TimeZone = 'UTC'").await;
    let sql = format!(
        "SELECT * FROM (SELECT relname, pg_get_expr(relpartbound, 0) AS bound \
         FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid \
         WHERE inhparent = '{table}'::regclass) s ORDER BY bound COLLATE \"C\""
    );
    crate::support::rows(&mut conn, &sql).await
}

/// The same as text: `name from to`, a line each.
async fn shown(db: &Db, table: &str) -> String {
    let mut text = String::new();
    for row in partitions(db, table).await {
        let [name, bound] = &row[..] else { panic!("two columns") };
        let _ = writeln!(text, "{} {}", name.as_deref().unwrap(), bound.as_deref().unwrap());
    }
    text
}
