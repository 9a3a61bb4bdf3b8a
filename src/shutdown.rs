//! Stopping in two steps: soft, then hard.

use tokio_util::sync::CancellationToken;

/// The two tokens of a stop.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Begin nothing new; finish the batch in hand.
    pub soft: CancellationToken,
    /// Cancel on the server what still runs.
    pub hard: CancellationToken,
}

impl Stop {
    /// Asks for a stop; asked again, for a hard one. Returns whether it is hard now.
    #[must_use]
    pub fn escalate(&self) -> bool {
        if self.soft.is_cancelled() {
            self.hard.cancel();
        }
        self.soft.cancel();
        self.hard.is_cancelled()
    }
}
