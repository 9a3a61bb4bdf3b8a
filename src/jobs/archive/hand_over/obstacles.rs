//! What speaks against handing a partition over: the server would refuse, or would scan, build, keep or
//! lose something. Pure: the catalog's facts in, reasons and cures out.

use std::fmt;

use super::facts::Looked;
use super::{SCANNED_MAX, provable};
use crate::config::checked::ArchiveTable;
use crate::jobs::archive::columns;
use crate::jobs::archive::side::{Source, Target};
use crate::pg::catalog::columns::Column;
use crate::pg::catalog::hand_over::Leaf;
use crate::pg::ident::{TableName, quoted};

/// What speaks against handing a partition over.
pub enum Against {
    /// The archive has a place for its rows: they move one by one.
    ByRows,
    /// Some of it is not old yet.
    TooYoung,
    /// The server would refuse, or do more than change its catalog.
    Obstacle(Obstacle),
}

/// Why a partition is not handed over.
pub struct Obstacle {
    why: String,
    cure: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; the cure: {}", self.why, self.cure)
    }
}

fn because(why: impl Into<String>, cure: impl Into<String>) -> Obstacle {
    Obstacle { why: why.into(), cure: cure.into() }
}

/// What the catalog says against handing a partition over; what its rows say comes after.
#[must_use]
pub fn speaks_against(
    looked: &Looked,
    leaf: &Leaf,
    name: &TableName,
    policy: &ArchiveTable,
    (source, target): (&Source, &Target),
) -> Option<Against> {
    if leaf.overlaps.is_some() {
        return Some(Against::ByRows);
    }
    if !leaf.is_past {
        // A default partition takes single rows.
        let waits = looked.into_default.is_none();
        return Some(if waits { Against::TooYoung } else { Against::ByRows });
    }
    let obstacle = tables(looked, name, policy, (source, target))
        .or_else(|| partition(looked, leaf, policy))
        .or_else(|| unprovable(looked, leaf, name, policy, source));
    obstacle.map(Against::Obstacle)
}

/// What concerns both tables as such.
#[must_use]
pub fn tables(
    looked: &Looked,
    name: &TableName,
    policy: &ArchiveTable,
    (source, target): (&Source, &Target),
) -> Option<Obstacle> {
    if let Some(rival) = policy.rivals.iter().find(|rival| rival.condition.is_none()) {
        let rule = rival.rule.as_ref().map(ToString::to_string).unwrap_or_default();
        return Some(because(
            format!("rule {rule} takes rows of any kind elsewhere"),
            format!("write a `where` for {rule}"),
        ));
    }
    let (into, pair) = (&policy.into, &looked.pair);
    for (table, relation) in [(name, &looked.from), (into, &looked.into)] {
        if !relation.rights.acts_as_owner {
            return Some(because(
                format!("{table} belongs to {}, whose rights pgtend lacks", relation.owner),
                format!(
                    "as a superuser: GRANT {} TO the role pgtend connects as",
                    quoted(&relation.owner)
                ),
            ));
        }
        if relation.foreign_keys {
            return Some(because(
                format!("foreign keys of {table} or to it would be searched or kept"),
                "drop them, if the archive is to have whole partitions",
            ));
        }
    }
    if let Some(hook) = source.hooks.iter().chain(&target.hooks).next() {
        return Some(because(
            format!("trigger or rule {} on {} would not fire", hook.name, hook.table),
            "drop it, if nothing depends on it",
        ));
    }
    let has = |column: &&Column| target.columns.iter().any(|other| other.name == column.name);
    if let Some(column) = source.columns.iter().find(|column| !has(column)) {
        return Some(because(
            format!("{into} lacks column {}", column.name),
            format!("ALTER TABLE {into} ADD COLUMN {} {}", column.name, column.type_sql),
        ));
    }
    if let Some(column) = pair.columns.first() {
        return Some(because(
            format!("column {column} is another in {into}: its type, NULL or generator"),
            format!("make {into} like {name}"),
        ));
    }
    if let Some(check) = pair.checks.first() {
        return Some(because(
            format!("{into} has the constraint {check}, which {name} lacks"),
            format!("add it to {name}, or drop it from {into}"),
        ));
    }
    if let Some(publication) = pair.publications.first() {
        return Some(because(
            format!("publication {publication} would not tell its subscribers"),
            "publish neither table, if the archive is to have whole partitions",
        ));
    }
    if let Some(column) = own_columns(source, target).find(|column| added(column, source).is_none())
    {
        return Some(because(
            format!(
                "{into} has column {}, which fills itself, and a hand-over writes no row",
                column.name
            ),
            format!("ALTER TABLE {into} ALTER COLUMN {} DROP DEFAULT", column.name),
        ));
    }
    match &looked.into_default {
        Some((default, false)) => Some(because(
            format!("the default partition {default} has rows, which the server would search"),
            format!("empty it: pgtend partitions drain {into}"),
        )),
        _ => None,
    }
}

/// What concerns one partition.
fn partition(looked: &Looked, leaf: &Leaf, policy: &ArchiveTable) -> Option<Obstacle> {
    let (into, pair) = (&policy.into, &looked.pair);
    let alter = format!("ALTER TABLE {}.{}", quoted(&leaf.schema), quoted(&leaf.name));
    if leaf.kind != "r" {
        return Some(because(
            "it is partitioned itself, or a foreign table",
            format!("give {into} a partition for its range, so that its rows move one by one"),
        ));
    }
    if !leaf.is_ours || leaf.owner != pair.owner && !looked.into.rights.may_give_to_owner {
        return Some(because(
            format!(
                "it belongs to {}, {into} to {}, and pgtend has not the rights of both",
                leaf.owner, pair.owner
            ),
            format!("{alter} OWNER TO {}", pair.owner),
        ));
    }
    if !leaf.is_permanent {
        return Some(because(
            "it is unlogged: a crash of the server would empty it",
            alter + " SET LOGGED",
        ));
    }
    if leaf.row_security {
        return Some(because(
            "row level security is on for it",
            alter + " DISABLE ROW LEVEL SECURITY",
        ));
    }
    if let Some(hook) = leaf.hooks.first() {
        return Some(because(format!("it has {hook} of its own, and would keep it"), "drop it"));
    }
    if let Some(key) = leaf.foreign_keys.first() {
        return Some(because(format!("foreign key {key} of it or to it would stay"), "drop it"));
    }
    if let Some(publication) = leaf.publications.first() {
        return Some(because(
            format!("publication {publication} names it"),
            "drop it from the publication",
        ));
    }
    if pair.tablespace.is_some() && pair.tablespace != leaf.tablespace {
        let space = pair.tablespace.as_deref().unwrap_or_default();
        return Some(because(
            format!("{into} is kept in tablespace {space}, and a hand-over moves no bytes"),
            format!("in a quiet hour: {alter} SET TABLESPACE {}", quoted(space)),
        ));
    }
    if pair.access_method.is_some() && pair.access_method != leaf.access_method {
        return Some(because(
            format!("{into} has another access method, and a hand-over rewrites nothing"),
            "give both the same",
        ));
    }
    leaf.missing_keys.first().map(|key| {
        because(
            format!("{into} has the key {key}, and it has none like that: the server would make it under the lock"),
            format!("give both tables the same keys, or drop {key}"),
        )
    })
}

/// Large, and nothing can prove in time that the condition holds for all of its rows.
fn unprovable(
    looked: &Looked,
    leaf: &Leaf,
    name: &TableName,
    policy: &ArchiveTable,
    source: &Source,
) -> Option<Obstacle> {
    let condition = policy.whole().filter(|_| !is_small(leaf))?;
    let why = provable::obstacle(&condition, name, &source.columns, &looked.unsteady)?;
    Some(because(
        format!(
            "the condition cannot stand in an index, and it is too large to be scanned under a lock: {why}"
        ),
        "write `where` with IMMUTABLE expressions only",
    ))
}

/// No row at all is what the counters say, too, of a table they know nothing of.
#[must_use]
pub fn is_small(leaf: &Leaf) -> bool {
    leaf.rows_estimate.is_some_and(|rows| (1..=SCANNED_MAX).contains(&rows))
}

/// Columns that only the archive has.
pub fn own_columns<'a>(source: &'a Source, target: &'a Target) -> impl Iterator<Item = &'a Column> {
    let is_shared = |column: &Column| source.columns.iter().any(|other| other.name == column.name);
    target.columns.iter().filter(move |column| !is_shared(column))
}

/// Gives the partition such a column, as the rows of a batch would have it, without touching a row:
/// `now()` is the same for all of them, and kept once in the catalog.
#[must_use]
pub fn added(column: &Column, source: &Source) -> Option<Vec<String>> {
    let Column { name, type_sql, .. } = column;
    if columns::stamps(column, &source.columns) {
        let not_null = if column.is_not_null { " NOT NULL" } else { "" };
        let mut sql = vec![format!("ADD COLUMN {name} {type_sql}{not_null} DEFAULT now()")];
        if !column.has_default {
            sql.push(format!("ALTER COLUMN {name} DROP DEFAULT"));
        }
        return Some(sql);
    }
    let is_plain = !column.is_not_null && !column.has_default && column.generated.is_none();
    is_plain.then(|| vec![format!("ADD COLUMN {name} {type_sql}")])
}
