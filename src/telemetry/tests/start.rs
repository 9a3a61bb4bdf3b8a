//! `init` itself. It is once per process, so the test runs itself again as a child.

use std::process::Command;

use super::*;
use crate::config::checked::{Log, LogFile, LogFormat, Rotation};

const DIRECTORY: &str = "PGTEND_TEST_LOG_DIRECTORY";

/// The child: logs, changes the level, panics in a thread, and ends without ceremony.
#[test]
#[expect(clippy::disallowed_methods, reason = "not even this exit may lose a line")]
fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let file = LogFile { directory: directory.into(), rotation: Rotation::Hourly, keep: 2 };
    let log = Log { level: Level::Error, format: LogFormat::Auto, file: Some(file) };
    let guard = init(&log).unwrap();
    emit(Event::JobPaused { job: "archive", by: None });
    guard.set_level(Level::Info);
    emit(Event::JobPaused { job: "analyze", by: None });
    guard.reopen();
    run_span(&run_fields()).in_scope(|| {
        let _ = std::panic::catch_unwind(|| panic!("one\ntwo"));
    });
    assert!(init(&log).is_err());
    assert_eq!(guard.write_errors(), 0);
    std::process::exit(0);
}

#[test]
fn a_process_logs_to_standard_error_and_to_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["telemetry::tests::start::child", "--exact", "--nocapture"])
        .env(DIRECTORY, directory.path())
        // Inherited, and true of another file.
        .env("JOURNAL_STREAM", "1:1")
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    let on_stderr = String::from_utf8(child.stderr).unwrap();
    let lines = parsed(&on_stderr);
    assert_eq!(lines.len(), 2, "{on_stderr}");
    assert_eq!(lines[0]["job"], "analyze");
    assert_eq!(lines[1]["event"], "daemon.panicked");
    assert_eq!(lines[1]["job"], "archive");
    assert_eq!(lines[1]["error.message"], "one\ntwo");
    assert!(lines[1]["location"].as_str().unwrap().contains("start.rs:"));
    let mut files = std::fs::read_dir(directory.path()).unwrap();
    let in_file = std::fs::read_to_string(files.next().unwrap().unwrap().path()).unwrap();
    assert_eq!(in_file, on_stderr);
}

#[test]
fn only_the_journal_itself_gets_priorities() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    let stderr = std::fs::File::create(directory.path().join("stderr")).unwrap();
    let stream = stderr.metadata().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["telemetry::tests::start::child", "--exact", "--nocapture"])
        .env(DIRECTORY, directory.path().join("logs"))
        .env("JOURNAL_STREAM", format!("{}:{}", stream.dev(), stream.ino()))
        .stderr(stderr)
        .status()
        .unwrap();
    assert!(status.success());
    let text = std::fs::read_to_string(directory.path().join("stderr")).unwrap();
    let begins: Vec<_> = text.lines().map(|line| &line[..4]).collect();
    assert_eq!(begins, ["<6>{", "<3>{"]);
}
