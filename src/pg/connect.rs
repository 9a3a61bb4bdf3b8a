//! The connection to the one server this process tends.
//!
//! Two pools: `control` (claims, leases, cancels, state; never runs a job) and `work` (one
//! connection per running job). Both are lazy, so that an idle daemon holds one connection.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgPool, Row};

use super::fault::{Fault, Kind};
use super::ident::{Ident, literal};
use super::version::{MAJOR_MAX, MAJOR_MIN, Version};
use crate::config::checked::Database;
use crate::config::secret;
use crate::time::clock;

/// What is known of the server after the first look.
#[derive(Debug, Clone)]
pub struct ServerFacts {
    /// Its version.
    pub version: Version,
    /// The database we are connected to.
    pub database: String,
    /// `host:port`, or the socket's directory.
    pub address: String,
    /// pgtend's own schema.
    pub schema: Ident,
    /// The role we are connected as.
    pub user: String,
}

/// The server, its pools and what is known of it.
#[derive(Debug, Clone)]
pub struct Server {
    /// Claims, leases, cancels; 2 connections at most.
    pub control: PgPool,
    /// One connection per running job.
    pub work: PgPool,
    /// What is known of it.
    pub facts: Arc<ServerFacts>,
    settings: Database,
}

/// What one look at the server found.
struct Look {
    facts: ServerFacts,
    pid: i32,
    standby: bool,
}

const LOOK: &str = "\
SELECT current_setting('server_version_num')::int, current_database()::text, current_user::text, \
       pg_backend_pid(), pg_is_in_recovery()";

/// The longest a statement of the control pool may take: a lease is renewed every 10 s.
const CONTROL_STATEMENT_MS: u32 = 5_000;

impl Server {
    /// Connects, looks at the server and makes the pools.
    ///
    /// # Errors
    /// `Unreachable` after `connect_timeout`; `Standby`; `Configuration` for an unsupported
    /// version, a transaction pooler or a URL that cannot be used; `Permission` for a wrong
    /// password.
    pub async fn connect(settings: &Database) -> Result<Self, Fault> {
        let options = options(settings)?;
        let deadline = clock::monotonic() + settings.connect_timeout;
        let mut first = connect_once(&options, deadline).await?;
        let look = look(&mut first, settings, &options).await?;
        refuse_unsuitable(&look)?;
        let mut second = connect_once(&options, deadline).await?;
        let other = look_pid(&mut second).await?;
        let again = look_pid(&mut first).await?;
        close(first).await;
        close(second).await;
        if other == look.pid || other == again || again != look.pid {
            return Err(transaction_pooler());
        }
        if look.standby {
            return Err(Fault::new(
                Kind::Standby,
                "connect",
                "the server is a standby; pgtend works on the primary",
            )
            .with_hint("pgtend tries again by itself, and goes on after a promotion"));
        }
        Ok(Self {
            control: control_pool(settings, options.clone(), &look.facts),
            work: work_pool(settings, options),
            facts: Arc::new(look.facts),
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

    /// Reads the URL again, so that a rotated password is used from the next connection on.
    ///
    /// # Errors
    /// Where the secret cannot be read.
    pub fn refresh_credentials(&self) -> Result<(), Fault> {
        let options = options(&self.settings)?;
        self.control.set_connect_options(options.clone());
        self.work.set_connect_options(options);
        Ok(())
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

    /// The settings of a work session, as one simple query.
    #[must_use]
    pub fn session_settings(&self, name: &str) -> String {
        let timeout_ms = self.settings.statement_timeout.as_millis();
        let lock_ms = self.settings.lock_timeout.as_millis();
        format!(
            "{}; SET statement_timeout = {timeout_ms}; SET lock_timeout = {lock_ms}; \
             SET row_security = off; SET client_min_messages = warning; \
             SET default_transaction_read_only = on; {UNTRACKED}",
            common_settings(&self.facts, name)
        )
    }
}

/// Keeps our own work out of `pg_stat_statements`, and so out of the lines of `slow_queries`. Only
/// a superuser may; for another role an administrator does it (`docs/jobs/slow_queries.md`).
const UNTRACKED: &str = "\
SELECT set_config('pg_stat_statements.track', 'none', false) FROM pg_catalog.pg_roles \
WHERE rolname = current_user AND rolsuper";

/// What every connection of ours is set to. The keep-alive settings make the server free our locks
/// within about 25 s of a lost network, instead of two hours (shared findings: ARCHITECTURE.md).
fn common_settings(facts: &ServerFacts, name: &str) -> String {
    let application = literal(&format!("pgtend/{name}"));
    let check = if facts.version.has_connection_check() {
        "; SET client_connection_check_interval = '5s'"
    } else {
        ""
    };
    format!(
        "SET application_name = {application}; SET search_path = {}; SET TimeZone = 'UTC'; \
         SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; \
         SET idle_in_transaction_session_timeout = '60s'; SET tcp_keepalives_idle = 10; \
         SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
         SET tcp_user_timeout = 15000{check}",
        facts.schema
    )
}

/// Control connections are set up once, when they are made.
fn control_pool(settings: &Database, options: PgConnectOptions, facts: &ServerFacts) -> PgPool {
    let setup = format!(
        "{}; SET statement_timeout = {CONTROL_STATEMENT_MS}; SET lock_timeout = {CONTROL_STATEMENT_MS}",
        common_settings(facts, "control")
    );
    pool(settings, 2)
        .acquire_timeout(settings.connect_timeout)
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
        .connect_lazy_with(options)
}

fn pool(settings: &Database, max: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max)
        .min_connections(0)
        .idle_timeout(settings.idle_timeout)
        .max_lifetime(settings.max_lifetime)
}

/// The options of every connection. sqlx's start-up parameter `extra_float_digits` is left out, as
/// poolers refuse it; its statement log is off, as it prints whole statements.
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
        .statement_cache_capacity(32)
        .disable_statement_logging())
}

/// One connection, tried again while the server is starting or does not listen yet.
async fn connect_once(
    options: &PgConnectOptions,
    deadline: std::time::Instant,
) -> Result<PgConnection, Fault> {
    loop {
        let left = deadline.saturating_duration_since(clock::monotonic());
        let fault = match tokio::time::timeout(left, options.connect()).await {
            Ok(Ok(conn)) => return Ok(conn),
            Ok(Err(error)) => Fault::from_sqlx("connect to", &error),
            Err(_) => Fault::new(Kind::Unreachable, "connect to", "no answer"),
        };
        let fault = explain(fault, options);
        if fault.kind != Kind::Unreachable || left <= CONNECT_PAUSE {
            return Err(fault);
        }
        tokio::time::sleep(CONNECT_PAUSE).await;
    }
}

/// Between two attempts to connect.
const CONNECT_PAUSE: Duration = Duration::from_millis(250);

/// Names the server, and what to do.
fn explain(fault: Fault, options: &PgConnectOptions) -> Fault {
    let hint = match fault.kind {
        Kind::Unreachable => {
            "is the server up, and are host and port right? (database.url, PGHOST, PGPORT)"
        }
        Kind::Permission => "check role, password and pg_hba.conf",
        Kind::Configuration => "check the database's name in database.url or PGDATABASE",
        _ => "see the server's log",
    };
    let hint = if fault.message.contains("unsupported startup parameter") {
        "a pooler refuses the connection; connect to the server itself"
    } else {
        hint
    };
    fault.on(address(options)).with_hint(hint)
}

fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("{}:{}", socket.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

async fn look(
    conn: &mut PgConnection,
    settings: &Database,
    options: &PgConnectOptions,
) -> Result<Look, Fault> {
    let failed = |error: sqlx::Error| Fault::from_sqlx("look at the server", &error);
    let row = conn.fetch_one(sqlx::raw_sql(LOOK)).await.map_err(failed)?;
    let version: i32 = row.try_get(0).map_err(failed)?;
    Ok(Look {
        facts: ServerFacts {
            version: Version(version.unsigned_abs()),
            database: row.try_get(1).map_err(failed)?,
            address: address(options),
            schema: settings.schema.clone(),
            user: row.try_get(2).map_err(failed)?,
        },
        pid: row.try_get(3).map_err(failed)?,
        standby: row.try_get(4).map_err(failed)?,
    })
}

async fn look_pid(conn: &mut PgConnection) -> Result<i32, Fault> {
    conn.fetch_one(sqlx::raw_sql("SELECT pg_backend_pid()"))
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| Fault::from_sqlx("look at the server", &error))
}

async fn close(conn: PgConnection) {
    if let Err(error) = conn.close().await {
        tracing::debug!(%error, "could not say goodbye to the server");
    }
}

fn refuse_unsuitable(look: &Look) -> Result<(), Fault> {
    let version = look.facts.version;
    if version.is_supported() {
        return Ok(());
    }
    Err(Fault::new(
        Kind::Configuration,
        "connect to",
        format!("the server is PostgreSQL {version}; pgtend works on {MAJOR_MIN} to {MAJOR_MAX}"),
    )
    .on(&look.facts.address))
}

/// Two connections that are open at once and report the same backend share it: that is transaction
/// pooling. Measured: 10 of 10 there, 0 of 10 in session pooling and directly.
fn transaction_pooler() -> Fault {
    Fault::new(
        Kind::Configuration,
        "connect",
        "a transaction pooler stands in between: two open connections share one server process, \
         so session settings, cancellation and prepared statements would reach other clients",
    )
    .with_hint(
        "connect to the server itself, or to a pool in session mode with database.pooler = \"session\"",
    )
}
