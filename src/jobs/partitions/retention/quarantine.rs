//! What is in quarantine: what is dropped now, and what waits for what.

use chrono::{DateTime, Utc};

use super::super::tended::Tended;
use super::action::What;
use super::choice::Policy;
use super::plan::Draft;
use super::words::at;
use crate::config::checked::{Expiry, OnExpiry};
use crate::jobs::partitions::grid::bounds::Span;

impl Draft<'_, '_> {
    /// Drops what its quarantine is over for, and tells what waits. Returns what would be dropped
    /// by a policy nobody has agreed to.
    pub(super) fn quarantine(
        &mut self,
        expiry: Option<&Expiry>,
        agreed: Option<Policy>,
        is_doubtful: bool,
    ) -> Vec<String> {
        let mut unasked = Vec::new();
        let mut next: Option<DateTime<Utc>> = None;
        let held = std::mem::take(&mut self.quarantined);
        let (count, axis, now) = (held.len(), &self.table.axis, self.now);
        let mut room = expiry.map_or(0, |expiry| expiry.max_per_run);
        for (held, name, span, since) in held {
            let Some(expiry) = expiry else {
                let words = format!(
                    "in quarantine since {}; kept: it has no retention any more",
                    at(since)
                );
                self.plan.spare(name, words);
                continue;
            };
            let policy = Policy::of(expiry);
            let ends = policy.quarantine_ends(since, axis);
            if !policy.drops(span, since, axis, now) {
                let words = waiting(&policy, span, since, ends, self.table, now);
                if policy.on_expiry != OnExpiry::Detach && ends > now {
                    next = Some(next.map_or(ends, |next| next.min(ends)));
                }
                self.plan.spare(name, words);
            } else if !agreed.is_some_and(|agreed| agreed.drops(span, since, axis, now)) {
                unasked.push(name.to_string());
            } else if is_doubtful {
                self.plan
                    .spare(name, "its quarantine is over; it waits until the clock is trusted");
            } else if room == 0 {
                self.plan.spare(
                    name,
                    format!(
                        "its quarantine is over; left for the next run: expire_max_per_run = {}",
                        expiry.max_per_run
                    ),
                );
            } else {
                room -= 1;
                let why = format!(
                    "in quarantine since {}, quarantine = {} is over, and it is older than \
                     retention = {}",
                    at(since),
                    expiry.quarantine,
                    expiry.retention
                );
                let action =
                    self.of_held(What::Drop { detached_at: since }, &held, name.to_string(), &why);
                self.leaving.push(action);
            }
        }
        if expiry.is_some() || count > 0 {
            let value = match next {
                Some(next) => format!("{count} (next drop {})", at(next)),
                None => count.to_string(),
            };
            self.plan.stands(self.table.name, "in_quarantine", value);
        }
        unasked
    }
}

/// Why one in quarantine is not dropped now.
fn waiting(
    policy: &Policy,
    span: Span,
    since: DateTime<Utc>,
    ends: DateTime<Utc>,
    table: &Tended<'_>,
    now: DateTime<Utc>,
) -> String {
    if policy.on_expiry == OnExpiry::Detach {
        format!("in quarantine since {} and kept: on_expiry = detach", at(since))
    } else if !policy.expires(span, &table.axis, now) {
        format!(
            "in quarantine since {} and kept: by retention = {} it is not expired; \
             pgtend partitions restore brings it back",
            at(since),
            policy.retention
        )
    } else {
        format!("in quarantine until {}, then dropped", at(ends))
    }
}
