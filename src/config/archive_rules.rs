//! Rules of `[archive.tables]`: what each needs, and that rows are deleted only where that was asked
//! for twice.

use chrono::{DateTime, Utc};

use super::path::KeyPath;
use super::rules::Rules;
use super::settings::Settings;
use super::value::Read;
use crate::pg::ident::TableName;
use crate::time::period::Period;

/// What concerns an archive, and says nothing where there is none.
const OF_ARCHIVES: [&str; 4] =
    ["archive_retention", "create_target", "adopt_new_columns", "children"];

/// What tells a row's age: one of them.
const AGES: [&str; 2] = ["age_column", "age_expression"];

/// Periods are compared back from here: a month has 31 days.
const SOME_DAY: DateTime<Utc> = DateTime::<Utc>::from_timestamp_nanos(1_735_689_600_000_000_000);

/// One rule: its own section, behind which the table's stands.
#[derive(Clone, PartialEq, Eq)]
struct Ruled {
    own: KeyPath,
    table: KeyPath,
}

impl Ruled {
    /// Where this is said.
    fn at(&self, settings: &Settings, name: &str) -> KeyPath {
        let own = self.own.join(name);
        if settings.setting(&own).is_some() || settings.is_broken(&own) {
            own
        } else {
            self.table.join(name)
        }
    }

    fn get<T: Read>(&self, settings: &Settings, name: &str) -> Option<T> {
        settings.get(&self.at(settings, name))
    }

    /// Which of both tells the age.
    fn age(&self, settings: &Settings) -> &'static str {
        let has = |section: &KeyPath, name: &str| settings.setting(&section.join(name)).is_some();
        let of = |section: &KeyPath| AGES.into_iter().find(|name| has(section, name));
        of(&self.own).or_else(|| of(&self.table)).unwrap_or(AGES[0])
    }

    /// As the meaning has it: a rule that names a table to move to does not delete.
    fn deletes(&self, settings: &Settings) -> bool {
        let own = settings.get(&self.own.join("delete"));
        let keeps = settings.get::<TableName>(&self.own.join("into")).is_some();
        let said = settings.get(&self.table.join("delete"));
        own.unwrap_or(!keeps && said == Some(true))
    }

    fn archive(&self, settings: &Settings) -> Option<TableName> {
        if self.deletes(settings) { None } else { self.get(settings, "into") }
    }
}

/// Every rule of every table; a table without rules is one.
fn all(settings: &Settings) -> Vec<Ruled> {
    let instances = settings.instances();
    let tables = instances.iter().filter(|(section, _)| section.path == "archive.tables.*");
    let rules = |table: &KeyPath| {
        let parent = table.join("rules");
        let own = instances.iter().map(|(_, path)| path).filter(|path| path.parent() == parent);
        let rules: Vec<KeyPath> = own.cloned().collect();
        if rules.is_empty() { vec![table.clone()] } else { rules }
    };
    let of_table = |(_, table): &(_, KeyPath)| {
        let one = |own| Ruled { own, table: table.clone() };
        rules(table).into_iter().map(one).collect::<Vec<_>>()
    };
    tables.flat_map(of_table).collect()
}

impl Rules<'_> {
    /// Holds all of them against each rule.
    pub(super) fn archive(&mut self) {
        let all = all(self.settings);
        for rule in &all {
            self.archive_needs(rule);
            self.archive_circle(rule, &all);
            self.archive_deletes(rule);
            self.archive_retention(rule, &all);
            self.archive_shared(rule, &all);
        }
    }

    /// What a table says, or each of its rules.
    fn archive_needs(&mut self, rule: &Ruled) {
        let settings = self.settings;
        for section in [&rule.own, &rule.table] {
            let [column, expression] = AGES.map(|name| section.join(name));
            if self.is_written(&column) && self.is_written(&expression) {
                let message = "stands beside age_column, and only one of them can tell a row's age; \
                               remove one";
                self.blame(&[expression], message.to_owned());
                return;
            }
        }
        let has_age = AGES.iter().any(|name| !self.is_absent(&rule.at(settings, name)));
        let lacks_period = self.is_absent(&rule.at(settings, "older_than"));
        let missing =
            [("age_column", "created_at", !has_age), ("older_than", "30 days", lacks_period)];
        for (name, example, _) in missing.into_iter().filter(|(_, _, is_missing)| *is_missing) {
            let message = format!("is missing; write {name} = \"{example}\"");
            let place = self.place_of(&rule.own);
            self.problems.add(place, Some(rule.own.join(name)), message);
        }
    }

    /// A row must not come back to the table it left, on whatever way.
    fn archive_circle(&mut self, rule: &Ruled, all: &[Ruled]) {
        let Ok(start) = rule.table.last().parse::<TableName>() else { return };
        let Some(first) = rule.archive(self.settings) else { return };
        let next = |from: &TableName| -> Vec<TableName> {
            let path = rule.table.parent().join(&from.to_string());
            let of_it = all.iter().filter(|rule| rule.table == path);
            of_it.filter_map(|rule| rule.archive(self.settings)).collect()
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
        self.blame(&[rule.at(self.settings, "into")], message);
    }

    /// Either rows go somewhere, or it is said that they go nowhere.
    fn archive_deletes(&mut self, rule: &Ruled) {
        let (into, delete) = (rule.own.join("into"), rule.own.join("delete"));
        if self.settings.is_broken(&delete) {
            return;
        }
        if !rule.deletes(self.settings) {
            if self.is_absent(&rule.at(self.settings, "into")) {
                let message = "is missing; write into = \"public.ml_jobs_archive\", or delete = true \
                               for rows that nobody needs again";
                let place = self.place_of(&rule.own);
                self.problems.add(place, Some(into), message.to_owned());
            }
            return;
        }
        if self.settings.setting(&into).is_some() {
            let message = "deletes rows for good, and into keeps them; remove one of the two";
            self.blame(std::slice::from_ref(&delete), message.to_owned());
        }
        let children = rule.table.join("children");
        if rule.own != rule.table && self.is_written(&children) {
            let message = "deletes rows for good, and the table has children that refer to them; take \
                           one of the two out";
            self.blame(&[delete, rule.table.join("delete"), children], message.to_owned());
        }
        for name in OF_ARCHIVES {
            let path = rule.own.join(name);
            if self.is_written(&path) {
                let message = "says nothing with delete = true, which keeps no archive; remove it";
                self.blame(&[path], message.to_owned());
            }
        }
    }

    /// An archive has one owner of its rows, and they stay in it for a while.
    fn archive_retention(&mut self, rule: &Ruled, all: &[Ruled]) {
        let retention = rule.at(self.settings, "archive_retention");
        let older = rule.at(self.settings, "older_than");
        let Some(kept) = self.settings.get::<Period>(&retention) else { return };
        if rule.deletes(self.settings) {
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
        let Some(into) = rule.archive(self.settings) else { return };
        let mut tables: Vec<&KeyPath> = all.iter().map(|other| &other.table).collect();
        tables.dedup();
        for other in tables.into_iter().filter(|other| **other != rule.table) {
            let fills = |of: &&Ruled| {
                of.table == *other && of.archive(self.settings).as_ref() == Some(&into)
            };
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
    fn archive_shared(&mut self, rule: &Ruled, all: &[Ruled]) {
        let Some(into) = rule.archive(self.settings) else { return };
        let sibling = |other: &&Ruled| other.table == rule.table && other.own != rule.own;
        let earlier = all.iter().take_while(|other| *other != rule).filter(sibling);
        let Some(other) =
            earlier.into_iter().find(|it| it.archive(self.settings).as_ref() == Some(&into))
        else {
            return;
        };
        let settings = self.settings;
        let age = |rule: &Ruled| rule.at(settings, rule.age(settings));
        let retention = |rule: &Ruled| rule.at(settings, "archive_retention");
        for (mine, theirs) in [(age(rule), age(other)), (retention(rule), retention(other))] {
            let value = |path: &KeyPath| settings.setting(path).map(|it| it.value.clone());
            if value(&mine) != value(&theirs) {
                let message = format!(
                    "is not what [{}] has, which fills {into} too; write the same, or give each rule its own \
                     archive",
                    other.own
                );
                self.blame(&[mine, theirs], message);
            }
        }
    }
}
