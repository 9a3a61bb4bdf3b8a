//! PostgreSQL: names, versions, faults, and the one door for writes.
pub mod fault;
pub mod ident;
pub mod step;
pub mod version;
