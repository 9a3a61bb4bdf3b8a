//! One rule of `[archive.tables]`: its own section, behind which the table's stands. What follows from
//! the two is told here, for what is checked and for what is meant.

use super::path::KeyPath;
use super::section::Section;
use super::settings::Settings;
use crate::pg::ident::TableName;

/// What tells a row's age: one of them.
pub(super) const AGES: [&str; 2] = ["age_column", "age_expression"];

/// The rules of a table; a table that has none is one itself.
pub(super) fn rules<'a>(table: &Section<'a>) -> Vec<Section<'a>> {
    let settings = table.settings;
    let rule = |path| Section { settings, path, outer: Some(table.path.clone()) };
    let rules: Vec<_> = table.each("rules").map(rule).collect();
    if rules.is_empty() { vec![Section::of(settings, table.path.clone())] } else { rules }
}

/// Every rule of every table.
pub(super) fn all(settings: &Settings) -> Vec<Section<'_>> {
    let archive = Section::of(settings, KeyPath::of("archive"));
    let tables = archive.each("tables").map(|table| Section::of(settings, table));
    tables.flat_map(|table| rules(&table)).collect()
}

/// Such a rule.
impl Section<'_> {
    /// The table's section.
    pub(super) fn table(&self) -> &KeyPath {
        self.outer.as_ref().unwrap_or(&self.path)
    }

    /// Where the age is told, and by which of [`AGES`]: of two sections the inner one tells, whichever
    /// it has.
    pub(super) fn age(&self) -> (KeyPath, &'static str) {
        let told = |section: &KeyPath| {
            let mut paths = AGES.into_iter().map(|name| (section.join(name), name));
            paths.find(|(path, _)| self.settings.setting(path).is_some())
        };
        let own = told(&self.path);
        own.or_else(|| told(self.table())).unwrap_or_else(|| (self.at(AGES[0]), AGES[0]))
    }

    /// Whether it deletes. One that names a table to move to does not: it keeps what the table's other
    /// rules delete.
    pub(super) fn deletes(&self) -> bool {
        let own = self.own("delete");
        own.or_else(|| self.own::<TableName>("into").map(|_| false))
            .or_else(|| self.settings.get(&self.table().join("delete")))
            .unwrap_or(false)
    }

    /// Where its rows go; `None`: nowhere, or nobody said.
    pub(super) fn archive(&self) -> Option<TableName> {
        if self.deletes() { None } else { self.get("into") }
    }
}
