//! What a run did: the one value that log, history, command line and status render.

use serde::Serialize;

use super::JobName;
use super::plan::{ChecklistItem, Spared};
use crate::pg::fault::Fault;
use crate::pg::wal::Wal;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All done, or nothing to do.
    Succeeded,
    /// Nothing could be done.
    Failed,
    /// Some tables failed, the rest was done.
    Partial,
    /// Stopped on request; what was done is committed.
    Cancelled,
    /// The job's `timeout` was reached.
    TimedOut,
    /// The slot came while the job was still running.
    SkippedOverlap,
    /// The slot was older than `start_deadline`.
    SkippedLate,
    /// The job was paused.
    SkippedPaused,
    /// The process that ran it died, or lost its claim.
    Abandoned,
}

impl Verdict {
    const ALL: [Self; 9] = [
        Self::Succeeded,
        Self::Failed,
        Self::Partial,
        Self::Cancelled,
        Self::TimedOut,
        Self::SkippedOverlap,
        Self::SkippedLate,
        Self::SkippedPaused,
        Self::Abandoned,
    ];

    /// The verdict of that word; none for `running`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == word)
    }

    /// The word in history, logs and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Partial => "partial",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::SkippedOverlap => "skipped_overlap",
            Self::SkippedLate => "skipped_late",
            Self::SkippedPaused => "skipped_paused",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What `apply` did.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// Rows moved or touched, where that means something.
    pub rows: Option<u64>,
    /// Transactions committed.
    pub batches: u64,
    /// Something the operator should know: a limit reached, rows left.
    pub note: Option<String>,
}

/// What became of one action.
#[derive(Debug, Clone)]
pub struct ActionOutcome {
    /// Its kind.
    pub kind: &'static str,
    /// Its object.
    pub object: String,
    /// What was done, or why it was not.
    pub result: Result<Applied, Fault>,
    /// How long it took.
    pub duration_ms: u64,
    /// The WAL written meanwhile, where that was measured.
    pub wal: Option<Wal>,
    /// It only kept pgtend's own state; not counted as work.
    pub upkeep: bool,
}

/// What a run did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The job.
    pub job: JobName,
    /// How it ended.
    pub verdict: Verdict,
    /// From claim to end.
    pub duration_ms: u64,
    /// In the order they were done. A refused table is an action of kind `check` that failed.
    pub actions: Vec<ActionOutcome>,
    /// Left alone.
    pub spared: Vec<Spared>,
    /// Sentences for the operator.
    pub warnings: Vec<String>,
    /// What becomes of all that stands on a table; empty where no table changes what it is.
    pub checklist: Vec<ChecklistItem>,
    /// What ended the run, where it was not one action.
    pub error: Option<Fault>,
}

impl Outcome {
    /// A run that did nothing, for this reason.
    #[must_use]
    pub fn nothing(job: JobName, verdict: Verdict, error: Option<Fault>) -> Self {
        Self {
            job,
            verdict,
            duration_ms: 0,
            actions: Vec::new(),
            spared: Vec::new(),
            warnings: Vec::new(),
            checklist: Vec::new(),
            error,
        }
    }

    /// Actions that succeeded, upkeep aside.
    #[must_use]
    pub fn done(&self) -> usize {
        self.actions.iter().filter(|action| action.result.is_ok() && !action.upkeep).count()
    }

    /// Actions that failed, refused tables among them.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.actions.iter().filter(|action| action.result.is_err()).count()
    }

    /// Whether an action of this kind on this object failed.
    #[must_use]
    pub fn has_failed(&self, kind: &str, object: &str) -> bool {
        let is_it = |action: &&ActionOutcome| action.kind == kind && action.object == object;
        self.actions.iter().filter(is_it).any(|action| action.result.is_err())
    }

    /// Rows over all actions.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.applied().filter_map(|applied| applied.rows).sum()
    }

    /// Batches over all actions.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.applied().map(|applied| applied.batches).sum()
    }

    /// WAL over all actions of which it was measured.
    #[must_use]
    pub fn wal(&self) -> Option<Wal> {
        self.actions.iter().filter_map(|action| action.wal).reduce(Wal::plus)
    }

    fn applied(&self) -> impl Iterator<Item = &Applied> {
        self.actions.iter().filter_map(|action| action.result.as_ref().ok())
    }

    /// The fault to report first: what ended the run, else the first action's.
    #[must_use]
    pub fn first_fault(&self) -> Option<&Fault> {
        self.error.as_ref().or_else(|| self.actions.iter().find_map(|a| a.result.as_ref().err()))
    }
}

/// The JSON of `once`, whose names are a contract.
impl Serialize for Outcome {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("job", &self.job)?;
        map.serialize_entry("outcome", self.verdict.as_str())?;
        map.serialize_entry("duration_ms", &self.duration_ms)?;
        map.serialize_entry("actions", &self.actions)?;
        map.serialize_entry("spared", &self.spared)?;
        map.serialize_entry("warnings", &self.warnings)?;
        if !self.checklist.is_empty() {
            map.serialize_entry("checklist", &self.checklist)?;
        }
        if let Some(error) = &self.error {
            map.serialize_entry("error", &error.to_string())?;
        }
        map.end()
    }
}

impl Serialize for ActionOutcome {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", self.kind)?;
        map.serialize_entry("object", &self.object)?;
        match &self.result {
            Ok(applied) => {
                map.serialize_entry("outcome", "succeeded")?;
                if let Some(rows) = applied.rows {
                    map.serialize_entry("rows", &rows)?;
                }
                if let Some(note) = &applied.note {
                    map.serialize_entry("note", note)?;
                }
            }
            Err(fault) => {
                map.serialize_entry("outcome", "failed")?;
                map.serialize_entry("error", &fault.to_string())?;
            }
        }
        map.serialize_entry("duration_ms", &self.duration_ms)?;
        match self.wal {
            Some(Wal::Ours(bytes)) => map.serialize_entry("wal_bytes", &bytes)?,
            Some(Wal::Servers(bytes)) => map.serialize_entry("server_wal_bytes", &bytes)?,
            None => {}
        }
        map.end()
    }
}
