//! What of the time ahead has a partition, and what has not.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};

use super::bounds::{Axis, Edge, Span};
use crate::time::period::Period;

/// A partition that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its range.
    pub span: Span,
    /// Its `DETACH CONCURRENTLY` was interrupted: it takes rows no more, and still occupies its
    /// range.
    pub detach_pending: bool,
}

/// What stands and what is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The key that `now` has.
    pub now: NaiveDateTime,
    /// How far coverage must reach: the key of now + premake, which must itself be held.
    pub target: NaiveDateTime,
    /// Without a gap from `now` up to here; absent where not even `now` is held.
    pub until: Option<Edge>,
    /// To be made, ascending: from the grid cell that holds `now` to the one that holds the target.
    pub missing: Vec<Piece>,
    /// There is more to make than one run may.
    pub cut: bool,
    /// Between two partitions, before `now`.
    pub past_gaps: Vec<(NaiveDateTime, NaiveDateTime)>,
}

/// A range to make a partition for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Included.
    pub from: NaiveDateTime,
    /// Not included.
    pub to: NaiveDateTime,
    /// It is exactly one cell of the grid; otherwise it fills what its neighbours leave.
    pub whole_cell: bool,
}

/// Compares what stands with what must. `existing` is ascending; partitions never overlap.
/// At most `missing_max` pieces are returned.
#[must_use]
pub fn coverage(
    existing: &[Existing],
    axis: &Axis,
    now: DateTime<Utc>,
    premake: Period,
    missing_max: usize,
) -> Coverage {
    let mut found = Coverage {
        now: axis.at(now),
        // Whole seconds are what a person reads, and the partition is the same.
        target: axis.at(premake.after(now, axis.grid.tz())).trunc_subsecs(0),
        until: None,
        missing: Vec::new(),
        cut: false,
        past_gaps: Vec::new(),
    };
    found.until = covered_until(existing, found.now);
    let mut at = axis.cell_start(now);
    while at <= found.target {
        let ahead = existing.partition_point(|partition| partition.span.to <= Edge::At(at));
        let neighbour = existing.get(ahead).map_or(Edge::End, |partition| partition.span.from);
        if neighbour <= Edge::At(at) {
            match existing[ahead].span.to {
                Edge::At(end) => at = end,
                Edge::Start | Edge::End => break,
            }
            continue;
        }
        let cell_end = axis.next(at);
        let to = match neighbour {
            Edge::At(from) => from.min(cell_end),
            Edge::Start | Edge::End => cell_end,
        };
        if to > found.now {
            if found.missing.len() == missing_max {
                found.cut = true;
                break;
            }
            let whole_cell = to == cell_end && axis.is_boundary(at);
            found.missing.push(Piece { from: at, to, whole_cell });
        }
        at = to;
    }
    let past_end = found.missing.first().map_or(found.now, |piece| piece.from.min(found.now));
    found.past_gaps = past_gaps(existing, past_end);
    found
}

/// Follows the partitions that take rows from `now` on, as long as each begins where the last ends.
#[must_use]
pub fn covered_until(existing: &[Existing], now: NaiveDateTime) -> Option<Edge> {
    let mut taking = existing.iter().filter(|partition| !partition.detach_pending);
    let mut until = taking.find(|partition| partition.span.holds(now))?.span.to;
    for next in taking {
        if next.span.from != until {
            break;
        }
        until = next.span.to;
    }
    Some(until)
}

/// Holes between two partitions, up to `until`. Before the first partition there is no hole.
fn past_gaps(existing: &[Existing], until: NaiveDateTime) -> Vec<(NaiveDateTime, NaiveDateTime)> {
    let mut gaps = Vec::new();
    let mut last_end = None;
    for partition in existing {
        if let (Some(Edge::At(end)), Edge::At(from)) = (last_end, partition.span.from)
            && end < from.min(until)
        {
            gaps.push((end, from.min(until)));
        }
        last_end = Some(partition.span.to);
    }
    if let Some(Edge::At(end)) = last_end
        && end < until
    {
        gaps.push((end, until));
    }
    gaps
}
