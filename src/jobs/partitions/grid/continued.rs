//! How a set goes on that others have made: on the grid and by the names of its newest partitions.
//!
//! Bounds come from the catalog, never from a name. A grid is taken over if the two newest
//! partitions that are as long as the interval lie on it exactly; a name, if it follows from the
//! bounds.

use chrono::NaiveTime;

use super::axis::Axis;
use super::bounds::{Edge, Span};
use super::key::Point;
use crate::config::checked::PartitionTable;
use crate::pg::ident::Ident;
use crate::pg::partition_name::{Mark, Template};
use crate::time::extent::Extent;

/// Newer names count: an operator who renamed the old ones meant it.
const SIBLINGS_READ: usize = 24;
/// So many of the newest partitions must agree on what is taken over: one may be an exception.
const AGREE: usize = 2;

/// One partition with both its bounds.
#[derive(Debug, Clone, Copy)]
pub struct Sibling<'a> {
    /// Its name.
    pub name: &'a str,
    /// Included.
    pub from: Point,
    /// Not included.
    pub to: Point,
}

impl<'a> Sibling<'a> {
    /// A partition without an open end.
    #[must_use]
    pub fn of(name: &'a str, span: Span) -> Option<Self> {
        match (span.from, span.to) {
            (Edge::At(from), Edge::At(to)) => Some(Self { name, from, to }),
            _ => None,
        }
    }
}

/// What the newest partitions say.
#[derive(Debug)]
pub struct Continued {
    /// The grid, moved to where theirs lies.
    pub axis: Axis,
    /// How they are called; how partitions of the interval are called, where they do not say.
    pub template: Template,
    /// What of them cannot be gone on with, in words.
    pub differs: Option<String>,
}

/// Reads how to go on off the partitions, newest first.
#[must_use]
pub fn continued(
    newest_first: &[Sibling<'_>],
    axis: Axis,
    table: &Ident,
    config: &PartitionTable,
) -> Continued {
    let alike: Vec<Sibling<'_>> = newest_first
        .iter()
        .filter(|sibling| is_of_interval(sibling, &axis))
        .take(SIBLINGS_READ)
        .copied()
        .collect();
    let (axis, differs) = grid(newest_first, &alike, axis, config);
    let template = config.name.clone().or_else(|| {
        let named = alike.iter().map(|sibling| (sibling.name, axis.mark(sibling.from)));
        Template::of_siblings(named, table, config.interval)
    });
    let template = template.unwrap_or_else(|| Template::of_interval(config.interval));
    Continued { axis, template, differs }
}

/// The grid to go on with, and what is told where that is not the partitions' own.
fn grid(
    newest_first: &[Sibling<'_>],
    alike: &[Sibling<'_>],
    axis: Axis,
    config: &PartitionTable,
) -> (Axis, Option<String>) {
    let Some(newest) = newest_first.get(..AGREE) else { return (axis, None) };
    if let Some(length) = other_length(newest, &axis) {
        let from = axis.key.words(newest[AGREE - 1].from);
        let told = format!(
            "its newest partitions hold {length} each, since {from}; interval = {} goes on from \
             where they end",
            config.interval
        );
        return (axis, Some(told));
    }
    let Some(alike) = alike.get(..AGREE).filter(|alike| !axis.is_boundary(alike[0].to)) else {
        return (axis, None);
    };
    let lie_on = |axis: &Axis| {
        alike.iter().all(|sibling| axis.is_boundary(sibling.from) && axis.is_boundary(sibling.to))
    };
    let moved = axis.anchored_at(alike[0].from).filter(lie_on);
    match (moved, config.anchor) {
        (Some(moved), None) => (moved, None),
        (Some(_), Some(anchor)) => {
            let told = format!(
                "its newest partitions begin at {}, and anchor = {anchor} has another grid",
                axis.key.words(alike[0].from)
            );
            (axis, Some(told))
        }
        (None, _) => (axis, Some(off_the_grid(&alike[0], &axis, config))),
    }
}

/// The length that the newest partitions have in common, where that is not the interval.
fn other_length(newest: &[Sibling<'_>], axis: &Axis) -> Option<String> {
    let mut lengths = newest.iter().map(|sibling| length(sibling, axis));
    let first = lengths.next()??;
    let is_common = lengths.all(|length| length == Some(first));
    let is_other = newest.iter().all(|sibling| !is_of_interval(sibling, axis));
    (is_common && is_other).then(|| match first {
        Extent::Time(_) => first.to_string(),
        Extent::Ids(count) => format!("{count} ids"),
    })
}

fn length(sibling: &Sibling<'_>, axis: &Axis) -> Option<Extent> {
    match (axis.mark(sibling.from), axis.mark(sibling.to)) {
        (Mark::Wall(from), Mark::Wall(to)) => Extent::between(from, to),
        (Mark::Id(from), Mark::Id(to)) => to.checked_sub(from).map(Extent::Ids),
        _ => None,
    }
}

/// Days and more that begin within a day were laid at the midnight of another zone.
fn off_the_grid(sibling: &Sibling<'_>, axis: &Axis, config: &PartitionTable) -> String {
    let within_a_day = |at: Point| match axis.mark(at) {
        Mark::Wall(at) => Some(at.time()).filter(|time| *time != NaiveTime::MIN),
        Mark::Id(_) => None,
    };
    let is_of_days = config.interval.period().is_some_and(|period| period.seconds() == 0);
    match within_a_day(sibling.from).zip(within_a_day(sibling.to)) {
        Some((from, _)) if is_of_days => format!(
            "its newest partitions begin at {} by the clock of timezone = {}; write the zone at \
             whose midnight they begin, or a partition of an odd length comes between",
            from.format("%H:%M"),
            config.timezone
        ),
        _ => format!(
            "its newest partition holds {} to {}, which is no cell of interval = {}; what follows \
             it is cut to fit",
            axis.key.words(sibling.from),
            axis.key.words(sibling.to),
            config.interval
        ),
    }
}

/// Whether a partition is about as long as the interval: after a change of the interval the names of
/// the old ones say nothing about those of the new. Partitions of a month that were laid in another
/// zone are as long as ours.
fn is_of_interval(sibling: &Sibling<'_>, axis: &Axis) -> bool {
    let length = |from: Mark, to: Mark| match (from, to) {
        (Mark::Wall(from), Mark::Wall(to)) => (to - from).num_seconds(),
        (Mark::Id(from), Mark::Id(to)) => to.saturating_sub(from),
        _ => 0,
    };
    let cell = axis.cell_start(sibling.from).zip(axis.next(sibling.from));
    let cell = cell.map_or(0, |(start, end)| length(axis.mark(start), axis.mark(end)));
    let length = length(axis.mark(sibling.from), axis.mark(sibling.to));
    // Months differ by a tenth of their length, shorter cells by an hour of daylight saving.
    length / 3 * 2 <= cell && cell / 3 * 2 <= length
}
