//! The one statement that brings a range back: rows, what refers to them, and the record of both.
//!
//! Foreign keys are checked when the whole statement has run, so that children find what they refer to.

use super::super::account::layout::layout_of;
use super::super::account::{self, Record};
use super::super::children::ChildFacts;
use super::super::columns::{self, ARCHIVED_AT, Mapping};
use super::super::side::{Source, Target};
use super::super::sql::list;
use super::super::walk::Walk;
use crate::config::checked::Age;
use crate::pg::ident::{Ident, TableName};

/// Rows on their way from one archive to one table.
struct Way<'a> {
    table: &'a TableName,
    archive: &'a TableName,
    map: Mapping,
    record: Record,
    /// A row's hash over the columns that go back: the same there and here, or it was changed.
    hash: String,
}

impl<'a> Way<'a> {
    fn new(
        (table, source): (&'a TableName, &Source),
        (archive, target): (&'a TableName, &Target),
        walk: &Walk,
        age: String,
    ) -> Self {
        let map = columns::map(&target.columns, &source.columns);
        let forward = columns::map(&source.columns, &target.columns);
        let record = Record {
            kind: account::Kind::Restore,
            source: table.clone(),
            target: archive.clone(),
            rule: None,
            walk: walk.signature(),
            layout: layout_of(&source.columns, &forward.from),
            age,
            stamp: forward.stamps.then(|| ARCHIVED_AT.to_owned()),
        };
        let hash = layout_of(&source.columns, &map.into).hash();
        Self { table, archive, map, record, hash }
    }

    fn insert(&self) -> String {
        let Self { table, map, .. } = self;
        let overriding = if map.overrides_identity { " OVERRIDING SYSTEM VALUE" } else { "" };
        format!("INSERT INTO {table} ({}){overriding}", list(&map.into))
    }

    /// What a DELETE from the archive returns.
    fn leaving(&self) -> String {
        format!("{},\n  {} AS row_hash", self.record.returning(), self.hash)
    }
}

/// The statement.
pub struct Back<'a> {
    rows: Way<'a>,
    walk: &'a Walk,
    condition: &'a str,
    age: &'a Age,
    children: Vec<(Way<'a>, &'a [Ident], &'a [Ident])>,
}

impl<'a> Back<'a> {
    /// Of the rows of an archive that this WHERE finds, along this walk.
    pub fn new(
        hot: (&'a TableName, &Source),
        archive: (&'a TableName, &Target),
        walk: &'a Walk,
        condition: &'a str,
        age: &'a Age,
    ) -> Self {
        let rows = Way::new(hot, archive, walk, age.to_string());
        Self { rows, walk, condition, age, children: Vec::new() }
    }

    /// What refers to them comes with them. A child that has no archive has nothing there.
    pub fn with(&mut self, child: &'a ChildFacts) {
        let (Some(source), Some(target)) = (&child.source, &child.target) else { return };
        let [key] = child.keys.as_slice() else { return };
        // As old as what it refers to, as far as a batch can tell.
        let age = format!("(SELECT max(batch_age) FROM {})", self.arrived());
        let way = Way::new((&child.name, source), (&child.into, target), self.walk, age);
        self.children.push((way, &key.columns, &key.referenced));
    }

    /// Returns whether all that left the archives came back unchanged, how many rows that were, how
    /// many the range had, and how many of each child.
    pub fn sql(&self) -> String {
        let rows = if self.walk.blocks.is_some() { self.by_place() } else { self.by_key() };
        let met = if self.walk.blocks.is_some() {
            "FROM gone".to_owned()
        } else {
            format!("FROM {} WHERE {}", self.rows.archive, self.condition)
        };
        let mut terms = vec![rows, self.recorded(&self.rows, "gone")];
        let mut same = vec![unchanged("back", "gone")];
        let mut counts =
            vec!["(SELECT count(*) FROM back)".to_owned(), format!("(SELECT count(*) {met})")];
        for (number, child) in (1..).zip(&self.children) {
            let (gone, back) = (format!("gone_{number}"), format!("back_{number}"));
            terms.push(self.child(child, &gone, &back));
            terms.push(self.recorded(&child.0, &gone));
            same.push(unchanged(&back, &gone));
            counts.push(format!("(SELECT count(*) FROM {back})"));
        }
        format!(
            "WITH {}\nSELECT {},\n  {}",
            terms.join(",\n"),
            same.join("\n  AND "),
            counts.join(",\n  ")
        )
    }

    /// Where the rows are that came back.
    fn arrived(&self) -> &'static str {
        if self.walk.blocks.is_some() { "gone" } else { "back" }
    }

    /// What the hot table does not take stays.
    fn by_key(&self) -> String {
        let Self { rows, condition, .. } = self;
        let (archive, key) = (rows.archive, list(&self.walk.key));
        let referenced = self.children.iter().flat_map(|(_, _, referenced)| referenced.iter());
        let mut returned: Vec<&Ident> = Vec::new();
        for name in self.walk.key.iter().chain(referenced) {
            if !returned.contains(&name) {
                returned.push(name);
            }
        }
        let returned: Vec<String> = returned.iter().map(ToString::to_string).collect();
        format!(
            "back AS (\n{}\nSELECT {}\nFROM {archive}\nWHERE {condition}\n\
             ON CONFLICT DO NOTHING\nRETURNING {},\n  ({})::timestamptz AS batch_age, {} AS row_hash),\n\
             gone AS (\nDELETE FROM {archive}\nWHERE {condition}\n  AND ({key}) IN (SELECT {key} FROM back)\n\
             RETURNING {})",
            rows.insert(),
            list(&rows.map.from),
            returned.join(", "),
            self.age,
            rows.hash,
            rows.leaving(),
        )
    }

    /// Without a key nothing tells which rows arrived: all of a range do, or none.
    fn by_place(&self) -> String {
        let Self { rows, condition, .. } = self;
        let from = list(&rows.map.from);
        format!(
            "gone AS (\nDELETE FROM {}\nWHERE {condition}\nRETURNING {from},\n  {}),\n\
             back AS (\n{}\nSELECT {from}\nFROM gone\nRETURNING {} AS row_hash)",
            rows.archive,
            rows.leaving(),
            rows.insert(),
            rows.hash,
        )
    }

    fn child(
        &self,
        (way, columns, referenced): &(Way<'_>, &[Ident], &[Ident]),
        gone: &str,
        back: &str,
    ) -> String {
        let from = list(&way.map.from);
        format!(
            "{gone} AS (\nDELETE FROM {}\nWHERE ({}) IN (SELECT {} FROM {})\nRETURNING {from},\n  {}),\n\
             {back} AS (\n{}\nSELECT {from}\nFROM {gone}\nRETURNING {} AS row_hash)",
            way.archive,
            list(columns),
            list(referenced),
            self.arrived(),
            way.leaving(),
            way.insert(),
            way.hash,
        )
    }

    fn recorded(&self, way: &Way<'_>, gone: &str) -> String {
        let insert = way.record.insert(gone, self.walk.columns.len());
        format!("{gone}_recorded AS (\n{insert})")
    }
}

/// As many, and the same values. A sum, because equal pairs cancel each other in an xor.
fn unchanged(back: &str, gone: &str) -> String {
    let of = |term: &str| format!("(SELECT ROW(count(*), sum(row_hash)) FROM {term})");
    format!("{} IS NOT DISTINCT FROM {}", of(back), of(gone))
}
