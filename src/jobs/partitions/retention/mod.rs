//! Old partitions leave: which (`choice`), what became of those that left (`held`), in which words
//! (`plan`), by which SQL (`action`).
//!
//! Nothing here leaves by its name or by computed ages, only by the real upper bound in the catalog.
//! Nothing is dropped that is not in pgtend's own record, and nothing in the run that detached it.

pub mod action;
pub mod choice;
pub mod held;
pub mod plan;
pub mod restore;
