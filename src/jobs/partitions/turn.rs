//! Two jobs of pgtend at one table: the second waits for the first.

use std::time::Duration;

use crate::job::Context;
use crate::pg::fault::{Fault, Kind};
use crate::pg::step::Step;
use crate::time::clock;

/// How long another job of ours may keep a partition waiting. The server lets neither of the two locks
/// wait behind the other for ever, but a ladder ends long before an ANALYZE of a large table does, and a
/// schedule may let them meet again in the next run.
const TURN_MAX: Duration = Duration::from_mins(10);
/// Between two ladders.
const PAUSE: Duration = Duration::from_millis(500);

/// Runs the step. As long as an ANALYZE or an index of pgtend, of whichever process, is what stands in
/// its way, it is tried again; what is still at work in the end is named.
pub async fn run(cx: &mut Context<'_>, step: &Step) -> Result<(), Fault> {
    let since = clock::monotonic();
    loop {
        let Err(fault) = cx.session.run(step).await else { return Ok(()) };
        let waited = clock::monotonic().saturating_duration_since(since);
        if !is_ours(&fault) || waited > TURN_MAX {
            return Err(fault);
        }
        tokio::select! {
            () = cx.stop.cancelled() => return Err(fault),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

fn is_ours(fault: &Fault) -> bool {
    let ours = |application: &str| application.starts_with("pgtend/");
    fault.kind == Kind::LockNotHad && fault.blockers.iter().any(|b| ours(&b.application))
}
