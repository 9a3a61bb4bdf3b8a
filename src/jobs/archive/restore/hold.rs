//! What is held back from being archived again.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use crate::config::checked::Age;
use crate::pg::catalog::own::has_table;
use crate::pg::condition::Condition;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{TableName, literal};

/// Rows that were brought back and stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What the ages are by; absent: what the rule goes by that asks.
    pub age: Option<Age>,
    /// From this age on.
    pub since: Option<DateTime<Utc>>,
    /// Below this age.
    pub until: Option<DateTime<Utc>>,
    /// Only those.
    pub condition: Option<Condition>,
    /// Until then.
    pub held_until: DateTime<Utc>,
}

impl Hold {
    fn which(&self, age: &Age) -> String {
        let age = self.age.as_ref().unwrap_or(age);
        matching(age, self.since, self.until, self.condition.as_ref())
    }

    /// For the plan.
    #[must_use]
    pub fn words(&self, age: &Age) -> String {
        let which = self.which(age);
        let until = self.held_until.format("%Y-%m-%d %H:%M:%SZ");
        format!("rows that were restored stay until {until}: {}", which.replace('\n', " "))
    }
}

/// An instant as SQL has it.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    format!("'{}'::timestamptz", at.format("%Y-%m-%d %H:%M:%S%.f+00"))
}

/// Which rows, as a condition over a table with this age column.
#[must_use]
pub fn matching(
    age: &Age,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    condition: Option<&Condition>,
) -> String {
    let since = since.map(|at| format!("{age} >= {}", instant(at)));
    let until = until.map(|at| format!("{age} < {}", instant(at)));
    let parts: Vec<String> =
        [since, until, condition.map(ToString::to_string)].into_iter().flatten().collect();
    if parts.is_empty() { "true".to_owned() } else { parts.join(" AND ") }
}

/// What a row must meet that may be archived: no hold has it.
#[must_use]
pub fn free(holds: &[Hold], age: &Age) -> Option<String> {
    let all: Vec<String> =
        holds.iter().map(|hold| format!("({}) IS NOT TRUE", hold.which(age))).collect();
    (!all.is_empty()).then(|| all.join(" AND "))
}

/// The holds of a table that have not ended.
///
/// # Errors
/// The server does not answer; a condition that is none.
pub async fn of(
    conn: &mut PgConnection,
    source: &TableName,
    now: DateTime<Utc>,
) -> Result<Vec<Hold>, Fault> {
    let failed =
        |error: sqlx::Error| Fault::from_sqlx("read what is held back of", &error).on(source);
    let exists = has_table(&mut *conn, "archive_hold").await.map_err(failed)?;
    if !exists {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "SELECT since, until, condition, held_until, to_jsonb(archive_hold) ->> 'age' FROM archive_hold \
         WHERE source = $1 AND held_until > $2 ORDER BY hold_id",
    )
    .bind(source.to_string())
    .bind(now)
    .fetch_all(conn)
    .await
    .map_err(failed)?;
    rows.iter()
        .map(|row| {
            let text: Option<String> = row.try_get(2).map_err(failed)?;
            let condition = text.map(|text| text.parse::<Condition>()).transpose();
            let condition = condition.map_err(|error| {
                let fault =
                    Fault::new(Kind::Refused, "read what is held back of", error.to_string());
                fault.on(source).with_hint("a row of archive_hold holds no condition; delete it")
            })?;
            let age: Option<String> = row.try_get(4).map_err(failed)?;
            Ok(Hold {
                age: age.and_then(|age| age.parse().ok()),
                since: row.try_get(0).map_err(failed)?,
                until: row.try_get(1).map_err(failed)?,
                condition,
                held_until: row.try_get(3).map_err(failed)?,
            })
        })
        .collect()
}

/// Records a hold in the place of one of the same rows, and forgets those that have ended.
#[must_use]
pub fn record(source: &TableName, hold: &Hold) -> Vec<String> {
    let at = |at: Option<DateTime<Utc>>| at.map_or("NULL".to_owned(), instant);
    let source = literal(&source.to_string());
    let condition =
        hold.condition.as_ref().map_or("NULL".to_owned(), |text| literal(text.as_str()));
    let age = hold.age.as_ref().map_or("NULL".to_owned(), |age| literal(&age.to_string()));
    let (since, until) = (at(hold.since), at(hold.until));
    vec![
        format!(
            "DELETE FROM archive_hold WHERE source = {source} AND (held_until <= now()\n  \
             OR since IS NOT DISTINCT FROM {since} AND until IS NOT DISTINCT FROM {until}\n    \
             AND condition IS NOT DISTINCT FROM {condition} AND age IS NOT DISTINCT FROM {age})"
        ),
        format!(
            "INSERT INTO archive_hold (source, since, until, condition, held_until, age)\n\
             VALUES ({source}, {since}, {until}, {condition}, {}, {age})",
            instant(hold.held_until)
        ),
    ]
}
