//! Policy, and no questions: which partitions are to be made, and what is left alone.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::Task;
use super::action::PartitionAction;
use super::alike::drift;
use super::alike::given::Likeness;
use super::carve::plan::Answer;
use super::drain;
use super::facts::Seen;
use super::grid::bounds::{Edge, parse_bound};
use super::grid::coverage::{Coverage, Piece, coverage};
use super::naming::{MADE_MAX, NAMES_TRIED, name_of, range};
use super::premake::beside::{Beside, beside_default};
use super::premake::new::NewPartition;
use super::premake::recipe::{self, BesideDefault, Recipe};
use super::refusal::DOING;
use super::split;
use super::standing;
use super::tended::Tended;
use crate::job::Plan;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{TableName, quoted};

/// The partitions that one table misses, and nothing else about it.
pub(super) fn missing(
    seen: &Seen,
    table: &Tended<'_>,
    now: DateTime<Utc>,
) -> Plan<PartitionAction> {
    let mut draft = Draft::new(seen);
    draft.table(table, now);
    draft.finish()
}

/// A plan in the making, over all tables.
pub(super) struct Draft<'a> {
    seen: &'a Seen,
    pub(super) plan: Plan<PartitionAction>,
    /// To be made, each with when it is needed.
    wanted: Vec<(DateTime<Utc>, NewPartition)>,
    /// Done after what can be made beside a default partition.
    draining: Vec<PartitionAction>,
    /// Done last: what is missing matters more than what is old.
    pub(super) leaving: Vec<PartitionAction>,
    named: BTreeSet<TableName>,
    /// Some table misses more than one run makes.
    cut: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(seen: &'a Seen) -> Self {
        Self {
            seen,
            plan: Plan::default(),
            wanted: Vec::new(),
            draining: Vec::new(),
            leaving: Vec::new(),
            named: BTreeSet::new(),
            cut: false,
        }
    }
}

impl Draft<'_> {
    /// What it misses, and what the operator should know.
    pub(super) fn table(&mut self, table: &Tended<'_>, now: DateTime<Utc>) {
        let aim = match table.aim(now) {
            Ok(aim) => aim,
            Err(fault) => return self.plan.refuse(table.name, fault),
        };
        let found = coverage(&table.existing, &table.axis, aim, MADE_MAX);
        self.cut |= found.cut;
        self.report(table, &found);
        self.pending_detaches(table, &found);
        if let Some(default) = table.facts.default.as_ref().filter(|d| d.has_stale_check) {
            let lock_timeout = self.seen.lock_timeout;
            let default = default.name.clone();
            self.plan.actions.push(PartitionAction::DropCheck { default, lock_timeout });
        }
        let mut blocked = Vec::new();
        for (ahead, piece) in (0..).zip(&found.missing) {
            let default = match beside_default(table, piece) {
                Beside::Blocked => {
                    blocked.push(piece);
                    continue;
                }
                Beside::None => None,
                Beside::Default(default) => Some(default),
            };
            if let Some(new) = self.create(table, &found, piece, default) {
                self.wanted.push((table.needed_at(piece, now, ahead), new));
            }
        }
        if let Some(fault) = table.type_ends(found.type_ends) {
            self.plan.refuse(table.name, fault);
        }
        self.carve(table, &blocked, now);
        if !found.missing.is_empty() && !table.facts.blockers.is_empty() {
            self.plan.spare(table.name, recipe::in_the_way(&table.facts.blockers));
        }
        drift::tell(&mut self.plan, table);
    }

    /// Rows of the default partition stand in the way of what is needed; or, where nothing does, a
    /// partition is wider than the grid.
    fn carve(&mut self, table: &Tended<'_>, blocked: &[&Piece], now: DateTime<Utc>) {
        let drained = drain::plan::needed(self.seen, table, blocked);
        let is_idle = matches!(&drained, Ok(Answer { action: None, .. }));
        let task = Task::Tend { confirm: false };
        let split = (is_idle && table.config.split)
            .then(|| split::plan::split(self.seen, table, &task, now));
        for answer in [Some(drained), split].into_iter().flatten() {
            match answer {
                Ok(answer) => self.draining.extend(answer.told(&mut self.plan)),
                Err(fault) => self.plan.refuse(table.name, fault),
            }
        }
    }

    /// What is left alone, and what the operator should know.
    fn report(&mut self, table: &Tended<'_>, found: &Coverage) {
        let key = table.axis.key;
        let (until, covered) = match found.until {
            None if !found.aim.within.holds(found.aim.now) => {
                (format!("{} lies outside its own bound", table.now_words()), "never".to_owned())
            }
            None => (format!("no partition holds {}", table.now_words()), "never".to_owned()),
            Some(Edge::At(at)) => (format!("covered until {}", key.words(at)), key.words(at)),
            Some(Edge::Start | Edge::End) => ("covered for ever".to_owned(), "for ever".to_owned()),
        };
        self.plan.stands(table.name, "covered_until", covered);
        let premake = table.config.premake;
        let asked = format!("premake = {premake} asks for {}", key.words(found.aim.target));
        self.plan.spare(table.name, format!("{until}; {asked}"));
        standing::tell(&mut self.plan, table, !found.missing.is_empty());
        for &(from, to) in &found.past_gaps {
            let (from, to) = (key.words(from), key.words(to));
            let reason =
                format!("{from} to {to} has no partition and is past; only what is ahead is made");
            self.plan.spare(table.name, reason);
        }
    }

    /// A partition whose DETACH CONCURRENTLY was interrupted takes no rows and still occupies its
    /// range: nothing can be made there. Those of our own making are finished first.
    fn pending_detaches(&mut self, table: &Tended<'_>, found: &Coverage) {
        for child in table.facts.children.iter().filter(|child| child.detach_pending) {
            if table.facts.held.iter().any(|held| held.relation == child.oid) {
                continue;
            }
            let name = format!("{}.{}", quoted(&child.schema), quoted(&child.name));
            let message = format!(
                "partition {name} takes no rows, because its DETACH CONCURRENTLY was interrupted"
            );
            let cure = format!("ALTER TABLE {} DETACH PARTITION {name} FINALIZE", table.name);
            let is_ahead = parse_bound(&child.bound).ok().flatten().is_some_and(|span| {
                span.to > Edge::At(found.aim.now) && span.from <= Edge::At(found.aim.target)
            });
            if is_ahead {
                let fault = Fault::new(Kind::Refused, DOING, message).on(table.name);
                self.plan.refuse(table.name, fault.with_hint(cure));
            } else {
                self.plan.warnings.push(format!("{}: {message}; {cure}", table.name));
            }
        }
    }

    fn create(
        &mut self,
        table: &Tended<'_>,
        found: &Coverage,
        piece: &Piece,
        default: Option<BesideDefault>,
    ) -> Option<NewPartition> {
        let key = table.axis.key;
        let mut new = NewPartition {
            parent: table.name.clone(),
            parent_oid: Some(table.facts.relation.oid),
            child: name_of(table, piece, 1),
            from: key.literal(piece.from),
            to: key.literal(piece.to),
            why: why(table, found, piece),
            likeness: Likeness::of(table, self.seen.version),
            recipe: Recipe::of(table.facts, self.seen.version, default),
            lock_timeout: self.seen.lock_timeout,
        };
        if let Some(name) = self.free_name(table, piece) {
            new.child = name;
        } else {
            let message = format!("{} and its alternatives are taken by other tables", new.child);
            let fault = Fault::new(Kind::Refused, DOING, message).on(table.name);
            self.plan.refuse(table.name, fault.with_hint("rename or drop one of them"));
            return None;
        }
        self.named.insert(new.child.clone());
        Some(new)
    }

    /// The range is covered even where the name is not to be had.
    fn free_name(&mut self, table: &Tended<'_>, piece: &Piece) -> Option<TableName> {
        let is_free =
            |name: &TableName| !self.seen.taken.contains(name) && !self.named.contains(name);
        let first = name_of(table, piece, 1);
        let free = (1..=NAMES_TRIED).map(|number| name_of(table, piece, number)).find(is_free)?;
        if free != first {
            self.plan.warnings.push(format!(
                "{}: {first} exists and is not a partition for {}; the partition is called {free}",
                table.name,
                range(table, piece)
            ));
        }
        Some(free)
    }

    /// The nearest first, over all tables: what now needs is not kept waiting by another table's
    /// next year.
    pub(super) fn finish(mut self) -> Plan<PartitionAction> {
        self.wanted.sort_by_key(|(needed_at, _)| *needed_at);
        if self.wanted.len() > MADE_MAX {
            self.cut = true;
            self.wanted.truncate(MADE_MAX);
        }
        if self.cut {
            self.plan.warnings.push(format!(
                "more partitions are missing than the {MADE_MAX} that one run makes; the nearest \
                 come first, the next run goes on. Is premake meant to be so long?"
            ));
        }
        let creations = self.wanted.into_iter();
        let creations = creations.map(|(_, new)| PartitionAction::Create(Box::new(new)));
        self.plan.actions.extend(creations);
        self.plan.actions.append(&mut self.draining);
        self.plan.actions.append(&mut self.leaving);
        self.plan
    }
}

fn why(table: &Tended<'_>, found: &Coverage, piece: &Piece) -> String {
    let shape = if piece.whole_cell { "" } else { ", cut to fit its neighbours" };
    let because = if piece.from > found.aim.now {
        let target = table.axis.key.words(found.aim.target);
        format!("premake = {} asks for {target}", table.config.premake)
    } else {
        let lost = if table.facts.default.is_some() {
            "go to the default partition"
        } else {
            "are refused"
        };
        format!("{} lies in it, and its rows {lost}", table.now_words())
    };
    format!("{} has no partition{shape}; {because}", range(table, piece))
}
