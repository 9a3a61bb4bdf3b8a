//! `run`: the daemon, from start to drain.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::setup::{self, Setup};
use super::signals::{self, Listening, Signal};
use super::{Failure, reload};
use crate::pg::fault::{Class, Fault};
use crate::scheduler::execute::Engine;
use crate::scheduler::outage::{Outage, connected};
use crate::scheduler::planner::{Planner, Request};
use crate::scheduler::systemd;
use crate::shutdown::Stop;
use crate::telemetry::{self, Event};
use crate::time::clock;

/// The drain did not end by itself.
const FORCED: u8 = 75;
/// Closing the pools says goodbye to the server; a server that does not listen must not hold us.
const GOODBYE: Duration = Duration::from_secs(2);

pub async fn run(file: Option<&Path>) -> Result<u8, Failure> {
    let started = clock::monotonic();
    let setup = setup::configure(file)?;
    let jobs = setup.jobs(&[])?;
    let stop = Stop::default();
    let drain_timeout = setup.loaded.config.daemon.drain_timeout;
    let (sender, asked) = mpsc::channel(4);
    let listening = signals::daemon(stop.clone(), drain_timeout, sender)?;
    telemetry::emit(Event::DaemonStarted {
        pid: std::process::id(),
        config_file: setup.loaded.files.first().map(|path: &PathBuf| path.display().to_string()),
        jobs: jobs.iter().map(|job| job.name().as_str()).collect(),
    });
    let serving = serve(file, setup, jobs, &stop, asked, &listening, started);
    let result = Box::pin(serving).await;
    let (exit_code, fault) = match &result {
        Ok(code) => (*code, None),
        Err(fault) => (fault.kind.exit_code(), Some(fault.clone())),
    };
    let uptime_s = clock::millis_since(started) / 1000;
    telemetry::emit(Event::DaemonStopped { exit_code, uptime_s, fault });
    Ok(exit_code)
}

async fn serve(
    file: Option<&Path>,
    setup: Setup,
    jobs: Vec<crate::jobs::AnyJob>,
    stop: &Stop,
    asked: mpsc::Receiver<Signal>,
    listening: &Listening,
    started: Instant,
) -> Result<u8, Fault> {
    let Some(engine) = connect_patiently(&setup, stop).await? else { return Ok(0) };
    let daemon = setup.loaded.config.daemon.clone();
    let mut planner = Planner::start(engine.clone(), jobs, daemon.max_concurrent_jobs).await?;
    let (requests, receiver) = mpsc::channel(4);
    let obeying = obey(file, setup, engine, asked, requests);
    tokio::select! {
        () = planner.serve(receiver, started) => {}
        () = obeying => {}
    }
    Ok(drain(&planner, stop, daemon.drain_timeout, listening).await)
}

/// Tries until connected, as the server may start after us. None where we were stopped meanwhile.
async fn connect_patiently(setup: &Setup, stop: &Stop) -> Result<Option<Engine>, Fault> {
    let mut outage = Outage::default();
    loop {
        let config = &setup.loaded.config;
        let connected_or_not = tokio::select! {
            engine = setup::engine(config, stop.clone()) => engine,
            () = stop.soft.cancelled() => return Ok(None),
        };
        let fault = match connected_or_not {
            Ok(engine) => {
                connected(&engine.server.facts, None);
                return Ok(Some(engine));
            }
            Err(fault) if fault.class() == Class::Retry => fault,
            Err(fault) => return Err(fault),
        };
        let address = fault.object.clone().unwrap_or_default();
        let pause = outage.goes_on(&address, fault);
        systemd::extend(pause + config.database.connect_timeout + GOODBYE);
        tokio::select! {
            () = stop.soft.cancelled() => return Ok(None),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Turns signals into requests to the planner. Ends only with the signals.
async fn obey(
    file: Option<&Path>,
    mut setup: Setup,
    mut engine: Engine,
    mut asked: mpsc::Receiver<Signal>,
    requests: mpsc::Sender<Request>,
) {
    while let Some(signal) = asked.recv().await {
        let request = match signal {
            Signal::Status => Some(Request::Status),
            Signal::Reload => {
                systemd::reloading();
                setup.log.reopen();
                reload::reload(file, &mut setup, &mut engine).await
            }
        };
        // The planner only goes away with the process.
        match request {
            Some(request) => drop(requests.send(request).await),
            None => systemd::ready("idle; the configuration before stays in force"),
        }
    }
    std::future::pending::<()>().await;
}

/// Lets the runs in hand end: softly, then by the kill ladder, and never later than
/// `drain_timeout` after the signal.
async fn drain(planner: &Planner, stop: &Stop, timeout: Duration, listening: &Listening) -> u8 {
    let runs = planner.runs();
    let running: Vec<_> = runs.under_way().iter().map(|(job, _)| job.as_str()).collect();
    systemd::stopping(&format!("draining {}", running.join(", ")));
    let (signal, since) = listening.stopped();
    telemetry::emit(Event::DaemonStopping {
        signal,
        running,
        drain_timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
    });
    systemd::extend(timeout + GOODBYE);
    let deadline = since + timeout;
    let runs_until = since + timeout.saturating_sub(GOODBYE.min(timeout / 4));
    let drained = tokio::time::timeout_at(runs_until.into(), runs.all_ended()).await.is_ok();
    // What is left past the deadline is dropped with the runtime, and its connection with it.
    drop(tokio::time::timeout_at(deadline.into(), planner.server().close()).await);
    if drained && !stop.hard.is_cancelled() { 0 } else { FORCED }
}
