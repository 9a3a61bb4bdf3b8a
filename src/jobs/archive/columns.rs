//! Which column goes where: by name, never by position.

use super::refusal::Refusal;
use crate::pg::catalog::columns::Column;
use crate::pg::ident::{Ident, TableName};

/// The column of an archive table that is filled with the time of the move.
pub const ARCHIVED_AT: &str = "archived_at";

/// The two lists of an `INSERT … SELECT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The columns inserted into.
    pub into: Vec<Ident>,
    /// The columns read, in the same order.
    pub from: Vec<Ident>,
    /// `archived_at` is filled too.
    pub stamps: bool,
    /// An identity of the archive table is `GENERATED ALWAYS`.
    pub overrides_identity: bool,
}

/// A difference by which values would be lost or refused.
#[derive(Debug)]
pub struct Drift {
    /// What is said about it, with the ALTER that ends it.
    pub refusal: Refusal,
    /// The clause of that ALTER, where it only changes the catalog: no row is rewritten or read.
    pub adoptable: Option<String>,
}

/// What comparing two tables' columns gives.
#[derive(Debug, Default)]
pub struct Compared {
    /// Values would be lost or refused.
    pub drift: Vec<Drift>,
    /// Worth knowing.
    pub warnings: Vec<String>,
}

impl Compared {
    fn refuse(&mut self, why: String, cure: String) {
        self.drift.push(Drift { refusal: Refusal::new(why, cure), adoptable: None });
    }

    fn adoptable(&mut self, why: String, into: &TableName, clause: String) {
        let refusal = Refusal::new(why, format!("ALTER TABLE {into} {clause}"));
        self.drift.push(Drift { refusal, adoptable: Some(clause) });
    }
}

/// The target's columns once it has adopted what the source has and it lacks.
#[must_use]
pub fn adopted(source: &[Column], target: &[Column]) -> Vec<Column> {
    let is_new =
        |column: &&Column| column.generated.is_none() && find(target, &column.name).is_none();
    let new = source.iter().filter(is_new).cloned();
    let plain = new.map(|column| Column { is_identity_always: false, ..column });
    target.iter().cloned().chain(plain).collect()
}

/// The mapping for a target that has every column it needs.
#[must_use]
pub fn map(source: &[Column], target: &[Column]) -> Mapping {
    let pairs: Vec<(&Column, &Column)> = source
        .iter()
        .filter_map(|column| Some((column, find(target, &column.name)?)))
        .filter(|(_, into)| into.generated.is_none())
        .collect();
    Mapping {
        into: pairs.iter().map(|(_, into)| into.name.clone()).collect(),
        from: pairs.iter().map(|(from, _)| from.name.clone()).collect(),
        stamps: target.iter().any(|column| stamps(column, source)),
        overrides_identity: pairs.iter().any(|(_, into)| into.is_identity_always),
    }
}

/// The mapping for a target that is created like the source.
#[must_use]
pub fn map_to_copy(source: &[Column]) -> Mapping {
    let names: Vec<Ident> = source.iter().map(|column| column.name.clone()).collect();
    Mapping {
        into: names.clone(),
        from: names,
        stamps: !source.iter().any(|column| column.name.as_str() == ARCHIVED_AT),
        overrides_identity: false,
    }
}

/// Compares an existing target with the source.
#[must_use]
pub fn compare(
    source: &[Column],
    target: &[Column],
    into: &TableName,
    age: Option<&Ident>,
) -> Compared {
    let mut found = Compared::default();
    for column in source {
        match find(target, &column.name) {
            Some(other) => compare_column(column, other, into, age, &mut found),
            None if column.generated.is_none() => {
                let clause = format!("ADD COLUMN {} {}", column.name, column.type_sql);
                found.adoptable(format!("{into} lacks column {}", column.name), into, clause);
            }
            None => {}
        }
    }
    let fills_itself = |column: &&Column| !column.is_not_null || column.has_default;
    let own = target.iter().filter(|column| find(source, &column.name).is_none());
    for column in own.filter(|column| !fills_itself(column) && !stamps(column, source)) {
        found.refuse(
            format!("{into} wants a value for column {}, which the source lacks", column.name),
            format!("ALTER TABLE {into} ALTER COLUMN {} DROP NOT NULL", column.name),
        );
    }
    found
}

fn compare_column(
    column: &Column,
    other: &Column,
    into: &TableName,
    age: Option<&Ident>,
    found: &mut Compared,
) {
    let name = &column.name;
    match (&column.generated, &other.generated) {
        (None, Some(_)) => {
            found.refuse(
                format!("{into} generates column {name}, so the source's value would be lost"),
                format!("ALTER TABLE {into} ALTER COLUMN {name} DROP EXPRESSION"),
            );
            return;
        }
        (Some(here), Some(there)) if here != there => found.warnings.push(format!(
            "{into} generates column {name} as {there}, the source as {here}: archived rows show \
             another value"
        )),
        _ => {}
    }
    if other.generated.is_none() && !holds(column, other) {
        let why = format!(
            "column {name} is {} in {into}, {} in the source",
            other.type_sql, column.type_sql
        );
        let clause = format!("ALTER COLUMN {name} TYPE {}", column.type_sql);
        // What was there fits: a catalog entry.
        if holds(other, column) {
            found.adoptable(why, into, clause);
        } else {
            found.refuse(why, format!("ALTER TABLE {into} {clause}"));
        }
    }
    // A row without an age is never due.
    if other.is_not_null && !column.is_not_null && Some(name) != age {
        found.warnings.push(format!(
            "{into} refuses NULL in column {name}, the source allows it: a row with NULL there stops \
             the move"
        ));
    }
}

/// Why values of an archive cannot go back to the table they came from. A type of the same name with less
/// room does: each batch compares what came back.
#[must_use]
pub fn way_back(
    (archive, from): (&TableName, &[Column]),
    (table, to): (&TableName, &[Column]),
) -> Option<Refusal> {
    let plain = from.iter().filter(|column| column.generated.is_none());
    let lost = plain.filter_map(|column| match find(to, &column.name) {
        None if column.name.as_str() == ARCHIVED_AT => None,
        None => Some(Refusal::new(
            format!("{table} lacks column {}, whose values in {archive} would be lost", column.name),
            format!("add the column, or drop it from {archive}"),
        )),
        Some(other) if other.type_id != column.type_id => Some(Refusal::new(
            format!(
                "column {} is {} in {archive}, {} in {table}: values may not come back as they were",
                column.name, column.type_sql, other.type_sql
            ),
            format!("ALTER TABLE {archive} ALTER COLUMN {} TYPE {}", column.name, other.type_sql),
        )),
        Some(_) => None,
    });
    let needs =
        |column: &&Column| column.is_not_null && !column.has_default && column.generated.is_none();
    let new = to.iter().filter(|column| find(from, &column.name).is_none());
    let wanting = new.filter(needs).map(|column| {
        Refusal::new(
            format!("{table} wants a value for column {}, which {archive} lacks", column.name),
            format!("ALTER TABLE {table} ALTER COLUMN {} SET DEFAULT …", column.name),
        )
    });
    lost.chain(wanting).next()
}

/// Whether every value of one column fits into the other unchanged.
fn holds(column: &Column, other: &Column) -> bool {
    if column.type_id != other.type_id {
        return false;
    }
    let wider = match column.base_type.as_str() {
        // The modifier is the length.
        "character varying" | "bit varying" => {
            column.modifier >= 0 && other.modifier >= column.modifier
        }
        // Precision above, scale below bit 16: more digits in front do no harm.
        "numeric" => {
            column.modifier >= 0
                && other.modifier & 0xffff == column.modifier & 0xffff
                && other.modifier >= column.modifier
        }
        _ => false,
    };
    // Without a modifier a character or bit has length 1, and an interval or time all it can hold.
    let unlimited =
        other.modifier == -1 && !matches!(other.base_type.as_str(), "character" | "bit");
    column.modifier == other.modifier || unlimited || wider
}

/// Whether it is filled with the time of the move.
#[must_use]
pub fn stamps(column: &Column, source: &[Column]) -> bool {
    let is_time = matches!(
        column.base_type.as_str(),
        "timestamp with time zone" | "timestamp without time zone" | "date"
    );
    column.name.as_str() == ARCHIVED_AT
        && is_time
        && column.generated.is_none()
        && find(source, &column.name).is_none()
}

fn find<'a>(columns: &'a [Column], name: &Ident) -> Option<&'a Column> {
    columns.iter().find(|column| column.name == *name)
}

/// Types whose values are all of one length, of 16 bytes at most: boolean, numbers, times, UUIDs.
const SHORT: [u32; 15] =
    [16, 18, 20, 21, 23, 26, 700, 701, 790, 1082, 1083, 1114, 1184, 1186, 2950];

/// The bytes of a row, as SQL. Asking for the size of a large value does not fetch it.
#[must_use]
pub fn width(columns: &[Column]) -> String {
    let (short, long): (Vec<_>, Vec<_>) =
        columns.iter().partition(|column| SHORT.contains(&column.type_id.0));
    let long = long.iter().map(|column| format!(" + coalesce(pg_column_size({}), 0)", column.name));
    format!("{}{}", 8 * short.len(), long.collect::<String>())
}
