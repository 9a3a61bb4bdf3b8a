//! One VACUUM.

use std::time::Duration;

use crate::config::checked::Allowance;
use crate::pg::ident::TableName;
use crate::pg::step::{LockWait, Mode, Statement, Step};

/// Vacuums and analyzes a hot table, if it needs it by then.
#[derive(Debug, Clone)]
pub struct Vacuum {
    /// It.
    pub table: TableName,
    /// Itself and its partitions.
    pub tree: Vec<u32>,
    /// Not with fewer dead rows.
    pub dead_min: u64,
    /// At the pace of an autovacuum.
    pub is_gentle: bool,
    /// In which hours it may begin; it takes as long as it takes.
    pub allowance: Allowance,
    /// Why.
    pub reason: String,
}

/// VACUUM takes SHARE UPDATE EXCLUSIVE, behind which no reader and no writer queues. Shorter than
/// `deadlock_timeout`, after which an autovacuum would be cancelled for us.
const LOCK_TIMEOUT: Duration = Duration::from_millis(100);

/// What an autovacuum rests by default.
const GENTLY: &str = "SET vacuum_cost_delay = '2ms'";
const AS_BEFORE: &str = "RESET vacuum_cost_delay";

impl Vacuum {
    /// The statement, with its setting before.
    ///
    /// `TRUNCATE OFF`: giving room back to the file system would take ACCESS EXCLUSIVE, and a hot table
    /// needs the room again. `PARALLEL 0`: no more processors than one.
    #[must_use]
    pub fn step(&self) -> Step {
        let options = "ANALYZE, INDEX_CLEANUP ON, TRUNCATE OFF, PARALLEL 0";
        let gently = self.is_gentle.then(|| GENTLY.to_owned());
        let vacuum = format!("VACUUM ({options}) {}", self.table);
        self.of(gently.into_iter().chain([vacuum]).collect())
    }

    /// Undoes the setting, whatever became of the statement.
    #[must_use]
    pub fn reset(&self) -> Option<Step> {
        self.is_gentle.then(|| self.of(vec![AS_BEFORE.to_owned()]))
    }

    fn of(&self, statements: Vec<String>) -> Step {
        Step {
            doing: "vacuum",
            object: self.table.to_string(),
            mode: Mode::Alone,
            lock: LockWait::patient(LOCK_TIMEOUT),
            statements: statements.into_iter().map(Statement::new).collect(),
        }
    }

    /// What is run.
    #[must_use]
    pub fn sql(&self) -> Vec<String> {
        self.step().sql().chain(self.reset().iter().flat_map(Step::sql)).collect()
    }
}
