//! Where a wide partition is cut. Pure: bounds and grid in, pieces out.

use crate::jobs::partitions::carve::PARTS_MAX;
use crate::jobs::partitions::grid::axis::Axis;
use crate::jobs::partitions::grid::bounds::{Edge, Span};
use crate::jobs::partitions::grid::coverage::Aim;
use crate::jobs::partitions::grid::key::Point;

/// Whether a range holds a whole cell of the grid and more. One that merely lies across a bound, as
/// those of another grid do, is not wide.
#[must_use]
pub fn is_wide(axis: &Axis, span: Span) -> bool {
    // An open end holds any number of cells.
    let (Edge::At(from), Edge::At(to)) = (span.from, span.to) else { return true };
    let first = if axis.is_boundary(from) { Some(from) } else { axis.next(from) };
    let Some(first) = first else { return false };
    axis.next(first).is_some_and(|end| end <= to && (from, to) != (first, end))
}

/// The cells of the grid from the one that holds a key to the one that holds another, as far as they
/// lie within a range; absent where they are more than so many.
#[must_use]
pub fn cells(
    axis: &Axis,
    within: Span,
    first: Point,
    last: Point,
    max: usize,
) -> Option<Vec<Span>> {
    let mut cells = Vec::new();
    let mut at = axis.cell_start(first).unwrap_or(first);
    while at <= last {
        let end = axis.next(at).map_or(Edge::End, Edge::At);
        let cell = Span { from: within.from.max(Edge::At(at)), to: within.to.min(end) };
        if cell.from < cell.to {
            if cells.len() == max {
                return None;
            }
            cells.push(cell);
        }
        match end {
            Edge::At(next) => at = next,
            Edge::Start | Edge::End => break,
        }
    }
    Some(cells)
}

/// What takes the place of a range, ascending and without a gap: the cells that hold rows, and those
/// that will from now to the end of `premake`, each for itself; what lies between, before and after
/// them stays in one piece each, however many cells it is.
#[must_use]
pub fn pieces(axis: &Axis, whole: Span, held: &[Span], aim: &Aim) -> Vec<Span> {
    let mut kept = held.to_vec();
    let ahead = cells(axis, whole, aim.first.min(aim.now), aim.target, super::CELLS_MAX);
    kept.extend(ahead.unwrap_or_default());
    kept.sort_unstable();
    kept.dedup();
    let mut pieces = Vec::with_capacity(kept.len() * 2 + 1);
    let mut at = whole.from;
    for cell in kept {
        if at < cell.from {
            pieces.push(Span { from: at, to: cell.from });
        }
        at = cell.to;
        pieces.push(cell);
    }
    if at < whole.to {
        pieces.push(Span { from: at, to: whole.to });
    }
    pieces
}

/// The same in so many parts as one exchange attaches: the oldest pieces each for itself, the newer ones
/// together, no more of them in one than the next exchange takes apart.
#[must_use]
pub fn grouped(pieces: &[Span]) -> Vec<Span> {
    let (count, max) = (pieces.len(), PARTS_MAX);
    if count <= max {
        return pieces.to_vec();
    }
    let groups = (count - max).div_ceil(max - 1).min(max);
    let (single, together) = pieces.split_at(max - groups);
    let size = together.len().div_ceil(groups);
    let joined = together
        .chunks(size)
        .filter_map(|group| Some(Span { from: group.first()?.from, to: group.last()?.to }));
    single.iter().copied().chain(joined).collect()
}
