//! What is done on the table itself before the swap: it takes locks that readers and writers notice
//! for a moment, and scans that they do not.

use std::time::Duration;

use super::CHECK;
use super::blueprint::{Blueprint, plain};
use crate::pg::ident::{TableName, literal};
use crate::pg::step::{Expect, LockWait, Mode, Statement, Step};

/// Scans take as long as the table is large; what limits them is the job's own time-out.
const WITHOUT_LIMIT: &str = "SET LOCAL statement_timeout = 0";

/// The adoption goes on record before anything else is done.
#[must_use]
pub fn record(print: &Blueprint<'_>) -> Step {
    let sql = format!(
        "INSERT INTO partition_adoption (relation, name, key_column, cut, was_nullable) \
         SELECT oid, {}, {}, {}, {} FROM pg_class \
         WHERE oid = {} AND oid = {}::regclass AND relkind = 'r' RETURNING true",
        literal(&print.table.to_string()),
        literal(print.key.as_str()),
        literal(&print.cut),
        !print.key_is_not_null,
        print.relation.oid,
        literal(&print.table.to_string()),
    );
    let record = Statement::new(sql).expect(Expect::True("it is not that plain table any more"));
    print.step("record the adoption of", print.patient(), vec![record])
}

/// The index that will serve the widened primary key. One that was cut off is no use: it is made anew.
#[must_use]
pub fn key_index(print: &Blueprint<'_>) -> Vec<Step> {
    let (Some(index), name) = (print.widened(), &print.names.key_index) else { return Vec::new() };
    let alone = |doing, sql: String| Step {
        mode: Mode::Alone,
        ..print.step(doing, print.patient(), plain(["SET statement_timeout = 0".to_owned(), sql]))
    };
    let mut steps = Vec::new();
    if print.progress.key_index == Some(false) {
        let full = print.table.sibling(name.clone());
        steps.push(alone(
            "drop the unfinished index of",
            format!("DROP INDEX CONCURRENTLY IF EXISTS {full}"),
        ));
    }
    if print.progress.key_index != Some(true) {
        let columns = print.widened_columns(index);
        let sql = format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON {} {columns}", print.table);
        steps.push(alone("index the widened key of", sql));
    }
    steps
}

/// The bound as a CHECK: added without a scan, validated beside readers and writers. With it, neither
/// NOT NULL nor the attaching reads a row.
#[must_use]
pub fn check(print: &Blueprint<'_>) -> Vec<Step> {
    let (table, key, cut) = (print.table, &print.key, &print.cut);
    let mut steps = Vec::new();
    if print.progress.check.is_none() {
        let sql = format!(
            "ALTER TABLE {table} ADD CONSTRAINT {CHECK} CHECK ({key} IS NOT NULL AND {key} < {cut}) NOT VALID"
        );
        steps.push(print.step("add a check to", print.brief(), plain([sql])));
    }
    if print.progress.check != Some(true) {
        let sql = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {CHECK}");
        let statements = plain([WITHOUT_LIMIT.to_owned(), sql]);
        steps.push(print.step("validate the check of", print.patient(), statements));
    }
    if !print.key_is_not_null {
        let sql = format!("ALTER TABLE {table} ALTER COLUMN {key} SET NOT NULL");
        steps.push(print.step("forbid NULL in the key of", print.brief(), plain([sql])));
    }
    steps
}

/// Takes the CHECK back.
#[must_use]
pub fn uncheck(print: &Blueprint<'_>) -> Step {
    let sql = format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {CHECK}", print.table);
    print.step("drop the check of", print.brief(), plain([sql]))
}

/// After the swap: a foreign key that was made anew holds for old rows too.
#[must_use]
pub fn validate(table: &TableName, lock_timeout: Duration, of: &str, constraint: &str) -> Step {
    let sql = format!("ALTER TABLE {of} VALIDATE CONSTRAINT {constraint}");
    Step {
        doing: "validate a foreign key to",
        object: table.to_string(),
        mode: Mode::Transaction,
        lock: LockWait::patient(lock_timeout),
        statements: plain([WITHOUT_LIMIT.to_owned(), sql]),
    }
}
