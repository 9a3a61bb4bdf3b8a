//! Rules of `[archive.tables]`: rows are deleted only where that was asked for twice.

use chrono::{DateTime, Utc};

use super::path::KeyPath;
use super::rules::Rules;
use crate::pg::ident::TableName;
use crate::time::period::Period;

/// What concerns an archive, and says nothing where there is none.
const OF_ARCHIVES: [&str; 4] =
    ["archive_retention", "create_target", "adopt_new_columns", "children"];

/// Periods are compared back from here: a month has 31 days.
const SOME_DAY: DateTime<Utc> = DateTime::<Utc>::from_timestamp_nanos(1_735_689_600_000_000_000);

impl Rules<'_> {
    /// Either rows go somewhere, or it is said that they go nowhere.
    pub(super) fn archive_deletes(&mut self, table: &KeyPath) {
        let (into, delete) = (table.join("into"), table.join("delete"));
        let Some(deletes) = self.settings.get::<bool>(&delete) else { return };
        if !deletes {
            if self.is_absent(&into) {
                let message = "is missing; write into = \"public.ml_jobs_archive\", or delete = true \
                               for rows that nobody needs again";
                let place = self.place_of(table);
                self.problems.add(place, Some(into), message.to_owned());
            }
            return;
        }
        if self.settings.setting(&into).is_some() {
            let message = "deletes rows for good, and into keeps them; remove one of the two";
            self.blame(std::slice::from_ref(&delete), message.to_owned());
        }
        for name in OF_ARCHIVES {
            let path = table.join(name);
            if self.is_written(&path) {
                let message = "says nothing with delete = true, which keeps no archive; remove it";
                self.blame(&[path], message.to_owned());
            }
        }
    }

    /// An archive has one owner of its rows, and they stay in it for a while.
    pub(super) fn archive_retention(&mut self, table: &KeyPath) {
        let (retention, older) = (table.join("archive_retention"), table.join("older_than"));
        let Some(kept) = self.settings.get::<Period>(&retention) else { return };
        if self.settings.get::<bool>(&table.join("delete")) == Some(true) {
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
        let Some(into) = self.settings.get::<TableName>(&table.join("into")) else { return };
        for (_, other) in self.settings.instances() {
            if other.parent() != table.parent() || other == *table {
                continue;
            }
            let is_shared =
                self.settings.get::<TableName>(&other.join("into")).as_ref() == Some(&into);
            let is_source = other.last().parse::<TableName>().as_ref() == Ok(&into);
            let message = if is_shared {
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
}
