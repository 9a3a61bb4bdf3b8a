//! Who works for a run on the server.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The backends that work for a run, so that the supervisor can cancel them from another connection.
#[derive(Debug, Clone, Default)]
pub struct Backends(Arc<Mutex<BTreeSet<i32>>>);

impl Backends {
    /// Their process ids on the server.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        self.all().iter().copied().collect()
    }

    pub(super) fn add(&self, pid: Option<i32>) {
        self.all().extend(pid);
    }

    pub(super) fn remove(&self, pid: i32) {
        self.all().remove(&pid);
    }

    fn all(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
