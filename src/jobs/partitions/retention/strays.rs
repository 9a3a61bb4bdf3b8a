//! Partitions on record whose table is not tended: it left the configuration, or is refused as it
//! is. What was begun there is finished, since a pending detach hides rows and refuses others;
//! nothing more leaves, and nothing is dropped. Policy, and no questions.

use chrono::{DateTime, Utc};

use super::super::action::PartitionAction;
use super::super::facts::Seen;
use super::action::{Leaving, What};
use super::held::{Fate, fate};
use super::plan::at;
use crate::job::Plan;
use crate::pg::catalog::quarantine::Held;
use crate::pg::ident::TableName;

/// Plans for what is on record of one or more such tables.
pub fn carry_on(
    plan: &mut Plan<PartitionAction>,
    seen: &Seen,
    strays: &[Held],
    now: DateTime<Utc>,
) {
    for held in strays {
        let (what, name, why) = match fate(held) {
            Fate::Kept => continue,
            // If a person detaches it one day, it is theirs.
            Fate::Intended => match held.now() {
                Some(name) => (What::Forget, name, "it was to leave, and is not any more"),
                None => continue,
            },
            Fate::Finalize(name) => {
                let why = "its DETACH CONCURRENTLY was interrupted: it takes no rows any more";
                (What::Finalize, name, why)
            }
            Fate::Mark(name) => {
                let words = "detached, and its writes not blocked; left so while its table is not \
                             tended";
                plan.spare(name, words);
                continue;
            }
            Fate::Restored(name) => {
                let what = What::Keep { is_blocked: held.is_blocked };
                (what, name, "it was attached again by hand: it stays")
            }
            Fate::Forget(why) => match held.name.parse() {
                Ok(name) => (What::Forget, name, why),
                Err(_) => continue,
            },
            Fate::Alone(name, why) => {
                plan.spare(name, why);
                continue;
            }
            Fate::InQuarantine(name, _) => {
                let since = held.detached_at.unwrap_or(now);
                let words = format!(
                    "in quarantine since {}, and kept: its table is not tended any more",
                    at(since)
                );
                plan.spare(name, words);
                continue;
            }
        };
        plan.actions.push(action(seen, held, what, &name, why, now));
    }
}

fn action(
    seen: &Seen,
    held: &Held,
    what: What,
    name: &TableName,
    why: &str,
    now: DateTime<Utc>,
) -> PartitionAction {
    PartitionAction::Leave(Box::new(Leaving {
        what,
        // Only what is still attached names its parent in a statement, and has one.
        parent: held.parent_now().unwrap_or_else(|| name.clone()),
        parent_oid: held.parent,
        child: name.to_string(),
        oid: held.relation,
        bound: held.bound.clone(),
        why: why.to_owned(),
        // Nothing is known of it: it may be.
        is_noticed: true,
        now,
        lock_timeout: seen.lock_timeout,
    }))
}
