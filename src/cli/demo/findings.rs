//! What the demo found, and whether it is as promised. Pure: everything was looked at before.

use std::sync::Arc;

use chrono::{DateTime, Months, Utc};
use serde_json::Value;

use super::data::{EVENTS, JOBS, LOGS};
use super::latency::Phase;
use super::log::Lines;
use super::survey::{Misplaced, Survey};
use super::words::{count, plural};
use super::workload::{DASHBOARD_MARK, Ledger};
use crate::job::{Outcome, Verdict};
use crate::pg::version::Version;
use crate::scheduler::history::Entry;

/// `premake` in demo.toml.
const PREMAKE: Months = Months::new(3);

/// Everything that was seen.
pub struct Findings {
    /// The server's.
    pub version: Version,
    /// Before pgtend worked.
    pub before: Survey,
    /// After all.
    pub after: Survey,
    /// Jobs that are not where they should be.
    pub misplaced: Misplaced,
    /// Of every run, in order.
    pub outcomes: Vec<Outcome>,
    /// pgtend's own record of them, the newest first.
    pub history: Vec<Entry>,
    /// The application's.
    pub ledger: Arc<Ledger>,
    /// pgtend's log.
    pub log: Lines,
}

/// A promise, and whether it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// It was.
    pub kept: bool,
    /// What was found, in the words of the promise.
    pub words: String,
}

impl Findings {
    /// Statements of the application that failed.
    #[must_use]
    pub fn errors(&self) -> usize {
        Phase::ALL.iter().map(|phase| self.ledger.latencies.summary(*phase).errors).sum()
    }

    /// Every promise of the demo.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = vec![self.runs(), self.same_jobs(), self.right_jobs()];
        checks.push(self.coverage());
        checks.push(self.statistics());
        checks.push(self.slow_statement());
        checks.push(self.application());
        checks
    }

    fn runs(&self) -> Check {
        let runs = self.outcomes.len();
        let succeeded = self.outcomes.iter().filter(|o| o.verdict == Verdict::Succeeded).count();
        let recorded = self.history.iter().filter(|entry| entry.status == "succeeded").count();
        Check {
            kept: succeeded == runs && recorded == runs && self.history.len() == runs,
            words: format!(
                "{runs} runs: {succeeded} succeeded, {recorded} recorded as such in history"
            ),
        }
    }

    fn same_jobs(&self) -> Check {
        let (before, after) = (&self.before.jobs, &self.after.jobs);
        let sum = if before.checksum == after.checksum { "same" } else { "ANOTHER" };
        Check {
            kept: before == after && after.rows == JOBS && after.keys == JOBS,
            words: format!(
                "no job lost, doubled or changed: {} rows, {} keys, {sum} checksum as before",
                count(after.rows),
                count(after.keys),
            ),
        }
    }

    fn right_jobs(&self) -> Check {
        let Misplaced { due_left, wrongly_moved } = self.misplaced;
        Check {
            kept: due_left == 0 && wrongly_moved == 0,
            words: format!(
                "the jobs that were due are archived, and no others: {} left behind, {} taken wrongly",
                count(due_left),
                count(wrongly_moved)
            ),
        }
    }

    fn coverage(&self) -> Check {
        let now = self.after.now;
        let wanted = now.checked_add_months(PREMAKE).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let covered = self.after.parents.iter().all(|parent| parent.coverage(now).0 >= wanted);
        Check {
            kept: covered,
            words: format!(
                "{} a partition for every day until {}, three months from now",
                if covered { "activity_logs and events have" } else { "NOT every table has" },
                wanted.format("%Y-%m-%d")
            ),
        }
    }

    fn statistics(&self) -> Check {
        let with = self.after.parents.iter().filter(|parent| parent.statistics > 0).count();
        let all = self.after.parents.len();
        Check {
            kept: with == all,
            words: format!(
                "{with} of {all} partitioned parents have planner statistics of their own"
            ),
        }
    }

    fn slow_statement(&self) -> Check {
        let is_dashboard =
            |line: &Value| line["query"].as_str().is_some_and(|q| q.contains(DASHBOARD_MARK));
        let opened = self.log.slow("slow_query.opened");
        let resolved = self.log.slow("slow_query.resolved");
        let right = opened.iter().chain(&resolved).all(is_dashboard);
        let which = match (opened.len(), right) {
            (0, _) => "NOT the one whose index was gone",
            (_, true) => "the one whose index was gone",
            (_, false) => "NOT only the one whose index was gone",
        };
        Check {
            kept: opened.len() == 1 && resolved.len() == 1 && right,
            words: format!(
                "{} reported as slow, {} as fast again: {which}",
                plural(opened.len(), "statement"),
                resolved.len(),
            ),
        }
    }

    fn application(&self) -> Check {
        let errors = self.errors();
        let written = self.ledger.written();
        let [logs, events] = [(0, LOGS), (1, EVENTS)]
            .map(|(n, loaded)| self.after.parents.get(n).map_or(0, |parent| parent.rows) - loaded);
        let jobs = self.after.hot + self.after.archived.unwrap_or(0) - JOBS;
        let found = jobs == written.jobs && logs == written.logs && events == written.events;
        let all = written.jobs + written.logs + written.events;
        let first = self.ledger.latencies.first_error();
        Check {
            kept: errors == 0 && found,
            words: format!(
                "{} of the application{}; the {} rows it wrote meanwhile are {}there",
                plural(errors, "error"),
                first.map_or_else(String::new, |error| format!(" ({error})")),
                count(all),
                if found { "" } else { "NOT all " }
            ),
        }
    }
}
