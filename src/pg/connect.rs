//! The connection to the one server this process tends.
//!
//! Two pools: `control` (claims, leases, cancels, state; never runs a job) and `work` (one
//! connection per running job). Both are lazy, so that an idle daemon holds one connection.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::fault::{Fault, Kind};
use super::probe::{self, ServerFacts};
use super::refusal::{address, explain, silent};
use super::settings;
use crate::config::checked::Database;
use crate::config::secret;
use crate::time::clock;

/// The server, its pools and what is known of it.
#[derive(Debug, Clone)]
pub struct Server {
    /// Claims, leases, cancels; 2 connections at most.
    pub control: PgPool,
    /// One connection per running job, and a few to spare.
    pub work: PgPool,
    /// What is known of it.
    pub facts: Arc<ServerFacts>,
    /// A permit for each work connection that no job needs for itself.
    spare: Arc<Semaphore>,
    settings: Database,
}

impl Server {
    /// Connects, looks at the server and makes the pools.
    ///
    /// # Errors
    /// `Unreachable` after `connect_timeout`; `Standby`; `Configuration` for an unsupported
    /// version, a transaction pooler or a URL that cannot be used; `Permission` for a wrong
    /// password.
    pub async fn connect(settings: &Database) -> Result<Self, Fault> {
        let options = options(settings)?;
        let address = address(&options);
        let deadline = clock::monotonic() + settings.connect_timeout;
        let mut first = connect_patiently(&options, deadline).await?;
        let facts = within(deadline, &address, async {
            let look = probe::look(&mut first, &settings.schema, &address).await?;
            probe::supported(look.facts.version, &address)?;
            if look.standby {
                return Err(probe::standby(&address));
            }
            let mut second = connect_patiently(&options, deadline).await?;
            probe::refuse_transaction_pooler(&mut first, &mut second).await?;
            close(second).await;
            Ok(look.facts)
        })
        .await?;
        close(first).await;
        Ok(Self {
            control: control_pool(settings, options.clone(), &facts),
            work: work_pool(settings, options),
            facts: Arc::new(facts),
            spare: Arc::new(Semaphore::new(settings.spare_connections as usize)),
            settings: settings.clone(),
        })
    }

    /// The clock that decides: the server's.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn now(&self) -> Result<DateTime<Utc>, Fault> {
        sqlx::query_scalar("SELECT clock_timestamp()")
            .fetch_one(&self.control)
            .await
            .map_err(|error| Fault::from_sqlx("read the server's clock", &error))
    }

    /// Reads the URL again, so that a rotated password is used from the next connection on, and
    /// finds out why there was no connection: a pool only says that it waited.
    pub async fn reason(&self, fault: Fault) -> Fault {
        let options = match options(&self.settings) {
            Ok(options) => options,
            Err(unreadable) => return unreadable,
        };
        self.control.set_connect_options(options.clone());
        self.work.set_connect_options(options.clone());
        if fault.kind != Kind::Unreachable {
            return fault;
        }
        match connect_once(&options, ANSWER).await {
            Ok(conn) => close(conn).await,
            Err(Attempt::Refused(why)) => return why,
            Err(Attempt::NoAnswer) => {}
        }
        fault.on(address(&options))
    }

    /// How long a few statements of the control pool may take together before the server counts as
    /// away.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.settings.connect_timeout + settings::CONTROL_STATEMENT
    }

    /// Asks the server to cancel what this backend does.
    pub async fn cancel(&self, pid: i32) {
        self.signal("SELECT pg_cancel_backend($1)", pid).await;
    }

    /// Asks the server to end this backend.
    pub async fn terminate(&self, pid: i32) {
        self.signal("SELECT pg_terminate_backend($1)", pid).await;
    }

    /// A refusal is only worth a debug line: the ladder's next rung follows.
    async fn signal(&self, sql: &'static str, pid: i32) {
        if let Err(error) = sqlx::query(sql).bind(pid).execute(&self.control).await {
            tracing::debug!(%error, pid, "could not signal the backend");
        }
    }

    /// Closes both pools, work first.
    pub async fn close(&self) {
        self.work.close().await;
        self.control.close().await;
    }

    /// The server ends any one statement of a work session after this.
    #[must_use]
    pub fn statement_timeout(&self) -> Duration {
        self.settings.statement_timeout
    }

    /// A work connection that no job needs for itself, while this is held; none where all are in use.
    pub(super) fn spare(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.spare).try_acquire_owned().ok()
    }

    /// The settings of a work session, as one simple query.
    pub(super) fn session_settings(&self, name: &str) -> String {
        settings::work(&self.facts, &self.settings, name)
    }
}

/// How long a control connection may idle: longer than the planner's sweep of 15 s, so that the one
/// it uses stays, and shorter than two, so that a second one goes.
const CONTROL_IDLE: Duration = Duration::from_secs(20);

/// Control connections are set up once, when they are made.
fn control_pool(settings: &Database, options: PgConnectOptions, facts: &ServerFacts) -> PgPool {
    let setup = settings::control(facts);
    pool(settings, 2)
        .acquire_timeout(settings.connect_timeout)
        .idle_timeout(CONTROL_IDLE)
        .after_connect(move |conn, _| {
            let setup = setup.clone();
            Box::pin(async move {
                conn.execute(sqlx::raw_sql(AssertSqlSafe(setup))).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options)
}

fn work_pool(settings: &Database, options: PgConnectOptions) -> PgPool {
    pool(settings, settings.max_connections)
        .acquire_timeout(settings.acquire_timeout)
        .idle_timeout(settings.idle_timeout)
        .connect_lazy_with(options)
}

/// A connection that does not answer at once is closed: where the network swallows packets, it
/// would hold its place in the pool for a quarter of an hour.
fn pool(settings: &Database, max: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max)
        .min_connections(0)
        .max_lifetime(settings.max_lifetime)
        .test_before_acquire(false)
        .before_acquire(|conn, _| Box::pin(async { Ok(is_alive(conn).await) }))
        .after_release(|conn, _| Box::pin(async { Ok(is_alive(conn).await) }))
}

async fn is_alive(conn: &mut PgConnection) -> bool {
    matches!(tokio::time::timeout(ANSWER, conn.ping()).await, Ok(Ok(())))
}

/// How long a connection at rest may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// The options of every connection. sqlx's start-up parameter `extra_float_digits` is left out, as
/// poolers refuse it; its statement log is off, as it prints whole statements. What a run asks stays prepared
/// for the next table and the next run: some 50 statements.
fn options(settings: &Database) -> Result<PgConnectOptions, Fault> {
    let options = match secret::read(&settings.url)? {
        Some(url) => url.expose_secret().parse().map_err(|_: sqlx::Error| {
            Fault::new(Kind::Configuration, "read the database URL", "it cannot be parsed")
                .with_hint(
                    "write postgres://user@host:5432/database, with special characters %-encoded",
                )
        })?,
        None => PgConnectOptions::new(),
    };
    Ok(options
        .extra_float_digits(None)
        .application_name("pgtend")
        .statement_cache_capacity(128)
        .disable_statement_logging())
}

/// Why an attempt to connect failed.
enum Attempt {
    /// Somebody said no.
    Refused(Fault),
    /// Nobody said anything in time.
    NoAnswer,
}

/// One connection, tried again while the server is starting or does not listen yet.
async fn connect_patiently(
    options: &PgConnectOptions,
    deadline: Instant,
) -> Result<PgConnection, Fault> {
    let mut refused = None;
    loop {
        let left = deadline.saturating_duration_since(clock::monotonic());
        match connect_once(options, left).await {
            Ok(conn) => return Ok(conn),
            Err(Attempt::Refused(fault)) if fault.kind != Kind::Unreachable => return Err(fault),
            Err(Attempt::Refused(fault)) if left <= CONNECT_PAUSE => return Err(fault),
            Err(Attempt::Refused(fault)) => refused = Some(fault),
            Err(Attempt::NoAnswer) => {
                return Err(refused.unwrap_or_else(|| silent(options)));
            }
        }
        tokio::time::sleep(CONNECT_PAUSE).await;
    }
}

async fn connect_once(options: &PgConnectOptions, left: Duration) -> Result<PgConnection, Attempt> {
    match tokio::time::timeout(left, options.connect()).await {
        Ok(Ok(conn)) => Ok(conn),
        Ok(Err(error)) => Err(Attempt::Refused(explain(&error, options))),
        Err(_) => Err(Attempt::NoAnswer),
    }
}

/// Between two attempts to connect.
const CONNECT_PAUSE: Duration = Duration::from_millis(250);

/// A server that accepts and then says nothing must not hold us either.
async fn within<T>(
    deadline: Instant,
    address: &str,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::time::timeout_at(deadline.into(), work)
        .await
        .unwrap_or_else(|_| Err(Fault::new(Kind::Unreachable, "look at", "no answer").on(address)))
}

async fn close(conn: PgConnection) {
    if let Err(error) = conn.close().await {
        tracing::debug!(%error, "could not say goodbye to the server");
    }
}
