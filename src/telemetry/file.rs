//! The rolling log file.
//!
//! tracing-appender opens and names the files. What it does not do is done here: it prints
//! errors of rotation and goes on with the old file, writes into a deleted file without noticing,
//! and its `max_log_files` prunes whatever begins and ends like a log file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tracing_appender::rolling::{RollingFileAppender, Rotation as AppenderRotation};

use super::event::Event;
use crate::config::checked::{LogFile, Rotation};
use crate::pg::fault::{Fault, Kind};
use crate::time::clock;

const PREFIX: &str = "pgtend";
const SUFFIX: &str = "jsonl";

/// The file lines are appended to. Each line that cannot be written is counted and lost here (it
/// is on standard error), and the next one tries again from the start.
pub(super) struct RollingFile {
    settings: LogFile,
    /// None: to be opened at the next line.
    appender: Option<RollingFileAppender>,
    /// The last write ended within a line.
    torn: bool,
    /// Since the file was last written.
    lines_lost: u64,
    write_errors: u64,
    /// Old files could not be removed; said with the next line.
    prune_error: Option<io::Error>,
}

impl RollingFile {
    /// Opens the file, making its directory if that is missing.
    ///
    /// # Errors
    /// `Io`, with the path and the cure, if the directory or the file cannot be written.
    pub fn open(settings: LogFile) -> Result<Self, Fault> {
        let mut file = Self {
            settings,
            appender: None,
            torn: false,
            lines_lost: 0,
            write_errors: 0,
            prune_error: None,
        };
        match file.ready() {
            Ok(_) => Ok(file),
            Err(error) => Err(file.write_fault(&error)),
        }
    }

    /// Appends a line, newline included. Returns what there is to say about the file itself: the
    /// first failure, that it can be written again, or that old files stay.
    pub fn append(&mut self, line: &str) -> Option<Event> {
        let path = self.path().display().to_string();
        match self.try_append(line) {
            Ok(()) if self.lines_lost > 0 => {
                let lines_lost = std::mem::take(&mut self.lines_lost);
                Some(Event::LogWriteRecovered { path, lines_lost })
            }
            Ok(()) => self
                .prune_error
                .take()
                .map(|error| Event::LogPruneFailed { fault: self.prune_fault(&error) }),
            Err(error) => {
                self.appender = None;
                self.write_errors += 1;
                self.lines_lost += 1;
                (self.lines_lost == 1)
                    .then(|| Event::LogWriteFailed { path, fault: self.write_fault(&error) })
            }
        }
    }

    /// Lets go of the open file; the next line opens it by name. For logrotate.
    pub fn reopen(&mut self) {
        self.appender = None;
    }

    /// Writes that failed since the start.
    pub fn write_errors(&self) -> u64 {
        self.write_errors
    }

    fn try_append(&mut self, line: &str) -> io::Result<()> {
        let mut torn = self.torn;
        let result = self.ready().and_then(|file| write_line(file, &mut torn, line));
        self.torn = torn;
        result
    }

    /// The appender with its file open. A new period and a removed file look the same: there is
    /// no file of that name, so one is opened and the oldest are pruned.
    fn ready(&mut self) -> io::Result<&mut RollingFileAppender> {
        if self.appender.is_some() && !self.path().exists() {
            self.appender = None;
        }
        if self.appender.is_none() {
            let appender = RollingFileAppender::builder()
                .rotation(match self.settings.rotation {
                    Rotation::Hourly => AppenderRotation::HOURLY,
                    Rotation::Daily => AppenderRotation::DAILY,
                    Rotation::Never => AppenderRotation::NEVER,
                })
                .filename_prefix(PREFIX)
                .filename_suffix(SUFFIX)
                .build(&self.settings.directory)
                .map_err(io::Error::other)?;
            self.appender = Some(appender);
            self.prune_error =
                prune(&self.settings.directory, self.settings.keep, &self.path()).err();
        }
        self.appender.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Where lines go now.
    fn path(&self) -> PathBuf {
        let now = clock::wall();
        let name = match self.settings.rotation {
            Rotation::Hourly => format!("{PREFIX}.{}.{SUFFIX}", now.format("%Y-%m-%d-%H")),
            Rotation::Daily => format!("{PREFIX}.{}.{SUFFIX}", now.format("%Y-%m-%d")),
            Rotation::Never => format!("{PREFIX}.{SUFFIX}"),
        };
        self.settings.directory.join(name)
    }

    fn write_fault(&self, error: &io::Error) -> Fault {
        Fault::new(Kind::Io, "write log file", error.to_string()).on(self.path().display()).with_hint(
            "give the directory of log.file.directory to the user pgtend runs as and free space \
             on its disk, or name another directory",
        )
    }

    fn prune_fault(&self, error: &io::Error) -> Fault {
        Fault::new(Kind::Io, "remove old files in log directory", error.to_string())
            .on(self.settings.directory.display())
            .with_hint("give the directory and its files to the user pgtend runs as")
    }
}

/// Writes a line. `torn` says whether the file ends within one: such a stump gets its own newline
/// first, so that only it is unreadable.
pub(super) fn write_line(out: &mut impl Write, torn: &mut bool, line: &str) -> io::Result<()> {
    let text = if *torn { format!("\n{line}") } else { line.to_owned() };
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match out.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                rest = &rest[written..];
                *torn = !rest.is_empty();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes the oldest of our dated files beyond `keep`, never the current one and nothing whose
/// name is not exactly of our making.
fn prune(directory: &Path, keep: u32, current: &Path) -> io::Result<()> {
    let mut dated = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let ours = entry.file_name().to_str().is_some_and(is_dated);
        if ours && entry.file_type()?.is_file() && entry.path() != current {
            dated.push(entry.path());
        }
    }
    // Dates in names sort as text; the current file is one of those kept.
    dated.sort_unstable_by(|a, b| b.cmp(a));
    for path in dated.into_iter().skip(keep.saturating_sub(1) as usize) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// Whether a name is `pgtend.YYYY-MM-DD.jsonl` or `pgtend.YYYY-MM-DD-HH.jsonl`.
fn is_dated(name: &str) -> bool {
    let date = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .and_then(|rest| rest.strip_suffix('.'))
        .unwrap_or_default();
    let shape: String = date.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    matches!(shape.as_str(), "9999-99-99" | "9999-99-99-99")
}
