//! The throwaway servers themselves: whatever happens to their owner, none is left behind.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pgtend::throwaway::{Binaries, Server};
use signal_hook::consts::SIGINT;
use sqlx::{Connection, PgConnection};

use crate::support::{majors, on_every_major, on_own_server, send_signal, wait_until};

#[test]
fn every_major_under_test_is_itself() {
    on_every_major(|db| async move {
        let version: u32 = db.value("SHOW server_version_num").await.parse().unwrap();
        assert_eq!(version / 10_000, db.major());
        db.execute("CREATE EXTENSION pg_stat_statements").await;
        assert_eq!(db.column("SELECT 'ä' UNION ALL SELECT NULL").await, ["ä", "NULL"]);
    });
}

#[test]
fn the_log_is_read_by_database() {
    on_every_major(|db| async move {
        let mut conn = db.connect().await;
        let mark = db.log_mark();
        crate::support::run(&mut conn, "SET log_statement = 'all'").await;
        crate::support::run(&mut conn, "SELECT 'first',\n'second'").await;
        wait_until("the statement is in the log", || async {
            db.server_log_since(mark).contains("SELECT 'first',\n\t'second'\n")
        })
        .await;
    });
}

#[test]
fn data_survives_a_restart_and_a_crash() {
    on_own_server(&[("log_checkpoints", "on")], |db, server| async move {
        assert_eq!(db.value("SHOW log_checkpoints").await, "on");
        db.execute("CREATE TABLE t AS SELECT 1 AS id").await;
        server.get().restart().unwrap();
        db.execute("INSERT INTO t VALUES (2)").await;
        server.get().kill_now().unwrap();
        assert!(PgConnection::connect(db.url()).await.is_err());
        server.get().restart().unwrap();
        assert_eq!(db.column("SELECT id FROM t ORDER BY id").await, ["1", "2"]);
    });
}

#[test]
fn a_wrong_setting_is_reported_with_the_servers_words() {
    let binaries = Binaries::discover(majors().pop()).unwrap();
    let fault = Server::start(&binaries, &[("shared_buffers", "lots")]).map(|_| ()).unwrap_err();
    assert!(
        fault.to_string().contains(r#"invalid value for parameter "shared_buffers": "lots""#),
        "{fault}"
    );
}

/// A repository below root's home: the unprivileged account cannot reach what is fetched there.
#[tokio::test]
async fn programs_in_a_closed_directory_are_copied_and_removed_again() {
    let only_ours = fs::Permissions::from_mode(0o700);
    let closed = tempfile::Builder::new().permissions(only_ours).tempdir().unwrap();
    let home = Binaries::discover(majors().pop()).unwrap().bin.parent().unwrap().to_owned();
    let copied = Command::new("cp").arg("-R").arg(&home).arg(closed.path()).status();
    assert!(copied.unwrap().success());
    let bin = closed.path().join(home.file_name().unwrap()).join("bin");
    Owner::spawn_with("hold", &bin).kill("KILL").assert_gone().await;
}

#[tokio::test]
async fn a_server_ends_with_a_killed_owner() {
    for major in majors() {
        let bin = Binaries::discover(Some(major)).unwrap().bin;
        for signal in ["KILL", "INT", "TERM"] {
            let owner = Owner::spawn_with("hold", &bin);
            let mode = fs::metadata(&owner.directory).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "others reach the socket, and need no password there");
            owner.kill(signal).assert_gone().await;
        }
    }
}

/// The fake `initdb` says where it works and works on there until that is gone.
#[tokio::test]
async fn a_directory_goes_with_an_owner_killed_before_there_is_a_server() {
    let open = |mode| fs::Permissions::from_mode(mode);
    let bin = tempfile::Builder::new().permissions(open(0o755)).tempdir().unwrap();
    let note = bin.path().join("note");
    let initdb = format!(
        "[ \"$1\" = --version ] && exit\nmkdir data\npwd >{}\n\
         while echo on >data/file; do sleep 0.01; done 2>/dev/null\n",
        note.display()
    );
    for (name, text) in [("initdb", &*initdb), ("postgres", "echo 'postgres (PostgreSQL) 18.0'\n")]
    {
        fs::write(bin.path().join(name), format!("#!/bin/sh\n{text}")).unwrap();
        fs::set_permissions(bin.path().join(name), open(0o755)).unwrap();
    }
    fs::write(&note, "").unwrap();
    fs::set_permissions(&note, open(0o666)).unwrap();

    let mut owner = Owner::command("hold", bin.path()).spawn().unwrap();
    wait_until("initdb works", || async { fs::read_to_string(&note).unwrap().contains('/') }).await;
    let directory = fs::read_to_string(&note).unwrap();
    assert!(Path::new(directory.trim()).exists());
    send_signal("KILL", owner.id());
    owner.wait().unwrap();
    wait_until("its directory is gone", || async { !Path::new(directory.trim()).exists() }).await;
}

#[cfg(target_os = "linux")] // where a process's parent is easily found
#[tokio::test]
async fn a_server_ends_with_its_guard() {
    let owner = Owner::spawn("hold");
    send_signal("TERM", parent(owner.postmaster));
    owner.assert_gone().await;
    owner.kill("KILL");
}

#[tokio::test]
async fn a_server_left_alone_lives_until_it_is_told_to_end() {
    let mut owner = Owner::spawn("leave");
    owner.process.wait().unwrap();
    let mut conn = PgConnection::connect(&owner.url).await.unwrap();
    sqlx::query("SELECT 1").execute(&mut conn).await.unwrap();
    assert!(Command::new("sh").args(["-c", &owner.end]).status().unwrap().success());
    owner.assert_gone().await;
}

/// This test program again, as a process that owns a server and can be killed.
struct Owner {
    process: Child,
    // Kept open: a test program that cannot print complains.
    _output: Lines<BufReader<ChildStdout>>,
    url: String,
    directory: String,
    postmaster: u32,
    end: String,
}

impl Owner {
    fn spawn(then: &str) -> Self {
        Self::spawn_with(then, &Binaries::discover(majors().pop()).unwrap().bin)
    }

    fn spawn_with(then: &str, bin: &Path) -> Self {
        let mut process = Self::command(then, bin).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut next = || lines.next().expect("four lines from an_owner").unwrap();
        while next() != "here it is" {}
        let (url, directory, postmaster, end) = (next(), next(), next(), next());
        let postmaster = postmaster.parse().unwrap();
        Self { process, _output: lines, url, directory, postmaster, end }
    }

    fn command(then: &str, bin: &Path) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["throwaway::an_owner", "--exact", "--ignored", "--nocapture"])
            .env("PGTEND_TEST_OWNER", then)
            .env("PGTEND_POSTGRES_BIN", bin)
            .stdout(Stdio::piped());
        command
    }

    fn kill(mut self, signal: &str) -> Self {
        send_signal(signal, self.process.id());
        self.process.wait().unwrap();
        self
    }

    async fn assert_gone(&self) {
        let (_, address) = self.url.rsplit_once('@').unwrap();
        let address = address.trim_end_matches("/postgres");
        wait_until("nobody listens", || async { TcpStream::connect(address).is_err() }).await;
        wait_until("its directory is gone", || async { !Path::new(&self.directory).exists() })
            .await;
    }
}

#[test]
#[ignore = "not a test: what the tests above start as another process"]
fn an_owner() {
    let binaries = Binaries::discover(None).unwrap();
    let server = Server::start(&binaries, &[]).unwrap();
    println!(
        "\nhere it is\n{}\n{}\n{}",
        server.url("postgres"),
        server.directory().display(),
        server.pid().unwrap()
    );
    end_by(SIGINT);
    if std::env::var("PGTEND_TEST_OWNER").unwrap() == "leave" {
        println!("{}", server.leave().unwrap());
        return;
    }
    println!("held");
    loop {
        std::thread::park();
    }
}

/// A shell without job control starts what runs in the background with SIGINT ignored.
fn end_by(signal: i32) {
    let at_once = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_default(signal, at_once).unwrap();
}

#[cfg(target_os = "linux")]
fn parent(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    after_name.split(' ').nth(1).unwrap().parse().unwrap()
}
