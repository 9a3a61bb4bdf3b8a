//! `config show` and `config schema`.

use std::path::Path;

use super::{Failure, output};
use crate::config;

pub fn show(file: Option<&Path>) -> Result<u8, Failure> {
    let path = config::find_file(file);
    let loaded = config::load(path.as_deref(), config::process_environment())?;
    output::print(&config::show(&loaded))?;
    Ok(0)
}

pub fn schema() -> Result<u8, Failure> {
    output::json(&config::schema())?;
    Ok(0)
}
