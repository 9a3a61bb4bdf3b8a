//! The demo as a newcomer runs it: it keeps its promises, touches nothing else and leaves nothing.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use pgtend::throwaway::Binaries;
use tempfile::TempDir;

use crate::support::{majors, send_signal, wait_until};

/// All that could lead to another server. None of it may matter.
const ELSEWHERE: [(&str, &str); 7] = [
    ("PGTEND_CONFIG", "/nonexistent/pgtend.toml"),
    ("PGTEND__DATABASE__URL", "postgres://nobody@127.0.0.1:1/nothing"),
    ("PGTEND__DATABASE__SCHEMA", "elsewhere"),
    ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing"),
    ("PGHOST", "127.0.0.1"),
    ("PGPORT", "1"),
    ("PGSSLMODE", "verify-full"),
];

#[test]
fn it_keeps_its_promises_and_what_it_keeps_can_be_looked_at() {
    for major in majors() {
        let major = major.to_string();
        let home = tempfile::tempdir().unwrap();
        let output = demo(&home, &major, &["--keep"]).output().unwrap();
        let (stdout, stderr) = texts(&output);
        assert_eq!(output.status.code(), Some(0), "{stdout}\n{stderr}");
        for part in [
            "create_partition",
            "move_rows",
            "as there are",
            "while pgtend works",
            "AS last_seen FROM customers",
            "\"event\":\"run.finished\"",
            "All 7 promises kept.",
        ] {
            assert!(stdout.contains(part), "{part:?} is not in:\n{stdout}");
        }
        for part in ["archive: 1", "rows/s", "1 statement became slow", "1 statement fast again"] {
            assert!(stderr.contains(part), "{part:?} is not in:\n{stderr}");
        }
        assert!(!format!("{stdout}{stderr}").contains('\x1b'), "colours without a terminal");
        look_around(&stdout);
    }
}

/// Does what the demo's last words say.
fn look_around(stdout: &str) {
    let config = stdout.lines().find_map(|line| line.trim().strip_suffix(" plan")).unwrap();
    let (program, config) = config.split_once(" --config ").unwrap();
    let run = |arguments: &[&str]| {
        Command::new(program).args(["--config", config]).args(arguments).output().unwrap()
    };
    let plan = run(&["plan", "partitions", "--check"]);
    assert_eq!(plan.status.code(), Some(0), "{}", texts(&plan).0);
    let history = texts(&run(&["history", "--format", "json"])).0;
    let runs: serde_json::Value = serde_json::from_str(&history).unwrap();
    assert!(runs.as_array().unwrap().iter().all(|run| run["status"] == "succeeded"), "{history}");

    let directory = Path::new(config).parent().unwrap();
    let (_, end) = stdout.split_once("Stop the server and remove everything:").unwrap();
    assert!(Command::new("sh").args(["-c", end.trim()]).status().unwrap().success());
    assert!(!directory.exists());
    assert_ne!(run(&["plan"]).status.code(), Some(0));
}

#[tokio::test]
async fn it_removes_everything_when_it_is_stopped() {
    for (signal, code) in [("INT", Some(75)), ("TERM", Some(75)), ("KILL", None)] {
        let home = tempfile::tempdir().unwrap();
        let major = majors().pop().unwrap().to_string();
        let mut started = Started::new(demo(&home, &major, &[]));
        started.wait_for("sample data");
        send_signal(signal, started.process.id());
        let mut rest = String::new();
        started.stderr.read_to_string(&mut rest).unwrap();
        assert_eq!(started.process.wait().unwrap().code(), code, "SIG{signal}: {rest}");
        assert!(code.is_none() || rest.contains("all it held are removed"), "{rest}");
        let directory = &started.directory;
        wait_until("its directory is gone", || async { !directory.exists() }).await;
    }
}

#[test]
fn it_refuses_what_is_not_its_own() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [["--config", "pgtend.toml"], ["--postgres", "12"]] {
        let output = command(&home).arg("demo").args(arguments).output().unwrap();
        let (stdout, stderr) = texts(&output);
        assert_eq!(output.status.code(), Some(64), "{stderr}");
        assert_eq!(stdout, "");
        assert!(!stderr.contains("PostgreSQL 18"), "{stderr}");
    }
}

/// A demo that is under way.
struct Started {
    process: Child,
    stderr: BufReader<std::process::ChildStderr>,
    directory: PathBuf,
}

impl Started {
    fn new(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let mut this = Self { process, stderr, directory: PathBuf::new() };
        let line = this.wait_for("on port");
        let (_, directory) = line.split_once(", in ").unwrap();
        this.directory = directory.split_whitespace().next().unwrap().into();
        assert!(this.directory.exists());
        this
    }

    fn wait_for(&mut self, part: &str) -> String {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "no line with {part:?}");
        }
        line
    }
}

fn demo(home: &TempDir, major: &str, arguments: &[&str]) -> Command {
    let bin = Binaries::discover(Some(major.parse().unwrap())).unwrap().bin;
    let mut command = command(home);
    command.args(["demo", "--postgres", major]).args(arguments).env("PGTEND_POSTGRES_BIN", bin);
    command
}

fn command(home: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgtend"));
    command.env_clear().env("PATH", "/usr/bin:/bin").envs(ELSEWHERE).current_dir(home.path());
    command
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
