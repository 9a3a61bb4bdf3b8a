//! Rules across the keys of one partitioned table that say where its bounds lie.

use chrono::{Datelike, NaiveDate};

use super::keys::KeyWord;
use super::path::KeyPath;
use super::rules::Rules;
use crate::pg::partition_name::Template;
use crate::time::extent::Extent;
use crate::time::grid::ANCHOR_DAY_MAX;
use crate::time::period::Period;

impl Rules<'_> {
    /// Which key, interval, anchor and names make sense together.
    pub(super) fn partition_grid(&mut self, table: &KeyPath) {
        self.snowflake(table);
        self.names(table);
        match self.settings.get(&table.join("interval")) {
            Some(Extent::Ids(width)) => self.ids(table, width),
            Some(Extent::Time(interval)) => self.calendar(table, interval),
            None => {}
        }
    }

    fn snowflake(&mut self, table: &KeyPath) {
        let key = table.join("key");
        let epoch = table.join("snowflake_epoch");
        let is_snowflake = match self.settings.get::<KeyWord>(&key) {
            Some(word) => word == KeyWord::Snowflake,
            None if self.settings.is_broken(&key) => return,
            None => false,
        };
        if is_snowflake
            && self.settings.setting(&epoch).is_none()
            && !self.settings.is_broken(&epoch)
        {
            let message = "is \"snowflake\", whose milliseconds begin anywhere; add snowflake_epoch \
                           = \"2015-01-01T00:00:00Z\", the moment that your ids count from";
            self.blame(std::slice::from_ref(&key), message.to_owned());
        }
        for path in [epoch, table.join("snowflake_shift")] {
            if !is_snowflake && self.is_written(&path) {
                let message = "says nothing without key = \"snowflake\"; write that, or remove it";
                self.blame(&[path], message.to_owned());
            }
        }
    }

    /// Names must tell the partitions of the interval apart.
    fn names(&mut self, table: &KeyPath) {
        let (template, interval) = (table.join("name"), table.join("interval"));
        let both =
            (self.settings.get::<Template>(&template), self.settings.get::<Extent>(&interval));
        let (Some(name), Some(grid)) = both else { return };
        let shown = self.value(&template);
        let cells = if grid.period().is_some() { grid.to_string() } else { format!("{grid} ids") };
        if let Some(needed) = name.lacks(grid) {
            let message =
                format!("is {shown}, the same for several partitions of {cells}; add {needed}");
            self.blame(&[template, interval], message);
        } else if grid.period().is_none() && name.has_date() {
            let message = format!(
                "is {shown}, and partitions of {cells} have no date; write {{from}} instead"
            );
            self.blame(&[template, interval], message);
        }
    }

    /// A number of ids tells no time.
    fn ids(&mut self, table: &KeyPath, width: i64) {
        let interval = table.join("interval");
        for (name, instead) in [
            ("key", "write interval as time, such as \"1 month\", or remove key"),
            ("anchor", "remove it: ids are counted from 0"),
            ("retention", "remove it: retention needs a key that tells time"),
        ] {
            let path = table.join(name);
            if self.settings.setting(&path).is_some() {
                let message = format!(
                    "is {}, but interval = {width} is a number of ids; {instead}",
                    self.value(&path)
                );
                self.blame(&[path, interval.clone()], message);
            }
        }
        let premake = table.join("premake");
        if let Some(Extent::Time(period)) = self.settings.get(&premake) {
            let message = format!(
                "is {period}, but interval = {width} is a number of ids; write how many ids ahead, \
                 such as {}",
                width.saturating_mul(3)
            );
            self.blame(&[premake, interval], message);
        }
    }

    fn calendar(&mut self, table: &KeyPath, period: Period) {
        let [premake, anchor] = ["premake", "anchor"].map(|name| table.join(name));
        if let Some(Extent::Ids(count)) = self.settings.get(&premake) {
            let message = format!(
                "is {count}, a number of ids, but interval = {period} is time; write time, such as \
                 \"3 months\""
            );
            self.blame(&[premake, table.join("interval")], message);
        }
        if let Some(day) = self.settings.get::<NaiveDate>(&anchor)
            && period.months() > 0
            && day.day() > ANCHOR_DAY_MAX
        {
            let message = format!(
                "is {day}, a day that not every month has; write one up to the {ANCHOR_DAY_MAX}th"
            );
            self.blame(&[anchor], message);
        }
    }
}
