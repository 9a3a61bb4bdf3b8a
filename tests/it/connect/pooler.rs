//! `PgBouncer` in between: a pool of transactions is refused, a pool of sessions will do.

use std::io::Write as _;
use std::process::Stdio;

use pgtend::time::clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::{assert_refused, by};
use crate::daemon::TABLE;
use crate::support::{Db, on_every_major, wait_until};

/// Ends with the test process, also a killed one: then the pipe it reads from is closed.
const GUARD: &str = r#"pgbouncer -q "$1" & bouncer=$!; read -r _; kill "$bouncer"; wait"#;

/// A running pooler.
struct Bouncer {
    url: String,
    _guard: Child,
    _dir: tempfile::TempDir,
}

impl Bouncer {
    /// One before this database, with these settings; none where `PgBouncer` is not installed.
    async fn before(db: &Db, settings: &str) -> Option<Self> {
        let found = std::process::Command::new("pgbouncer").arg("--version").output();
        if found.is_err() {
            // Past the capture of a test's output: a skipped test must be seen.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: pgbouncer is not installed (Debian: apt-get install pgbouncer)"
            );
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let server = url::Url::parse(db.url()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pgbouncer.ini");
        // It does not run as root, and its unprivileged self reads nothing more.
        let user = if is_root() { "user = nobody\n" } else { "" };
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres password={}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\n{user}{settings}\n",
            server.port().unwrap(),
            server.password().unwrap(),
        );
        std::fs::write(&file, text).unwrap();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(&file)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        wait_until("the pooler listens", || async { TcpStream::connect(&address).await.is_ok() })
            .await;
        let url = format!("postgres://someone@{address}/{}", db.name());
        Some(Self { url, _guard: guard, _dir: dir })
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn a_pool_of_transactions_is_refused() {
    on_every_major(|db| async move {
        for settings in [
            "pool_mode = transaction",
            // Each statement on another server connection.
            "pool_mode = transaction\nserver_round_robin = 1\nmin_pool_size = 3",
            "pool_mode = statement",
        ] {
            let Some(bouncer) = Bouncer::before(&db, settings).await else { return };
            // A pool that has been used has connections to go round.
            for _ in 0..2 {
                let ran = by(&db, &bouncer.url).run(&["once"]).await;
                assert_refused(
                    &ran,
                    78,
                    &["a transaction pooler stands in between", "database.pooler = \"session\""],
                );
            }
            let checked = by(&db, &bouncer.url).run(&["check"]).await;
            assert_eq!(checked.code, Some(78), "{checked}");
            assert!(checked.stdout.contains("a transaction pooler stands in between"), "{checked}");
        }
    });
}

#[test]
fn a_pooler_that_refuses_parameters_is_named() {
    on_every_major(|db| async move {
        let Some(bouncer) = Bouncer::before(&db, "pool_mode = session").await else { return };
        let url = format!("{}?options=-c%20geqo%3Doff", bouncer.url);
        let started = clock::monotonic();
        let ran = by(&db, &url).run(&["once"]).await;
        assert_refused(
            &ran,
            78,
            &["unsupported startup parameter", "a pooler refuses the parameter"],
        );
        assert!(started.elapsed().as_secs() < 5, "it was tried again and again");
    });
}

#[test]
fn a_pool_of_sessions_will_do() {
    on_every_major(|db| async move {
        db.execute(TABLE).await;
        let Some(bouncer) = Bouncer::before(&db, "pool_mode = session").await else { return };
        let program = by(&db, &bouncer.url);
        let ran = program.run(&["once"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        let daemon = program.spawn(&["run"]);
        daemon.event("daemon.ready", |_| true).await;
        crate::daemon::trigger(&program, &daemon).await;
        daemon.event("run.finished", |line| line["outcome"] == "succeeded").await;
        daemon.signal("TERM");
        assert_eq!(daemon.wait_exit().await.code, Some(0));
    });
}
