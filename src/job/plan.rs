//! Plans: what a run intends, what it leaves alone and why.

use std::fmt;

use serde::Serialize;

use super::JobName;
use crate::pg::fault::Fault;

/// One thing that may be done.
pub trait Action: Send + Sync {
    /// The kind, a stable word with underscores: `create_partition`.
    fn kind(&self) -> &'static str;
    /// The object, as SQL names it.
    fn object(&self) -> String;
    /// Why it is to be done, readable alone.
    fn reason(&self) -> String;
    /// The very SQL that will be run, in order; `$1` stands for a value carried forward.
    fn sql(&self) -> Vec<String>;
    /// It only keeps pgtend's own state, and is no work worth a line at `info`.
    fn is_upkeep(&self) -> bool {
        false
    }
    /// It may write so much that how much WAL it wrote is worth asking.
    fn is_heavy(&self) -> bool {
        false
    }
    /// Whose locks it waits for, where others of the plan wait for the same: once one of them did not
    /// get them, the others are left for the next run, so that the application is held up once.
    fn queue(&self) -> Option<String> {
        None
    }
    /// What it works on, where it may go beside actions that work on something else: no two lock the same.
    /// None: it goes by itself. One that [follows](Self::follows) another has none.
    fn lane(&self) -> Option<String> {
        None
    }
    /// The kind of an action on the same object, earlier in the plan, without which this one makes no
    /// sense: if that one fails, this one is not tried, and the failure is told once.
    fn follows(&self) -> Option<&'static str> {
        None
    }
}

/// Something looked at and left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spared {
    /// The object, as SQL names it.
    pub object: String,
    /// Why.
    pub reason: String,
}

/// A table the policy cannot serve as it is; a person must change something. It makes the run
/// `partial`, and never stops the other tables.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The table, as SQL names it.
    pub object: String,
    /// Why, and the cure.
    pub fault: Fault,
}

/// How things stand with one object, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The object, as SQL names it.
    pub object: String,
    /// What is measured: `covered_until`, `rows_due`.
    pub measure: &'static str,
    /// How much, or until when.
    pub value: String,
}

/// What becomes of one thing that a change of its table concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It cannot be carried over; a person must change something.
    Refused,
    /// It is not afterwards what it was before.
    Changed,
    /// It is made anew, or copied.
    Replayed,
    /// It finds what it needs by itself.
    Follows,
    /// It stays as it is, where it is.
    Kept,
}

impl Fate {
    /// The word in the list.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Changed => "changed",
            Self::Replayed => "replayed",
            Self::Follows => "follows",
            Self::Kept => "kept",
        }
    }
}

/// One line of a checklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChecklistItem {
    /// What: `view public.v`.
    pub object: String,
    /// What becomes of it.
    pub fate: Fate,
    /// How, or why not.
    pub how: String,
}

impl fmt::Display for ChecklistItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, fate, how } = self;
        write!(f, "{:<8} {object}: {how}", fate.as_str())
    }
}

/// What a run intends.
#[derive(Debug, Clone)]
pub struct Plan<A> {
    /// To be done, in this order.
    pub actions: Vec<A>,
    /// Left alone.
    pub spared: Vec<Spared>,
    /// Cannot be served.
    pub refused: Vec<Refused>,
    /// Sentences for the operator.
    pub warnings: Vec<String>,
    /// How things stand, whether or not there is anything to do.
    pub standing: Vec<Standing>,
    /// Where a table changes what it is: what becomes of all that stands on it.
    pub checklist: Vec<ChecklistItem>,
}

impl<A> Default for Plan<A> {
    fn default() -> Self {
        Self {
            actions: Vec::new(),
            spared: Vec::new(),
            refused: Vec::new(),
            warnings: Vec::new(),
            standing: Vec::new(),
            checklist: Vec::new(),
        }
    }
}

impl<A> Plan<A> {
    /// Leaves an object alone.
    pub fn spare(&mut self, object: impl fmt::Display, reason: impl Into<String>) {
        self.spared.push(Spared { object: object.to_string(), reason: reason.into() });
    }

    /// Says how things stand.
    pub fn stands(
        &mut self,
        object: impl fmt::Display,
        measure: &'static str,
        value: impl Into<String>,
    ) {
        self.standing.push(Standing { object: object.to_string(), measure, value: value.into() });
    }

    /// Refuses a table.
    pub fn refuse(&mut self, object: impl fmt::Display, fault: Fault) {
        self.refused.push(Refused { object: object.to_string(), fault });
    }
}

/// A plan as shown: `plan --format json`, and the text below.
#[derive(Debug, Clone)]
pub struct PlanView {
    /// The job.
    pub job: JobName,
    /// To be done.
    pub actions: Vec<ActionView>,
    /// Left alone.
    pub spared: Vec<Spared>,
    /// Cannot be served; shown among the warnings.
    pub refused: Vec<Refused>,
    /// Sentences for the operator.
    pub warnings: Vec<String>,
    /// How things stand; shown by `status`.
    pub standing: Vec<Standing>,
    /// What becomes of all that stands on a table; empty where no table changes what it is.
    pub checklist: Vec<ChecklistItem>,
}

/// An action as shown.
#[derive(Debug, Clone, Serialize)]
pub struct ActionView {
    /// Its kind.
    pub kind: &'static str,
    /// Its object.
    pub object: String,
    /// Why.
    pub reason: String,
    /// The very SQL.
    pub sql: Vec<String>,
    /// See [`Action::is_upkeep`]: nothing that `plan --check` would report.
    #[serde(skip)]
    pub upkeep: bool,
}

impl<A: Action> Plan<A> {
    /// The plan as shown.
    #[must_use]
    pub fn view(&self, job: JobName) -> PlanView {
        let actions = self
            .actions
            .iter()
            .map(|action| ActionView {
                kind: action.kind(),
                object: action.object(),
                reason: action.reason(),
                sql: action.sql(),
                upkeep: action.is_upkeep(),
            })
            .collect();
        PlanView {
            job,
            actions,
            spared: self.spared.clone(),
            refused: self.refused.clone(),
            warnings: self.warnings.clone(),
            standing: self.standing.clone(),
            checklist: self.checklist.clone(),
        }
    }
}

impl PlanView {
    /// A job that cannot be planned, for this reason.
    #[must_use]
    pub fn broken(job: JobName, fault: Fault) -> Self {
        let mut plan = Plan::<std::convert::Infallible>::default();
        plan.refuse(job, fault);
        Self {
            job,
            actions: Vec::new(),
            spared: plan.spared,
            refused: plan.refused,
            warnings: plan.warnings,
            standing: plan.standing,
            checklist: plan.checklist,
        }
    }

    /// Every sentence for the operator: what cannot be served first.
    fn sentences(&self) -> Vec<String> {
        let refused = self.refused.iter().map(|refused| format!("refused: {}", refused.fault));
        refused.chain(self.warnings.iter().cloned()).collect()
    }
}

/// The JSON of `plan`, whose names are a contract.
impl Serialize for PlanView {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("job", &self.job)?;
        map.serialize_entry("actions", &self.actions)?;
        map.serialize_entry("spared", &self.spared)?;
        map.serialize_entry("warnings", &self.sentences())?;
        if !self.checklist.is_empty() {
            map.serialize_entry("checklist", &self.checklist)?;
        }
        map.end()
    }
}

impl fmt::Display for PlanView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, actions, spared, .. } = self;
        writeln!(f, "{job}: {} to do, {} left alone", actions.len(), spared.len())?;
        for warning in self.sentences() {
            writeln!(f, "  ! {warning}")?;
        }
        for item in &self.checklist {
            writeln!(f, "  | {item}")?;
        }
        for ActionView { kind, object, reason, sql, .. } in actions {
            writeln!(f, "  + {kind} {object}: {reason}")?;
            for line in sql.iter().flat_map(|statement| indented(statement)) {
                writeln!(f, "      {line}")?;
            }
        }
        for Spared { object, reason } in spared {
            writeln!(f, "  · {object}: {reason}")?;
        }
        Ok(())
    }
}

/// A statement's lines, ended by a semicolon, so that they can be pasted into psql.
fn indented(statement: &str) -> impl Iterator<Item = String> + '_ {
    let last = statement.lines().count().saturating_sub(1);
    statement
        .lines()
        .enumerate()
        .map(move |(index, line)| if index == last { format!("{line};") } else { line.to_owned() })
}
