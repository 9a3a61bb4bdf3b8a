//! What leaves, what waits, and the words for it. Policy, and no questions.

use chrono::{DateTime, Utc};

use super::super::action::PartitionAction;
use super::super::facts::Seen;
use super::super::tended::Tended;
use super::action::{Leaving, What};
use super::agreement::Agreement;
use super::choice::{Choice, Part, Policy, choose, clock_doubt, parts};
use super::held::{Fate, NOT_LEAVING, fate, upkeep};
use super::words::listed;
use crate::config::checked::{Expiry, OnExpiry};
use crate::job::{JobName, Plan, consent};
use crate::jobs::partitions::grid::bounds::Span;
use crate::pg::catalog::quarantine::Held;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;

/// What is being done when something here is refused.
const DOING: &str = "expire partitions of";

/// The partitions of a table that are to leave now by bounds and policy alone; whether rows refer to
/// theirs is to be asked.
#[must_use]
pub fn about_to_leave(table: &Tended<'_>, now: DateTime<Utc>, is_confirmed: bool) -> Vec<Part> {
    let Some(expiry) = &table.config.expiry else { return Vec::new() };
    let parts = effective_parts(table, is_confirmed);
    let agreed = agreed(table, expiry, is_confirmed);
    let choice = choose(&parts, &table.axis, expiry, agreed, now);
    choice.leaving.into_iter().cloned().collect()
}

fn effective_parts(table: &Tended<'_>, is_confirmed: bool) -> Vec<Part> {
    let mut parts = parts(table.facts);
    if is_confirmed {
        for part in &mut parts {
            part.restored_at = None;
        }
    }
    parts
}

fn agreed(table: &Tended<'_>, expiry: &Expiry, is_confirmed: bool) -> Option<Policy> {
    if is_confirmed {
        return Some(Policy::of(expiry));
    }
    on_record(table)
}

/// The policy on record, where the key tells time as it did then.
fn on_record(table: &Tended<'_>) -> Option<Policy> {
    let agreed = table.facts.agreed.as_ref()?;
    (agreed.reading == table.axis.reading()).then(|| Policy::on_record(agreed))?
}

/// Plans for one table: what was interrupted goes first, what leaves is returned, to be done last.
pub fn expire(
    plan: &mut Plan<PartitionAction>,
    seen: &Seen,
    table: &Tended<'_>,
    now: DateTime<Utc>,
    is_confirmed: bool,
) -> Vec<PartitionAction> {
    let mut draft = Draft { plan, seen, table, now, leaving: Vec::new(), quarantined: Vec::new() };
    draft.carry_on(is_confirmed);
    let Some(expiry) = table.config.expiry.filter(|_| table.axis.key.tells_time()) else {
        draft.withdraw(&Choice::default());
        draft.quarantine(None, None, false);
        return draft.leaving;
    };
    let parts = effective_parts(table, is_confirmed);
    let doubt = clock_doubt(seen.clocks, &parts, &table.axis, now);
    let agreed = agreed(table, &expiry, is_confirmed);
    let choice = choose(&parts, &table.axis, &expiry, agreed, now);
    draft.withdraw(&choice);
    draft.report(&expiry, &choice, parts.len());
    let mut unasked = choice.not_agreed.iter().map(|part| part.name.to_string()).collect();
    let mut unasked_drops = draft.quarantine(Some(&expiry), agreed, doubt.is_some());
    if expiry.on_expiry == OnExpiry::DropAtOnce {
        unasked_drops.append(&mut unasked);
    }
    if let Some(doubt) = &doubt {
        draft.doubt(&choice, doubt);
        if !is_confirmed {
            return draft.leaving;
        }
    }
    draft.agreement(&expiry, is_confirmed, &unasked, &unasked_drops);
    if doubt.is_none() {
        choice.leaving.iter().for_each(|part| draft.detach(&expiry, part));
    }
    draft.leaving
}

/// A plan in the making, for one table.
pub(super) struct Draft<'a, 'b> {
    pub(super) plan: &'a mut Plan<PartitionAction>,
    pub(super) seen: &'a Seen,
    pub(super) table: &'a Tended<'b>,
    pub(super) now: DateTime<Utc>,
    pub(super) leaving: Vec<PartitionAction>,
    pub(super) quarantined: Vec<(Held, TableName, Span, DateTime<Utc>)>,
}

impl Draft<'_, '_> {
    /// What earlier runs, or people, left on record.
    fn carry_on(&mut self, is_confirmed: bool) {
        for held in self.table.facts.held.clone() {
            let fate = fate(&held);
            let action = upkeep(&held, &fate)
                .filter(|_| !(is_confirmed && matches!(fate, Fate::Restored(_))))
                .map(|(what, name, why)| self.of_held(what, &held, name, why));
            self.plan.actions.extend(action);
            match fate {
                Fate::Mark(name) => {
                    let why = "it is detached, and the run ended before its writes were blocked";
                    let action = self.of_held(What::Mark, &held, name.to_string(), why);
                    self.plan.actions.push(action);
                }
                Fate::Alone(name, why) => self.plan.spare(name, why),
                Fate::InQuarantine(name, span) => {
                    let since = held.detached_at.unwrap_or(self.now);
                    self.quarantined.push((held, name, span, since));
                }
                Fate::Intended
                | Fate::Kept
                | Fate::Finalize(_)
                | Fate::Restored(_)
                | Fate::Forget(_) => {}
            }
        }
    }

    /// What was to leave, and is not any more, goes off the record.
    fn withdraw(&mut self, choice: &Choice<'_>) {
        for held in &self.table.facts.held {
            let is_leaving = choice.leaving.iter().any(|part| part.oid == held.relation);
            if fate(held) == Fate::Intended && !is_leaving {
                let action = self.of_held(What::Forget, held, held.name.clone(), NOT_LEAVING);
                self.plan.actions.push(action);
            }
        }
    }

    /// Puts the policy on record, where nobody loses more by it than was agreed; asks otherwise.
    fn agreement(
        &mut self,
        expiry: &Expiry,
        is_confirmed: bool,
        unasked: &[String],
        unasked_drops: &[String],
    ) {
        let policy = Policy::of(expiry);
        if !unasked.is_empty() || !unasked_drops.is_empty() {
            let reading = self.table.axis.reading();
            let known = match &self.table.facts.agreed {
                Some(agreed) if agreed.reading != reading => format!(
                    "what was agreed read the key as {}, and it is read as {reading} now",
                    agreed.reading
                ),
                Some(agreed) => format!(
                    "what was agreed is retention = {}, on_expiry = {}, quarantine = {}",
                    agreed.retention, agreed.on_expiry, agreed.quarantine
                ),
                None => "it has expired nothing so far".to_owned(),
            };
            let what = [("detach", unasked), ("drop", unasked_drops)]
                .into_iter()
                .filter(|(_, names)| !names.is_empty())
                .map(|(verb, names)| format!("{verb} {}", listed(names)))
                .collect::<Vec<_>>()
                .join(" and ");
            let fault =
                consent::question(DOING, self.table.name, JobName::Partitions, (&what, &known));
            self.plan.refuse(self.table.name, fault);
            return;
        }
        let on_record = on_record(self.table);
        let has_restored = is_confirmed
            && self
                .table
                .facts
                .held
                .iter()
                .any(|held| matches!(fate(held), Fate::Kept | Fate::Restored(_)));
        if on_record == Some(policy) && !has_restored {
            return;
        }
        self.plan.actions.push(PartitionAction::Agree(Box::new(Agreement {
            table: self.table.name.clone(),
            oid: self.table.facts.relation.oid,
            policy,
            reading: self.table.axis.reading(),
            is_confirmed,
            why: consent::why(is_confirmed).to_owned(),
            now: self.now,
            lock_timeout: self.seen.lock_timeout,
        })));
    }

    pub(super) fn of_held(
        &self,
        what: What,
        held: &Held,
        name: String,
        why: &str,
    ) -> PartitionAction {
        self.leaving(what, (held.relation, name, held.bound.clone()), why.to_owned())
    }

    pub(super) fn leaving(
        &self,
        what: What,
        object: (i64, String, String),
        why: String,
    ) -> PartitionAction {
        let (oid, child, bound) = object;
        PartitionAction::Leave(Box::new(leaving(
            self.seen,
            self.table,
            self.now,
            what,
            (oid, child, bound, why),
        )))
    }

    pub(super) fn refuse(&mut self, message: String, cure: &str) {
        let fault = Fault::new(Kind::Refused, DOING, message).on(self.table.name).with_hint(cure);
        self.plan.refuse(self.table.name, fault);
    }
}

/// One action; its partition is given as oid, name, bound and reason.
#[must_use]
pub fn leaving(
    seen: &Seen,
    table: &Tended<'_>,
    now: DateTime<Utc>,
    what: What,
    (oid, child, bound, why): (i64, String, String, String),
) -> Leaving {
    Leaving {
        what,
        parent: table.name.clone(),
        parent_oid: table.facts.relation.oid,
        child,
        oid,
        bound,
        why,
        is_noticed: table.facts.relation.foreign_keys || table.facts.default.is_some(),
        now,
        lock_timeout: seen.lock_timeout,
    }
}
