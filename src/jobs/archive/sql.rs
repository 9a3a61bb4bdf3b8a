//! The statements of a move. Their text is fixed for the whole run: what changes travels as values.

use std::fmt::Write as _;

use super::account::layout::layout_of;
use super::account::{Entry, Kind, Record};
use super::columns::{self, ARCHIVED_AT, Mapping};
use super::due::DueRows;
use super::walk::{Term, Walk};
use crate::config::checked::RuleName;
use crate::pg::catalog::columns::Column;
use crate::pg::catalog::shape;
use crate::pg::ident::{Ident, TableName, literal};
use crate::pg::version::Version;

/// The texts. `$1` is the cut-off, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// The first and last row of the first range, how many rows it has, and how many bytes; `$2`: rows
    /// at most; `$3`: the lowest age looked at, on a walk that leads with the age. No row: nothing is
    /// due.
    pub first_range: String,
    /// The same behind a row of the walk: `$3`, …
    pub next_range: String,
    /// Keeps both tables as they are from before the snapshot on: without it, a foreign key that
    /// comes between the snapshot and the DELETE would delete rows elsewhere, unseen.
    pub lock: String,
    /// Copies a range: `$2`, … its first row, then its last. Absent: rows go nowhere.
    pub insert: Option<String>,
    /// Whether both tables still look as they did; `$1`: their shape.
    pub unchanged: String,
    /// Whether the source still looks as it did, and how both tables look now; `$1`: its shape.
    pub settled: String,
    /// Deletes the same range; values as for `insert`.
    pub delete: String,
    /// Records it. Absent: rows go nowhere.
    pub entry: Option<Entry>,
    /// Records the same range before it is deleted and goes nowhere; values as for `insert`.
    pub gone: Option<String>,
    /// Moves, or deletes, what nobody holds locked in a range; values as for `insert`. Returns whether
    /// all that was deleted was inserted where it should be, and how much.
    pub step_over: String,
    /// Counts what is left in a range; values as for `insert`.
    pub left: String,
    /// Stores the walk's position; `$1`: source, `$2`: walk, `$3`: values.
    pub remember: String,
    /// Ends the pass; `$1`: source.
    pub forget: String,
}

const REMEMBER: &str = "\
INSERT INTO archive_position (source, walk, after, updated_at)
VALUES ($1, $2, $3::jsonb, now())
ON CONFLICT (source) DO UPDATE
SET walk = excluded.walk, after = excluded.after, updated_at = excluded.updated_at";

const FIRST: &str = "-- the first range, where it is not known";
const NEXT: &str = "-- the next range, where there may be one";

/// A crash takes a batch back whole, whose rows are then in the hot table again, as is the position.
/// The record of the run is committed after all of them, waits for the disk, and so for them.
const LATER: &str = "SET LOCAL synchronous_commit = off";

const FORGET: &str = "DELETE FROM archive_position WHERE source = $1";

impl Texts {
    /// Writes them. The tables beside must stay as they are, too.
    #[must_use]
    pub fn new(
        due: &DueRows,
        into: &TableName,
        walk: &Walk,
        map: &Mapping,
        source_columns: &[Column],
        beside: &[&TableName],
        rule: Option<&RuleName>,
    ) -> Self {
        let source = &due.source;
        let condition = due_in_range(due, walk);
        let tables = [&[source, into], beside].concat();
        let record = Record {
            kind: Kind::Move,
            source: source.clone(),
            target: into.clone(),
            rule: rule.cloned(),
            walk: walk.signature(),
            layout: layout_of(source_columns, &map.from),
            age: due.age.to_string(),
            stamp: map.stamps.then(|| "now()".to_owned()),
        };
        Self {
            insert: Some(insert(into, source, map, &condition)),
            entry: Some(record.entry(source, &condition, walk.columns.len())),
            step_over: step_over(source, &insert_into(into, map), walk, map, &condition, &record),
            ..Self::of_deletion(due, walk, source_columns, &tables, None)
        }
    }

    /// Writes those that only delete, on record or not; these tables must stay as they are, the source
    /// first.
    #[must_use]
    pub fn of_deletion(
        due: &DueRows,
        walk: &Walk,
        source_columns: &[Column],
        tables: &[&TableName],
        record: Option<&Record>,
    ) -> Self {
        let (source, predicate) = (&due.source, predicate(due, walk));
        let condition = due_in_range(due, walk);
        let behind = format!("{}\n  AND {predicate}", above(walk, ">", 3));
        let only: Vec<String> = tables.iter().map(|table| format!("ONLY {table}")).collect();
        let width = &columns::width(source_columns);
        Self {
            first_range: first_range(due, walk, source_columns),
            next_range: format!("{NEXT}\n{}", edges(source, &behind, walk, width)),
            lock: format!("{LATER};\nLOCK TABLE {} IN ROW EXCLUSIVE MODE", only.join(", ")),
            insert: None,
            unchanged: format!("SELECT {} = $1", shape::sql(tables)),
            settled: format!("SELECT {} = $1, {}", shape::sql(&[source]), shape::sql(tables)),
            gone: record.map(|record| record.of(source, &condition, walk.columns.len())),
            delete: format!("DELETE FROM {source}\nWHERE {condition}"),
            entry: None,
            step_over: delete_free(source, walk, &condition, record),
            left: format!(
                "-- after that: how many stayed\nSELECT count(*) FROM {source}\nWHERE {condition}"
            ),
            remember: REMEMBER.to_owned(),
            forget: FORGET.to_owned(),
        }
    }

    /// Holds only while there are no tables of these names.
    #[must_use]
    pub fn while_missing<'a>(mut self, tables: impl Iterator<Item = &'a TableName>) -> Self {
        for table in tables {
            let name = literal(&table.to_string());
            let _ = write!(self.unchanged, "\n  AND to_regclass({name}) IS NULL");
        }
        self
    }
}

/// [`Texts::first_range`].
#[must_use]
fn first_range(due: &DueRows, walk: &Walk, source_columns: &[Column]) -> String {
    let predicate = predicate(due, walk);
    let from = if walk.leads_with(&due.age) {
        format!("{} >= $3::{}\n  AND {predicate}", due.age, due.age_type.sql())
    } else {
        predicate
    };
    format!("{FIRST}\n{}", edges(&due.source, &from, walk, &columns::width(source_columns)))
}

/// Copies the rows of a condition.
#[must_use]
pub fn insert(into: &TableName, source: &TableName, map: &Mapping, condition: &str) -> String {
    let (_, values) = lists(map);
    format!("{}\nSELECT {values}\nFROM {source}\nWHERE {condition}", insert_into(into, map))
}

fn insert_into(into: &TableName, map: &Mapping) -> String {
    let (columns, _) = lists(map);
    let overriding = if map.overrides_identity { " OVERRIDING SYSTEM VALUE" } else { "" };
    format!("INSERT INTO {into} ({columns}){overriding}")
}

/// What follows WHERE for the due rows of a range; values as for the INSERT.
#[must_use]
pub fn due_in_range(due: &DueRows, walk: &Walk) -> String {
    format!("{}\n  AND {}", range(walk), predicate(due, walk))
}

fn predicate(due: &DueRows, walk: &Walk) -> String {
    if walk.blocks.is_some() { due.predicate_by_place() } else { due.predicate() }
}

/// The two lists of the INSERT.
fn lists(map: &Mapping) -> (String, String) {
    let (mut columns, mut values) = (list(&map.into), list(&map.from));
    if map.stamps {
        let _ = write!(columns, ", {ARCHIVED_AT}");
        values += ", now()";
    }
    (columns, values)
}

/// `a, b`
#[must_use]
pub fn list(names: &[Ident]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The rows above (or below) a row whose values are `$bind` and following.
///
/// A value arrives as text. Compared with one column, its cast is part of the index condition and
/// done once; compared as a row it would be done for each row (about 4 ms for 10,000 of them), so
/// there it stands in a sub-select. The leading column also stands by itself, for the planner's
/// estimate and the pruning of partitions.
pub(super) fn above(walk: &Walk, operator: &str, bind: usize) -> String {
    let value = |(offset, term): (usize, &Term)| format!("${}::{}", bind + offset, term.type_sql);
    let values: Vec<String> = walk.columns.iter().enumerate().map(value).collect();
    let leading = &walk.columns[0].sql;
    if walk.columns.len() == 1 {
        return format!("{leading} {operator} {}", values[0]);
    }
    let loose = if operator.starts_with('>') { ">=" } else { "<=" };
    let once: Vec<String> = values.iter().map(|value| format!("(SELECT {value})")).collect();
    format!("{leading} {loose} {} AND {} {operator} ({})", values[0], walk.list(), once.join(", "))
}

/// Both ends included.
pub(super) fn range(walk: &Walk) -> String {
    let ends = [above(walk, ">=", 2), above(walk, "<=", 2 + walk.columns.len())];
    let places = walk.names_places.then_some(PLACES);
    ends.iter().map(String::as_str).chain(places).collect::<Vec<_>>().join("\n  AND ")
}

/// Every place in the blocks from `$2` to `$3`. Each row costs 28 bytes of its block at least.
const PLACES: &str = "\
ctid = ANY (ARRAY(
SELECT format('(%s,%s)', block, number)::tid
FROM generate_series(($2::point)[0]::bigint, ($3::point)[0]::bigint) AS block,
  generate_series(1, current_setting('block_size')::int / 28) AS number))";

/// One row: the first row's values as text, then the last's, then the number of rows and their bytes.
/// The first is what the sub-query gives first; were it another, rows would wait for the next pass.
///
/// The last row is found before its values are made texts, or those of all rows were made before the
/// sort: a third of the time.
///
/// A sweep reads in the order of places by itself; to ask for that order would sort the whole table.
pub(super) fn edges(source: &TableName, condition: &str, walk: &Walk, width: &str) -> String {
    let each =
        |form: fn(&Term) -> String| walk.columns.iter().map(form).collect::<Vec<_>>().join(", ");
    let selected = each(Term::selected);
    let text = |row: &str| {
        let value = |term: &Term| format!("{row}.{}::text", term.name);
        walk.columns.iter().map(value).collect::<Vec<_>>().join(", ")
    };
    let (first, last) = (text("due"), text("last"));
    let down = each(|term| format!("{} DESC", term.name));
    let up = each(|term| term.sql.clone());
    let order = if walk.blocks.is_some() { String::new() } else { format!("ORDER BY {up} ") };
    format!(
        "WITH due AS MATERIALIZED (\nSELECT {selected},\n  {width} AS pgtend_width\nFROM {source}\nWHERE {condition}\n\
         {order}LIMIT $2::bigint)\n\
         SELECT * FROM (SELECT {first} FROM due LIMIT 1) AS lowest,\n\
         (SELECT {last} FROM (SELECT * FROM due ORDER BY {down} LIMIT 1) AS last) AS highest,\n\
         (SELECT count(*), sum(pgtend_width)::bigint FROM due) AS measured"
    )
}

/// One statement, so that what is deleted is what is inserted, in the version that was locked.
fn step_over(
    source: &TableName,
    insert_into: &str,
    walk: &Walk,
    map: &Mapping,
    condition: &str,
    record: &Record,
) -> String {
    let (from, (_, values)) = (list(&map.from), lists(map));
    format!(
        "-- only where rows stay locked: moves the others\n{}\nRETURNING {from},\n  {}),\n\
         kept AS (\n{insert_into}\nSELECT {values} FROM moved\nRETURNING 1),\n\
         recorded AS (\n{})\n\
         SELECT (SELECT count(*) FROM moved) = (SELECT count(*) FROM kept), (SELECT count(*) FROM kept)",
        take_free(source, walk, condition),
        record.returning(),
        record.insert("moved", walk.columns.len()),
    )
}

/// The same for rows that go nowhere.
fn delete_free(
    source: &TableName,
    walk: &Walk,
    condition: &str,
    record: Option<&Record>,
) -> String {
    let (returning, recorded) = match record {
        Some(record) => {
            let insert = record.insert("moved", walk.columns.len());
            (record.returning(), format!(",\nrecorded AS (\n{insert})"))
        }
        None => ("1".to_owned(), String::new()),
    };
    format!(
        "-- only where rows stay locked: deletes the others\n{}\nRETURNING {returning}){recorded}\n\
         SELECT true, count(*) FROM moved",
        take_free(source, walk, condition)
    )
}

/// Up to what the DELETE returns.
fn take_free(source: &TableName, walk: &Walk, condition: &str) -> String {
    let key = list(&walk.key);
    format!(
        "WITH free AS MATERIALIZED (\nSELECT {key}\nFROM {source}\nWHERE {condition}\n\
         FOR UPDATE SKIP LOCKED),\n\
         moved AS (\nDELETE FROM {source}\nWHERE {condition}\n  AND ({key}) IN (SELECT {key} FROM free)"
    )
}

/// Creates a target like the source: its columns without defaults, identities and generators, as
/// each value is given; the key, but no other index, as each costs half the rate; no foreign key, as
/// an archive outlives what it points at.
#[must_use]
pub fn create_target(
    source: &TableName,
    into: &TableName,
    key: &[Ident],
    map: &Mapping,
    version: Version,
) -> String {
    let compression = if version.has_column_compression() { " INCLUDING COMPRESSION" } else { "" };
    // The LIKE, and what follows it.
    let mut parts =
        vec![format!("  LIKE {source} INCLUDING COMMENTS INCLUDING STORAGE{compression}")];
    if map.stamps {
        parts.push(format!("  {ARCHIVED_AT} timestamptz NOT NULL DEFAULT now()"));
    }
    if !key.is_empty() {
        parts.push(format!("  PRIMARY KEY ({})", list(key)));
    }
    format!("CREATE TABLE IF NOT EXISTS {into} (\n{}\n)", parts.join(",\n"))
}
