//! What a run did, in the words of one line.

use super::log::Lines;
use super::words::{count, plural};
use crate::job::{JobName, Outcome};

/// How many statements of the application `slow_queries` has told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// As slow.
    pub opened: usize,
    /// As fast again.
    pub resolved: usize,
}

impl Told {
    /// By these lines.
    #[must_use]
    pub fn by(lines: &Lines) -> Self {
        let [opened, resolved] =
            ["slow_query.opened", "slow_query.resolved"].map(|event| lines.slow(event).len());
        Self { opened, resolved }
    }

    /// In words, what is new.
    #[must_use]
    pub fn since(self, before: Self) -> String {
        match (self.opened - before.opened, self.resolved - before.resolved) {
            (0, 0) => "nothing changed".to_owned(),
            (opened, 0) => format!("{} became slow", plural(opened, "statement")),
            (0, resolved) => format!("{} fast again", plural(resolved, "statement")),
            (opened, resolved) => format!("{opened} became slow, {resolved} fast again"),
        }
    }
}

/// What a run that succeeded did.
#[must_use]
pub fn done(outcome: &Outcome) -> String {
    let job = outcome.job;
    match job {
        JobName::Partitions => format!("{job}: {} made", plural(outcome.done(), "partition")),
        JobName::Archive => format!(
            "{job}: {} rows moved in {} batches, {} rows/s",
            count(outcome.rows()),
            count(outcome.batches()),
            count(outcome.rows() * 1000 / outcome.duration_ms.max(1))
        ),
        JobName::Analyze => format!("{job}: {} analyzed", plural(outcome.done(), "table")),
        JobName::SlowQueries => job.to_string(),
    }
}

/// Why another did not.
#[must_use]
pub fn failed(outcome: &Outcome) -> String {
    let why = outcome.first_fault().map_or_else(String::new, |fault| format!(": {fault}"));
    format!("{} {}{why}", outcome.job, outcome.verdict.as_str())
}
