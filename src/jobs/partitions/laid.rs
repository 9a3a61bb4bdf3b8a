//! What follows from a table's facts and its section, whatever the time is.

use super::grid::axis::Axis;
use super::grid::bounds::{Edge, Span, parse_bound};
use super::grid::coverage::Existing;
use crate::pg::ident::Ident;
use crate::pg::partition_name::Template;

/// What follows from a table's facts and its section alone. A run asks for it several times, and to read
/// the bounds and names of all partitions is most of its own work: so it is worked out once.
#[derive(Debug, Clone)]
pub struct Laid {
    pub(super) axis: Axis,
    pub(super) key: Ident,
    pub(super) other_owner: Option<Ident>,
    pub(super) template: Template,
    pub(super) differs: Option<String>,
    pub(super) existing: Vec<Existing>,
    pub(super) within: Span,
}

/// What a table may hold by its own bound, as a partition by the same key.
pub fn within(own_bound: Option<&str>) -> Span {
    own_bound
        .and_then(|bound| parse_bound(bound).ok().flatten())
        .unwrap_or(Span { from: Edge::Start, to: Edge::End })
}
