//! What to move. Policy, no questions.

use chrono::{DateTime, Utc};

use super::account::Part;
use super::action::{AlterTarget, ArchiveAction, CreateTarget, Move};
use super::children::{Child, ChildFacts};
use super::columns;
use super::count::Due;
use super::course::Course;
use super::doubles::{self, Doubles};
use super::hand_over;
use super::observe::{Facts, Seen, Source, due_rows};
use super::preflight;
use super::purge;
use super::sql::{self, Texts};
use super::vacuum;
use super::walk::Walk;
use crate::config::checked::{Archive, ArchiveTable, Limits, Rule};
use crate::job::pace::{Pacing, blind_spots};
use crate::job::{Action, Plan};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName};

/// Plans every table by itself.
#[must_use]
pub fn plan(
    config: &Archive,
    seen: &Seen,
    now: DateTime<Utc>,
    is_confirmed: bool,
) -> Plan<ArchiveAction> {
    let mut plan = Plan::default();
    for rules in seen.tables.chunk_by(|one, next| one.0.table == next.0.table) {
        table(config, rules, now, &mut plan);
    }
    for (rule, facts) in &seen.purges {
        let Some(policy) = config.purges.get(rule) else { continue };
        let when = (now, is_confirmed);
        match facts {
            Ok(facts) => purge::plan(rule, (policy, &config.limits), facts, when, &mut plan),
            Err(fault) => plan.refuse(rule, fault.clone()),
        }
    }
    plan
}

/// All rules of one table: what moves by each of them, one VACUUM behind them all, then what their sweeps
/// left.
fn table(
    config: &Archive,
    rules: &[(Rule, Result<Facts, Fault>)],
    now: DateTime<Utc>,
    plan: &mut Plan<ArchiveAction>,
) {
    let before = plan.actions.len();
    let mut works = Vec::with_capacity(rules.len());
    for (rule, facts) in rules {
        let Some(policy) = config.tables.get(rule) else { continue };
        match facts {
            Ok(facts) => works.extend(prepared(rule, (policy, &config.limits), facts, now, plan)),
            Err(fault) => plan.refuse(rule, fault.clone()),
        }
    }
    let vacuum = vacuum_behind(&works, plan);
    let rows = works.iter().map(|work| work.rows(&config.limits, vacuum.is_some()));
    let (moves, rests): (Vec<_>, Vec<_>) = rows.unzip();
    plan.actions.extend(moves.into_iter().flatten().chain(vacuum));
    plan.actions.extend(rests.into_iter().flatten());
    if rules.len() > 1 {
        let all = plan.actions.split_off(before);
        plan.actions.extend(once_each(all));
    }
}

/// What several rules ask for is done once, and nothing is taken back that another one is about to use.
fn once_each(actions: Vec<ArchiveAction>) -> Vec<ArchiveAction> {
    let is_of_rule = |kind: &str| kind.starts_with("move_") || kind == "vacuum";
    let mut kept: Vec<ArchiveAction> = Vec::with_capacity(actions.len());
    let handed_over: Vec<String> = actions
        .iter()
        .filter(|action| matches!(action, ArchiveAction::HandOver(_)))
        .map(Action::object)
        .collect();
    for action in actions {
        let (kind, object) = (action.kind(), action.object());
        let is_used = matches!(action, ArchiveAction::Tidy(_)) && handed_over.contains(&object);
        let is_again = kept.iter().any(|one| one.kind() == kind && one.object() == object);
        if is_of_rule(kind) || !(is_used || is_again) {
            kept.push(action);
        }
    }
    kept
}

/// The VACUUM behind the moves of one table.
fn vacuum_behind(works: &[Work<'_>], plan: &mut Plan<ArchiveAction>) -> Option<ArchiveAction> {
    let wants =
        |work: &Work<'_>| work.policy.vacuum.then_some((work.policy.pace, work.policy.allowance));
    let counted: Option<u64> = works.iter().map(|work| work.facts.due.rows.counted()).sum();
    let due = counted.map_or(Due::Uncounted, Due::Rows);
    let first = works.first()?;
    vacuum::after_move((first.name, works.iter().find_map(wants)), first.source, &due, plan)
}

/// Plans what comes before the rows of one rule move; `None`: none do.
fn prepared<'a>(
    rule: &'a Rule,
    (policy, limits): (&'a ArchiveTable, &Limits),
    facts: &'a Facts,
    now: DateTime<Utc>,
    plan: &mut Plan<ArchiveAction>,
) -> Option<Work<'a>> {
    let name = &rule.table;
    let findings = preflight::check(name, policy, facts);
    let refused = !findings.refusals.is_empty();
    for refusal in findings.refusals {
        plan.refuse(rule, refusal.fault("archive", rule));
    }
    if let Due::Unasked(Some(fault)) = &facts.due.rows {
        plan.refuse(rule, fault.clone().on(rule));
        return None;
    }
    if refused {
        return None;
    }
    plan.warnings.extend(findings.warnings.iter().map(|warning| format!("{rule}: {warning}")));
    let Some(work) = Work::new(rule, policy, facts, findings.adopts, now) else {
        let why = "its key and age column could not be read";
        plan.refuse(rule, Fault::new(Kind::Bug, "archive", why).on(rule));
        return None;
    };
    plan.stands(rule, "rows_due", facts.due.rows.in_short());
    if let Some(shut) = policy.allowance.shut(now) {
        plan.spare(rule, format!("{}, and {shut}", facts.due.rows.rows_are_due()));
        return None;
    }
    for hold in &facts.holds {
        plan.spare(rule, hold.words(&policy.age_column));
    }
    unread(name, policy, facts, plan);
    let hands_over = work.hand_over(plan);
    if let Due::Rows(0) = facts.due.rows
        && work.course.after().is_none()
    {
        if !hands_over {
            plan.spare(rule, work.nothing_due());
        }
        return None;
    }
    let blind = blind_spots(limits, facts.sight, &facts.user);
    plan.warnings.extend(blind.filter(|warning| !plan.warnings.contains(warning)));
    plan.actions.extend(work.create_target());
    plan.actions.extend(work.create_children());
    plan.actions.extend(work.alter_target());
    Some(work)
}

/// What an earlier run handed over, and was cut off before it read it.
pub fn unread(
    name: &TableName,
    policy: &ArchiveTable,
    facts: &Facts,
    plan: &mut Plan<ArchiveAction>,
) {
    let (Some(source), Some(target)) = (&facts.source, &facts.target) else { return };
    for part in &facts.unread {
        if !part.is_readable {
            let why = "it is not on record what it holds: GRANT SELECT ON it to pgtend's role";
            plan.spare(&part.name, why);
            continue;
        }
        plan.actions.push(ArchiveAction::Record(Part {
            source: name.clone(),
            target: policy.into.clone(),
            name: part.name.clone(),
            layout: part.layout.clone(),
            age: policy.age_column.clone(),
            stamps: columns::map(&source.columns, &target.columns).stamps,
        }));
    }
}

/// What the actions of one table are made of.
struct Work<'a> {
    rule: &'a Rule,
    name: &'a TableName,
    policy: &'a ArchiveTable,
    facts: &'a Facts,
    source: &'a Source,
    course: Course<'a>,
    /// Clauses of the `ALTER TABLE` that the archive needs first.
    adopts: Vec<String>,
    cutoff: String,
    now: DateTime<Utc>,
}

impl<'a> Work<'a> {
    fn new(
        rule: &'a Rule,
        policy: &'a ArchiveTable,
        facts: &'a Facts,
        adopts: Vec<String>,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let name = &rule.table;
        let source = facts.source.as_ref()?;
        let due = due_rows(name, policy, source, facts.partitions.as_ref(), &facts.holds)?;
        let cutoff = due.age_type.cutoff(policy.older_than.before(now, chrono_tz::UTC));
        let position = facts.position.as_ref();
        let course =
            Course::new(due, source, &facts.due, position, (facts.version, policy.batch_rows))?;
        Some(Self { rule, name, policy, facts, source, course, adopts, cutoff, now })
    }

    /// Whole partitions come first; whether there are any.
    fn hand_over(&self, plan: &mut Plan<ArchiveAction>) -> bool {
        let Self { rule, name, policy, facts, source, cutoff, .. } = self;
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
            cutoff,
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
    fn create_target(&self) -> Option<ArchiveAction> {
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
    fn create_children(&self) -> Vec<ArchiveAction> {
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

    fn alter_target(&self) -> Option<ArchiveAction> {
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
    fn rows(
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
            let (along, why) = (rest.walk.list(), &rest.walk.reason);
            rest.reason = format!("what the sweep left is looked for along {along}, {why}");
            rest.due = None;
            ArchiveAction::Rest(rest)
        });
        (Some(ArchiveAction::Move(Box::new(rows))), rest)
    }

    fn along(&self, walk: &Walk, then: Option<Move>, limits: &Limits) -> Move {
        let Self { name, policy, facts, .. } = self;
        let map = self.map();
        let due = &self.course.due;
        let due_in_range = sql::due_in_range(due, walk);
        let moves = |child: &ChildFacts| child.moves(due, walk, &due_in_range);
        let children: Vec<Child> = facts.children.iter().filter_map(moves).collect();
        let columns = &self.source.columns;
        let texts = Texts::new(due, &policy.into, walk, &map, columns, &children);
        let unique = self.lookups(&map);
        let tables = (*name, &policy.into);
        // Rows are named by their keys, whichever way they are met.
        let key = self.course.walk.lasting_key();
        let doubles = Doubles::new(tables, &due_in_range, key, &map, &unique);
        Move {
            source: (*name).clone(),
            rule: self.rule.clone(),
            into: Some(policy.into.clone()),
            cutoff: self.cutoff.clone(),
            walk: walk.clone(),
            after: self.course.after_on(walk),
            oldest: self.course.oldest_on(walk),
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

    fn nothing_due(&self) -> String {
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
        format!("{} before {}", self.course.due.age, self.cutoff)
    }
}
