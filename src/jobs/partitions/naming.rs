//! How new partitions are called, and how many a run makes.

use super::tended::Tended;
use crate::jobs::partitions::grid::coverage::Piece;
use crate::pg::ident::TableName;

/// Partitions one run makes at most, over all tables: more than two years of days, and few enough
/// for an operator to notice a mistake in `premake` before the catalog is full.
pub const MADE_MAX: usize = 1_000;
/// A name that is taken is tried again with `_2` to `_5` behind it.
pub const NAMES_TRIED: u32 = 5;

/// The name of a partition to be; see [`NAMES_TRIED`].
#[must_use]
pub fn name_of(table: &Tended<'_>, piece: &Piece, number: u32) -> TableName {
    let (parent, template) = (&table.name.table, &table.template);
    let from = table.axis.mark(piece.from);
    table.name.sibling(if piece.whole_cell {
        template.cell(parent, from, number)
    } else {
        template.odd(parent, from, table.axis.mark(piece.to), number)
    })
}

/// A range in words.
#[must_use]
pub fn range(table: &Tended<'_>, piece: &Piece) -> String {
    let key = table.axis.key;
    format!("{} to {}", key.words(piece.from), key.words(piece.to))
}
