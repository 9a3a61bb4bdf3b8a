//! The one door for writes.
//!
//! A [`Session`] is the server connection of one run. It is read-only by default, so that nothing
//! writes by accident; only [`Session::run`] opens a READ WRITE transaction, and it does so with a
//! lock time-out, under the fence of the run's claim, with a bounded ladder of tries. A session
//! that is dropped in the middle of a statement is closed, never given back to the pool.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Either, Executor, PgConnection, PgPool, Postgres, Row};
use tokio_util::sync::CancellationToken;

use super::blockers::blockers_of;
use super::connect::{Server, ServerFacts};
use super::fault::{Class, Fault, Kind};
use super::step::{Expect, LockWait, Mode, Statement, Step};
use crate::telemetry::{self, Event};
use crate::time::clock;

/// What one statement did.
#[derive(Debug)]
pub struct Done {
    /// Rows affected, as the command tag says.
    pub rows: u64,
    /// The first row it returned, if any.
    pub first: Option<PgRow>,
}

/// The claim a write stands under: no transaction commits unless this run still holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The row of `job_run`.
    pub run_id: i64,
    /// Raised by each take-over, so that the old holder of the same row is refused.
    pub attempt: i32,
}

impl Fence {
    /// One row while the claim is held, none afterwards.
    fn look(self) -> String {
        format!(
            "SELECT true FROM job_run WHERE run_id = {} AND attempt = {} AND status = 'running' \
             AND lease_until > clock_timestamp()",
            self.run_id, self.attempt
        )
    }

    /// The same, holding the row until the commit: the lease can be renewed, but not taken over.
    fn hold(self) -> String {
        self.look() + " FOR KEY SHARE"
    }
}

/// The backend that works for a run, so that the supervisor can cancel it from another connection.
#[derive(Debug, Clone, Default)]
pub struct Backend(Arc<Mutex<Option<i32>>>);

impl Backend {
    /// Its process id on the server, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, pid: Option<i32>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    }
}

/// A read-only look at the server.
pub struct Reader<'a> {
    /// For catalog queries; the session refuses writes.
    pub conn: &'a mut PgConnection,
    /// Version, database, own schema.
    pub server: &'a ServerFacts,
    /// The run's `now`, or what `plan --now` says: what is counted is counted as of then.
    pub now: DateTime<Utc>,
}

/// What a session is opened with.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    /// `application_name` becomes `pgtend/<this>`.
    pub name: &'static str,
    /// The claim; absent for `plan` and `check`, which write nothing.
    pub fence: Option<Fence>,
    /// Filled with the backend's pid while the session is open.
    pub backend: Backend,
    /// Ends waiting between tries.
    pub stop: CancellationToken,
}

/// The server connection of one run.
pub struct Session {
    conn: PoolConnection<Postgres>,
    control: PgPool,
    facts: Arc<ServerFacts>,
    spec: SessionSpec,
    /// The server's clock when the session was opened.
    opened_at: DateTime<Utc>,
    statement_timeout: Duration,
    /// A statement is under way: dropping now must close the connection.
    busy: bool,
}

impl Session {
    /// Takes a work connection and sets it up.
    ///
    /// # Errors
    /// `Unreachable` where no connection is had within `acquire_timeout`.
    pub async fn open(server: &Server, spec: SessionSpec) -> Result<Self, Fault> {
        let conn = server
            .work
            .acquire()
            .await
            .map_err(|error| Fault::from_sqlx("take a work connection", &error))?;
        let mut session = Self {
            conn,
            control: server.control.clone(),
            facts: Arc::clone(&server.facts),
            spec,
            opened_at: DateTime::UNIX_EPOCH,
            statement_timeout: server.statement_timeout(),
            busy: true,
        };
        let settings = server.session_settings(session.spec.name);
        session.plain(&settings).await?;
        if let Some(row) = session.plain("SELECT pg_backend_pid(), clock_timestamp()").await?.first
        {
            session.spec.backend.set(row.try_get(0).ok());
            session.opened_at = row.try_get(1).unwrap_or(DateTime::UNIX_EPOCH);
        }
        session.busy = false;
        Ok(session)
    }

    /// The connection for reading, with what is known of the server.
    pub fn reader(&mut self) -> Reader<'_> {
        Reader { conn: &mut self.conn, server: &self.facts, now: self.opened_at }
    }

    /// What is known of the server.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    /// Gives the connection back to the pool.
    pub fn close(self) {}

    /// Tells the server's counters what this session has changed, which it otherwise does at leisure:
    /// up to 10 s later, or when the connection is closed. Until then an ANALYZE by another session
    /// resets them too early.
    pub async fn report_counts(&mut self) {
        let sql = if self.facts.version.has_immediate_counters() {
            "SELECT pg_stat_force_next_flush()"
        } else {
            // What ends 0.5 s after the last report reports again.
            "SELECT pg_sleep(0.5)"
        };
        self.busy = true;
        match self.plain(sql).await {
            Ok(_) => self.busy = false,
            Err(fault) => tracing::debug!(%fault, "the counters are told later"),
        }
    }

    /// Runs a step: one transaction (or lone statements), tried again while the fault is temporary
    /// and the ladder has rungs left.
    ///
    /// # Errors
    /// The last fault, with the blockers where a lock was not had. `LeaseLost` where the claim is
    /// gone, `Changed` where an expectation did not hold; then nothing was changed.
    pub async fn run(&mut self, step: &Step) -> Result<Vec<Done>, Fault> {
        let mut last: Option<Fault> = None;
        let started = clock::monotonic();
        for (index, &lock_timeout) in step.lock.tries.iter().enumerate() {
            if index > 0 && !self.pause(&step.lock).await {
                break;
            }
            match self.attempt(step, lock_timeout).await {
                Ok(done) => {
                    if let Some(fault) = last {
                        waited(step, index, clock::millis_since(started), fault);
                    }
                    return Ok(done);
                }
                Err(fault) if fault.class() == Class::Retry && !fault.kind.ends_run() => {
                    last = Some(fault);
                }
                Err(fault) => return Err(fault),
            }
        }
        Err(last.unwrap_or_else(|| {
            Fault::new(Kind::Cancelled, step.doing, "stopped before the first try").on(&step.object)
        }))
    }

    /// Waits between tries; false where a stop was asked for.
    async fn pause(&self, lock: &LockWait) -> bool {
        let jittered = lock.pause.mul_f64(0.8 + 0.4 * fastrand::f64());
        tokio::select! {
            () = self.spec.stop.cancelled() => false,
            () = tokio::time::sleep(jittered) => true,
        }
    }

    async fn attempt(&mut self, step: &Step, lock_timeout: Duration) -> Result<Vec<Done>, Fault> {
        self.busy = true;
        let result = match step.mode {
            Mode::Alone => self.alone(step, lock_timeout).await,
            Mode::Transaction | Mode::RepeatableRead => self.transaction(step, lock_timeout).await,
        };
        let tidied = match (&result, step.mode) {
            (_, Mode::Alone) => self.plain("SET default_transaction_read_only = on").await.err(),
            (Err(_), _) => self.plain("ROLLBACK").await.err(),
            (Ok(_), _) => None,
        };
        // A connection that cannot be tidied stays busy and is closed when dropped.
        self.busy = tidied.is_some();
        result.map_err(|fault| if fault.object.is_none() { fault.on(&step.object) } else { fault })
    }

    async fn transaction(&mut self, step: &Step, lock: Duration) -> Result<Vec<Done>, Fault> {
        let isolation = match step.mode {
            Mode::RepeatableRead => "REPEATABLE READ",
            Mode::Transaction | Mode::Alone => "READ COMMITTED",
        };
        let fence = self.fence()?;
        let held = self
            .plain(&format!(
                "BEGIN ISOLATION LEVEL {isolation} READ WRITE; SET LOCAL lock_timeout = {}; {}",
                lock.as_millis(),
                fence.hold()
            ))
            .await?;
        still_ours(fence, &held)?;
        let done = self.statements(step, lock).await?;
        self.plain("COMMIT").await?;
        Ok(done)
    }

    async fn alone(&mut self, step: &Step, lock: Duration) -> Result<Vec<Done>, Fault> {
        let fence = self.fence()?;
        let held = self
            .plain(&format!(
                "SET lock_timeout = {}; SET default_transaction_read_only = off; {}",
                lock.as_millis(),
                fence.look()
            ))
            .await?;
        still_ours(fence, &held)?;
        self.statements(step, lock).await
    }

    /// A session without a claim may not write at all.
    fn fence(&self) -> Result<Fence, Fault> {
        self.spec.fence.ok_or_else(|| Fault::new(Kind::Bug, "write", "this session holds no claim"))
    }

    async fn statements(&mut self, step: &Step, lock: Duration) -> Result<Vec<Done>, Fault> {
        let mut all: Vec<Done> = Vec::with_capacity(step.statements.len());
        for statement in &step.statements {
            let done = self.watched(step, statement, lock).await?;
            check(step, &statement.expect, &done, &all)?;
            all.push(done);
        }
        Ok(all)
    }

    /// Runs one statement while a second connection looks, at half the lock time-out, at who stands
    /// in the way: after the time-out nobody can tell any more.
    async fn watched(
        &mut self,
        step: &Step,
        statement: &Statement,
        lock: Duration,
    ) -> Result<Done, Fault> {
        let pid = self.spec.backend.pid();
        let control = self.control.clone();
        let mut seen = Vec::new();
        let started = clock::monotonic();
        let run = execute(&mut self.conn, statement);
        tokio::pin!(run);
        let result = tokio::select! {
            result = &mut run => result,
            blockers = async {
                tokio::time::sleep(lock / 2).await;
                blockers_of(&control, pid).await
            } => {
                seen = blockers;
                run.await
            }
        };
        result.map_err(|error| {
            let mut fault = Fault::from_sqlx(step.doing, &error);
            match fault.kind {
                Kind::LockNotHad => fault.blockers = seen,
                // Both are 57014, and the words depend on the server's language.
                Kind::Cancelled if started.elapsed() >= self.statement_timeout => {
                    fault.kind = Kind::TimedOut;
                }
                _ => {}
            }
            fault
        })
    }

    /// Statements of the session's own housekeeping, by the simple protocol.
    async fn plain(&mut self, sql: &str) -> Result<Done, Fault> {
        execute(&mut self.conn, &Statement::new(sql))
            .await
            .map_err(|error| Fault::from_sqlx("talk to the server", &error))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.spec.backend.set(None);
        if self.busy {
            self.conn.close_on_drop();
        }
    }
}

/// Coped: the step was done, but not at the first try.
fn waited(step: &Step, tries: usize, lock_wait_ms: u64, fault: Fault) {
    telemetry::emit(Event::LockWaited {
        doing: step.doing.to_owned(),
        object: step.object.clone(),
        tries: u32::try_from(tries).unwrap_or(u32::MAX),
        lock_wait_ms,
        blockers: fault.blockers,
    });
}

/// One statement; by the simple protocol where it has no values, so that the server's log shows
/// the text of the plan and nothing else.
async fn execute(conn: &mut PgConnection, statement: &Statement) -> Result<Done, sqlx::Error> {
    let mut done = Done { rows: 0, first: None };
    let sql = AssertSqlSafe(statement.sql.as_str());
    let mut results = if statement.binds.is_empty() {
        conn.fetch_many(sqlx::raw_sql(sql))
    } else {
        let query = sqlx::query::<Postgres>(sql).persistent(false);
        let bound = statement.binds.iter().fold(query, sqlx::query::Query::bind);
        conn.fetch_many(bound)
    };
    while let Some(result) = results.try_next().await? {
        match result {
            Either::Left(tag) => done.rows += tag.rows_affected(),
            Either::Right(row) => {
                done.first.get_or_insert(row);
            }
        }
    }
    Ok(done)
}

fn still_ours(fence: Fence, held: &Done) -> Result<(), Fault> {
    if held.first.is_some() {
        return Ok(());
    }
    Err(Fault::new(
        Kind::LeaseLost,
        "write",
        format!("run {} no longer holds its claim; another process may have it", fence.run_id),
    ))
}

fn check(step: &Step, expect: &Expect, done: &Done, before: &[Done]) -> Result<(), Fault> {
    let (holds, sentence) = match expect {
        Expect::Any => return Ok(()),
        Expect::RowsOf(index, sentence) => {
            (before.get(*index).is_some_and(|other| other.rows == done.rows), sentence)
        }
        Expect::True(sentence) => {
            let answer = done.first.as_ref().and_then(|row| row.try_get::<bool, _>(0).ok());
            (answer == Some(true), sentence)
        }
    };
    if holds {
        Ok(())
    } else {
        Err(Fault::new(Kind::Changed, step.doing, *sentence).on(&step.object))
    }
}
