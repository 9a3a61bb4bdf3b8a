//! The log file: what is kept, what is removed, and what happens when it cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::config::checked::{LogFile, Rotation};
use crate::pg::fault::Kind;
use crate::telemetry::file::write_line;

fn settings(directory: &Path, rotation: Rotation) -> LogFile {
    LogFile { directory: directory.to_owned(), rotation, keep: 2 }
}

fn open(directory: &Path) -> RollingFile {
    RollingFile::open(settings(directory, Rotation::Never)).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn paused(job: &'static str) -> Event {
    Event::JobPaused { job, by: None }
}

#[test]
fn the_file_gets_json_whatever_standard_error_gets() {
    let directory = tempfile::tempdir().unwrap();
    let pretty = Style { pretty: true, colored: true, journal: false };
    let file = open(&directory.path().join("made/on/the/way"));
    logging(pretty, Level::Info, Some(file), |out| {
        emit(paused("archive"));
        assert!(out.text().contains("\x1b[32mINFO \x1b[0m"), "{}", out.text());
    });
    let text = fs::read_to_string(directory.path().join("made/on/the/way/pgtend.jsonl")).unwrap();
    assert_eq!(parsed(&text)[0]["event"], "job.paused");
}

#[test]
fn pruning_removes_our_oldest_files_and_nobody_elses() {
    let directory = tempfile::tempdir().unwrap();
    let foreign = [
        "other.2020-01-01.jsonl",
        "pgtend-2020-01-01.jsonl",
        "pgtend.2020-01-01.jsonl.gz",
        "pgtend.2020-1-1.jsonl",
        "pgtend.2020-01-01-00-00.jsonl",
        "pgtend.toml",
        "pgtend.notes.jsonl",
        "pgtend.2020-01-01.log",
    ];
    let ours = ["pgtend.2020-01-02.jsonl", "pgtend.2020-01-03-04.jsonl", "pgtend.2020-01-03.jsonl"];
    for name in foreign.iter().chain(&ours) {
        fs::write(directory.path().join(name), "").unwrap();
    }
    fs::create_dir(directory.path().join("pgtend.2020-01-04.jsonl")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", directory.path().join("pgtend.2020-01-05.jsonl"))
        .unwrap();
    let before = names(directory.path());

    drop(RollingFile::open(settings(directory.path(), Rotation::Daily)).unwrap());

    let after = names(directory.path());
    let removed: Vec<_> = before.iter().filter(|name| !after.contains(name)).collect();
    assert_eq!(removed, ["pgtend.2020-01-02.jsonl", "pgtend.2020-01-03-04.jsonl"]);
    let added: Vec<_> = after.iter().filter(|name| !before.contains(name)).collect();
    assert_eq!(added.len(), 1, "{added:?}");
    assert_eq!(added[0].len(), "pgtend.2025-01-01.jsonl".len());
}

#[test]
fn what_cannot_be_pruned_costs_no_line() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["pgtend.jsonl", "pgtend.2020-01-01.jsonl", "pgtend.2020-01-02.jsonl"] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(directory.path().join("probe"), "").is_ok() {
        return; // root: permissions bind others
    }
    let mut file = open(directory.path());
    assert!(matches!(file.append("1\n"), Some(Event::LogPruneFailed { .. })));
    assert!(file.append("2\n").is_none());
    assert_eq!(fs::read_to_string(directory.path().join("pgtend.jsonl")).unwrap(), "1\n2\n");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_removed_directory_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    let mut file = open(&logs);
    assert!(file.append("1\n").is_none());
    fs::remove_dir_all(&logs).unwrap();
    assert!(file.append("2\n").is_none());
    assert_eq!(fs::read_to_string(logs.join("pgtend.jsonl")).unwrap(), "2\n");
    assert_eq!(file.write_errors(), 0);
}

#[test]
fn a_file_moved_away_is_left_after_reopen() {
    let directory = tempfile::tempdir().unwrap();
    let (name, moved) = (directory.path().join("pgtend.jsonl"), directory.path().join("moved"));
    let mut file = open(directory.path());
    file.append("1\n");
    fs::rename(&name, &moved).unwrap();
    fs::write(&name, "").unwrap();
    file.append("2\n");
    file.reopen();
    file.append("3\n");
    assert_eq!(fs::read_to_string(moved).unwrap(), "1\n2\n");
    assert_eq!(fs::read_to_string(name).unwrap(), "3\n");
}

#[test]
fn a_failure_is_said_once_counted_and_over_when_it_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    let file = open(&logs);
    logging(JSON, Level::Info, Some(file), |out| {
        emit(paused("archive"));
        fs::remove_dir_all(&logs).unwrap();
        fs::write(&logs, "a file in the way").unwrap();
        emit(paused("analyze"));
        emit(paused("partitions"));
        fs::remove_file(&logs).unwrap();
        emit(paused("slow_queries"));

        let lines = parsed(&out.text());
        let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
        assert_eq!(
            events,
            [
                "job.paused",
                "job.paused",
                "log.write_failed",
                "job.paused",
                "job.paused",
                "log.write_recovered"
            ]
        );
        assert_eq!(lines[2]["error.type"], "io");
        assert_eq!(lines[5]["lines_lost"], 2);
    });
    let text = fs::read_to_string(logs.join("pgtend.jsonl")).unwrap();
    assert_eq!(parsed(&text)[0]["job"], "slow_queries");
}

#[test]
fn a_full_disk_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().join("pgtend.jsonl");
    std::os::unix::fs::symlink("/dev/full", &name).unwrap();
    let mut file = open(directory.path());
    let Some(Event::LogWriteFailed { fault, .. }) = file.append("1\n") else {
        panic!("not noticed");
    };
    assert!(fault.message.contains("No space left"), "{fault}");
    assert!(file.append("2\n").is_none());
    assert_eq!(file.write_errors(), 2);
    fs::remove_file(&name).unwrap();
    let again = file.append("3\n");
    assert!(matches!(again, Some(Event::LogWriteRecovered { lines_lost: 2, .. })), "{again:?}");
    assert_eq!(fs::read_to_string(name).unwrap(), "3\n");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let in_the_way = directory.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let fault = RollingFile::open(settings(&in_the_way, Rotation::Daily)).err().unwrap();
    assert_eq!((fault.kind, fault.kind.exit_code()), (Kind::Io, 74));
    let text = fault.to_string();
    assert!(text.contains(in_the_way.to_str().unwrap()), "{text}");
    assert!(text.contains("log.file.directory"), "{text}");
}

/// A disk that takes `room` bytes in all, five at a time.
struct Disk {
    room: usize,
    written: Vec<u8>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(5).min(self.room);
        if taken == 0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.room -= taken;
        self.written.extend(&bytes[..taken]);
        Ok(taken)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_stump_of_a_line_spoils_no_other() {
    let mut disk = Disk { room: 13, written: Vec::new() };
    let mut torn = false;
    assert!(write_line(&mut disk, &mut torn, "line 1\n").is_ok() && !torn);
    assert!(write_line(&mut disk, &mut torn, "line 2\n").is_err() && torn);
    assert!(write_line(&mut disk, &mut torn, "line 3\n").is_err() && torn);
    disk.room = 100;
    assert!(write_line(&mut disk, &mut torn, "line 4\n").is_ok() && !torn);
    assert_eq!(String::from_utf8(disk.written).unwrap(), "line 1\nline 2\nline 4\n");
}
