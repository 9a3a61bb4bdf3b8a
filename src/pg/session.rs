//! The one door for writes.
//!
//! A [`Session`] is the server connection of one run. It is read-only by default, so that nothing
//! writes by accident; only [`Session::run`] opens a READ WRITE transaction, and it does so with a
//! lock time-out, under the fence of the run's claim, with a bounded ladder of tries. A session
//! that is dropped instead of closed, perhaps in the middle of a statement, takes its connection
//! with it: it is never given back to the pool.

use std::pin::pin;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::pool::PoolConnection;
use sqlx::{Postgres, Row};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::beside::{self, Beside, Limits};
use super::blockers::{Watch, blockers_of, look_first};
use super::connect::Server;
pub use super::execute::Done;
use super::execute::{check, execute};
use super::fault::{Class, Fault, Kind};
pub use super::fence::Fence;
use super::probe::ServerFacts;
use super::settings::at_least_1_ms;
use super::step::{LockWait, Mode, Statement, Step};
use crate::telemetry::{self, Event};
use crate::time::clock;

mod backends;
mod counts;
mod reader;

pub use backends::Backends;
pub use reader::Reader;

/// What a session is opened with.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    /// `application_name` becomes `pgtend/<this>`.
    pub name: &'static str,
    /// The claim; absent for `plan` and `check`, which write nothing.
    pub fence: Option<Fence>,
    /// Holds the backend's pid while the session is open.
    pub backends: Backends,
    /// Ends waiting between tries.
    pub stop: CancellationToken,
}

/// The server connection of one run.
pub struct Session {
    conn: PoolConnection<Postgres>,
    server: Server,
    spec: SessionSpec,
    /// Held where its connection is one that no job needs for itself.
    spare: Option<OwnedSemaphorePermit>,
    /// Its process id on the server.
    pid: Option<i32>,
    /// The server's clock when the session was opened.
    opened_at: DateTime<Utc>,
    /// The connection is as it was set up, and may serve the next run.
    is_sound: bool,
    /// Closed, not dropped.
    is_closed: bool,
    /// Tries that failed for a lock or a conflict.
    setbacks: u64,
}

impl Session {
    /// Takes a work connection and sets it up.
    ///
    /// # Errors
    /// `Unreachable` where no connection is had within `acquire_timeout`; `Cancelled` where a stop
    /// is asked for meanwhile.
    pub async fn open(server: &Server, spec: SessionSpec) -> Result<Self, Fault> {
        let doing = "take a work connection";
        let conn = tokio::select! {
            conn = server.work.acquire() => conn.map_err(|error| Fault::from_sqlx(doing, &error))?,
            () = spec.stop.cancelled() => {
                return Err(Fault::new(Kind::Cancelled, doing, "stopped on request"));
            }
        };
        let mut session = Self {
            conn,
            server: server.clone(),
            spec,
            spare: None,
            pid: None,
            opened_at: DateTime::UNIX_EPOCH,
            is_sound: true,
            is_closed: false,
            setbacks: 0,
        };
        let settings = server.session_settings(session.spec.name);
        session.plain(&settings).await?;
        if let Some(row) = session.plain("SELECT pg_backend_pid(), clock_timestamp()").await?.first
        {
            session.pid = row.try_get(0).ok();
            session.spec.backends.add(session.pid);
            session.opened_at = row.try_get(1).unwrap_or(DateTime::UNIX_EPOCH);
        }
        Ok(session)
    }

    /// Another one of the same run, under the same claim; none where only connections are left that other
    /// jobs may need.
    pub async fn another(&self) -> Option<Self> {
        let spare = self.server.spare()?;
        let opened = Self::open(&self.server, self.spec.clone()).await;
        let opened = opened.inspect_err(|fault| tracing::debug!(%fault, "no second session"));
        let mut another = opened.ok()?;
        another.spare = Some(spare);
        Some(another)
    }

    /// The connection for reading, with what is known of the server.
    pub fn reader(&mut self) -> Reader<'_> {
        Reader { conn: &mut self.conn, server: &self.server.facts, now: self.opened_at }
    }

    /// What is known of the server.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        &self.server.facts
    }

    /// Tries so far that failed for a temporary reason: a lock, a deadlock, a conflict.
    #[must_use]
    pub fn setbacks(&self) -> u64 {
        self.setbacks
    }

    /// What another connection needs to look at this one while it is busy.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch { control: self.server.control.clone(), pid: self.pid }
    }

    /// Gives the connection back to the pool.
    pub fn close(mut self) {
        self.is_closed = true;
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
                        waited(step, index + 1, clock::millis_since(started), fault);
                    }
                    return Ok(done);
                }
                Err(fault) if is_temporary(step, &fault) => {
                    self.setbacks += 1;
                    last = Some(fault.or_blocked_as(last));
                }
                Err(fault) => return Err(fault),
            }
        }
        Err(last.unwrap_or_else(|| {
            Fault::new(Kind::Bug, step.doing, "the step has no try").on(&step.object)
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
        look_first(&mut self.conn, step).await?;
        let result = match step.mode {
            Mode::Alone => self.alone(step, lock_timeout).await,
            _ => self.transaction(step, lock_timeout).await,
        };
        let tidied = match (&result, step.mode) {
            (_, Mode::Alone) => self.plain("SET default_transaction_read_only = on").await.err(),
            (Err(_), _) => self.plain("ROLLBACK").await.err(),
            (Ok(_), _) => None,
        };
        self.is_sound &= tidied.is_none();
        result.map_err(|fault| if fault.object.is_none() { fault.on(&step.object) } else { fault })
    }

    async fn transaction(&mut self, step: &Step, lock: Duration) -> Result<Vec<Done>, Fault> {
        let (isolation, flush) = match step.mode {
            Mode::RepeatableRead => ("REPEATABLE READ", ""),
            Mode::Unflushed => ("READ COMMITTED", " SET LOCAL synchronous_commit = off;"),
            Mode::Transaction | Mode::Alone => ("READ COMMITTED", ""),
        };
        let fence = self.fence()?;
        let limit = step.lock.hold_max.map_or_else(String::new, |hold_max| {
            format!(" SET LOCAL statement_timeout = {};", at_least_1_ms(hold_max))
        });
        let begin = format!(
            "BEGIN ISOLATION LEVEL {isolation} READ WRITE; SET LOCAL lock_timeout = {};{flush}",
            at_least_1_ms(lock)
        );
        let early = step.statements.iter().take_while(|statement| statement.is_early).count();
        let (early, rest) = step.statements.split_at(early);
        let mut done = Vec::with_capacity(step.statements.len());
        // The limit is for what holds locks that others queue behind; the claim's row is none.
        let held = if early.is_empty() {
            self.plain(&format!("{begin} {};{limit}", fence.hold())).await?
        } else {
            self.plain(&format!("{begin}{limit}")).await?;
            self.statements(step, early, lock, &mut done, None).await?;
            self.within(step, &fence.hold()).await?
        };
        fence.still_ours(held.first.is_some())?;
        let beside = self.ask_beside(step, lock).await?;
        self.statements(step, rest, lock, &mut done, beside).await?;
        // What is deferred to the commit fails as part of the step.
        let committed = self.plain("COMMIT").await;
        committed.map_err(|fault| Fault { doing: step.doing.to_owned(), ..fault })?;
        Ok(done)
    }

    async fn ask_beside(&mut self, step: &Step, lock: Duration) -> Result<Option<Beside>, Fault> {
        let Some(questions) = beside::questions(step) else { return Ok(None) };
        let exported = self.plain(beside::EXPORT).await?;
        let limits =
            Limits { lock_ms: at_least_1_ms(lock), statement: self.server.statement_timeout() };
        Ok(Some(Beside::ask(self.server.control.clone(), &exported, questions, limits)))
    }

    async fn alone(&mut self, step: &Step, lock: Duration) -> Result<Vec<Done>, Fault> {
        let fence = self.fence()?;
        let held = self
            .plain(&format!(
                "SET lock_timeout = {}; SET default_transaction_read_only = off; {}",
                at_least_1_ms(lock),
                fence.look()
            ))
            .await?;
        fence.still_ours(held.first.is_some())?;
        let mut done = Vec::with_capacity(step.statements.len());
        self.statements(step, &step.statements, lock, &mut done, None).await?;
        Ok(done)
    }

    /// A session without a claim may not write at all.
    fn fence(&self) -> Result<Fence, Fault> {
        self.spec.fence.ok_or_else(|| Fault::new(Kind::Bug, "write", "this session holds no claim"))
    }

    /// Runs some of a step's statements; what they did joins what those before did.
    async fn statements(
        &mut self,
        step: &Step,
        statements: &[Statement],
        lock: Duration,
        all: &mut Vec<Done>,
        mut beside: Option<Beside>,
    ) -> Result<(), Fault> {
        for statement in statements {
            if let Some(answer) = beside::answer_to(step, statement, &mut beside).await? {
                all.push(answer);
                continue;
            }
            let statement = &*beside::answered(step, statement, &mut beside).await?;
            let done = self.watched(step, statement, lock).await?;
            check(step, &statement.expect, &done, all)?;
            all.push(done);
        }
        Ok(())
    }

    /// Runs one statement while a second connection looks, at half the lock time-out, at who stands
    /// in the way: after the time-out nobody can tell any more.
    async fn watched(
        &mut self,
        step: &Step,
        statement: &Statement,
        lock: Duration,
    ) -> Result<Done, Fault> {
        let pid = self.pid;
        let control = self.server.control.clone();
        let started = clock::monotonic();
        let mut seen = Vec::new();
        let result = {
            let mut run = pin!(execute(&mut self.conn, statement));
            tokio::select! {
                result = &mut run => result,
                blockers = async {
                    tokio::time::sleep(lock / 2).await;
                    blockers_of(&control, pid).await
                } => {
                    seen = blockers;
                    run.await
                }
            }
        };
        result.map_err(|error| {
            let mut fault = self.timed(step, Fault::from_sqlx(step.doing, &error), started);
            if fault.kind == Kind::LockNotHad {
                fault.blockers = seen;
            }
            fault
        })
    }

    /// The session's own part of a step, under the same limit as its statements.
    async fn within(&mut self, step: &Step, sql: &str) -> Result<Done, Fault> {
        let started = clock::monotonic();
        let done = self.plain(sql).await;
        done.map_err(|fault| self.timed(step, fault, started))
    }

    fn timed(&self, step: &Step, fault: Fault, started: Instant) -> Fault {
        match step.lock.hold_max {
            Some(max) if fault.kind == Kind::Cancelled && started.elapsed() >= max => {
                fault.held_too_long(max)
            }
            _ => self.cancelled_or_timed_out(fault, started),
        }
    }

    /// The server has one SQLSTATE for a cancel and for its `statement_timeout`, told apart only by
    /// a message in its own language. The time tells them apart as well: its timer starts after
    /// ours, so a time-out cannot come earlier.
    #[must_use]
    pub fn cancelled_or_timed_out(&self, mut fault: Fault, started: Instant) -> Fault {
        let took = clock::monotonic().saturating_duration_since(started);
        if fault.kind == Kind::Cancelled && took >= self.server.statement_timeout() {
            fault.kind = Kind::TimedOut;
            let limit_s = self.server.statement_timeout().as_secs_f64();
            return fault.with_hint(format!("database.statement_timeout is {limit_s} s"));
        }
        fault
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
        if let Some(pid) = self.pid {
            self.spec.backends.remove(pid);
        }
        if !(self.is_closed && self.is_sound) {
            self.conn.close_on_drop();
        }
    }
}

/// A statement that held a lock for too long may have met a busy moment.
fn is_temporary(step: &Step, fault: &Fault) -> bool {
    let held_too_long = fault.kind == Kind::TimedOut && step.lock.hold_max.is_some();
    (fault.class() == Class::Retry && !fault.kind.ends_run()) || held_too_long
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
