//! A partition that spans several cells of the grid, such as the one an adopted table becomes, is
//! replaced by partitions of one cell each: where the cuts lie (`pieces`), what it holds (`look`), what
//! is done (`plan`). How it is done is the matter of [`carve`](super::carve).
//!
//! One replacement makes so many partitions at most as one exchange attaches, and copies every row of
//! the old one. So where there are more cells, the oldest become partitions of their own at once, for
//! retention to take, and the newer ones stay together in a few wide ones, each of which is split in
//! a later run: every row is copied once or twice, not once for each month.

pub mod look;
pub mod pieces;
pub mod plan;

/// Cells between the oldest and the newest row that are asked about at most.
pub const CELLS_MAX: usize = 10_000;
