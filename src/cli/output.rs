//! Standard output: results, nothing else.

use std::io::{ErrorKind, Write};

use clap::CommandFactory;
use comfy_table::{Table, TableStyle};

use super::Failure;
use super::args::Cli;

/// Writes a result. A reader that left (`pgtend plan | head`) is not a failure.
///
/// # Errors
/// Any other error of standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::io("write to standard output", &error))
        }
        _ => Ok(()),
    }
}

/// Writes a value as JSON.
///
/// # Errors
/// As [`print()`].
pub fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::io("write JSON", &error.into()))?;
    print(&(text + "\n"))
}

/// Says why the process ends, where no log line can.
pub fn error(text: &str) {
    // Nothing is left to do if even this cannot be printed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A table without lines, for results that may also be cut by columns.
#[must_use]
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_header(header.to_vec());
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// The completions of a shell.
///
/// # Errors
/// As [`print()`].
pub fn completions(shell: clap_complete::Shell) -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pgtend", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(0)
}

/// The manual page.
///
/// # Errors
/// As [`print()`].
pub fn man() -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut text)
        .map_err(|error| Failure::io("write the manual page", &error))?;
    print(&String::from_utf8_lossy(&text))?;
    Ok(0)
}
