//! From arguments to a configured, connected process.

use std::path::Path;

use super::Failure;
use crate::config::{self, Loaded};
use crate::jobs::AnyJob;
use crate::pg::connect::Server;
use crate::pg::fault::{Fault, Kind};
use crate::pg::schema::{self, SchemaState};
use crate::scheduler::execute::Engine;
use crate::scheduler::supervise::Pace;
use crate::shutdown::Stop;
use crate::telemetry::{self, Event};

/// A command's surroundings: the configuration, and the log that must outlive it.
pub struct Setup {
    /// The configuration.
    pub loaded: Loaded,
    /// Flushes the log when dropped.
    pub log: telemetry::Guard,
}

/// Loads the configuration and starts the log.
///
/// # Errors
/// All problems of the configuration at once; a log file that cannot be written.
pub fn configure(file: Option<&Path>) -> Result<Setup, Failure> {
    let path = config::find_file(file);
    let loaded = config::load(path.as_deref(), config::process_environment())?;
    let log = telemetry::init(&loaded.config.log)?;
    Ok(Setup { loaded, log })
}

impl Setup {
    /// Connects, and makes sure of pgtend's own schema: for commands that write.
    ///
    /// # Errors
    /// As [`engine`].
    pub async fn engine(&self, stop: Stop) -> Result<Engine, Fault> {
        engine(&self.loaded.config, stop).await
    }

    /// Connects; writes nothing.
    ///
    /// # Errors
    /// No connection, or an unsuitable server.
    pub async fn connect(&self) -> Result<Server, Fault> {
        Server::connect(&self.loaded.config.database).await
    }

    /// The named jobs, or all configured ones, in the order they run in.
    ///
    /// # Errors
    /// A name that is no job, or whose section is missing.
    pub fn jobs(&self, names: &[String]) -> Result<Vec<AnyJob>, Failure> {
        let all = AnyJob::configured(&self.loaded.config);
        for name in names {
            known(&all, name)?;
        }
        if all.is_empty() {
            let message = "no job is configured: add a section such as [partitions]";
            return Err(Fault::new(Kind::Configuration, "find jobs", message).into());
        }
        let wanted =
            |job: &AnyJob| names.is_empty() || names.iter().any(|n| n == job.name().as_str());
        Ok(all.into_iter().filter(wanted).collect())
    }
}

/// A connected engine, with pgtend's own schema in place. Its identity is random: pids and host
/// names repeat in containers.
///
/// # Errors
/// No connection, an unsuitable server, a schema that cannot be made or is too new.
pub async fn engine(config: &config::checked::Config, stop: Stop) -> Result<Engine, Fault> {
    let server = Server::connect(&config.database).await?;
    ensure_schema(&server).await?;
    Ok(Engine {
        server,
        holder: telemetry::instance().to_owned(),
        history_retention: config.daemon.history_retention,
        stop,
        pace: Pace::default(),
    })
}

/// Creates or upgrades pgtend's own schema where needed.
///
/// # Errors
/// As [`schema::ensure`].
async fn ensure_schema(server: &Server) -> Result<(), Fault> {
    if let Some(migrated) = schema::ensure(server).await? {
        telemetry::emit(Event::SchemaMigrated {
            schema: server.facts.schema.to_string(),
            from_version: migrated.from,
            to_version: migrated.to,
            migrations: migrated.count as u64,
            duration_ms: migrated.duration_ms,
        });
    }
    Ok(())
}

/// For commands that only read pgtend's own tables.
///
/// # Errors
/// Where the schema is missing or of another version.
pub async fn need_schema(server: &Server) -> Result<(), Fault> {
    let (what, hint) = match schema::state(server).await? {
        SchemaState::Current => return Ok(()),
        SchemaState::Behind(..) => ("missing or older than this pgtend", "run: pgtend migrate"),
        SchemaState::Newer(_) => ("made by a newer pgtend", "install that version"),
    };
    Err(Fault::new(Kind::Configuration, "use schema", what)
        .on(&server.facts.schema)
        .with_hint(hint))
}

fn known(all: &[AnyJob], name: &str) -> Result<(), Failure> {
    if all.iter().any(|job| job.name().as_str() == name) {
        return Ok(());
    }
    let configured: Vec<_> = all.iter().map(|job| job.name().as_str()).collect();
    let message = match crate::job::JobName::from_word(name) {
        Some(_) => format!("job {name} is not configured: add the section [{name}]"),
        None => format!("there is no job {name:?}; configured: {}", configured.join(", ")),
    };
    Err(Failure::Usage(message))
}
