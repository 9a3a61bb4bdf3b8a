//! A throwaway PostgreSQL server, for the demo and the tests.
//!
//! It has a directory, a port and an unprivileged account of its own, so it can meet no server that
//! is already there. It ends with its owner, even one killed with SIGKILL: the postmaster runs under
//! a small shell, the guard, which waits on a pipe that only the owner holds.
//!
//! Everything here blocks; async callers use `spawn_blocking`.
mod account;
mod binaries;
mod janitor;

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;
use std::{fs, io, thread};

use tempfile::TempDir;

use crate::pg::fault::{Fault, Kind};
use crate::time::clock;
use account::Account;
pub use binaries::Binaries;
use janitor::Janitor;

const GUARD: &str = include_str!("guard.sh");

/// Below the range that systems take outgoing ports from, so nobody takes ours by chance.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// A port is free when tried and may be gone a moment later; five times in a row it is not chance.
const PORT_ATTEMPTS: u32 = 5;
/// Starting takes 0.1 s; crash recovery on a busy machine has taken 10.
const START_DEADLINE: Duration = Duration::from_mins(1);
const START_POLL: Duration = Duration::from_millis(10);

/// What every throwaway server is told; the caller's settings come after and win.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("shared_preload_libraries", "pg_stat_statements"),
    ("shared_buffers", "32MB"),
    // Its data must survive its own crashes, not the machine's. Commits stay synchronous for that.
    ("fsync", "off"),
    ("full_page_writes", "off"),
    // Time, process, database and application: enough to find one client's lines.
    ("log_line_prefix", "%m [%p] %d %a: "),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// A running server. Dropping it stops it and removes its directory.
pub struct Server {
    account: Account,
    binaries: Binaries,
    port: u16,
    password: String,
    guard: Option<Child>,
    // Last: removed after the guard has ended.
    dir: TempDir,
}

impl Server {
    /// Makes a cluster (UTF-8, locale C) and starts it with these settings on top of our own.
    ///
    /// The superuser is `postgres`: with a password over TCP, without one over the socket in the
    /// server's directory, which is closed to other accounts.
    ///
    /// # Errors
    /// `initdb` or the server failed; the message has the end of what it printed.
    pub fn start(binaries: &Binaries, settings: &[(&str, &str)]) -> Result<Self, Fault> {
        let (account, dir) =
            Account::with_directory().map_err(|error| io_fault("make a directory", &error))?;
        let janitor = Janitor::of(account, dir.path())
            .map_err(|error| io_fault("watch over", &error).on(dir.path().display()))?;
        let binaries = if account.can_run(&binaries.bin.join("initdb"), dir.path()) {
            binaries.clone()
        } else {
            binaries.copy_to(&dir.path().join("postgres"), account).map_err(|error| {
                io_fault("copy PostgreSQL's programs", &error).on(binaries.bin.display())
            })?
        };
        let password = random_hex().map_err(|error| io_fault("read /dev/urandom", &error))?;
        let mut server = Self { account, binaries, port: 0, password, guard: None, dir };
        server.initialize()?;
        server.start_somewhere(settings)?;
        janitor
            .dismiss()
            .map_err(|error| io_fault("look after", &error).on(server.dir.path().display()))?;
        Ok(server)
    }

    /// `postgres://postgres:…@127.0.0.1:PORT/database`, with the superuser's password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// Its TCP port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its major version.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.binaries.major
    }

    /// The directory that holds the data, the log and the socket.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// Its log; it goes on across restarts.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// The postmaster's process id.
    ///
    /// # Errors
    /// The server is not running.
    pub fn pid(&self) -> Result<u32, Fault> {
        let text = fs::read_to_string(self.data().join("postmaster.pid"));
        let text = text.map_err(|error| io_fault("read postmaster.pid", &error))?;
        let first = text.lines().next().unwrap_or_default();
        first.parse().map_err(|_| {
            Fault::new(Kind::Io, "read postmaster.pid", format!("it starts with {first:?}"))
        })
    }

    /// Stops it as an administrator does ("fast"): clients are disconnected, data is flushed.
    ///
    /// # Errors
    /// The guard could not be spoken to.
    pub fn stop(&mut self) -> Result<(), Fault> {
        self.tell_guard("INT")
    }

    /// Stops it as a crash does ("immediate"): the next start recovers from the log.
    ///
    /// # Errors
    /// The guard could not be spoken to.
    pub fn kill_now(&mut self) -> Result<(), Fault> {
        self.tell_guard("QUIT")
    }

    /// Stops it, if it runs, and starts it again on the same port.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub fn restart(&mut self) -> Result<(), Fault> {
        self.stop()?;
        self.launch()
    }

    /// Lets the server outlive us. Returns the shell command that ends and removes it.
    ///
    /// # Errors
    /// The server is not running.
    pub fn leave(mut self) -> Result<String, Fault> {
        let pid = self.pid()?;
        self.tell_guard("leave")?;
        self.dir.disable_cleanup(true);
        // Its processes write into the directory until they are gone; so is the file then.
        let (dir, file) = (self.dir.path().display(), self.data().join("postmaster.pid"));
        Ok(format!(
            "kill -INT {pid} && while [ -e {} ]; do sleep 0.1; done; rm -rf {dir}",
            file.display()
        ))
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs `initdb`.
    fn initialize(&self) -> Result<(), Fault> {
        let doing = "make a database cluster in";
        let dir = self.dir.path();
        let password_file = dir.join("password");
        fs::write(&password_file, &self.password)
            .and_then(|()| self.account.give(&password_file))
            .map_err(|error| io_fault("write", &error).on(password_file.display()))?;
        let output = self
            .account
            .command(&self.binaries.bin.join("initdb"), dir)
            .args(["--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256"])
            .arg(format!("--pwfile={}", password_file.display()))
            .arg(format!("--pgdata={}", self.data().display()))
            .output()
            .map_err(|error| io_fault("run initdb for", &error).on(dir.display()))?;
        if !output.status.success() {
            let printed = String::from_utf8_lossy(&output.stderr);
            return Err(Fault::new(Kind::Server, doing, last_lines(&printed)).on(dir.display()));
        }
        fs::remove_file(&password_file)
            .and_then(|()| {
                let mut config = fs::OpenOptions::new()
                    .append(true)
                    .open(self.data().join("postgresql.conf"))?;
                writeln!(config, "include '../throwaway.conf'")
            })
            .map_err(|error| io_fault(doing, &error).on(dir.display()))
    }

    fn start_somewhere(&mut self, settings: &[(&str, &str)]) -> Result<(), Fault> {
        for _ in 1..PORT_ATTEMPTS {
            match self.start_on_new_port(settings) {
                Err(fault) if fault.message.contains("Address already in use") => {}
                other => return other,
            }
        }
        self.start_on_new_port(settings)
    }

    fn start_on_new_port(&mut self, settings: &[(&str, &str)]) -> Result<(), Fault> {
        let config = self.dir.path().join("throwaway.conf");
        self.port = free_port();
        let mut text = format!(
            "port = {}\nunix_socket_directories = '{}'\n",
            self.port,
            self.dir.path().display()
        );
        for (name, value) in SETTINGS.iter().chain(settings) {
            let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
        }
        fs::write(&config, text).map_err(|error| io_fault("write", &error).on(config.display()))?;
        self.launch()
    }

    /// Starts the guard, which starts the postmaster, and waits until it accepts connections.
    fn launch(&mut self) -> Result<(), Fault> {
        let log_before = fs::metadata(self.log_path()).map_or(0, |log| log.len());
        let guard = self
            .account
            .command(Path::new("/bin/sh"), self.dir.path())
            .args(["-c", GUARD, "pgtend-guard"])
            .arg(self.binaries.bin.join("postgres"))
            .arg(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C is for the owner, who may still need the server to end in good order.
            .process_group(0)
            .spawn()
            .map_err(|error| io_fault("run /bin/sh", &error))?;
        self.guard = Some(guard);
        let ready = self.wait_until_ready(log_before);
        if ready.is_err() {
            self.kill_now()?;
        }
        ready
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a throwaway server is started outside any runtime"
    )]
    fn wait_until_ready(&self, log_before: u64) -> Result<(), Fault> {
        let doing = format!("start PostgreSQL {} in", self.major());
        let deadline = clock::monotonic() + START_DEADLINE;
        loop {
            // Before the log: the postmaster writes its last words, then removes this file.
            let has_pid_file = self.data().join("postmaster.pid").exists();
            let log = read_from(&self.log_path(), log_before).unwrap_or_default();
            if log.contains("ready to accept") {
                return Ok(());
            }
            let failed = log.contains("FATAL:") && !has_pid_file;
            if failed || clock::monotonic() > deadline {
                let why = if failed {
                    last_lines(&log)
                } else {
                    format!("not ready after {START_DEADLINE:?}: {}", last_lines(&log))
                };
                return Err(Fault::new(Kind::Server, doing, why).on(self.dir.path().display()));
            }
            thread::sleep(START_POLL);
        }
    }

    /// Gives the guard a word, if there is one, and waits for its end.
    fn tell_guard(&mut self, word: &str) -> Result<(), Fault> {
        let Some(mut guard) = self.guard.take() else { return Ok(()) };
        let told = guard.stdin.take().map_or(Ok(()), |mut pipe| writeln!(pipe, "{word}"));
        told.and_then(|()| guard.wait().map(|_| ()))
            .map_err(|error| io_fault("stop the server in", &error).on(self.dir.path().display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            // What it could not remove, the directory's own drop does.
            let _ = guard.wait();
        }
    }
}

fn io_fault(doing: &str, error: &io::Error) -> Fault {
    Fault::new(Kind::Io, doing, error.to_string())
}

fn random_hex() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    // If none is free, the server itself says so best.
    std::iter::repeat_with(|| fastrand::u16(PORTS)).take(1000).find(is_free).unwrap_or(PORTS.start)
}

fn read_from(file: &Path, offset: u64) -> io::Result<String> {
    let bytes = fs::read(file)?;
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    Ok(String::from_utf8_lossy(&bytes[start..]).into_owned())
}

/// The end of a program's output, as one line: that is where the reason stands.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(6)..].join("; ")
}
