//! The compiled program, run as an operator runs it.

use std::fmt;
use std::fs;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::db::Db;
use super::terminal::Terminal;
use super::wait::{PATIENCE, POLL};

/// pgtend with a configuration file of its own, in an environment of its own.
pub struct Program {
    dir: TempDir,
    env: Vec<(String, String)>,
}

/// pgtend on this database. The configuration gets a `[database]` section with the database's URL,
/// unless it has one; `{url}` in it is replaced by the URL.
pub fn pgtend(db: &Db, config: &str) -> Program {
    let mut text = config.replace("{url}", db.url());
    if !text.contains("[database]") {
        text = format!("[database]\nurl = \"{}\"\n\n{text}", db.url());
    }
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("pgtend.toml"), text).expect("write the configuration");
    Program { dir, env: Vec::new() }
}

impl Program {
    /// Sets an environment variable for the program, which otherwise sees only PATH.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its working directory, which holds `pgtend.toml`.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Replaces the configuration; the text is taken as it is.
    pub fn rewrite_config(&self, config: &str) {
        fs::write(self.dir.path().join("pgtend.toml"), config).expect("write the configuration");
    }

    /// Runs it to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let child = self.command(arguments).spawn().expect("start pgtend");
        let output = timeout(2 * PATIENCE, child.wait_with_output()).await;
        let output = output
            .unwrap_or_else(|_| panic!("pgtend {arguments:?} does not end"))
            .expect("its output");
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Runs it to its end on a terminal. Returns its exit code, and what the terminal was sent.
    pub async fn run_on_terminal(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let terminal = Terminal::open();
        let mut command = self.command(arguments);
        command.stdout(terminal.end()).stderr(terminal.end());
        let mut child = command.spawn().expect("start pgtend");
        // It holds the program's end open, too.
        drop(command);
        let sent = tokio::task::spawn_blocking(|| terminal.read());
        let status = timeout(2 * PATIENCE, child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("pgtend {arguments:?} does not end"));
        (status.expect("its end").code(), sent.await.expect("what it was sent"))
    }

    /// Starts it and lets it run: the daemon, mostly. It is killed when the handle is dropped.
    pub fn spawn(&self, arguments: &[&str]) -> Daemon {
        let mut child = self.command(arguments).spawn().expect("start pgtend");
        let lines = Arc::default();
        let readers = [
            collect(child.stderr.take().expect("piped"), Arc::clone(&lines)),
            collect(child.stdout.take().expect("piped"), Arc::default()),
        ];
        Daemon { child, lines, readers }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgtend"));
        command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("PGTEND_CONFIG", self.dir.path().join("pgtend.toml"));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.dir.path()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// What a finished run left. Its `Display` shows all of it, for a failing assertion.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Results.
    pub stdout: String,
    /// The log.
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON: {error}\n{self}"))
    }

    /// The log's lines, each as JSON.
    #[track_caller]
    pub fn log(&self) -> Vec<Value> {
        self.stderr.lines().map(parse_line).collect()
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr } = self;
        write!(f, "exit code {code:?}\n-- stdout\n{stdout}\n-- stderr\n{stderr}")
    }
}

/// A running pgtend.
pub struct Daemon {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: [JoinHandle<()>; 2],
}

impl Daemon {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it is running")
    }

    /// Every log line so far, as JSON.
    #[track_caller]
    pub fn log(&self) -> Vec<Value> {
        self.text().iter().map(|line| parse_line(line)).collect()
    }

    /// Waits for the first log line with this `event` that fits, from the start of the log.
    pub async fn event(&self, event: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = timeout(PATIENCE, async {
            loop {
                if let Some(line) =
                    self.log().into_iter().find(|line| line["event"] == event && fits(line))
                {
                    return line;
                }
                tokio::time::sleep(POLL).await;
            }
        });
        found.await.unwrap_or_else(|_| {
            panic!("no fitting event {event}; the log:\n{}", self.text().join("\n"))
        })
    }

    /// Sends a signal by its name: `TERM`, `HUP`, `USR1`, …
    pub fn signal(&self, name: &str) {
        send_signal(name, self.pid());
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub async fn kill9(mut self) {
        self.child.kill().await.expect("kill pgtend");
    }

    /// Waits for its end. The log is complete then.
    pub async fn wait_exit(mut self) -> Ran {
        let status = timeout(2 * PATIENCE, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| {
            panic!("pgtend does not end; its log:\n{}", self.text().join("\n"))
        });
        for reader in &mut self.readers {
            reader.await.expect("the reader");
        }
        let code = status.expect("its status").code();
        Ran { code, stdout: String::new(), stderr: self.text().join("\n") }
    }

    fn text(&self) -> Vec<String> {
        self.lines.lock().expect("not poisoned").clone()
    }
}

/// Sends a signal by the shell's own `kill`: a bare machine has no program of that name.
pub fn send_signal(name: &str, pid: u32) {
    let sent =
        std::process::Command::new("sh").args(["-c", &format!("kill -s {name} {pid}")]).status();
    assert!(sent.expect("run sh").success(), "SIG{name} could not be sent to {pid}");
}

/// Reads on, so that the program never blocks on a full pipe.
fn collect(
    pipe: impl AsyncRead + Send + Unpin + 'static,
    into: Arc<Mutex<Vec<String>>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            into.lock().expect("not poisoned").push(line);
        }
    })
}

#[track_caller]
fn parse_line(line: &str) -> Value {
    serde_json::from_str(line)
        .unwrap_or_else(|error| panic!("a log line is not JSON: {error}\n{line}"))
}
