//! Killed after every statement: does the next run end where an uninterrupted one does?
//!
//! ```ignore
//! #[test]
//! fn a_drain_survives_every_kill() {
//!     on_every_major(|db| async move {
//!         db.execute("CREATE TABLE …; INSERT …").await;          // the world, made once
//!         let done = KillPoints::of(&db, CONFIG, &["partitions", "drain", "events"])
//!             .then(&["once", "partitions"])                     // what carries on; else the same again
//!             .run()
//!             .await;
//!         assert!(done.iter().any(|sql| sql.contains("ATTACH PARTITION")), "{done:#?}");
//!     });
//! }
//! ```
//!
//! The program runs on copies of the database, through a [`Door`] that counts the statements of the
//! one door for writes, `BEGIN` and `COMMIT` among them. The first copy is left in peace: its statements
//! are counted, and its [`digest`](super::digest) is the end to be reached. On every further copy it is
//! killed with SIGKILL when statement 1, 2, 3, … is done on the server and its answer not told, its
//! claim is set free, and what carries on runs once. Then the two digests must be equal: the catalog,
//! every row, and pgtend's own record, but for oids and times.
//!
//! The world should be small (a statement costs a second) and lie far enough from the edge of a
//! month or a year that the clock makes no difference: the program reads the real one.

use futures_util::StreamExt;
use futures_util::stream::iter;

use super::db::Db;
use super::digest::{difference, digest};
use super::door::Door;
use super::program::pgtend;
use super::wait::wait_until;

/// Copies in use at the same time.
const AT_ONCE: usize = 3;

/// One operation, to be killed.
pub struct KillPoints<'a> {
    world: &'a Db,
    config: &'a str,
    arguments: &'a [&'a str],
    then: &'a [&'a str],
    then_codes: &'a [i32],
}

impl<'a> KillPoints<'a> {
    /// The program with these arguments, on copies of this database. The configuration is as for
    /// [`pgtend`], without a `[database]` section.
    pub fn of(world: &'a Db, config: &'a str, arguments: &'a [&'a str]) -> Self {
        Self { world, config, arguments, then: arguments, then_codes: &[0] }
    }

    /// Another command carries on.
    pub fn then(mut self, arguments: &'a [&'a str]) -> Self {
        self.then = arguments;
        self
    }

    /// What carries on may end with one of these exit codes: where a person asks again for what is
    /// done already, say. The default is 0 only.
    pub fn then_exits(mut self, codes: &'a [i32]) -> Self {
        self.then_codes = codes;
        self
    }

    /// Kills, and compares. Returns the statements of the uninterrupted run, for the test to see that
    /// it did what it is about.
    ///
    /// # Panics
    /// The uninterrupted run fails, or an end differs: the message names the statement.
    pub async fn run(self) -> Vec<String> {
        let ran = pgtend(self.world, self.config).run(&["migrate"]).await;
        assert_eq!(ran.code, Some(0), "{ran}");
        let peaceful = self.world.copy().await;
        let door = Door::to(&peaceful, None).await;
        let ran = pgtend(&peaceful, &self.through(&door)).run(self.arguments).await;
        assert_eq!(ran.code, Some(0), "uninterrupted: {ran}");
        let statements = door.statements();
        assert!(!statements.is_empty(), "nothing was written: {ran}");
        self.carry_on(&peaceful, "the uninterrupted run").await;
        let wanted = digest(&peaceful).await;
        peaceful.drop_database().await;
        iter((1..).zip(&statements))
            .for_each_concurrent(AT_ONCE, |(killed, statement)| {
                self.kill_after(killed, statement, &wanted)
            })
            .await;
        statements
    }

    async fn kill_after(&self, count: usize, statement: &str, wanted: &[String]) {
        let copy = self.world.copy().await;
        let door = Door::to(&copy, Some(count)).await;
        let program = pgtend(&copy, &self.through(&door));
        let running = program.spawn(self.arguments);
        door.closed().await;
        running.kill9().await;
        drop(door);
        let at = format!("killed after statement {count}, {statement}");
        left_alone(&copy).await;
        // Instead of half a minute of waiting.
        copy.execute(
            "UPDATE pgtend.job_run SET lease_until = clock_timestamp() WHERE status = 'running'",
        )
        .await;
        self.carry_on(&copy, &at).await;
        let found = digest(&copy).await;
        assert!(found == wanted, "{at}:\n{}", difference(wanted, &found));
        copy.drop_database().await;
    }

    async fn carry_on(&self, copy: &Db, after: &str) {
        let ran = pgtend(copy, self.config).run(self.then).await;
        let code = ran.code.expect("an exit code");
        assert!(self.then_codes.contains(&code), "after {after}: {ran}");
    }

    fn through(&self, door: &Door) -> String {
        format!("[database]\nurl = \"{}\"\n\n{}", door.url(), self.config)
    }
}

/// Waits until the server has undone what the killed process left open.
async fn left_alone(db: &Db) {
    let ours = "SELECT 1 FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name LIKE 'pgtend%'";
    wait_until("the server has noticed", || async { db.rows(ours).await.is_empty() }).await;
}
