//! Failures of a command, and the exit code of each.

use std::fmt;
use std::process::ExitCode;

use crate::config::Problems;
use crate::pg::fault::{Fault, Kind};

/// Wrong usage (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;
/// Wrong configuration (`EX_CONFIG` of sysexits).
const CONFIGURATION: u8 = 78;

/// Why a command ended.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for something that is not there.
    Usage(String),
    /// The configuration, all its problems.
    Configuration(Problems),
    /// Anything classified.
    Fault(Fault),
}

impl Failure {
    /// A file or stream that failed.
    #[must_use]
    pub fn io(doing: &str, error: &std::io::Error) -> Self {
        Self::Fault(Fault::new(Kind::Io, doing, error.to_string()))
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Configuration(_) => CONFIGURATION,
            Self::Fault(fault) => fault.kind.exit_code(),
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Configuration(problems)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) => write!(f, "{message}"),
            Self::Configuration(problems) => write!(f, "{problems}"),
            Self::Fault(fault) => write!(f, "{fault}"),
        }
    }
}

/// The process's end: a failure is said once, on standard error.
pub fn code(result: Result<u8, Failure>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            super::output::error(&match &failure {
                // Each problem begins with its file and line, as editors expect.
                Failure::Configuration(problems) => problems.to_string(),
                other => format!("pgtend: {other}"),
            });
            ExitCode::from(failure.exit_code())
        }
    }
}

/// clap's own errors: help and version are results, all else is wrong usage.
pub fn usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to do if even this cannot be printed.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}
