//! Two jobs of pgtend at one table: the second waits for the first.

use std::time::{Duration, Instant};

use crate::job::Context;
use crate::pg::fault::{Fault, Kind};
use crate::time::clock;

/// How long another job of ours may keep a partition waiting. The server lets neither of the two locks
/// wait behind the other for ever, but a ladder ends long before an ANALYZE of a large table does, and a
/// schedule may let them meet again in the next run.
const TURN_MAX: Duration = Duration::from_mins(10);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Waits where an ANALYZE or an index of pgtend, of whichever process, was in the way. True: try again;
/// what is still at work in the end is named by its fault.
pub async fn comes(cx: &Context<'_>, fault: &Fault, since: Instant) -> bool {
    if !is_ours(fault) || clock::monotonic().saturating_duration_since(since) > TURN_MAX {
        return false;
    }
    tokio::select! {
        () = cx.stop.cancelled() => false,
        () = tokio::time::sleep(PAUSE) => true,
    }
}

fn is_ours(fault: &Fault) -> bool {
    let ours = |application: &str| application.starts_with("pgtend/");
    fault.kind == Kind::LockNotHad && fault.blockers.iter().any(|b| ours(&b.application))
}
