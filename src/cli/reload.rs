//! SIGHUP: a valid configuration replaces the one before; an invalid one changes nothing.

use std::path::Path;

use super::Failure;
use super::setup::{self, Setup};
use crate::config;
use crate::jobs::AnyJob;
use crate::pg::fault::{Fault, Kind};
use crate::scheduler::execute::Engine;
use crate::scheduler::planner::Request;
use crate::telemetry::{self, Event};

/// Keys that are read once, at the start.
const AT_START: [&str; 4] =
    ["log.format", "log.file", "daemon.max_concurrent_jobs", "daemon.drain_timeout"];

/// Loads, compares, and says what the planner shall do; none where the one before stays.
pub async fn reload(
    file: Option<&Path>,
    setup: &mut Setup,
    engine: &mut Engine,
) -> Option<Request> {
    match replace(file, setup, engine).await {
        Ok(request) => Some(request),
        Err(failure) => {
            let problems = match &failure {
                Failure::Configuration(problems) => {
                    problems.iter().map(ToString::to_string).collect()
                }
                other => vec![other.to_string()],
            };
            let fault = match failure {
                Failure::Fault(fault) => fault,
                _ => Fault::new(Kind::Configuration, "reload the configuration", "it is not valid")
                    .with_hint("mend it and send SIGHUP again; the one before stays in force"),
            };
            telemetry::emit(Event::ConfigRejected { problems, fault });
            None
        }
    }
}

async fn replace(
    file: Option<&Path>,
    setup: &mut Setup,
    engine: &mut Engine,
) -> Result<Request, Failure> {
    let path = config::find_file(file);
    let loaded = config::load(path.as_deref(), config::process_environment())?;
    let changed = loaded.changed_since(&setup.loaded);
    let mut next = engine.clone();
    if changed.iter().any(|key| key.starts_with("database.")) {
        // The new server is reached before the old one is let go; its runs end where they began.
        next = setup::engine(&loaded.config, engine.stop.clone()).await?;
        next.holder.clone_from(&engine.holder);
    }
    next.history_retention = loaded.config.daemon.history_retention;
    setup.log.set_level(loaded.config.log.level);
    let jobs = AnyJob::configured(&loaded.config);
    let restart_needed = changed
        .iter()
        .filter(|key| AT_START.iter().any(|fixed| key.starts_with(fixed)))
        .cloned()
        .collect();
    *engine = next.clone();
    setup.loaded = loaded;
    telemetry::emit(Event::ConfigReloaded { changed, restart_needed });
    Ok(Request::Reload(Box::new(next), jobs))
}
