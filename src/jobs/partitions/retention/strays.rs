//! Partitions on record whose table is not tended: it left the configuration, or is refused as it
//! is. What was begun there is finished, since a pending detach hides rows and refuses others;
//! nothing more leaves, and nothing is dropped. Policy, and no questions.

use chrono::{DateTime, Utc};

use super::super::action::PartitionAction;
use super::super::facts::Seen;
use super::action::{Leaving, What};
use super::held::{Fate, NOT_LEAVING, fate, upkeep};
use super::words::at;
use crate::job::Plan;
use crate::pg::catalog::quarantine::Held;

/// Plans for what is on record of one or more such tables.
pub fn carry_on(
    plan: &mut Plan<PartitionAction>,
    seen: &Seen,
    strays: &[Held],
    now: DateTime<Utc>,
) {
    for held in strays {
        let fate = fate(held);
        let action = match fate {
            Fate::Intended => Some((What::Forget, held.name.clone(), NOT_LEAVING)),
            _ => upkeep(held, &fate),
        };
        plan.actions.extend(action.and_then(|action| of_stray(seen, held, action, now)));
        match fate {
            Fate::Mark(name) => {
                let words = "detached, and its writes not blocked; left so while its table is not \
                             tended";
                plan.spare(name, words);
            }
            Fate::Alone(name, why) => plan.spare(name, why),
            Fate::InQuarantine(name, _) => {
                let since = held.detached_at.unwrap_or(now);
                let words = format!(
                    "in quarantine since {}, and kept: its table is not tended any more",
                    at(since)
                );
                plan.spare(name, words);
            }
            Fate::Intended
            | Fate::Kept
            | Fate::Finalize(_)
            | Fate::Restored(_)
            | Fate::Forget(_) => {}
        }
    }
}

/// None where nobody could name the table any more.
fn of_stray(
    seen: &Seen,
    held: &Held,
    (what, child, why): (What, String, &str),
    now: DateTime<Utc>,
) -> Option<PartitionAction> {
    // Only what is still attached names its parent in a statement, and has one.
    let parent = held.parent_now().or_else(|| child.parse().ok())?;
    Some(PartitionAction::Leave(Box::new(Leaving {
        what,
        parent,
        parent_oid: held.parent,
        child,
        oid: held.relation,
        bound: held.bound.clone(),
        why: why.to_owned(),
        // Nothing is known of it: it may be.
        is_noticed: true,
        now,
        lock_timeout: seen.lock_timeout,
    })))
}
