//! Questions asked beside a transaction: on a second connection, at the same time, of the same snapshot.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgPool, Row};
use tokio::task::JoinHandle;

use super::execute::{Done, execute};
use super::fault::{Fault, Kind};
use super::step::{Statement, Step};

/// Names the transaction's snapshot for others.
pub(super) const EXPORT: &str = "SELECT pg_export_snapshot()";

/// Questions that are being answered, one after the other. Dropped, they end by themselves: they only
/// read.
pub(super) struct Beside {
    asked: Option<JoinHandle<Result<Vec<Done>, sqlx::Error>>>,
    answers: std::vec::IntoIter<Done>,
}

/// How long one may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For a lock, in milliseconds. It may queue behind one who waits for our transaction, which waits
    /// for the answer: only this limit ends that.
    pub lock_ms: u128,
    /// In all.
    pub statement: Duration,
}

/// What a step asks beside it, in the order of the answers.
pub(super) fn questions(step: &Step) -> Option<Vec<Statement>> {
    let question = |statement: &Statement| match &statement.beside {
        Some(question) => Some((**question).clone()),
        None => Some(statement.clone()).filter(|statement| statement.is_beside),
    };
    let all: Vec<Statement> = step.statements.iter().filter_map(question).collect();
    Some(all).filter(|questions| !questions.is_empty())
}

/// A statement with the answer among its values, where it asks for one.
pub(super) async fn answered<'a>(
    step: &Step,
    statement: &'a Statement,
    beside: &mut Option<Beside>,
) -> Result<Cow<'a, Statement>, Fault> {
    let (Some(_), Some(beside)) = (&statement.beside, beside) else {
        return Ok(Cow::Borrowed(statement));
    };
    let answer = beside.next(step).await?.first.ok_or_else(|| unanswered(step))?;
    let values = (0..answer.len()).map(|index| answer.try_get(index));
    let values: Result<Vec<Option<String>>, sqlx::Error> = values.collect();
    let mut answered = statement.clone();
    answered.binds.extend(values.map_err(|error| Fault::from_sqlx(step.doing, &error))?);
    Ok(Cow::Owned(answered))
}

/// The answer of a statement that is a question itself.
pub(super) async fn answer_to(
    step: &Step,
    statement: &Statement,
    beside: &mut Option<Beside>,
) -> Result<Option<Done>, Fault> {
    match beside {
        Some(beside) if statement.is_beside => beside.next(step).await.map(Some),
        _ => Ok(None),
    }
}

fn unanswered(step: &Step) -> Fault {
    Fault::new(Kind::Bug, step.doing, "a question without an answer")
}

impl Beside {
    /// Asks them, of the snapshot that [`EXPORT`] named.
    pub(super) fn ask(
        pool: PgPool,
        exported: &Done,
        questions: Vec<Statement>,
        limits: Limits,
    ) -> Self {
        let snapshot: Option<String> = exported.first.as_ref().and_then(|row| row.try_get(0).ok());
        // Without a name the server refuses the next statement, and the step fails.
        let snapshot = snapshot.unwrap_or_default();
        let settings = format!(
            "SET TRANSACTION SNAPSHOT '{snapshot}'; SET LOCAL lock_timeout = {}; \
             SET LOCAL statement_timeout = {}",
            limits.lock_ms,
            limits.statement.as_millis()
        );
        let asked = tokio::spawn(async move { ask_all(&pool, settings, &questions).await });
        Self { asked: Some(asked), answers: Vec::new().into_iter() }
    }

    /// The answer of the next question; all of them are waited for at once.
    async fn next(&mut self, step: &Step) -> Result<Done, Fault> {
        if let Some(asked) = self.asked.take() {
            let answers = asked
                .await
                .map_err(|panic| Fault::new(Kind::Bug, step.doing, panic.to_string()))?
                .map_err(|error| Fault::from_sqlx(step.doing, &error))?;
            self.answers = answers.into_iter();
        }
        self.answers.next().ok_or_else(|| unanswered(step))
    }
}

async fn ask_all(
    pool: &PgPool,
    settings: String,
    questions: &[Statement],
) -> Result<Vec<Done>, sqlx::Error> {
    let mut reading = pool.begin_with("BEGIN READ ONLY, ISOLATION LEVEL REPEATABLE READ").await?;
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut *reading).await?;
    let mut answers = Vec::with_capacity(questions.len());
    for question in questions {
        answers.push(execute(&mut reading, question).await?);
    }
    reading.commit().await?;
    Ok(answers)
}
