//! What a default partition means for a partition that is to be made.

use super::recipe::BesideDefault;
use crate::jobs::partitions::grid::coverage::Piece;
use crate::jobs::partitions::tended::Tended;

/// What a default partition means for one range.
pub enum Beside {
    /// There is none.
    None,
    /// It holds none of the range's rows, as far as is known.
    Default(BesideDefault),
    /// It holds rows of the range: attaching a partition there fails until they are moved.
    Blocked,
}

/// Judges by what was asked about its rows.
#[must_use]
pub fn beside_default(table: &Tended<'_>, piece: &Piece) -> Beside {
    let Some(default) = &table.facts.default else { return Beside::None };
    let answer = default.look.as_ref().and_then(|look| {
        let index = look.ranges.iter().position(|range| *range == (piece.from, piece.to))?;
        let rows = look.answer.as_ref().ok()?;
        Some((rows.is_large, *rows.occupied.get(index)?))
    });
    match answer {
        Some((_, true)) => Beside::Blocked,
        // Where nothing is known, the way that is safe for any number of rows is taken.
        known => Beside::Default(BesideDefault {
            name: default.name.clone(),
            key: table.key.clone(),
            is_large: known.is_none_or(|(is_large, _)| is_large),
        }),
    }
}
