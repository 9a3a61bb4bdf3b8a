//! One row of `part_config` in our words. Pure.

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;

use crate::config::checked::{EpochUnit, PartitionTable, QUARANTINE, TimeCode};
use crate::jobs::partitions::grid::bounds::parse_bound;
use crate::jobs::partitions::grid::continued::Sibling;
use crate::jobs::partitions::grid::kind;
use crate::pg::catalog::partition::{Child, Relation};
use crate::pg::catalog::partman::{PartConfig, Set};
use crate::pg::ident::TableName;
use crate::pg::partition_name::Template;
use crate::time::extent::Extent;
use crate::time::period::Period;
use crate::time::zone;

/// Months, days and seconds.
pub type Length = (i64, i64, i64);

/// Its intervals as the server reads them; absent where they are none.
#[derive(Debug, Clone, Copy)]
pub struct Lengths {
    pub interval: Option<Length>,
    pub retention: Option<Length>,
}

/// What is made of a row.
#[derive(Debug)]
pub enum Told {
    /// A table for us.
    Ours(Box<Ours>),
    /// Left to `pg_partman`.
    Left {
        /// As `part_config` has it.
        parent_table: String,
        /// Why.
        reason: String,
    },
}

/// A table that can be taken over.
#[derive(Debug)]
pub struct Ours {
    /// As `part_config` has it.
    pub parent_table: String,
    /// Its name.
    pub name: TableName,
    /// Its section.
    pub config: PartitionTable,
    /// Whether the zone was read off the bounds.
    pub zone_is_known: bool,
    /// `retention`, and whether expired partitions are dropped.
    pub retention: Option<(Period, bool)>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Translates it.
#[must_use]
pub fn translate(
    set: &Set,
    relation: Option<&Relation>,
    children: &[Child],
    lengths: Lengths,
    zones: &[Tz],
) -> Told {
    let parent_table = set.config.parent_table.clone();
    match taken_over(set, relation, children, lengths, zones) {
        Ok(ours) => Told::Ours(Box::new(ours)),
        Err(reason) => Told::Left { parent_table, reason },
    }
}

fn taken_over(
    set: &Set,
    relation: Option<&Relation>,
    children: &[Child],
    lengths: Lengths,
    zones: &[Tz],
) -> Result<Ours, String> {
    let PartConfig { parent_table, partition_type, .. } = &set.config;
    let (Some(relation), Some(schema), Some(table)) = (relation, &set.schema, &set.name) else {
        return Err("there is no such table".to_owned());
    };
    let name = TableName::new(schema, table).map_err(|error| error.to_string())?;
    can_be_ours(set)?;
    if relation.kind != "p" {
        return Err(format!("partition_type = {partition_type}: it is no partitioned table"));
    }
    let mut config = grid(&set.config, relation, lengths.interval)?;
    let mut notes = notes(set);
    let siblings = newest(children);
    let zone = zone_of(relation, &config, &siblings, zones)?;
    match zone {
        Zone::Of(tz) => config.timezone = tz,
        Zone::Unknown => notes.push(
            "timezone = …: its bounds are midnight neither in UTC nor in the server's zone; write the \
             zone they were laid in"
                .to_owned(),
        ),
        Zone::Whatever => {}
    }
    let (_, axis) = kind::axis(relation, &config).map_err(|fault| fault.to_string())?;
    config.name = name_of(&set.config, config.interval).filter(|template| {
        siblings.first().is_none_or(|newest| {
            template.cell(&name.table, axis.mark(newest.from), 1).as_str() == newest.name
        })
    });
    let retention = retention(set, config.interval, lengths, &mut notes);
    let zone_is_known = matches!(zone, Zone::Of(_));
    Ok(Ours { parent_table: parent_table.clone(), name, config, zone_is_known, retention, notes })
}

/// How its key tells time, and what lies between its bounds.
fn grid(
    set: &PartConfig,
    relation: &Relation,
    interval: Option<Length>,
) -> Result<PartitionTable, String> {
    let key = time_code(set)?;
    let tells_time = key.is_some() || matches!(relation.key_type_oid, Some(1082 | 1114 | 1184));
    let interval = extent(tells_time, &set.partition_interval, interval)
        .ok_or_else(|| format!("partition_interval = {} cannot be read", set.partition_interval))?;
    let premake = times(interval, set.premake)
        .ok_or_else(|| format!("premake = {} is too far", set.premake))?;
    Ok(PartitionTable {
        key,
        interval,
        anchor: None,
        premake,
        timezone: Tz::UTC,
        name: None,
        split: false,
        quarantine: QUARANTINE,
        expiry: None,
    })
}

/// Where its bounds are midnight.
enum Zone {
    Of(Tz),
    /// In none that is known of the server.
    Unknown,
    /// There are no bounds yet, or they are no days, or of no zone.
    Whatever,
}

fn zone_of(
    relation: &Relation,
    config: &PartitionTable,
    siblings: &[Sibling<'_>],
    zones: &[Tz],
) -> Result<Zone, String> {
    let (_, axis) = kind::axis(relation, config).map_err(|fault| fault.to_string())?;
    let bounds = siblings.iter().flat_map(|sibling| [sibling.from, sibling.to]);
    let instants: Vec<DateTime<Utc>> = bounds.filter_map(|at| axis.key.instant(at)).collect();
    let is_of_days = config.interval.period().is_some_and(|period| period.seconds() == 0);
    if instants.is_empty() || !is_of_days {
        return Ok(Zone::Whatever);
    }
    let is_midnight = |at: DateTime<Utc>, tz: Tz| {
        zone::instant(zone::wall(at, tz).date().and_time(NaiveTime::MIN), tz) == at
    };
    let mut candidates = std::iter::once(Tz::UTC).chain(zones.iter().copied());
    let found = candidates.find(|tz| instants.iter().all(|at| is_midnight(*at, *tz)));
    Ok(found.map_or(Zone::Unknown, Zone::Of))
}

/// What `pg_partman` itself does not do, or we do not.
fn can_be_ours(set: &Set) -> Result<(), String> {
    let PartConfig { partition_type, automatic_maintenance, undo_in_progress, .. } = &set.config;
    if !matches!(partition_type.as_str(), "native" | "range") {
        return Err(format!(
            "partition_type = {partition_type}; only the server's own RANGE partitions are tended"
        ));
    }
    if set.is_nested {
        return Err(
            "it is partitioned at two levels, and new partitions would be plain tables".to_owned()
        );
    }
    if *undo_in_progress == Some(true) {
        return Err("undo_in_progress: its partitions are being dissolved".to_owned());
    }
    match automatic_maintenance.as_deref() {
        None | Some("on") => Ok(()),
        Some(word) => {
            Err(format!("automatic_maintenance = {word}: run_maintenance leaves it alone"))
        }
    }
}

/// How a key that is no date tells time.
fn time_code(config: &PartConfig) -> Result<Option<TimeCode>, String> {
    if let Some(decoder) = &config.time_decoder {
        return if decoder.contains("uuid7") {
            Ok(Some(TimeCode::UuidV7))
        } else {
            Err(format!("time_decoder = {decoder}: its keys are read by a function of its own"))
        };
    }
    let unit = match config.epoch.as_deref() {
        None | Some("none") => return Ok(None),
        Some("seconds") => EpochUnit::Seconds,
        Some("milliseconds") => EpochUnit::Milliseconds,
        Some("microseconds") => EpochUnit::Microseconds,
        Some("nanoseconds") => EpochUnit::Nanoseconds,
        Some(other) => return Err(format!("epoch = {other} is not known")),
    };
    Ok(Some(TimeCode::Epoch(unit)))
}

fn extent(tells_time: bool, text: &str, length: Option<Length>) -> Option<Extent> {
    if tells_time {
        period(length?).map(Extent::Time)
    } else {
        text.trim().parse().ok().filter(|ids| *ids > 0).map(Extent::Ids)
    }
}

fn period((months, days, seconds): Length) -> Option<Period> {
    let parts = [(months, "months"), (days, "days"), (seconds, "seconds")];
    let words: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count != 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    words.join(" ").parse().ok()
}

fn times(interval: Extent, count: u32) -> Option<Extent> {
    match interval {
        Extent::Ids(width) => width.checked_mul(count.into()).map(Extent::Ids),
        Extent::Time(length) => {
            let part = |part: u32| i64::from(part) * i64::from(count);
            period((part(length.months()), part(length.days()), part(length.seconds())))
                .map(Extent::Time)
        }
    }
}

/// As many of the newest as the job itself asks for the grid.
fn newest(children: &[Child]) -> Vec<Sibling<'_>> {
    let mut siblings: Vec<Sibling<'_>> = children
        .iter()
        .filter_map(|child| Sibling::of(&child.name, parse_bound(&child.bound).ok()??))
        .collect();
    siblings.sort_by_key(|sibling| std::cmp::Reverse(sibling.from));
    siblings.truncate(2);
    siblings
}

/// The words of `to_char` that partition names are made with.
const WORDS: [(&str, &str); 9] = [
    ("IYYY", "{year}"),
    ("YYYY", "{year}"),
    ("IW", "{week}"),
    ("MM", "{month}"),
    ("DD", "{day}"),
    ("HH24", "{hour}"),
    ("MI", "{minute}"),
    ("SS", "{second}"),
    ("Q", "{quarter}"),
];

/// `YYYY_MM` as a template; absent where it says something else, or not enough.
fn name_of(config: &PartConfig, interval: Extent) -> Option<Template> {
    let mut text = "{table}_p".to_owned();
    let mut rest = config.datetime_string.as_deref()?;
    while let Some(next) = rest.chars().next() {
        if let Some((word, ours)) = WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
            text.push_str(ours);
            rest = &rest[word.len()..];
        } else if let Some((quoted, after)) = rest.strip_prefix('"').and_then(|r| r.split_once('"'))
        {
            text.push_str(quoted);
            rest = after;
        } else if next.is_ascii_alphanumeric() {
            return None;
        } else {
            text.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    let template: Template = text.parse().ok()?;
    template.lacks(interval).is_none().then_some(template)
}

fn retention(
    set: &Set,
    interval: Extent,
    lengths: Lengths,
    notes: &mut Vec<String>,
) -> Option<(Period, bool)> {
    let text = set.config.retention.as_deref()?;
    let kept = lengths.retention.filter(|_| interval.period().is_some()).and_then(period);
    if kept.is_none() {
        notes.push(format!(
            "retention = {text} has no counterpart: ids tell no time, nothing expires"
        ));
    }
    if let Some(schema) = &set.config.retention_schema {
        notes.push(format!(
            "retention_schema = {schema} has no counterpart: what expires stays in its schema"
        ));
    }
    Some((kept?, set.config.retention_keep_table == Some(false)))
}

fn notes(set: &Set) -> Vec<String> {
    let mut notes = Vec::new();
    if !set.template_has.is_empty() {
        notes.push(format!(
            "its template table has {}; new partitions are like the parent and have none of it",
            set.template_has.join(", ")
        ));
    }
    if let Some(columns) = set.config.constraint_cols.as_ref().filter(|columns| !columns.is_empty())
    {
        notes.push(format!(
            "constraint_cols = {} has no counterpart: old partitions get no further constraint",
            columns.join(", ")
        ));
    }
    notes
}
