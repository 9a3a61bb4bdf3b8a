//! Taking back what was prepared. Nothing of it holds a row.

use super::blueprint::{Blueprint, plain};
use super::prove;
use crate::pg::ident::literal;
use crate::pg::step::{Expect, Mode, Statement, Step};

/// All steps; each may be done already.
#[must_use]
pub fn steps(print: &Blueprint<'_>) -> Vec<Step> {
    let Some(record) = print.record else { return Vec::new() };
    let mut steps = vec![give_back(print, record.was_nullable)];
    if record.parent_name.is_some() {
        steps.push(drop_parent(print));
    }
    if print.progress.key_index.is_some() {
        let index = print.table.sibling(print.names.key_index.clone());
        let sql = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
        let step = print.step("drop the prepared index of", print.patient(), plain([sql]));
        steps.push(Step { mode: Mode::Alone, ..step });
    }
    let forget = format!(
        "DELETE FROM partition_adoption WHERE relation = {} AND adopted_at IS NULL",
        record.relation
    );
    steps.push(print.step("forget the adoption of", print.patient(), plain([forget])));
    steps
}

/// The table takes again what it took before.
fn give_back(print: &Blueprint<'_>, was_nullable: bool) -> Step {
    let mut step = prove::uncheck(print);
    if was_nullable && print.key_is_not_null {
        let sql = format!("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", print.table, print.key);
        step.statements.push(Statement::new(sql));
    }
    step
}

/// It is ours by the record, and nobody has put a row into it.
fn drop_parent(print: &Blueprint<'_>) -> Step {
    let parent = &print.names.parent;
    let evidence = format!(
        "SELECT EXISTS (SELECT FROM partition_adoption WHERE relation = {} AND parent = {}::regclass \
         AND adopted_at IS NULL) AND NOT EXISTS (SELECT FROM {parent})",
        print.relation.oid,
        literal(&parent.to_string()),
    );
    let statements = vec![
        Statement::new(format!("LOCK TABLE {parent} IN ACCESS EXCLUSIVE MODE")),
        Statement::new(evidence).expect(Expect::True(
            "the partitioned table that was prepared is not ours any more, or holds rows",
        )),
        Statement::new(format!("DROP TABLE {parent}")),
        Statement::new(format!(
            "UPDATE partition_adoption SET parent = NULL WHERE relation = {}",
            print.relation.oid
        )),
    ];
    print.step("drop the prepared table of", print.brief(), statements)
}
