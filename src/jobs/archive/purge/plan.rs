//! What is deleted, what is asked about, and the words for it. Policy, no questions.

use chrono::{DateTime, Utc};

use super::{Agreement, Policy, PurgeFacts, due_rows};
use crate::config::checked::{Limits, Purge, Rule};
use crate::job::pace::{Pacing, blind_spots};
use crate::job::{JobName, Plan, consent};
use crate::jobs::archive::account::layout::layout_of;
use crate::jobs::archive::account::{self, Record};
use crate::jobs::archive::action::{ArchiveAction, Move};
use crate::jobs::archive::columns::{self, ARCHIVED_AT};
use crate::jobs::archive::count::Due;
use crate::jobs::archive::course::{Course, Terms};
use crate::jobs::archive::observe::Source;
use crate::jobs::archive::preflight::{
    Findings, age_and_key, kind, order, referrers, source_side, volatile,
};
use crate::jobs::archive::refusal::Refusal;
use crate::jobs::archive::sql::Texts;
use crate::jobs::archive::vacuum;
use crate::jobs::archive::walk::Walk;
use crate::pg::catalog::columns::Column;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;

/// What is being done when something here is refused.
const DOING: &str = "delete rows of";

/// Plans for one table.
pub fn plan(
    rule: &Rule,
    (purge, limits): (&Purge, &Limits),
    facts: &PurgeFacts,
    (now, is_confirmed): (DateTime<Utc>, bool),
    plan: &mut Plan<ArchiveAction>,
) {
    let Some(source) = &facts.source else {
        missing(rule, purge, plan);
        return;
    };
    let found = check(&rule.table, purge, facts, source);
    let asked_in_vain = match &facts.due.rows {
        Due::Unasked(fault) => fault.clone(),
        Due::Rows(_) | Due::Uncounted => None,
    };
    let refusals = found.refusals.into_iter().map(|refusal| refusal.fault(DOING, rule));
    let refused: Vec<Fault> = refusals.chain(asked_in_vain).collect();
    if !refused.is_empty() {
        for fault in refused {
            plan.refuse(rule, fault);
        }
        return;
    }
    let Some(draft) = Draft::new(rule, purge, facts, source, (now, is_confirmed)) else {
        let why = "its key and age column could not be read";
        plan.refuse(rule, Fault::new(Kind::Bug, DOING, why).on(rule));
        return;
    };
    plan.warnings.extend(found.warnings.iter().map(|warning| format!("{rule}: {warning}")));
    plan.stands(rule, "rows_expired", facts.due.rows.in_short());
    draft.decide(limits, plan);
}

fn missing(rule: &Rule, purge: &Purge, plan: &mut Plan<ArchiveAction>) {
    if purge.archive_of.is_some() {
        plan.spare(rule, "there is no such table yet, so nothing in it is too old");
    } else {
        let cure = "correct the name in [archive.tables], or create it";
        plan.refuse(rule, Refusal::new("there is no such table", cure).fault(DOING, rule));
    }
}

/// What is asked of every table that rows leave, and more.
fn check(name: &TableName, purge: &Purge, facts: &PurgeFacts, source: &Source) -> Findings {
    let mut found = Findings::default();
    kind(&source.relation, name, &mut found);
    if !found.refusals.is_empty() {
        return found;
    }
    source_side(name, source, &facts.user, &mut found);
    referrers(name, None, source, &mut found);
    age_and_key(&purge.age, source, &mut found);
    order(purge.order, &purge.age, source, &mut found);
    volatile(&facts.volatile, &purge.age, &mut found);
    for child in &purge.children {
        found.refuse(
            format!("the archive of its child {child} would keep what refers to its rows"),
            "take archive_retention out, and delete old rows of both archives by hand",
        );
    }
    if facts.is_ranged_by_age && purge.condition.is_none() {
        let key = if purge.archive_of.is_some() { "archive_retention" } else { "delete" };
        found.refuse(
            format!(
                "it is partitioned by {}: old partitions leave as a whole, at once and through a \
                 quarantine",
                purge.age.words()
            ),
            format!(
                "take {key} out, and write retention = \"{}\" in [partitions.tables.'{name}']",
                purge.older_than
            ),
        );
    }
    found
}

/// A plan in the making, for one table.
struct Draft<'a> {
    rule: &'a Rule,
    name: &'a TableName,
    purge: &'a Purge,
    facts: &'a PurgeFacts,
    source: &'a Source,
    course: Course<'a>,
    policy: Policy,
    now: DateTime<Utc>,
    is_confirmed: bool,
}

impl<'a> Draft<'a> {
    fn new(
        rule: &'a Rule,
        purge: &'a Purge,
        facts: &'a PurgeFacts,
        source: &'a Source,
        (now, is_confirmed): (DateTime<Utc>, bool),
    ) -> Option<Self> {
        let name = &rule.table;
        let due = due_rows(name, purge, source, &facts.holds)?;
        let known = (&facts.due, facts.position.as_ref());
        let terms = Terms {
            version: facts.version,
            older_than: purge.older_than,
            batch_rows: purge.batch_rows,
            order: purge.order,
        };
        let course = Course::new(due, source, known, terms, now)?;
        let policy = Policy::of(purge);
        Some(Self { rule, name, purge, facts, source, course, policy, now, is_confirmed })
    }

    fn decide(&self, limits: &Limits, plan: &mut Plan<ArchiveAction>) {
        let Self { rule, facts, .. } = *self;
        for hold in &facts.holds {
            plan.spare(rule, hold.words(&self.purge.age));
        }
        let is_idle = matches!(facts.due.rows, Due::Rows(0));
        let is_agreed = self.is_confirmed
            || facts.agreed.as_ref().is_some_and(|agreed| agreed.allows(&self.policy, self.now));
        if is_idle && self.course.after().is_none() {
            let later = if is_agreed {
                ""
            } else {
                "; pgtend once archive --confirm agrees to what will be"
            };
            plan.spare(rule, format!("nothing is {} ({}){later}", self.policy.words(), self.age()));
        }
        if let Some(doubt) = facts.clocks.doubt() {
            if !is_idle {
                let message = format!("{doubt}; nothing is deleted meanwhile");
                let fault = Fault::new(Kind::Refused, DOING, message).on(rule);
                plan.refuse(rule, fault.with_hint("compare the clocks of both hosts"));
            }
        } else if !is_agreed {
            if !is_idle {
                plan.refuse(rule, self.question());
            }
        } else if is_idle {
            plan.actions.extend(self.agreement());
            // The pass of a run that was cut off ends.
            if self.course.after().is_some() {
                self.delete(limits, plan);
            }
        } else if facts.keeps_younger != Some(true) && !self.is_confirmed {
            plan.spare(rule, self.nothing_stays());
        } else {
            plan.actions.extend(self.agreement());
            self.delete(limits, plan);
        }
    }

    fn delete(&self, limits: &Limits, plan: &mut Plan<ArchiveAction>) {
        let Self { name, purge, facts, source, .. } = *self;
        if let Some(shut) = purge.allowance.shut(self.now) {
            plan.spare(self.rule, format!("{}, and {shut}", facts.due.rows.rows_are_due()));
            return;
        }
        let blind = blind_spots(limits, facts.sight, &facts.user);
        plan.warnings.extend(blind.filter(|warning| !plan.warnings.contains(warning)));
        let rows = self.course.moves(|walk, then| self.along(walk, then, limits));
        plan.actions.extend(rows.map(|rows| ArchiveAction::Move(Box::new(rows))));
        let vacuum = purge.vacuum.then_some((purge.pace, purge.allowance));
        let vacuum = vacuum::after_move((name, vacuum), source, &facts.due.rows, plan);
        plan.actions.extend(vacuum);
    }

    fn question(&self) -> Fault {
        let would = format!(
            "delete rows for good: {}, {} ({})",
            self.facts.due.rows.rows_are_due(),
            self.policy.words(),
            self.age()
        );
        let known = match &self.facts.agreed {
            Some(agreed) => format!("what was agreed is {}", agreed.words()),
            None => "it has deleted nothing so far".to_owned(),
        };
        consent::question(DOING, self.rule, JobName::Archive, (&would, &known))
    }

    fn nothing_stays(&self) -> String {
        let what = match self.facts.keeps_younger {
            Some(_) => "nothing younger would stay: no row came for long, or the clock is ahead",
            None => "whether anything younger stays could not be seen within statement_timeout",
        };
        format!(
            "{} ({}), and {what}; nothing is deleted until that changes, or pgtend once archive --confirm",
            self.facts.due.rows.rows_are_due(),
            self.age()
        )
    }

    /// Puts the policy on record, where it is new.
    fn agreement(&self) -> Option<ArchiveAction> {
        if self.facts.agreed.as_ref() == Some(&self.policy) {
            return None;
        }
        Some(ArchiveAction::Agree(Agreement {
            rule: self.rule.clone(),
            oid: self.source.relation.oid,
            policy: self.policy.clone(),
            is_confirmed: self.is_confirmed,
            why: consent::why(self.is_confirmed),
        }))
    }

    fn along(&self, walk: &Walk, then: Option<Move>, limits: &Limits) -> Move {
        let Self { name, purge, facts, source, course, .. } = self;
        let record = self.record(walk);
        let columns = &source.columns;
        let words = course.words((purge.batch_rows, purge.pace), walk, then.as_ref());
        Move {
            source: (*name).clone(),
            rule: self.rule.clone(),
            into: None,
            cutoff: self.course.cutoff.clone(),
            walk: walk.clone(),
            after: course.after_on(walk),
            oldest: course.oldest_on(walk),
            pacing: Pacing::of(purge.pace, purge.batch_rows.into(), limits.clone()),
            shape: Some(facts.shape.clone()),
            source_shape: facts.shape.clone(),
            max_rows: purge.max_rows,
            allowance: purge.allowance,
            due: facts.due.rows.counted(),
            about: facts.due.about(),
            texts: Texts::of_deletion(&course.due, walk, columns, &[name], record.as_ref()),
            doubles: None,
            children: Vec::new(),
            reason: format!(
                "{}: {} ({}); deletes them for good{words}{}",
                facts.due.rows.rows_are_due(),
                self.policy.words(),
                self.age(),
                purge.allowance.words(self.now)
            ),
            then: then.map(Box::new),
            proof_follows: false,
        }
    }

    /// How `archive verify` is told that rows have left an archive, by the columns that it knows them by.
    fn record(&self, walk: &Walk) -> Option<Record> {
        let map = columns::map(&self.facts.hot_columns, &self.source.columns);
        let layout = layout_of(&self.facts.hot_columns, &map.from);
        // Otherwise `archive verify` cannot make the checksum either, and says so.
        let is_same = layout.columns().all(|(name, base_type)| {
            let is_it = |c: &Column| c.name.as_str() == name && c.base_type == base_type;
            self.source.columns.iter().any(is_it)
        });
        if self.facts.hot_columns.is_empty() || !is_same {
            return None;
        }
        Some(Record {
            kind: account::Kind::Purge,
            source: self.purge.archive_of.clone()?,
            target: self.name.clone(),
            rule: None,
            walk: walk.signature(),
            layout,
            age: self.purge.age.to_string(),
            stamp: map.stamps.then(|| ARCHIVED_AT.to_owned()),
        })
    }

    /// `before 2025-01-01 00:00:00.000000+00`
    fn age(&self) -> String {
        format!("before {}", self.course.cutoff)
    }
}
