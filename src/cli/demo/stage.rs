//! The demo's own server, and what is on it before pgtend comes: roles, a database, a configuration.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use url::Url;

use crate::cli::Failure;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::literal;
use crate::throwaway::{Binaries, Server};

/// The configuration but for where the server is.
const CONFIG: &str = include_str!("../../../config/demo.toml");
/// The application's database, and the role that owns its tables.
pub const APPLICATION: &str = "app";

const SETTINGS: &[(&str, &str)] = &[
    ("shared_buffers", "128MB"),
    // Autovacuum's first look comes after the demo: what changes is pgtend's doing alone.
    ("autovacuum_naptime", "10min"),
];

/// Who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The superuser: loads, measures, plays the administrator.
    Admin,
    /// The application.
    Application,
    /// pgtend, which is no superuser.
    Pgtend,
}

/// The server, with a database for the application and roles for all.
pub struct Stage {
    server: Server,
}

impl Stage {
    /// Starts a server of this major version and writes pgtend's configuration for it.
    ///
    /// # Errors
    /// There is no such PostgreSQL on this machine; it does not start; a file cannot be written.
    pub async fn build(major: u32) -> Result<Self, Failure> {
        let server = blocking(move || {
            let binaries = Binaries::discover(Some(major))?;
            Server::start(&binaries, SETTINGS)
        })
        .await??;
        let stage = Self { server };
        stage.make_roles().await?;
        stage
            .write_config()
            .map_err(|error| Failure::io("write the demo's configuration", &error))?;
        Ok(stage)
    }

    /// A connection string with its password.
    ///
    /// # Errors
    /// None that is not a bug: the throwaway server makes its URL itself.
    pub fn url(&self, role: Role) -> Result<Url, Fault> {
        let wrong =
            || Fault::new(Kind::Bug, "read the URL of", "it is not a URL").on("the demo's server");
        let mut url = Url::parse(&self.server.url(APPLICATION)).map_err(|_| wrong())?;
        // Whatever PGSSLMODE says: the server has no certificate, and the way to it is short.
        url.set_query(Some("sslmode=disable"));
        let name = match role {
            Role::Admin => return Ok(url),
            Role::Application => APPLICATION,
            Role::Pgtend => "pgtend",
        };
        url.set_username(name).map_err(|()| wrong())?;
        Ok(url)
    }

    /// Options to connect with, the statement log off.
    ///
    /// # Errors
    /// As [`Stage::url`].
    pub fn options(&self, role: Role) -> Result<PgConnectOptions, Fault> {
        let options = PgConnectOptions::from_url(&self.url(role)?)
            .map_err(|error| Fault::from_sqlx("read the URL of", &error).on("the demo's server"))?;
        let name = if role == Role::Application { APPLICATION } else { "demo" };
        Ok(options.application_name(name).disable_statement_logging())
    }

    /// The administrator's connection. What it does is not counted among the statements.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn admin(&self) -> Result<PgConnection, Fault> {
        let mut conn = connect(&self.options(Role::Admin)?).await?;
        run(&mut conn, "SET pg_stat_statements.track = 'none'").await?;
        Ok(conn)
    }

    /// pgtend's configuration for this server.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.server.directory().join("pgtend.toml")
    }

    /// pgtend's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.server.directory().join("pgtend.jsonl")
    }

    /// Everything of the demo is below it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.server.directory()
    }

    /// The server's TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Stops the server and removes everything.
    ///
    /// # Errors
    /// A bug.
    pub async fn remove(self) -> Result<(), Failure> {
        Ok(blocking(move || drop(self)).await?)
    }

    /// Lets the server live. Returns the shell command that stops it and removes everything.
    ///
    /// # Errors
    /// The server is not running any more.
    pub async fn leave(self) -> Result<String, Failure> {
        Ok(blocking(move || self.server.leave()).await??)
    }

    /// pgtend owns nothing of the application's: it is a member of the role that does.
    async fn make_roles(&self) -> Result<(), Fault> {
        let url = self.url(Role::Admin)?;
        let password = literal(url.password().unwrap_or_default());
        let bootstrap = PgConnectOptions::from_url(&url)
            .map_err(|error| Fault::from_sqlx("connect to", &error))?
            .database("postgres")
            .disable_statement_logging();
        let mut conn = connect(&bootstrap).await?;
        for statement in [
            format!("CREATE ROLE app LOGIN PASSWORD {password}"),
            format!("CREATE ROLE pgtend LOGIN PASSWORD {password} IN ROLE app, pg_read_all_stats"),
            format!("CREATE DATABASE {APPLICATION} OWNER app"),
        ] {
            run(&mut conn, &statement).await?;
        }
        let mut conn = connect(&self.options(Role::Admin)?).await?;
        run(&mut conn, "CREATE EXTENSION pg_stat_statements").await
    }

    /// It holds a password, so nobody else may read it.
    fn write_config(&self) -> std::io::Result<()> {
        let url =
            self.url(Role::Pgtend).map_err(|fault| std::io::Error::other(fault.to_string()))?;
        let directory = toml::Value::String(self.directory().display().to_string());
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "[database]\nurl = \"{url}\"\n\n\
             [log.file]\ndirectory = {directory}\nrotation = \"never\"\n\n{CONFIG}"
        );
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.config())?;
        file.write_all(text.as_bytes())
    }
}

/// Connects.
///
/// # Errors
/// The server does not answer.
pub async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Fault> {
    PgConnection::connect_with(options)
        .await
        .map_err(|error| Fault::from_sqlx("connect to", &error).on("the demo's server"))
}

/// Runs statements, in one transaction.
///
/// # Errors
/// What the server reports.
pub async fn run(conn: &mut PgConnection, sql: &str) -> Result<(), Fault> {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await;
    ran.map(|_| ()).map_err(|error| Fault::from_sqlx("set up", &error).on("the demo's server"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::new(Kind::Bug, "handle", error.to_string()).on("the demo's server"))
}
