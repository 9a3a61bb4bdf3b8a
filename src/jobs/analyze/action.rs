//! One ANALYZE, and what is written down after it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::seen::Leaf;
use crate::job::Action;
use crate::pg::ident::TableName;
use crate::pg::step::{LockWait, Mode, Statement, Step};

/// ANALYZE takes SHARE UPDATE EXCLUSIVE, behind which no reader and no writer queues; but whoever
/// waits for a lock longer than `deadlock_timeout` (1 s) makes the server cancel an autovacuum.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// Analyzes one table.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// The table.
    pub table: TableName,
    /// How far the ANALYZE reaches.
    pub reach: Reach,
    /// Why.
    pub why: String,
    /// What to write down afterwards: this table and whatever else the ANALYZE reaches.
    pub memos: Vec<Memo>,
    /// How to see that it happened.
    pub witness: Option<Witness>,
    /// Statistics objects that can never be built; a warning about them is expected.
    pub impossible: Vec<String>,
}

/// How far an ANALYZE reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A table without partitions.
    Table,
    /// A partitioned parent alone (18 and later).
    ParentOnly,
    /// A partitioned parent with everything below it: up to 17 the server knows no other way.
    Tree,
}

/// What is written down about one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memo {
    /// Its oid.
    pub relation: u32,
    /// What had no statistics before.
    pub lacking: Vec<String>,
    /// For a parent: its leaves' counters before.
    pub leaves: Option<Vec<Leaf>>,
}

/// The server's note of the last ANALYZE, which must move. From 15 on it moves at once; before, it
/// takes its time, and the warning alone must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The table's oid.
    pub oid: u32,
    /// The note before.
    pub before: Option<DateTime<Utc>>,
}

/// Also forgets tables that are gone.
const FORGET: &str = "\
DELETE FROM analyze_memory
WHERE relation = ANY ($1::oid[]) OR NOT EXISTS (SELECT FROM pg_class WHERE oid = relation)";
const REMEMBER: &str = "\
INSERT INTO analyze_memory SELECT * FROM jsonb_populate_recordset(NULL::analyze_memory, $1::jsonb)";

impl Refresh {
    /// The ANALYZE.
    pub(super) fn analyze(&self) -> Step {
        let only = if self.reach == Reach::ParentOnly { "ONLY " } else { "" };
        self.step(
            "analyze",
            Mode::Alone,
            vec![Statement::new(format!("ANALYZE {only}{}", self.table))],
        )
    }

    /// Writing down what the next plan needs.
    pub(super) fn remember(&self) -> Step {
        let memos = self.memos.iter().map(Memo::json).collect::<serde_json::Value>();
        let oids: Vec<String> = self.memos.iter().map(|memo| memo.relation.to_string()).collect();
        let statements = vec![
            Statement::new(FORGET).bind(vec![Some(format!("{{{}}}", oids.join(",")))]),
            Statement::new(REMEMBER).bind(vec![Some(memos.to_string())]),
        ];
        self.step("remember the analyze of", Mode::Transaction, statements)
    }

    fn step(&self, doing: &'static str, mode: Mode, statements: Vec<Statement>) -> Step {
        let lock = LockWait::patient(LOCK_TIMEOUT);
        Step { doing, object: self.table.to_string(), mode, lock, statements }
    }
}

impl Memo {
    fn json(&self) -> serde_json::Value {
        let leaves = self.leaves.as_deref();
        let each = |value: fn(&Leaf) -> u64| {
            leaves.map(|leaves| leaves.iter().map(value).collect::<Vec<_>>())
        };
        serde_json::json!({
            "relation": self.relation,
            "lacking": self.lacking,
            "leaves": each(|leaf| leaf.oid.into()),
            "writes": each(|leaf| leaf.writes),
            "row_counts": each(|leaf| leaf.rows),
        })
    }
}

impl Action for Refresh {
    fn kind(&self) -> &'static str {
        match self.reach {
            Reach::Table => "analyze",
            Reach::ParentOnly => "analyze_parent",
            Reach::Tree => "analyze_tree",
        }
    }

    fn object(&self) -> String {
        self.table.to_string()
    }

    fn reason(&self) -> String {
        self.why.clone()
    }

    fn sql(&self) -> Vec<String> {
        self.analyze().sql().chain(self.remember().sql()).collect()
    }
}
