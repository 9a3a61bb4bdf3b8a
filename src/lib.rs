//! pgtend tends one PostgreSQL database. The code map is in ARCHITECTURE.md.

pub mod config;
pub mod job;
pub mod pg;
pub mod telemetry;
pub mod throwaway;
pub mod time;
