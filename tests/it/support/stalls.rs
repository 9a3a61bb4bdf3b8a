//! How long the machine keeps a process waiting for its turn: a virtual machine may stand still for tens
//! of milliseconds, and no time limit of a server ends a wait meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use pgtend::time::clock;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);

/// What any machine makes one wait.
pub const SHORT: Duration = Duration::from_millis(10);

/// A thread that asks to be woken again and again, and notes how late it is.
pub struct Stalls {
    over: Arc<AtomicBool>,
    thread: JoinHandle<(Duration, Duration)>,
}

impl Stalls {
    /// Begins to look.
    pub fn watch() -> Self {
        let over = Arc::<AtomicBool>::default();
        let ended = Arc::clone(&over);
        Self { over, thread: spawn(move || latest(&ended)) }
    }

    /// The longest until now, and all that were not short together. Ends it.
    pub fn longest_and_all(self) -> (Duration, Duration) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the thread does not panic")
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own, that does nothing else")]
fn latest(over: &AtomicBool) -> (Duration, Duration) {
    let (mut longest, mut all) = (Duration::ZERO, Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        let asked = clock::monotonic();
        sleep(LOOK);
        let late = asked.elapsed().saturating_sub(LOOK);
        longest = longest.max(late);
        if late > SHORT {
            all += late;
        }
    }
    (longest, all)
}
