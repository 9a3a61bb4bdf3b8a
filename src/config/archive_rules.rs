//! Rules of `[archive.tables]`: what each needs, and that rows are deleted only where that was asked
//! for twice.

use chrono::{DateTime, Utc};

use super::path::KeyPath;
use super::ruled::{self, AGES};
use super::rules::Rules;
use super::section::Section;
use crate::pg::ident::TableName;
use crate::time::period::Period;

/// What concerns an archive, and says nothing where there is none.
const OF_ARCHIVES: [&str; 4] =
    ["archive_retention", "create_target", "adopt_new_columns", "children"];

/// Periods are compared back from here: a month has 31 days.
const SOME_DAY: DateTime<Utc> = DateTime::<Utc>::from_timestamp_nanos(1_735_689_600_000_000_000);

impl Rules<'_> {
    /// Holds all of them against each rule.
    pub(super) fn archive(&mut self) {
        let all = ruled::all(self.settings);
        for rule in &all {
            self.archive_needs(rule);
            self.archive_circle(rule, &all);
            self.archive_deletes(rule);
            self.archive_retention(rule, &all);
            self.archive_shared(rule, &all);
        }
    }

    /// What a table says, or each of its rules.
    fn archive_needs(&mut self, rule: &Section<'_>) {
        for section in [&rule.path, rule.table()] {
            let [column, expression] = AGES.map(|name| section.join(name));
            if self.is_written(&column) && self.is_written(&expression) {
                let message = "stands beside age_column, and only one of them can tell a row's age; \
                               remove one";
                self.blame(&[expression], message.to_owned());
                return;
            }
        }
        let has_age = AGES.iter().any(|name| !self.is_absent(&rule.at(name)));
        let lacks_period = self.is_absent(&rule.at("older_than"));
        let missing =
            [("age_column", "created_at", !has_age), ("older_than", "30 days", lacks_period)];
        for (name, example, _) in missing.into_iter().filter(|(_, _, is_missing)| *is_missing) {
            let message = format!("is missing; write {name} = \"{example}\"");
            let place = self.place_of(&rule.path);
            self.problems.add(place, Some(rule.path.join(name)), message);
        }
    }

    /// A row must not come back to the table it left, on whatever way.
    fn archive_circle(&mut self, rule: &Section<'_>, all: &[Section<'_>]) {
        let Ok(start) = rule.table().last().parse::<TableName>() else { return };
        let Some(first) = rule.archive() else { return };
        let next = |from: &TableName| -> Vec<TableName> {
            let path = rule.table().parent().join(&from.to_string());
            let of_it = all.iter().filter(|rule| *rule.table() == path);
            of_it.filter_map(Section::archive).collect()
        };
        let (mut reached, mut at) = (vec![first.clone()], 0);
        while let Some(from) = reached.get(at).filter(|from| **from != start) {
            let new: Vec<_> = next(from).into_iter().filter(|to| !reached.contains(to)).collect();
            reached.extend(new);
            at += 1;
        }
        if !reached.contains(&start) {
            return;
        }
        let message = if first == start {
            format!("is {first}, the table itself; write another table")
        } else {
            format!(
                "is {first}, from which rows would be archived back into {start}; take one of them \
                 out"
            )
        };
        self.blame(&[rule.at("into")], message);
    }

    /// Either rows go somewhere, or it is said that they go nowhere.
    fn archive_deletes(&mut self, rule: &Section<'_>) {
        let (into, delete) = (rule.path.join("into"), rule.path.join("delete"));
        if self.settings.is_broken(&delete) {
            return;
        }
        if !rule.deletes() {
            if self.is_absent(&rule.at("into")) {
                let message = "is missing; write into = \"public.ml_jobs_archive\", or delete = true \
                               for rows that nobody needs again";
                let place = self.place_of(&rule.path);
                self.problems.add(place, Some(into), message.to_owned());
            }
            return;
        }
        if self.settings.setting(&into).is_some() {
            let message = "deletes rows for good, and into keeps them; remove one of the two";
            self.blame(std::slice::from_ref(&delete), message.to_owned());
        }
        let children = rule.table().join("children");
        if rule.outer.is_some() && self.is_written(&children) {
            let message = "deletes rows for good, and the table has children that refer to them; take \
                           one of the two out";
            self.blame(&[delete, rule.table().join("delete"), children], message.to_owned());
        }
        for name in OF_ARCHIVES {
            let path = rule.path.join(name);
            if self.is_written(&path) {
                let message = "says nothing with delete = true, which keeps no archive; remove it";
                self.blame(&[path], message.to_owned());
            }
        }
    }

    /// An archive has one owner of its rows, and they stay in it for a while.
    fn archive_retention(&mut self, rule: &Section<'_>, all: &[Section<'_>]) {
        let retention = rule.at("archive_retention");
        let older = rule.at("older_than");
        let Some(kept) = self.settings.get::<Period>(&retention) else { return };
        if rule.deletes() {
            return;
        }
        if let Some(older_than) = self.settings.get::<Period>(&older)
            && kept.before(SOME_DAY, chrono_tz::UTC) >= older_than.before(SOME_DAY, chrono_tz::UTC)
        {
            let message = format!(
                "is {kept} and counts from a row's age too, as older_than = \"{older_than}\" does: rows \
                 would leave as they come; write a longer one"
            );
            self.blame(&[retention.clone(), older], message);
        }
        let Some(into) = rule.archive() else { return };
        let mut tables: Vec<&KeyPath> = all.iter().map(Section::table).collect();
        tables.dedup();
        for other in tables.into_iter().filter(|other| *other != rule.table()) {
            let fills =
                |of: &&Section<'_>| of.table() == other && of.archive().as_ref() == Some(&into);
            let is_source = other.last().parse::<TableName>().as_ref() == Ok(&into);
            let message = if all.iter().any(|of| fills(&of)) {
                format!(
                    "would delete rows of {} too, which go to {into} as well; give each table its own archive",
                    other.last()
                )
            } else if is_source {
                format!(
                    "is for rows of {into}, which leave it by [{other}]; write older_than there"
                )
            } else {
                continue;
            };
            self.blame(std::slice::from_ref(&retention), message);
        }
    }

    /// Rules of one table may fill one archive, whose rows are then told by one age and kept as long.
    fn archive_shared(&mut self, rule: &Section<'_>, all: &[Section<'_>]) {
        let Some(into) = rule.archive() else { return };
        let sibling =
            |other: &&Section<'_>| other.table() == rule.table() && other.path != rule.path;
        let earlier = all.iter().take_while(|other| other.path != rule.path).filter(sibling);
        let Some(other) = earlier.into_iter().find(|it| it.archive().as_ref() == Some(&into))
        else {
            return;
        };
        let settings = self.settings;
        let age = |rule: &Section<'_>| rule.age().0;
        let retention = |rule: &Section<'_>| rule.at("archive_retention");
        for (mine, theirs) in [(age(rule), age(other)), (retention(rule), retention(other))] {
            let value = |path: &KeyPath| settings.setting(path).map(|it| it.value.clone());
            if value(&mine) != value(&theirs) {
                let message = format!(
                    "is not what [{}] has, which fills {into} too; write the same, or give each rule its own \
                     archive",
                    other.path
                );
                self.blame(&[mine, theirs], message);
            }
        }
    }
}
