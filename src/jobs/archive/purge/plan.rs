//! What is deleted, what is asked about, and the words for it. Policy, no questions.

use chrono::{DateTime, Utc};

use super::before::changed_before;
use super::check::check;
use super::children::ChildArchive;
use super::{Agreement, Policy, PurgeFacts, due_rows, record};
use crate::config::checked::{Limits, Purge, Rule};
use crate::job::pace::{Pacing, blind_spots};
use crate::job::{JobName, Plan, consent};
use crate::jobs::archive::action::{ArchiveAction, Move};
use crate::jobs::archive::children::Child;
use crate::jobs::archive::count::Due;
use crate::jobs::archive::course::{Course, Terms};
use crate::jobs::archive::refusal::Refusal;
use crate::jobs::archive::side::Source;
use crate::jobs::archive::sql::{Texts, due_in_range};
use crate::jobs::archive::vacuum;
use crate::jobs::archive::walk::Walk;
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
        let is_agreed = self.is_confirmed || self.agreed().all(|it| self.is_allowed_by(it));
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
        if let Some(change) = changed_before(name, &facts.children, plan) {
            let due = facts.due.rows.rows_are_due();
            let why = format!("{due}, and this run {change}: the next one deletes");
            plan.spare(self.rule, why);
            return;
        }
        let blind = blind_spots(limits, facts.sight, &facts.user);
        plan.warnings.extend(blind.filter(|warning| !plan.warnings.contains(warning)));
        let rows = self.course.moves(|walk, then| self.along(walk, then, limits));
        plan.actions.extend(rows.map(|rows| ArchiveAction::Move(Box::new(rows))));
        let vacuum = purge.vacuum.then_some((purge.pace, purge.allowance));
        let (due, children) = (&facts.due.rows, facts.children.iter());
        let children = children.map(|child| (&child.name, child.source.as_ref()));
        let behind = vacuum::after_move((name, vacuum), source, due, plan);
        let of_children = vacuum::after_move_of_children(vacuum, source, due, children, plan);
        plan.actions.extend(behind.into_iter().chain(of_children));
    }

    /// What was agreed to of the table, and of the archive of each of its children.
    fn agreed(&self) -> impl Iterator<Item = Option<&'a Policy>> {
        let of_children = self.facts.children.iter().map(|child| child.agreed.as_ref());
        std::iter::once(self.facts.agreed.as_ref()).chain(of_children)
    }

    fn is_allowed_by(&self, agreed: Option<&Policy>) -> bool {
        agreed.is_some_and(|agreed| agreed.allows(&self.policy, self.now))
    }

    fn question(&self) -> Fault {
        let facts = self.facts;
        let would = format!(
            "delete rows for good: {}, {} ({}){}",
            facts.due.rows.rows_are_due(),
            self.policy.words(),
            self.age(),
            self.with_children()
        );
        let mut children = facts.children.iter();
        let new = children.find(|child| !self.is_allowed_by(child.agreed.as_ref()));
        let known = match (&facts.agreed, new) {
            (Some(agreed), Some(child)) if self.is_allowed_by(Some(agreed)) => {
                format!("what was agreed says nothing of {}", child.name)
            }
            (Some(agreed), _) => format!("what was agreed is {}", agreed.words()),
            (None, _) => "it has deleted nothing so far".to_owned(),
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
        if self.agreed().all(|agreed| agreed == Some(&self.policy)) {
            return None;
        }
        Some(ArchiveAction::Agree(Agreement {
            rule: self.rule.clone(),
            oid: self.source.relation.oid,
            with: self.facts.children.iter().map(|child| child.name.clone()).collect(),
            policy: self.policy.clone(),
            is_confirmed: self.is_confirmed,
            why: consent::why(self.is_confirmed),
        }))
    }

    fn along(&self, walk: &Walk, then: Option<Move>, limits: &Limits) -> Move {
        let Self { name, purge, facts, source, course, .. } = self;
        let due = &course.due;
        let (columns, hot) = (&source.columns, facts.hot_columns.as_slice());
        let record = purge.archive_of.as_ref().and_then(|hot_table| {
            record::of((hot_table, hot), (name, columns), walk, purge.age.to_string())
        });
        let in_range = due_in_range(due, walk);
        let leaves = |child: &ChildArchive| child.leaves(due, walk, &in_range);
        let children: Vec<Child> = facts.children.iter().filter_map(leaves).collect();
        let tables = std::iter::once(*name).chain(children.iter().map(|child| &child.name));
        let tables: Vec<&TableName> = tables.collect();
        // The archive of a child that there was none of holds nothing that refers to these rows; one that
        // comes meanwhile may.
        let missing = facts.children.iter().filter(|child| child.source.is_none());
        let texts = Texts::of_deletion(due, walk, columns, &tables, record.as_ref())
            .while_missing(missing.map(|child| &child.name));
        let words = course.words((purge.batch_rows, purge.pace), walk, then.as_ref());
        Move {
            source: (*name).clone(),
            rule: self.rule.clone(),
            into: None,
            cutoff: self.course.cutoff.clone(),
            walk: walk.clone(),
            after: course.after_on(walk),
            oldest: course.oldest_on(walk),
            all: course.all_on(walk),
            pacing: Pacing::of(purge.pace, purge.batch_rows.into(), limits.clone()),
            shape: Some(facts.shape.clone()),
            source_shape: facts.shape.clone(),
            max_rows: purge.max_rows,
            allowance: purge.allowance,
            due: facts.due.rows.counted(),
            about: facts.due.about(),
            texts,
            doubles: None,
            children,
            reason: format!(
                "{}: {} ({}){}; deletes them for good{words}{}",
                facts.due.rows.rows_are_due(),
                self.policy.words(),
                self.age(),
                self.with_children(),
                purge.allowance.words(self.now)
            ),
            then: then.map(Box::new),
            proof_follows: false,
        }
    }

    /// `, with what refers to them in public.job_events_archive`
    fn with_children(&self) -> String {
        let children = self.facts.children.iter().filter(|child| child.source.is_some());
        let names: Vec<String> = children.map(|child| child.name.to_string()).collect();
        if names.is_empty() {
            return String::new();
        }
        format!(", with what refers to them in {}", names.join(", "))
    }

    /// `before 2025-01-01 00:00:00.000000+00`
    fn age(&self) -> String {
        format!("before {}", self.course.cutoff)
    }
}
