//! What the actions of one rule are made of. Policy, no questions.

use chrono::{DateTime, Utc};

use crate::config::checked::{ArchiveTable, Limits, Rule};
use crate::job::Plan;
use crate::job::pace::Pacing;
use crate::jobs::archive::action::{AlterTarget, ArchiveAction, CreateTarget, Move};
use crate::jobs::archive::children::{Child, ChildFacts};
use crate::jobs::archive::columns;
use crate::jobs::archive::course::{Course, Terms};
use crate::jobs::archive::doubles::{self, Doubles};
use crate::jobs::archive::hand_over;
use crate::jobs::archive::observe::{Facts, due_rows};
use crate::jobs::archive::side::Source;
use crate::jobs::archive::sql::{self, Texts};
use crate::jobs::archive::walk::Walk;
use crate::pg::ident::{Ident, TableName};

/// It.
pub struct Work<'a> {
    pub(super) rule: &'a Rule,
    pub(super) name: &'a TableName,
    pub(super) policy: &'a ArchiveTable,
    pub(super) facts: &'a Facts,
    pub(super) source: &'a Source,
    pub(super) course: Course<'a>,
    /// Clauses of the `ALTER TABLE` that the archive needs first.
    adopts: Vec<String>,
    now: DateTime<Utc>,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        rule: &'a Rule,
        policy: &'a ArchiveTable,
        facts: &'a Facts,
        adopts: Vec<String>,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let name = &rule.table;
        let source = facts.source.as_ref()?;
        let due = due_rows(name, policy, source, facts.partitions.as_ref(), &facts.holds)?;
        let known = (&facts.due, facts.position.as_ref());
        let terms = Terms {
            version: facts.version,
            older_than: policy.older_than,
            batch_rows: policy.batch_rows,
            order: policy.order,
        };
        let course = Course::new(due, source, known, terms, now)?;
        Some(Self { rule, name, policy, facts, source, course, adopts, now })
    }

    /// Whole partitions come first; whether there are any.
    pub(super) fn hand_over(&self, plan: &mut Plan<ArchiveAction>) -> bool {
        let Self { rule, name, policy, facts, source, course, .. } = self;
        let (Some(target), Some(looked)) = (&facts.target, &facts.partitions) else { return false };
        // A partition may hold rows that were brought back, and stay.
        if !facts.holds.is_empty() {
            return false;
        }
        let asked = hand_over::plan::Asked {
            name,
            rule,
            policy,
            source,
            target,
            shape: &facts.shape,
            cutoff: &course.cutoff,
        };
        let decided = hand_over::plan::decide(&asked, looked);
        let hands_over = !decided.ready.is_empty();
        for (object, why) in decided.spared {
            plan.spare(object, why);
        }
        let tidy = decided.tidy.into_iter().map(ArchiveAction::Tidy);
        let ready = decided.ready.into_iter().map(|ready| ArchiveAction::HandOver(Box::new(ready)));
        plan.actions.extend(tidy.chain(ready));
        hands_over
    }

    fn map(&self) -> columns::Mapping {
        match &self.facts.target {
            Some(target) => {
                let source = &self.source.columns;
                columns::map(source, &columns::adopted(source, &target.columns))
            }
            None => columns::map_to_copy(&self.source.columns),
        }
    }

    /// The owner is the source's, where we may give it away.
    pub(super) fn create_target(&self) -> Option<ArchiveAction> {
        if self.facts.target.is_some() {
            return None;
        }
        let Self { name, policy, facts, source, course, .. } = self;
        let into = &policy.into;
        let mut statements = vec![sql::create_target(
            name,
            into,
            course.walk.lasting_key(),
            &self.map(),
            facts.version,
        )];
        let owner = &source.relation.owner;
        if *owner != facts.user && facts.target_schema.is_some_and(|rights| rights.may_hand_over) {
            statements.push(format!("ALTER TABLE {into} OWNER TO {owner}"));
        }
        let (into, source) = (into.clone(), (*name).clone());
        Some(ArchiveAction::CreateTarget(CreateTarget { into, source, statements }))
    }

    /// The children's archives that are missing.
    pub(super) fn create_children(&self) -> Vec<ArchiveAction> {
        let facts = self.facts;
        let create = |child: &ChildFacts| {
            let mut statements = vec![child.create(facts.version)?];
            let (owner, into) = (&child.source.as_ref()?.relation.owner, child.into.clone());
            if *owner != facts.user && child.target_schema.is_some_and(|r| r.may_hand_over) {
                statements.push(format!("ALTER TABLE {into} OWNER TO {owner}"));
            }
            let source = child.name.clone();
            Some(ArchiveAction::CreateTarget(CreateTarget { into, source, statements }))
        };
        facts.children.iter().filter_map(create).collect()
    }

    pub(super) fn alter_target(&self) -> Option<ArchiveAction> {
        if self.adopts.is_empty() {
            return None;
        }
        let into = self.policy.into.clone();
        let statement = format!("ALTER TABLE {into} {}", self.adopts.join(", "));
        let source = self.name.clone();
        Some(ArchiveAction::AlterTarget(AlterTarget { into, source, statement }))
    }

    /// The move; and what comes after the VACUUM, if there is one: along the index, a look for what a
    /// sweep left would pass all of its dead rows before. Not where the two would have to share a limit,
    /// nor where the target is yet to be made and must not change in between.
    pub(super) fn rows(
        &self,
        limits: &Limits,
        is_vacuumed: bool,
    ) -> (Option<ArchiveAction>, Option<ArchiveAction>) {
        let moves = self.course.moves(|walk, then| self.along(walk, then, limits));
        let Some(mut rows) = moves else { return (None, None) };
        let splits = is_vacuumed && rows.max_rows.is_none() && rows.shape.is_some();
        let rest = if splits { rows.then.take() } else { None };
        rows.proof_follows = rest.is_some();
        let rest = rest.map(|mut rest| {
            let (along, why) = (rest.walk.words(), &rest.walk.reason);
            rest.reason = format!("what the sweep left is looked for along {along}, {why}");
            (rest.due, rest.all) = (None, None);
            ArchiveAction::Rest(rest)
        });
        (Some(ArchiveAction::Move(Box::new(rows))), rest)
    }

    fn along(&self, walk: &Walk, then: Option<Move>, limits: &Limits) -> Move {
        let Self { name, policy, facts, .. } = self;
        let map = self.map();
        let due = &self.course.due;
        let due_in_range = sql::due_in_range(due, walk);
        let rule = self.rule.name.as_ref();
        let moves = |child: &ChildFacts| child.moves(due, walk, &due_in_range, rule);
        let children: Vec<Child> = facts.children.iter().filter_map(moves).collect();
        let columns = &self.source.columns;
        let beside: Vec<&TableName> = children.iter().flat_map(Child::tables).collect();
        let texts = Texts::new(due, &policy.into, walk, &map, columns, &beside, rule);
        let unique = self.lookups(&map);
        let tables = (*name, &policy.into);
        // Rows are named by their keys, whichever way they are met.
        let key = self.course.walk.lasting_key();
        let doubles = Doubles::new(tables, &due_in_range, key, &map, &unique);
        Move {
            source: (*name).clone(),
            rule: self.rule.clone(),
            into: Some(policy.into.clone()),
            cutoff: self.course.cutoff.clone(),
            walk: walk.clone(),
            after: self.course.after_on(walk),
            oldest: self.course.oldest_on(walk),
            all: self.course.all_on(walk),
            pacing: Pacing::of(policy.pace, policy.batch_rows.into(), limits.clone()),
            shape: facts
                .target
                .as_ref()
                .filter(|_| self.adopts.is_empty())
                .filter(|_| facts.children.iter().all(|child| child.target.is_some()))
                .map(|_| facts.shape.clone()),
            source_shape: facts.source_shape.clone(),
            max_rows: policy.max_rows,
            allowance: policy.allowance,
            due: facts.due.rows.counted(),
            about: facts.due.about(),
            texts,
            doubles,
            children,
            reason: self.reason(walk, then.as_ref()),
            then: then.map(Box::new),
            proof_follows: false,
        }
    }

    /// What leads from a row to its like in the archive. A target that is yet to be made has its key.
    /// Without one, equal rows are several rows, and none is taken for a copy of another.
    fn lookups(&self, map: &columns::Mapping) -> Vec<Vec<Ident>> {
        let key = self.course.walk.lasting_key();
        if key.is_empty() {
            return Vec::new();
        }
        let Some(target) = &self.facts.target else { return vec![key.to_vec()] };
        let columns = &self.source.columns;
        let comparable = |name: &Ident| columns.iter().any(|c| c.name == *name && c.has_own_order);
        doubles::lookups(&target.indexes, map, comparable)
    }

    fn reason(&self, walk: &Walk, then: Option<&Move>) -> String {
        let Self { policy, facts, course, .. } = self;
        format!(
            "{}: older than {} ({}); moves them to {}{}{}",
            facts.due.rows.rows_are_due(),
            policy.older_than,
            self.age(),
            policy.into,
            course.words((policy.batch_rows, policy.pace), walk, then),
            policy.allowance.words(self.now)
        )
    }

    pub(super) fn nothing_due(&self) -> String {
        let matching =
            if self.course.due.condition.is_some() { " that the condition allows" } else { "" };
        let elsewhere = if self.course.due.within.is_some() {
            ", outside of partitions that go as a whole"
        } else {
            ""
        };
        format!(
            "nothing older than {} ({}){matching}{elsewhere}",
            self.policy.older_than,
            self.age()
        )
    }

    /// `created_at before 2025-01-01 00:00:00.000000+00`
    fn age(&self) -> String {
        format!("{} before {}", self.course.due.age.words(), self.course.cutoff)
    }
}
