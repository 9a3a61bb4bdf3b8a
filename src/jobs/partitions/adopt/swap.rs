//! The one transaction that the application may notice: the names change hands, the old table is
//! attached, and what was bound to it is bound to the new one.

use std::time::Duration;

use super::CHECK;
use super::blueprint::Blueprint;
use crate::jobs::partitions::alike::clauses;
use crate::pg::catalog::inventory::{Inventory, ReferenceIn, View, fingerprint_sql};
use crate::pg::ident::{Ident, literal, quoted};
use crate::pg::step::{Expect, LockMode, LockWait, Statement, Step, Strong};

/// Once the table is locked, everyone waits for us: further locks are had at once or not at all.
const HURRY: &str = "SET LOCAL lock_timeout = '30ms'";
/// A statement that drags on, which none should, is given up.
const HOLD_MAX: Duration = Duration::from_secs(2);

const NOT_AS_SEEN: &str = "something that stands on the table, or reads it, has changed since it was \
                           looked at; the next run looks again";
const NOT_SWAPPED: &str = "the old table is not the first partition of the new one, or something is \
                           still bound to it";

/// The whole transaction. The work between two looks at the evidence is one round trip, so that the
/// locks last no longer over a slow network.
#[must_use]
pub fn swap(print: &Blueprint<'_>) -> Step {
    let mut statements: Vec<Statement> = locks(print).into_iter().map(Statement::new).collect();
    statements.push(evidence(print));
    statements.push(Statement::new(work(print).join(";\n")));
    statements.push(swapped(print));
    let others = print.inventory.references_in.iter().map(|reference| &reference.table);
    let strong = others.map(|table| Strong::new(table, LockMode::AccessExclusive));
    let strong = strong.chain([Strong::new(print.table, LockMode::AccessExclusive)]).collect();
    let lock = LockWait { hold_max: Some(HOLD_MAX), ..print.brief().looking_at(strong) };
    print.step("swap", lock, statements)
}

/// In the order in which applications lock: views and referencing tables before the table.
fn locks(print: &Blueprint<'_>) -> Vec<String> {
    let mut sql = Vec::new();
    for view in &print.inventory.views {
        // LOCK TABLE would lock all tables that the view reads as well. This changes nothing.
        sql.push(format!("ALTER VIEW {} OWNER TO {}", view.name, quoted(&view.owner)));
    }
    for reference in &print.inventory.references_in {
        sql.push(format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", reference.table));
    }
    sql.push(format!("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE", print.table));
    sql.push(HURRY.to_owned());
    sql
}

/// Nothing has changed since the inventory; the new table is ours; no scan is ahead.
fn evidence(print: &Blueprint<'_>) -> Statement {
    let (table, oid) = (literal(&print.table.to_string()), print.relation.oid);
    let parent = literal(&print.names.parent.to_string());
    let widened = if print.widened().is_some() {
        let index = literal(&print.table.sibling(print.names.key_index.clone()).to_string());
        format!(
            " AND EXISTS (SELECT FROM pg_index WHERE indexrelid = {index}::regclass \
             AND indrelid = {oid} AND indisvalid)"
        )
    } else {
        String::new()
    };
    let sql = format!(
        "SELECT {table}::regclass = {oid}::oid \
         AND EXISTS (SELECT FROM partition_adoption WHERE relation = {oid} AND parent = {parent}::regclass \
         AND adopted_at IS NULL) \
         AND EXISTS (SELECT FROM pg_constraint WHERE conrelid = {oid} AND conname = '{CHECK}' AND convalidated) \
         AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = {oid} AND attname = {} AND attnotnull){widened} \
         AND {} = {}",
        literal(print.key.as_str()),
        fingerprint_sql(oid, &own_names(print)),
        literal(print.fingerprint),
    );
    Statement::new(sql).expect(Expect::True(NOT_AS_SEEN))
}

/// What pgtend itself puts on the table meanwhile.
#[must_use]
pub fn own_names<'a>(print: &'a Blueprint<'_>) -> [&'a str; 2] {
    [CHECK, print.names.key_index.as_str()]
}

fn work(print: &Blueprint<'_>) -> Vec<String> {
    let Blueprint { table, names, inventory, cut, .. } = print;
    let mut sql = Vec::new();
    sql.extend(inventory.references_in.iter().map(unbind));
    sql.extend(sequences_over(print));
    if let Some(index) = print.widened() {
        let (old, new) = (&index.name, names.afterwards(&index.name));
        sql.push(format!(
            "ALTER TABLE {table} DROP CONSTRAINT {}, ADD CONSTRAINT {new} PRIMARY KEY USING INDEX {}",
            quoted(old),
            names.key_index,
        ));
    }
    let rows = inventory.triggers.iter().filter(|trigger| trigger.is_row);
    sql.extend(rows.map(|trigger| format!("DROP TRIGGER {} ON {table}", quoted(&trigger.name))));
    sql.extend(print.copied().map(|index| {
        let is_constraint = index.constraint.is_some();
        renamed(
            print,
            &table.to_string(),
            is_constraint,
            &index.name,
            &names.afterwards(&index.name),
        )
    }));
    sql.push(format!("ALTER TABLE {table} RENAME TO {}", names.old.table));
    sql.push(format!("ALTER TABLE {} RENAME TO {}", names.parent, table.table));
    sql.extend(inventory.indexes.iter().filter(|index| index.is_valid).filter_map(|index| {
        let new = Ident::new(&index.name).ok()?;
        let meanwhile = names.meanwhile(&index.name);
        let is_constraint = index.constraint.is_some();
        Some(renamed(print, &table.to_string(), is_constraint, meanwhile.as_str(), &new))
    }));
    sql.push(format!(
        "ALTER TABLE {table} ATTACH PARTITION {} FOR VALUES FROM (MINVALUE) TO ({cut})",
        names.old
    ));
    sql.push(format!("ALTER TABLE {} DROP CONSTRAINT {CHECK}", names.old));
    sql.extend(bind(print));
    sql.push(format!(
        "UPDATE partition_adoption SET adopted_at = clock_timestamp() WHERE relation = {}",
        print.relation.oid
    ));
    sql
}

fn renamed(
    print: &Blueprint<'_>,
    table: &str,
    is_constraint: bool,
    from: &str,
    to: &Ident,
) -> String {
    let from = quoted(from);
    if is_constraint {
        format!("ALTER TABLE {table} RENAME CONSTRAINT {from} TO {to}")
    } else {
        format!("ALTER INDEX {}.{from} RENAME TO {to}", print.table.schema)
    }
}

/// An identity's sequence cannot change tables: the new one goes on from where the old one is. It is
/// renamed first, which locks it against those who draw from it by its name.
fn sequences_over(print: &Blueprint<'_>) -> Vec<String> {
    let mut sql = Vec::new();
    for sequence in print.inventory.sequences.iter().filter(|s| s.identity.is_some()) {
        let schema = quoted(&sequence.schema);
        let (old, name) = (print.names.afterwards(&sequence.name), quoted(&sequence.name));
        let meanwhile = print.names.meanwhile(&sequence.name);
        let target = literal(&format!("{schema}.{meanwhile}"));
        sql.push(format!("ALTER SEQUENCE {schema}.{name} RENAME TO {old}"));
        sql.push(format!("SELECT setval({target}, last_value, is_called) FROM {schema}.{old}"));
        sql.push(format!(
            "ALTER TABLE {} ALTER COLUMN {} DROP IDENTITY",
            print.table,
            quoted(&sequence.column)
        ));
        sql.push(format!("ALTER SEQUENCE {schema}.{meanwhile} RENAME TO {name}"));
    }
    sql
}

/// What names the table is made anew from its definition, which now means the new table.
fn bind(print: &Blueprint<'_>) -> Vec<String> {
    let Blueprint { table, inventory, .. } = print;
    let mut sql = Vec::new();
    for sequence in inventory.sequences.iter().filter(|s| s.identity.is_none()) {
        sql.push(format!(
            "ALTER SEQUENCE {}.{} OWNED BY {table}.{}",
            quoted(&sequence.schema),
            quoted(&sequence.name),
            quoted(&sequence.column),
        ));
    }
    sql.extend(inventory.triggers.iter().map(|trigger| trigger.definition.clone()));
    sql.extend(print.policies.iter().map(|policy| clauses::policy(table, policy)));
    sql.extend(inventory.views.iter().map(view_sql));
    sql.extend(inventory.routines.iter().map(|routine| routine.definition.trim_end().to_owned()));
    sql.extend(published(inventory, print));
    sql.extend(inventory.references_in.iter().map(|reference| {
        let ReferenceIn { table, name, definition, .. } = reference;
        format!("ALTER TABLE {table} ADD CONSTRAINT {} {definition} NOT VALID", quoted(name))
    }));
    sql
}

fn unbind(reference: &ReferenceIn) -> String {
    format!("ALTER TABLE {} DROP CONSTRAINT {}", reference.table, quoted(&reference.name))
}

fn view_sql(view: &View) -> String {
    let options = if view.options.is_empty() {
        String::new()
    } else {
        format!(" WITH ({})", view.options.join(", "))
    };
    let query = view.definition.trim_end().trim_end_matches(';');
    format!("CREATE OR REPLACE VIEW {}{options} AS\n{query}", view.name)
}

fn published(inventory: &Inventory, print: &Blueprint<'_>) -> Vec<String> {
    let listed = inventory.publications.iter().filter(|publication| publication.is_listed);
    listed
        .flat_map(|publication| {
            let name = quoted(&publication.name);
            [
                format!("ALTER PUBLICATION {name} DROP TABLE {}", print.names.old),
                format!("ALTER PUBLICATION {name} ADD TABLE {}", print.table),
            ]
        })
        .collect()
}

/// The end, as it was meant: the name is the new table's, the old one is its partition, and no view
/// or function reads the old one any more.
fn swapped(print: &Blueprint<'_>) -> Statement {
    let oid = print.relation.oid;
    let sql = format!(
        "SELECT (SELECT parent FROM partition_adoption WHERE relation = {oid}) = {}::regclass \
         AND EXISTS (SELECT FROM pg_inherits WHERE inhrelid = {oid} AND inhparent = {}::regclass) \
         AND NOT EXISTS (SELECT FROM pg_depend WHERE refobjid = {oid} \
         AND classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass))",
        literal(&print.table.to_string()),
        literal(&print.table.to_string()),
    );
    Statement::new(sql).expect(Expect::True(NOT_SWAPPED))
}
