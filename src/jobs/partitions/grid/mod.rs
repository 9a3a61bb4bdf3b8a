//! Values and shapes, and no server: what a key's values mean, the cells of a grid, the bounds of
//! partitions, what they cover, and how a set made by others goes on.

pub mod axis;
pub mod bounds;
pub(super) mod continued;
pub mod coverage;
pub mod key;
pub(super) mod kind;
