//! pgtend's own schema: created and upgraded by embedded migrations.

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::catalog::own::has_table;
use super::connect::Server;
use super::fault::{Fault, Kind};
use super::ident::{Ident, quoted};
use crate::time::clock;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// What stands of pgtend's own schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// The version this binary was built for.
    Current,
    /// Missing, or older: by this many migrations, the newest being this.
    Behind(usize, Option<i64>),
    /// Made by a newer pgtend: this version of it.
    Newer(i64),
}

/// Looks, and changes nothing.
///
/// # Errors
/// Where the server does not answer or the role may not read the schema.
pub async fn state(server: &Server) -> Result<SchemaState, Fault> {
    let mut conn = control(server).await?;
    look(&mut conn).await
}

/// What an upgrade did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The newest migration before; none where the schema was missing.
    pub from: Option<i64>,
    /// The newest migration now.
    pub to: i64,
    /// How many ran.
    pub count: usize,
    /// How long it took.
    pub duration_ms: u64,
}

/// Brings the schema to this binary's version. Returns what was done, if anything was.
///
/// # Errors
/// `Configuration` where the schema was made by a newer pgtend; `Permission`, with the GRANT, where
/// the role may not create it.
pub async fn ensure(server: &Server) -> Result<Option<Migrated>, Fault> {
    let mut conn = control(server).await?;
    let started = clock::monotonic();
    let (count, from) = match look(&mut conn).await? {
        SchemaState::Current => return Ok(None),
        SchemaState::Behind(count, from) => (count, from),
        SchemaState::Newer(version) => return Err(newer(&server.facts.schema, version)),
    };
    // A migration that fails leaves the session its advisory lock, which others would wait for.
    conn.close_on_drop();
    let denied = |fault: Fault| match (fault.kind, fault.sqlstate.as_deref()) {
        (Kind::Permission, _) | (_, Some(NOT_VISIBLE)) => needs_grant(server, fault),
        _ => fault.on(&server.facts.schema),
    };
    create(&mut conn, &server.facts.schema).await.map_err(denied)?;
    MIGRATIONS.run(&mut *conn).await.map_err(from_migrate).map_err(denied)?;
    Ok(Some(Migrated { from, to: newest(), count, duration_ms: clock::millis_since(started) }))
}

/// No schema to create in: it is there, and the role may not use it.
const NOT_VISIBLE: &str = "3F000";

/// Whether the role may create the schema, or has it already; otherwise the GRANT it lacks.
///
/// # Errors
/// Where the server does not answer.
pub async fn may_create(server: &Server) -> Result<Result<(), Fault>, Fault> {
    let may: bool = sqlx::query_scalar(
        "SELECT CASE WHEN to_regnamespace(quote_ident($1)) IS NULL \
         THEN has_database_privilege(current_database(), 'CREATE') \
         ELSE has_schema_privilege(quote_ident($1), 'CREATE, USAGE') END",
    )
    .bind(server.facts.schema.as_str())
    .fetch_one(&server.control)
    .await
    .map_err(|error| Fault::from_sqlx("look at privileges", &error))?;
    let denied = Fault::new(Kind::Permission, "create schema", "permission denied");
    Ok(if may { Ok(()) } else { Err(needs_grant(server, denied)) })
}

fn needs_grant(server: &Server, mut fault: Fault) -> Fault {
    let facts = &server.facts;
    let (schema, user) = (&facts.schema, quoted(&facts.user));
    fault.kind = Kind::Permission;
    fault.on(schema).with_hint(format!(
        "as the database's owner: CREATE SCHEMA IF NOT EXISTS {schema}; ALTER SCHEMA {schema} \
         OWNER TO {user}; or: GRANT CREATE ON DATABASE {} TO {user}; then: pgtend migrate",
        quoted(&facts.database),
    ))
}

async fn control(server: &Server) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, Fault> {
    server
        .control
        .acquire()
        .await
        .map_err(|error| Fault::from_sqlx("look at pgtend's own schema", &error))
}

async fn look(conn: &mut PgConnection) -> Result<SchemaState, Fault> {
    let failed = |error: sqlx::Error| Fault::from_sqlx("look at pgtend's own schema", &error);
    let there = has_table(&mut *conn, "_sqlx_migrations").await.map_err(failed)?;
    let applied: Vec<i64> = if there {
        sqlx::query("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(&mut *conn)
            .await
            .and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect())
            .map_err(failed)?
    } else {
        Vec::new()
    };
    Ok(judge(&applied))
}

fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

fn judge(applied: &[i64]) -> SchemaState {
    let reached = applied.iter().max().copied();
    match reached {
        Some(version) if version > newest() => SchemaState::Newer(version),
        _ => match MIGRATIONS.iter().filter(|m| !applied.contains(&m.version)).count() {
            0 => SchemaState::Current,
            missing => SchemaState::Behind(missing, reached),
        },
    }
}

/// Two processes may start at once: `IF NOT EXISTS` still races on the catalog's unique index, so
/// that error is success too.
async fn create(conn: &mut PgConnection, schema: &Ident) -> Result<(), Fault> {
    let exists: bool = sqlx::query_scalar("SELECT to_regnamespace(quote_ident($1)) IS NOT NULL")
        .bind(schema.as_str())
        .fetch_one(&mut *conn)
        .await
        .map_err(|error| Fault::from_sqlx("look for schema", &error))?;
    if exists {
        return Ok(());
    }
    let sql = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
    match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await {
        Err(error) if Fault::from_sqlx("", &error).sqlstate.as_deref() != Some("23505") => {
            Err(Fault::from_sqlx("create schema", &error))
        }
        _ => Ok(()),
    }
}

fn from_migrate(error: sqlx::migrate::MigrateError) -> Fault {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            Fault::from_sqlx("migrate schema", &error)
        }
        other => Fault::new(Kind::Configuration, "migrate schema", other.to_string()),
    }
}

/// The schema was made by a newer pgtend.
#[must_use]
pub fn newer(schema: &Ident, version: i64) -> Fault {
    Fault::new(
        Kind::Configuration,
        "use schema",
        format!("it was made by a newer pgtend (migration {version})"),
    )
    .on(schema)
    .with_hint("install that version of pgtend, or name another database.schema")
}
