//! What of the time ahead has a partition, and what has not.

use super::axis::Axis;
use super::bounds::{Edge, Span};
use super::key::Point;

/// What must be covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aim {
    /// The key that rows have now.
    pub now: Point,
    /// The least key that rows will have from now on: a wall clock is set back in autumn.
    pub first: Point,
    /// How far coverage must reach: this key must itself be held.
    pub target: Point,
    /// What the table itself may hold, being a partition by the same key.
    pub within: Span,
}

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
    /// What must be covered.
    pub aim: Aim,
    /// Without a gap from `now` up to here; absent where not even `now` is held.
    pub until: Option<Edge>,
    /// To be made, ascending: from the grid cell that holds `now` to the one that holds the target.
    pub missing: Vec<Piece>,
    /// There is more to make than one run may.
    pub cut: bool,
    /// From here on the key's type has no value for an upper bound.
    pub type_ends: Option<Point>,
    /// Between two partitions, before `now`.
    pub past_gaps: Vec<(Point, Point)>,
}

/// A range to make a partition for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Included.
    pub from: Point,
    /// Not included.
    pub to: Point,
    /// It is exactly one cell of the grid; otherwise it fills what its neighbours leave.
    pub whole_cell: bool,
}

impl Piece {
    /// The range alone.
    #[must_use]
    pub fn span(&self) -> Span {
        Span { from: Edge::At(self.from), to: Edge::At(self.to) }
    }
}

/// Compares what stands with what must. `existing` is ascending; partitions never overlap.
/// At most `missing_max` pieces are returned.
#[must_use]
pub fn coverage(existing: &[Existing], axis: &Axis, aim: Aim, missing_max: usize) -> Coverage {
    let mut found = Coverage {
        aim,
        until: covered_until(existing, aim.now),
        missing: Vec::new(),
        cut: false,
        type_ends: None,
        past_gaps: Vec::new(),
    };
    find_missing(&mut found, existing, axis, missing_max);
    let past_end = found.missing.first().map_or(aim.first, |piece| piece.from.min(aim.first));
    found.past_gaps = past_gaps(existing, past_end);
    found
}

fn find_missing(found: &mut Coverage, existing: &[Existing], axis: &Axis, missing_max: usize) {
    let Aim { first, target, within, .. } = found.aim;
    let mut at = match (axis.cell_start(first), within.from) {
        (start, Edge::At(own)) => start.map_or(own, |start| start.max(own)),
        // Where the type begins within this cell, the cell begins with it.
        (start, Edge::Start | Edge::End) => start.unwrap_or(first),
    };
    while at <= target && Edge::At(at) < within.to {
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
        let Edge::At(to) = neighbour.min(within.to).min(cell_end.map_or(Edge::End, Edge::At))
        else {
            found.type_ends = Some(at);
            break;
        };
        if to > first {
            if found.missing.len() == missing_max {
                found.cut = true;
                break;
            }
            let whole_cell = Some(to) == cell_end && axis.is_boundary(at);
            found.missing.push(Piece { from: at, to, whole_cell });
        }
        at = to;
    }
}

/// Follows the partitions that take rows from `now` on, as long as each begins where the last ends.
#[must_use]
pub fn covered_until(existing: &[Existing], now: Point) -> Option<Edge> {
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
fn past_gaps(existing: &[Existing], until: Point) -> Vec<(Point, Point)> {
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
