//! `[archive]`: each table's rules, with what the table says for all of them.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::{limits, schedule};
use crate::config::checked::{Age, Allowance, Archive, ArchiveTable, Purge, Rival, Rule, RuleName};
use crate::config::ruled::{self, AGES};
use crate::config::section::{Section, Unread};
use crate::pg::ident::TableName;

pub(super) fn archive(section: &Section<'_>) -> Result<Archive, Unread> {
    let schedule = schedule(section)?;
    let (mut tables, mut purges) = (BTreeMap::new(), BTreeMap::new());
    for (table, rules) in section.tables(|table| rules(table, schedule.timezone))? {
        for Read { name, moves, purge } in with_rivals(rules) {
            let rule = Rule { table: table.clone(), name };
            if let Some(purge) = purge {
                let archive_of = moves.as_ref().map(|_| table.clone());
                let from = moves.as_ref().map(|moves| Rule::of(moves.into.clone()));
                purges.insert(from.unwrap_or_else(|| rule.clone()), Purge { archive_of, ..purge });
            }
            tables.extend(moves.map(|moves| (rule, moves)));
        }
    }
    let limits = limits(&section.inner("limits"))?;
    Ok(Archive { schedule, tables, purges, limits })
}

/// One rule as it is read.
struct Read {
    name: Option<RuleName>,
    /// Absent where rows are deleted instead.
    moves: Option<ArchiveTable>,
    /// What is deleted for good.
    purge: Option<Purge>,
}

fn rules(table: &Section<'_>, timezone: Tz) -> Result<Vec<Read>, Unread> {
    let read = |section: &Section<'_>| {
        let name = section.outer.as_ref().map(|_| section.path.last().parse());
        rule(name.transpose().map_err(|_| Unread(section.path.clone()))?, section, timezone)
    };
    ruled::rules(table).iter().map(read).collect()
}

fn rule(name: Option<RuleName>, section: &Section<'_>, timezone: Tz) -> Result<Read, Unread> {
    let allowance = Allowance {
        max_duration: section.get("max_duration"),
        hours: section.get("hours").map(|hours| (hours, timezone)),
    };
    let deletes = section.deletes();
    let purge = purge(section, deletes, allowance)?;
    let moves = if deletes { None } else { Some(archive_table(section, allowance)?) };
    Ok(Read { name, moves, purge })
}

fn archive_table(section: &Section<'_>, allowance: Allowance) -> Result<ArchiveTable, Unread> {
    Ok(ArchiveTable {
        into: section.need("into")?,
        age: age(section)?,
        older_than: section.need("older_than")?,
        condition: section.get("where"),
        create_target: section.need("create_target")?,
        order: section.need("order")?,
        pace: section.need("pace")?,
        adopt_new_columns: section.need("adopt_new_columns")?,
        vacuum: section.need("vacuum")?,
        children: section.get("children").unwrap_or_default(),
        rivals: Vec::new(),
        batch_rows: section.need("batch_rows")?,
        max_rows: section.get("max_rows"),
        allowance,
    })
}

fn age(section: &Section<'_>) -> Result<Age, Unread> {
    let (path, name) = section.age();
    let age = if name == AGES[0] {
        section.settings.get(&path).map(Age::Column)
    } else {
        section.settings.get(&path).map(Age::Expression)
    };
    age.ok_or(Unread(path))
}

/// What is deleted for good: of the table itself, or of its archive.
fn purge(
    section: &Section<'_>,
    deletes: bool,
    allowance: Allowance,
) -> Result<Option<Purge>, Unread> {
    let older_than =
        if deletes { Some(section.need("older_than")?) } else { section.get("archive_retention") };
    let Some(older_than) = older_than else { return Ok(None) };
    Ok(Some(Purge {
        archive_of: None,
        children: section.get("children").unwrap_or_default(),
        age: age(section)?,
        older_than,
        condition: if deletes { section.get("where") } else { None },
        order: section.need("order")?,
        pace: section.need("pace")?,
        vacuum: section.need("vacuum")?,
        batch_rows: section.need("batch_rows")?,
        max_rows: section.get("max_rows"),
        allowance,
    }))
}

/// Tells each rule of a table about those that take rows elsewhere.
fn with_rivals(rules: Vec<Read>) -> Vec<Read> {
    let rivals: Vec<(Option<TableName>, Rival)> = rules
        .iter()
        .map(|rule| {
            let condition = match (&rule.moves, &rule.purge) {
                (Some(moves), _) => moves.condition.clone(),
                (None, Some(purge)) => purge.condition.clone(),
                (None, None) => None,
            };
            let into = rule.moves.as_ref().map(|moves| moves.into.clone());
            (into, Rival { rule: rule.name.clone(), condition })
        })
        .collect();
    let told = |mut rule: Read| {
        if let Some(moves) = &mut rule.moves {
            let elsewhere = rivals.iter().filter(|(into, _)| into.as_ref() != Some(&moves.into));
            moves.rivals = elsewhere.map(|(_, rival)| rival.clone()).collect();
        }
        rule
    };
    rules.into_iter().map(told).collect()
}
