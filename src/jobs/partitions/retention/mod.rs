//! Old partitions leave: which (`choice`), what became of those that left (`held`, `quarantine`), in
//! which words (`plan`, `detach`, `report`), by which SQL (`action`, `drop`), and back again
//! (`restore`); what is left of tables that are not tended any more (`strays`), and of partitions whose
//! rows others took over (`leftovers`, `ending`).
//!
//! Nothing here leaves by its name or by computed ages, only by the real upper bound in the catalog.
//! Nothing is dropped that is not in pgtend's own record, and nothing in the run that detached it;
//! unless `on_expiry = "drop_at_once"` says that nothing is to be kept.

pub mod action;
pub mod agreement;
pub mod choice;
mod detach;
mod drop;
pub mod ending;
pub mod held;
pub mod leftovers;
pub mod plan;
mod quarantine;
mod report;
pub mod restore;
pub mod strays;
mod words;
