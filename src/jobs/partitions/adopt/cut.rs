//! Where the first partition ends.
//!
//! It must hold every row there is, and every row that comes before the swap: from the moment its
//! CHECK stands, rows beyond it are refused. So it lies well ahead.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::tended::Tended;
use super::DOING;
use crate::jobs::partitions::grid::bounds::{Edge, Span, parse_bound};
use crate::jobs::partitions::grid::key::Point;
use crate::pg::fault::{Fault, Kind};
use crate::time::extent::Extent;

/// The cut lies so far ahead at least, and one interval: an adoption that is left over a weekend
/// must not run into its own check.
const AHEAD_MIN: TimeDelta = TimeDelta::days(7);
/// With less than this left, an unfinished adoption is taken back.
const LEFT_MIN: TimeDelta = TimeDelta::days(1);

/// A key as the server writes it.
///
/// # Errors
/// `Refused`: it is infinite, or no key.
pub fn read(text: &str) -> Result<Edge, Fault> {
    let span = parse_bound(&format!("FOR VALUES FROM (MINVALUE) TO ('{text}')"));
    match span {
        Ok(Some(Span { to, .. })) => Ok(to),
        _ => Err(Fault::new(
            Kind::Refused,
            DOING,
            "its highest key is no value that has a place in time",
        )
        .with_hint("check key = … in [partitions.tables]")),
    }
}

/// The bound of the grid that leaves room enough, given the highest key there is.
///
/// # Errors
/// `Refused`: rows lie so far ahead that the first partition would hold everything for ever.
pub fn choose(
    table: &Tended<'_>,
    now: DateTime<Utc>,
    highest: Option<Edge>,
) -> Result<Point, Fault> {
    let highest = match highest {
        Some(Edge::At(point)) => Some(point),
        Some(Edge::End) => return Err(too_far("infinity", table)),
        Some(Edge::Start) | None => None,
    };
    let (from, limit) = match (table.config.interval, table.config.premake) {
        (Extent::Ids(width), Extent::Ids(ahead)) => {
            let Some(Point::Integer(id)) = highest.or(Some(Point::Integer(0))) else {
                return Err(no_value(table));
            };
            (Some(Point::Integer(id.saturating_add(ahead.max(width)))), None)
        }
        (interval, premake) => {
            let newest =
                highest.and_then(|point| table.axis.instant(point)).unwrap_or(now).max(now);
            let ahead = after(interval, newest, table).max(newest + AHEAD_MIN);
            (table.axis.at(ahead), table.axis.at(after(premake, now, table).max(now + AHEAD_MIN)))
        }
    };
    if let (Some(highest), Some(limit)) = (highest, limit)
        && highest > limit
    {
        return Err(too_far(&table.axis.key.words(highest), table));
    }
    from.and_then(|from| table.axis.next(from)).ok_or_else(|| no_value(table))
}

fn after(extent: Extent, instant: DateTime<Utc>, table: &Tended<'_>) -> DateTime<Utc> {
    match extent {
        Extent::Time(period) => period.after(instant, table.config.timezone),
        Extent::Ids(_) => instant,
    }
}

/// An unfinished adoption has come too close to its cut: rows beyond it are about to be refused.
#[must_use]
pub fn is_near(table: &Tended<'_>, now: DateTime<Utc>, cut: Point, highest: Option<Edge>) -> bool {
    match table.config.interval {
        Extent::Ids(_) => highest >= Some(Edge::At(cut)),
        Extent::Time(_) => table.axis.instant(cut).is_none_or(|instant| instant - now < LEFT_MIN),
    }
}

fn too_far(words: &str, table: &Tended<'_>) -> Fault {
    let (key, premake) = (&table.key, table.config.premake);
    Fault::new(
        Kind::Refused,
        DOING,
        format!(
            "its highest {key} is {words}, beyond premake = {premake}: the first partition would hold \
             everything until then"
        ),
    )
    .with_hint("if such rows are wrong, correct them; if they are right, raise premake")
}

fn no_value(table: &Tended<'_>) -> Fault {
    let message = format!("its key {} has no value for a bound ahead", table.key);
    Fault::new(Kind::Refused, DOING, message).with_hint("its type ends too soon: widen it first")
}
