//! How far a table is from its next expiry, and what stays although it is old: the words.

use super::choice::{Choice, Doubt, Part, Policy, expires_at};
use super::plan::Draft;
use super::words::{at, listed};
use crate::config::checked::Expiry;

impl Draft<'_, '_> {
    /// How far the table is from its next expiry, and what is spared.
    pub(super) fn report(&mut self, expiry: &Expiry, choice: &Choice<'_>, total: usize) {
        let (axis, name) = (&self.table.axis, self.table.name);
        let horizon = match Policy::of(expiry).horizon(axis, self.now) {
            Some(horizon) => format!("what ends by {} expires", axis.key.words(horizon)),
            None => "its key has no value for a time so far off, so nothing expires".to_owned(),
        };
        let next = choice.next.and_then(|part| Some((part, expires_at(part, axis, expiry)?)));
        let (standing, next) = match next {
            Some((part, when)) => (at(when), format!("next is {} at {}", part.name, at(when))),
            None => ("none".to_owned(), "no partition will expire".to_owned()),
        };
        self.plan.stands(name, "next_expiry", standing);
        let words = format!("retention = {}: {horizon}; {next}", expiry.retention);
        self.plan.spare(name, words);
        if !choice.later.is_empty() {
            let most = choice.leaving.len();
            let words = format!(
                "expired, and left for the next runs: {}; of its {total} partitions no more than \
                 {most} may leave in one run (expire_max_per_run = {}, expire_max_share = {}, never \
                 the last)",
                names(&choice.later),
                expiry.max_per_run,
                expiry.max_share
            );
            self.plan.spare(name, words);
        }
        for part in &choice.restored {
            let words = "expired, and attached again by a person: it stays until pgtend once \
                         partitions --confirm";
            self.plan.spare(&part.name, words);
        }
        for part in &choice.not_plain {
            let words = "expired, but partitioned itself or a foreign table: detach it by hand";
            self.plan.spare(&part.name, words);
        }
    }

    /// Nothing is done that a wrong clock could be the reason of.
    pub(super) fn doubt(&mut self, choice: &Choice<'_>, doubt: &Doubt) {
        let is_idle = choice.leaving.is_empty() && choice.not_agreed.is_empty();
        match doubt {
            Doubt::ClocksApart(words) => {
                let message = format!("{words}; nothing expires meanwhile");
                self.refuse(message, "compare the clocks of both hosts");
            }
            Doubt::NoTomorrow(words) if !is_idle => {
                self.plan.spare(self.table.name, format!("{words}; nothing expires in this run"));
            }
            Doubt::NoTomorrow(_) => {}
        }
    }
}

fn names(parts: &[&Part]) -> String {
    listed(&parts.iter().map(|part| part.name.to_string()).collect::<Vec<_>>())
}
