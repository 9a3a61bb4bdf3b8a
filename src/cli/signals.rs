//! Signals: stop softly, then hard, and never later than `drain_timeout`.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook_tokio::Signals;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Failure;
use crate::shutdown::Stop;
use crate::time::clock;

/// The kill ladder, and a goodbye, need this long at most from a hard stop to the end.
const LADDER: Duration = Duration::from_secs(13);

/// What a signal asks of the daemon beside stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP.
    Reload,
    /// SIGUSR1.
    Status,
}

/// Stops listening when dropped.
pub struct Listening {
    handle: signal_hook_tokio::Handle,
    task: JoinHandle<()>,
    stopped: Arc<OnceLock<(&'static str, Instant)>>,
}

impl Listening {
    /// The signal that asked for the stop, and when it came.
    #[must_use]
    pub fn stopped(&self) -> (&'static str, Instant) {
        self.stopped.get().copied().unwrap_or_else(|| ("none", clock::monotonic()))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.handle.close();
        self.task.abort();
    }
}

/// SIGTERM and SIGINT stop; for commands that run to an end by themselves.
///
/// # Errors
/// Where the signals cannot be had.
pub fn stop_on_signals(stop: Stop, drain_timeout: Duration) -> Result<Listening, Failure> {
    let (requests, _) = mpsc::channel(1);
    listen(&[SIGTERM, SIGINT], stop, drain_timeout, requests)
}

/// All signals of the daemon; requests other than stopping arrive by the channel.
///
/// # Errors
/// Where the signals cannot be had.
pub fn daemon(
    stop: Stop,
    drain_timeout: Duration,
    requests: mpsc::Sender<Signal>,
) -> Result<Listening, Failure> {
    listen(&[SIGTERM, SIGINT, SIGHUP, SIGUSR1], stop, drain_timeout, requests)
}

fn listen(
    signals: &[i32],
    stop: Stop,
    drain_timeout: Duration,
    requests: mpsc::Sender<Signal>,
) -> Result<Listening, Failure> {
    let mut stream =
        Signals::new(signals).map_err(|error| Failure::io("listen for signals", &error))?;
    let handle = stream.handle();
    let stopped = Arc::new(OnceLock::new());
    let first = Arc::clone(&stopped);
    let task = tokio::spawn(async move {
        while let Some(signal) = stream.next().await {
            match signal {
                // A full channel means the same was asked a moment ago.
                SIGHUP => drop(requests.try_send(Signal::Reload)),
                SIGUSR1 => drop(requests.try_send(Signal::Status)),
                _ => {
                    let name = if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
                    first.get_or_init(|| (name, clock::monotonic()));
                    if !stop.escalate() {
                        tokio::spawn(harden(stop.clone(), drain_timeout));
                    }
                }
            }
        }
    });
    Ok(Listening { handle, task, stopped })
}

/// Turns a soft stop into a hard one early enough for the kill ladder to end within
/// `drain_timeout`.
async fn harden(stop: Stop, drain_timeout: Duration) {
    tokio::time::sleep(drain_timeout.saturating_sub(LADDER).max(drain_timeout / 2)).await;
    stop.hard.cancel();
}
