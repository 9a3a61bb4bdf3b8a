//! The report: what changed, in tables a person enjoys reading. Pure.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

use super::data::CUSTOMERS;
use super::findings::{Check, Findings};
use super::latency::Phase;
use super::survey::{Parent, Survey};
use super::words::{bold, count, duration, mark, millis, plural};
use crate::job::plan::PlanView;

/// Wide enough for the tables, and for most windows.
const WIDTH: u16 = 100;

/// What the jobs are about to do, in short.
#[must_use]
pub fn intentions(plans: &[PlanView]) -> String {
    let mut table = table(&["job", "action", "object", "why"]);
    for plan in plans {
        let mut job = plan.job.as_str();
        for action in &plan.actions {
            // The first clause says it; the others are for those who ask `plan`.
            let why = action.reason.split(';').next().unwrap_or_default();
            table.add_row([job, action.kind, &action.object, why]);
            job = "";
        }
        for warning in &plan.warnings {
            table.add_row([job, "warning", "", warning]);
            job = "";
        }
    }
    format!("\nWhat pgtend intends; `pgtend plan` shows it in full, with the SQL\n{table}\n\n")
}

/// Everything that was found.
#[must_use]
pub fn report(findings: &Findings, checks: &[Check], colored: bool) -> String {
    let mut text = String::new();
    let mut section = |title: &str, body: &dyn std::fmt::Display| {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{}\n{body}\n", bold(title, colored));
    };
    let version = findings.version;
    section(&format!("What changed, on PostgreSQL {version}"), &changes(findings));
    section("The application meanwhile", &application(findings));
    section("The statement that turned slow, by slow_queries", &slow(findings));
    section("The runs, by pgtend's own history", &runs(findings));
    if let Some(line) = findings.log.example("run.finished", "archive") {
        section("One line of its log", &line);
    }
    let verified: String =
        checks.iter().map(|c| format!("  {} {}\n", mark(c.kept, colored), c.words)).collect();
    section("Verified", &verified.trim_end());
    text
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    if !header.is_empty() {
        table.set_header(header.to_vec());
    }
    table
}

/// A table of figures, its heads above them.
fn figures_table(header: &[&str]) -> Table {
    let mut table = table(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn changes(findings: &Findings) -> Table {
    let Findings { before, after, .. } = findings;
    let mut table = figures_table(&["", "before", "after"]);
    let rows = |rows: i64| format!("{} rows", count(rows));
    let archive = |survey: &Survey| survey.archived.map_or_else(|| "absent".to_owned(), rows);
    table.add_row(["ml_jobs".to_owned(), rows(before.hot), rows(after.hot)]);
    table.add_row(["ml_jobs_archive".to_owned(), archive(before), archive(after)]);
    for (old, new) in before.parents.iter().zip(&after.parents) {
        table.add_row([old.name]);
        let mut row = |what: &str, cell: fn(&Parent, DateTime<Utc>) -> String| {
            table.add_row([what.to_owned(), cell(old, before.now), cell(new, after.now)]);
        };
        row("  partitions", |parent, _| parent.partitions.len().to_string());
        row("  takes rows until", covered);
        row("  customers, says the planner", expected);
    }
    table
}

fn covered(parent: &Parent, now: DateTime<Utc>) -> String {
    let (until, gap) = parent.coverage(now);
    let until = until.format("%Y-%m-%d");
    match gap {
        Some(gap) => format!("{until}, then a gap until {}", gap.to.format("%Y-%m-%d")),
        None => until.to_string(),
    }
}

fn expected(parent: &Parent, _: DateTime<Utc>) -> String {
    let guess = count(parent.customers_guessed);
    let how = match (parent.statistics, parent.customers_guessed) {
        (0, _) => ", without statistics",
        (_, right) if right == i64::from(CUSTOMERS) => ", as there are",
        _ => "",
    };
    format!("{guess}{how}")
}

fn application(findings: &Findings) -> Table {
    let mut table = figures_table(&["", "statements", "per s", "p50", "p99", "max", "errors"]);
    for phase in Phase::ALL {
        let seen = findings.ledger.latencies.summary(phase);
        let name = match phase {
            Phase::Alone => "before pgtend",
            Phase::Tended => "while pgtend works",
            Phase::IndexLost => "after an index was dropped",
            Phase::IndexBack => "after it was made again",
        };
        table.add_row([
            name.to_owned(),
            count(seen.statements as i128),
            format!("{:.0}", seen.per_s),
            duration(seen.p50),
            duration(seen.p99),
            duration(seen.max),
            seen.errors.to_string(),
        ]);
    }
    table
}

fn slow(findings: &Findings) -> Table {
    let mut table = table(&[]);
    let resolved = findings.log.slow("slow_query.resolved");
    for line in findings.log.slow("slow_query.opened") {
        let back = resolved.iter().find(|other| other["queryid"] == line["queryid"]);
        let ms = |value: &Value| value.as_f64().map_or_else(|| "unknown".to_owned(), millis);
        let text = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
        let share = line["share_pct"].as_f64().unwrap_or_default();
        let mean = format!(
            "{} before, {} after the index was dropped{}",
            ms(&line["baseline_mean_ms"]),
            ms(&line["mean_ms"]),
            back.map_or_else(String::new, |line| format!(
                ", {} with it again",
                ms(&line["mean_ms"])
            ))
        );
        let calls = format!(
            "{} in {:.0} s, the longest {}, {share:.0} % of all execution time",
            line["calls"],
            line["interval_s"].as_f64().unwrap_or_default(),
            ms(&line["max_ms"])
        );
        let told = format!(
            "slow {}, fast again {}",
            clock(&line),
            back.map_or_else(|| "never".to_owned(), clock)
        );
        table.add_row(["statement".to_owned(), text(&line["query"])]);
        table.add_row(["mean".to_owned(), mean]);
        table.add_row(["calls".to_owned(), calls]);
        table.add_row(["by".to_owned(), format!("role {}, literals masked", text(&line["user"]))]);
        table.add_row(["reported".to_owned(), told]);
    }
    table
}

/// `12:34:56` of a line's time.
fn clock(line: &Value) -> String {
    line["ts"].as_str().and_then(|ts| ts.get(11..19)).unwrap_or("unknown").to_owned()
}

fn runs(findings: &Findings) -> Table {
    let mut table = figures_table(&["job", "started", "outcome", "took", "actions", "rows"]);
    for entry in findings.history.iter().rev() {
        let took = entry.finished_at.and_then(|end| (end - entry.started_at).to_std().ok());
        table.add_row([
            entry.job.clone(),
            entry.started_at.format("%H:%M:%S").to_string(),
            entry.status.clone(),
            took.map_or_else(String::new, duration),
            entry.actions_done.to_string(),
            count(entry.rows),
        ]);
    }
    table
}

/// How the demo ended, in one line.
#[must_use]
pub fn verdict(checks: &[Check]) -> String {
    match checks.iter().filter(|check| !check.kept).count() {
        0 => format!("All {} kept.", plural(checks.len(), "promise")),
        broken => format!("{broken} of {} NOT kept.", plural(checks.len(), "promise")),
    }
}
