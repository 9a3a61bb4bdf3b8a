//! What was agreed to be deleted.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::postgres::types::Oid;

use crate::config::checked::{Age, Purge, Rule};
use crate::pg::catalog::own::has_table;
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;
use crate::pg::step::{LockWait, Mode, Statement, Step};
use crate::time::period::Period;

/// On record a table's only rule has no name. No rule is called like the archive of a child, with its schema.
pub fn name_of(rule: &Rule) -> String {
    rule.name.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// What must be agreed to before rows are deleted by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Rows older than this go.
    pub older_than: Period,
    /// What tells their age: a column's name, or an expression in parentheses.
    pub age_column: String,
    /// Which of them; absent: all.
    pub condition: Option<String>,
}

/// An older schema of ours knows no rules.
const ON_RECORD: &str = "\
SELECT older_than, age_column, condition FROM archive_policy
WHERE relation = $1 AND coalesce(to_jsonb(archive_policy) ->> 'rule', '') = $2";

impl Policy {
    /// What is configured.
    #[must_use]
    pub fn of(purge: &Purge) -> Self {
        Self {
            older_than: purge.older_than,
            age_column: match &purge.age {
                Age::Column(column) => column.as_str().to_owned(),
                Age::Expression(expression) => expression.to_string(),
            },
            condition: purge.condition.as_ref().map(|condition| condition.as_str().to_owned()),
        }
    }

    /// What is on record of a rule of a table, or of the archive of a child by its name; absent: nothing, or
    /// what cannot be read, and is to be asked for again.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn on_record(
        conn: &mut PgConnection,
        table: Oid,
        name: &str,
    ) -> Result<Option<Self>, Fault> {
        let failed =
            |error: sqlx::Error| Fault::from_sqlx("read what was agreed to delete", &error);
        let exists = has_table(&mut *conn, "archive_policy").await.map_err(failed)?;
        if !exists {
            return Ok(None);
        }
        let row: Option<(String, String, Option<String>)> = sqlx::query_as(ON_RECORD)
            .bind(table)
            .bind(name)
            .fetch_optional(conn)
            .await
            .map_err(failed)?;
        Ok(row.and_then(|(older_than, age_column, condition)| {
            Some(Self { older_than: older_than.parse().ok()?, age_column, condition })
        }))
    }

    /// Whether this policy, agreed to, deletes all that the other one does.
    #[must_use]
    pub fn allows(&self, other: &Self, now: DateTime<Utc>) -> bool {
        let horizon = |policy: &Self| policy.older_than.before(now, chrono_tz::UTC);
        self.age_column == other.age_column
            && self.condition == other.condition
            && horizon(self) >= horizon(other)
    }

    /// `older than 7 years by created_at`
    #[must_use]
    pub fn words(&self) -> String {
        let condition = self.condition.as_deref();
        let condition = condition.map_or_else(String::new, |text| format!(", where {text}"));
        format!(
            "older than {} by {}{condition}",
            self.older_than,
            self.age_column.replace('\n', "")
        )
    }
}

/// A policy goes on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// The table that rows are deleted from, and by which of its rules.
    pub rule: Rule,
    /// The table: another one of that name is asked about again.
    pub oid: Oid,
    /// The archives of its children: what refers there to its rows goes with them.
    pub with: Vec<TableName>,
    /// What is agreed.
    pub policy: Policy,
    /// A person said so with `--confirm`.
    pub is_confirmed: bool,
    /// Why.
    pub why: &'static str,
}

/// Nobody else waits for our own table.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

const AGREE: &str = "\
INSERT INTO archive_policy (relation, older_than, age_column, condition, rule)
VALUES ($1::oid, $2, $3, $4, $5)
ON CONFLICT (relation, rule) DO UPDATE
SET older_than = excluded.older_than, age_column = excluded.age_column,
    condition = excluded.condition, agreed_at = clock_timestamp()";

impl Agreement {
    /// One transaction.
    #[must_use]
    pub fn step(&self) -> Step {
        let Policy { older_than, age_column, condition } = &self.policy;
        let agree = |name: String| {
            Statement::new(AGREE).bind(vec![
                Some(self.oid.0.to_string()),
                Some(older_than.to_string()),
                Some(age_column.clone()),
                condition.clone(),
                Some(name),
            ])
        };
        let names = std::iter::once(name_of(&self.rule));
        let names = names.chain(self.with.iter().map(ToString::to_string));
        Step {
            doing: "record the policy of",
            object: self.rule.to_string(),
            mode: Mode::Transaction,
            lock: LockWait::patient(LOCK_TIMEOUT),
            statements: names.map(agree).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(older_than: &str, condition: Option<&str>) -> Policy {
        Policy {
            older_than: older_than.parse().unwrap(),
            age_column: "created_at".to_owned(),
            condition: condition.map(str::to_owned),
        }
    }

    #[test]
    fn what_deletes_more_was_not_agreed_to() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let agreed = policy("2 years", None);
        assert!(agreed.allows(&policy("2 years", None), now));
        assert!(agreed.allows(&policy("24 months", None), now), "the same, in other words");
        assert!(agreed.allows(&policy("3 years", None), now), "it deletes less");
        assert!(!agreed.allows(&policy("700 days", None), now));
        assert!(!agreed.allows(&policy("3 years", Some("true")), now), "who knows");
        let other = Policy { age_column: "archived_at".to_owned(), ..agreed.clone() };
        assert!(!agreed.allows(&other, now), "another age");
    }
}
