//! The actions of a plan are applied, and told.

use super::line::Line;
use super::outcome::Outcome;
use super::{Context, Job, lanes};

/// Actions go one after the other; many of them that allow it, in two lanes beside each other.
pub(super) async fn all<J: Job>(
    job: &J,
    cx: &mut Context<'_>,
    actions: &[J::Action],
    outcome: &mut Outcome,
) {
    let mut line = Line::default();
    for part in lanes::parts(actions) {
        if lanes::is_worth_it(part)
            && let Some(second) = cx.session.another().await
        {
            lanes::beside(job, (&mut *cx, second), part, outcome).await;
        } else {
            line.work(job, cx, part, outcome).await;
        }
        if outcome.error.is_some() {
            return;
        }
    }
}
