//! What pgtend wrote into its log during the demo.

use std::path::Path;

use serde_json::Value;

use super::stage::APPLICATION;
use crate::cli::Failure;

/// The log's lines.
#[derive(Debug, Clone, Default)]
pub struct Lines(Vec<String>);

impl Lines {
    /// Reads the log.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::io(&format!("read {}", path.display()), &error))?;
        Ok(Self(text.lines().map(str::to_owned).collect()))
    }

    /// The lines of this event, in order.
    #[must_use]
    pub fn of(&self, event: &str) -> Vec<Value> {
        let lines = self.0.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["event"] == event).collect()
    }

    /// Those about statements of the application. On a slow machine pgtend's own batches may be slow,
    /// too, and are reported like all others.
    #[must_use]
    pub fn slow(&self, event: &str) -> Vec<Value> {
        self.of(event).into_iter().filter(|line| line["user"] == APPLICATION).collect()
    }

    /// The last line of this event and job, as it stands in the file.
    #[must_use]
    pub fn example(&self, event: &str, job: &str) -> Option<&str> {
        let fits = |line: &&String| {
            let value: Value = serde_json::from_str(line).unwrap_or_default();
            value["event"] == event && value["job"] == job
        };
        self.0.iter().rev().find(fits).map(String::as_str)
    }
}
