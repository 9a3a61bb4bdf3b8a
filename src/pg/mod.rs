//! PostgreSQL: names, versions, faults, reads in `catalog`, and the one door for writes.

mod beside;
pub mod blockers;
pub mod catalog;
pub mod condition;
pub mod connect;
mod execute;
pub mod fault;
mod fence;
pub mod ident;
pub mod lexer;
pub mod notices;
pub mod partition_name;
pub mod probe;
pub mod range;
mod refusal;
pub mod schema;
pub mod session;
mod settings;
pub mod step;
pub mod version;
pub mod wal;
