//! Waiting for something to become true. Tests never just sleep.

use std::future::Future;
use std::time::Duration;

use pgtend::time::clock;

/// Far more than anything here takes: a machine under load makes a test slow, never red.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often a question is asked again.
pub const POLL: Duration = Duration::from_millis(20);

/// Asks again and again until the answer is yes.
///
/// # Panics
/// It has not become true within 30 s; the message says what was waited for.
#[track_caller]
pub fn wait_until<F, Fut>(what: &str, mut is_true: F) -> impl Future<Output = ()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let caller = std::panic::Location::caller();
    let deadline = clock::monotonic() + PATIENCE;
    async move {
        while !is_true().await {
            assert!(clock::monotonic() < deadline, "waited {PATIENCE:?} until {what}, at {caller}");
            tokio::time::sleep(POLL).await;
        }
    }
}
