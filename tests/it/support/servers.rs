//! The servers under test: one per major version and test process, ended with it.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::future::Future;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock};

use futures_util::FutureExt;
use pgtend::throwaway::{Binaries, Server};

use super::db::Db;

/// On servers that tests share. Autovacuum would analyze and count behind a test's back: a test that
/// needs it starts a server of its own. They share the table of statements too: it has room for all.
const SHARED: &[(&str, &str)] =
    &[("max_connections", "200"), ("autovacuum", "off"), ("pg_stat_statements.max", "50000")];

/// The major versions under test: `$PGTEND_TEST_MAJORS`, or the lowest and the highest supported.
pub fn majors() -> Vec<u32> {
    let list = env::var("PGTEND_TEST_MAJORS").unwrap_or_else(|_| "13,18".into());
    list.split(',').map(|major| major.trim().parse().expect("PGTEND_TEST_MAJORS=13,18")).collect()
}

/// Runs the test on each major version, in a database of its own, dropped when the test has passed.
pub fn on_every_major<F, Fut>(test: F)
where
    F: Fn(Db) -> Fut,
    Fut: Future<Output = ()>,
{
    for major in majors() {
        on(major, &test);
    }
}

fn on<F, Fut>(major: u32, test: F)
where
    F: Fn(Db) -> Fut,
    Fut: Future<Output = ()>,
{
    run_named(major, async {
        let db = Db::create(shared(major)).await;
        watched(&db, test(db.clone())).await;
        db.drop_database().await;
    });
}

/// Runs the test on the newest major version only: it is about us, not about the server.
pub fn on_the_newest_major<F, Fut>(test: F)
where
    F: Fn(Db) -> Fut,
    Fut: Future<Output = ()>,
{
    on(newest(), test);
}

/// The same with a server of its own.
pub fn on_the_newest_own_server<F, Fut>(settings: &[(&str, &str)], test: F)
where
    F: Fn(Db, OwnServer) -> Fut,
    Fut: Future<Output = ()>,
{
    on_own(newest(), settings, test);
}

fn newest() -> u32 {
    majors().into_iter().max().expect("a major version")
}

/// Runs the test on each major version, with a server of its own that has these settings and can be
/// stopped and restarted.
pub fn on_own_server<F, Fut>(settings: &[(&str, &str)], test: F)
where
    F: Fn(Db, OwnServer) -> Fut,
    Fut: Future<Output = ()>,
{
    for major in majors() {
        on_own(major, settings, &test);
    }
}

fn on_own<F, Fut>(major: u32, settings: &[(&str, &str)], test: F)
where
    F: Fn(Db, OwnServer) -> Fut,
    Fut: Future<Output = ()>,
{
    let server = start(major, settings);
    run_named(major, async {
        let db = Db::create(&server).await;
        let own = OwnServer(Arc::new(Mutex::new(server)));
        watched(&db, test(db.clone(), own.clone())).await;
    });
}

/// Runs the test on a server of its own that has the extension `pg_partman`, where Debian's package
/// of it is installed; otherwise it says so and does nothing.
pub fn on_server_with_partman<F, Fut>(test: F)
where
    F: Fn(Db) -> Fut,
    Fut: Future<Output = ()>,
{
    let Some(binaries) = with_partman() else {
        // Past the capture of a test's output: a skipped test must be seen.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: pg_partman is not installed (Debian: apt-get install postgresql-15-partman)"
        );
        return;
    };
    let server = Server::start(&binaries, SHARED).unwrap_or_else(|fault| panic!("{fault}"));
    run_named(binaries.major, async {
        let db = Db::create(&server).await;
        watched(&db, test(db.clone())).await;
    });
}

/// An installed server, the newest first, beside which the extension is.
pub fn with_partman() -> Option<Binaries> {
    (13..=18).rev().find_map(|major| {
        let share = format!("/usr/share/postgresql/{major}/extension/pg_partman.control");
        let bin = format!("/usr/lib/postgresql/{major}/bin");
        if Path::new(&share).exists() { Binaries::at(Path::new(&bin)).ok() } else { None }
    })
}

/// A server that one test has to itself.
#[derive(Clone)]
pub struct OwnServer(Arc<Mutex<Server>>);

impl OwnServer {
    /// Its handle. The calls on it block, for a moment.
    pub fn get(&self) -> MutexGuard<'_, Server> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

pub(super) fn start(major: u32, settings: &[(&str, &str)]) -> Server {
    let binaries = Binaries::discover(Some(major)).unwrap_or_else(|fault| panic!("{fault}"));
    Server::start(&binaries, settings).unwrap_or_else(|fault| panic!("{fault}"))
}

/// Statics are never dropped: the servers' guards end them when this process is gone.
fn shared(major: u32) -> &'static Server {
    static SERVERS: LazyLock<BTreeMap<u32, OnceLock<Server>>> =
        LazyLock::new(|| majors().into_iter().map(|major| (major, OnceLock::new())).collect());
    SERVERS[&major].get_or_init(|| start(major, SHARED))
}

fn run_named(major: u32, test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = runtime.expect("a runtime").block_on(AssertUnwindSafe(test).catch_unwind());
    if let Err(panic) = outcome {
        eprintln!("the test failed on PostgreSQL {major}");
        std::panic::resume_unwind(panic);
    }
}

/// If the test fails, shows the last of what the server said about its database.
async fn watched(db: &Db, test: impl Future<Output = ()>) {
    const LINES_MAX: usize = 30;
    let mark = db.log_mark();
    if let Err(panic) = AssertUnwindSafe(test).catch_unwind().await {
        let log = db.server_log_since(mark);
        let lines: Vec<&str> = log.lines().collect();
        let mut shown = String::new();
        for line in &lines[lines.len().saturating_sub(LINES_MAX)..] {
            let _ = writeln!(shown, "  {line}");
        }
        eprintln!("the server's log about {}:\n{shown}", db.name());
        std::panic::resume_unwind(panic);
    }
}
