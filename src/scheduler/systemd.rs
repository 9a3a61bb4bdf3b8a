//! What systemd is told. Without systemd every call does nothing.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use sd_notify::NotifyState;

/// Tells systemd; a socket that is gone is no reason to stop tending.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd does not listen");
    }
}

/// Slots are served from now on.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// What `systemctl status` shows, and a sign of life: only the planner's loop sends one.
pub fn alive(status: &str) {
    tell(&[NotifyState::Watchdog, NotifyState::Status(status)]);
}

/// The planner waits, for something that has an end of its own; a sign of life in time.
pub async fn beating<T>(work: impl Future<Output = T>) -> T {
    let watchdog = sd_notify::watchdog_enabled().filter(|allowed| !allowed.is_zero());
    let Some(allowed) = watchdog else { return work.await };
    let mut work = pin!(work);
    loop {
        // Twice this passes where one wait follows another: still less than half of what is allowed.
        match tokio::time::timeout(allowed / 5, &mut work).await {
            Ok(done) => return done,
            Err(_) => tell(&[NotifyState::Watchdog]),
        }
    }
}

/// Still starting, or still stopping: systemd waits this much longer.
pub fn extend(by: Duration) {
    let micros = u32::try_from(by.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
}

/// A reload begins; [`ready`] ends it.
pub fn reloading() {
    // Without the time, `systemctl reload` of a Type=notify-reload unit waits for ever.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The drain begins.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}
