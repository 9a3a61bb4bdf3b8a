//! A database of a test's own.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, ValueRef};

use pgtend::throwaway::Server;

/// A query's rows, each value as PostgreSQL prints it; `None` is NULL.
pub type Rows = Vec<Vec<Option<String>>>;
/// An empty table, to compare with.
pub const NO_ROWS: Rows = Vec::new();

/// A database of its own on one of the servers, and a small pool of superuser connections to it.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    name: String,
    url: String,
    admin_url: String,
    major: u32,
    log_path: PathBuf,
    pool: PgPool,
}

/// A place in the server's log.
#[derive(Clone, Copy)]
pub struct LogMark(u64);

impl Db {
    /// Makes it, named after the running test.
    pub(super) async fn create(server: &Server) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let test = std::thread::current().name().unwrap_or("test").replace("::", "_");
        let kept: String = test.chars().rev().take(50).collect();
        let name = format!("{}_{number}", kept.chars().rev().collect::<String>());

        let admin_url = server.url("postgres");
        let mut admin =
            PgConnection::connect(&admin_url).await.expect("connect to the test server");
        run(&mut admin, &format!(r#"CREATE DATABASE "{name}""#)).await;
        let url = server.url(&name);
        let pool = PgPoolOptions::new().max_connections(4).connect_lazy(&url).expect("a valid url");
        let (major, log_path) = (server.major(), server.log_path());
        Self(Arc::new(Inner { name, url, admin_url, major, log_path, pool }))
    }

    /// A copy of it as it is now, oids and all. Whoever is connected to it is disconnected first: a
    /// database that is copied may have no users.
    pub async fn copy(&self) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("copy_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let original = &self.0.name;
        let mut admin =
            PgConnection::connect(&self.0.admin_url).await.expect("connect to the test server");
        run(
            &mut admin,
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{original}'"
            ),
        )
        .await;
        run(&mut admin, &format!(r#"CREATE DATABASE {name} TEMPLATE "{original}""#)).await;
        let (server, _) = self.0.url.rsplit_once('/').expect("our own url");
        let url = format!("{server}/{name}");
        let pool = PgPoolOptions::new().max_connections(4).connect_lazy(&url).expect("a valid url");
        let (admin_url, log_path) = (self.0.admin_url.clone(), self.0.log_path.clone());
        Self(Arc::new(Inner { name, url, admin_url, major: self.0.major, log_path, pool }))
    }

    /// Removes it, with whoever is still connected.
    pub async fn drop_database(&self) {
        self.0.pool.close().await;
        let mut admin =
            PgConnection::connect(&self.0.admin_url).await.expect("connect to the test server");
        run(&mut admin, &format!(r#"DROP DATABASE "{}" WITH (FORCE)"#, self.0.name)).await;
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// With the superuser's name and password.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The same database as another role, which the test has made.
    pub fn url_as(&self, role: &str, password: &str) -> String {
        let (_, host_and_database) = self.0.url.rsplit_once('@').expect("our own url");
        format!("postgres://{role}:{password}@{host_and_database}")
    }

    /// The server's major version.
    pub fn major(&self) -> u32 {
        self.0.major
    }

    /// Superuser connections, four at most.
    pub fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// A further connection outside the pool: a second session that holds a lock, say.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.0.url).await.expect("connect to the test database")
    }

    /// Runs statements, separated by semicolons: one implicit transaction unless they say otherwise.
    pub async fn execute(&self, sql: &str) {
        let mut conn = self.0.pool.acquire().await.expect("a connection");
        run(&mut conn, sql).await;
    }

    /// The rows of a query.
    pub async fn rows(&self, sql: &str) -> Rows {
        let mut conn = self.0.pool.acquire().await.expect("a connection");
        rows(&mut conn, sql).await
    }

    /// The first column of every row, NULL as `NULL`: names of tables, ids that stayed.
    pub async fn column(&self, sql: &str) -> Vec<String> {
        let rows = self.rows(sql).await;
        rows.into_iter().map(|mut row| row.swap_remove(0).unwrap_or("NULL".into())).collect()
    }

    /// The one value of a query that has one row and one column, NULL as `NULL`.
    pub async fn value(&self, sql: &str) -> String {
        let mut column = self.column(sql).await;
        assert_eq!(column.len(), 1, "one row expected from: {sql}");
        column.swap_remove(0)
    }

    /// The end of the server's log now.
    pub fn log_mark(&self) -> LogMark {
        LogMark(fs::metadata(&self.0.log_path).map_or(0, |log| log.len()))
    }

    /// What the server has logged about this database since then, a statement's further lines
    /// included. `SET log_statement = 'all'` for the role or the database fills it.
    pub fn server_log_since(&self, mark: LogMark) -> String {
        let log = fs::read(&self.0.log_path).expect("the server's log");
        let log =
            String::from_utf8_lossy(&log[usize::try_from(mark.0).expect("small")..]).into_owned();
        let ours = format!("] {} ", self.0.name);
        let mut found = String::new();
        let mut in_ours = false;
        for line in log.lines() {
            if !line.starts_with('\t') {
                in_ours = line.contains(&ours);
            }
            if in_ours {
                found.push_str(line);
                found.push('\n');
            }
        }
        found
    }
}

/// Runs statements on this connection.
pub async fn run(conn: &mut PgConnection, sql: &str) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await {
        panic!("{error}\nin: {sql}");
    }
}

/// The rows of a query on this connection.
pub async fn rows(conn: &mut PgConnection, sql: &str) -> Rows {
    // The simple protocol, which raw_sql speaks, sends every value as text.
    let found = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(conn).await;
    let found = found.unwrap_or_else(|error| panic!("{error}\nin: {sql}"));
    let text = |row: &sqlx::postgres::PgRow, n: usize| {
        let value = row.try_get_raw(n).expect("a column");
        (!value.is_null()).then(|| value.as_str().expect("text").to_owned())
    };
    found.iter().map(|row| (0..row.len()).map(|n| text(row, n)).collect()).collect()
}
