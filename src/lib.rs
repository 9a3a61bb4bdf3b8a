//! pgtend tends one PostgreSQL database. The code map is in ARCHITECTURE.md.

pub mod cli;
pub mod config;
pub mod job;
pub mod jobs;
pub mod pg;
pub mod scheduler;
pub mod shutdown;
pub mod telemetry;
pub mod throwaway;
pub mod time;
