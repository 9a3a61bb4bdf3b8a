//! PostgreSQL: names, versions, faults, reads in `catalog`, and the one door for writes.

pub mod blockers;
pub mod catalog;
pub mod condition;
pub mod connect;
pub mod fault;
pub mod ident;
pub mod lexer;
pub mod notices;
pub mod partition_name;
pub mod schema;
pub mod session;
pub mod step;
pub mod version;
