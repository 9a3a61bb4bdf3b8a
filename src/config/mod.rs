//! Configuration: text to meaning.
pub mod checked;
