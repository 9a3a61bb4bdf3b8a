//! Configuration: text to meaning.
pub mod checked;
pub mod secret;
