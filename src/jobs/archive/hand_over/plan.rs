//! Which partitions are handed over, which move row by row, and which wait. Policy, no questions.

use super::action::{Build, HandOver, Proof, Tidy};
use super::facts::{Contents, Looked, fits};
use super::obstacles::{Against, added, is_small, own_columns, speaks_against, tables};
use super::{LEFT_MAX, Left, PARTITIONS_MAX, provable};
use crate::config::checked::{Age, ArchiveTable, Rule};
use crate::jobs::archive::account::Part;
use crate::jobs::archive::account::layout::layout_of;
use crate::jobs::archive::columns;
use crate::jobs::archive::due::AgeType;
use crate::jobs::archive::side::{Source, Target};
use crate::pg::catalog::hand_over::Leaf;
use crate::pg::ident::{Ident, TableName};
use crate::pg::partition_name::beside;
use crate::pg::range::Range;

/// What is to be done with a table's partitions.
#[derive(Debug, Default)]
pub struct Decided {
    /// To be handed over, oldest first.
    pub ready: Vec<HandOver>,
    /// What an earlier run left on partitions that are not handed over now.
    pub tidy: Vec<Tidy>,
    /// Left alone: the object, and why.
    pub spared: Vec<(String, String)>,
}

/// What the policy, and what was read for it, is decided by.
pub struct Asked<'a> {
    /// The hot table.
    pub name: &'a TableName,
    /// By which of its rules.
    pub rule: &'a Rule,
    /// What is configured for it.
    pub policy: &'a ArchiveTable,
    /// The hot table, as the job sees it.
    pub source: &'a Source,
    /// The archive table.
    pub target: &'a Target,
    /// The shape of both.
    pub shape: &'a str,
    /// Before it a row is old.
    pub cutoff: &'a str,
}

/// The rows that may move one by one, as a condition; `None`: all. Left out is the range of each
/// partition that is handed over, now or later: where the archive has no place for single rows, and
/// where the hand-over has only to be carried out. Said by what is between those, so that the server
/// need not look into them.
#[must_use]
pub fn within(looked: Option<&Looked>, age: &Age) -> Option<String> {
    let (looked, age) = (looked?, age.column()?);
    let is_ready = |leaf: &&Leaf| looked.contents.get(&leaf.oid).is_some_and(Contents::is_all_due);
    let ranges = looked
        .leaves
        .iter()
        .filter(|leaf| leaf.overlaps.is_none())
        .filter(|leaf| looked.into_default.is_none() || is_ready(leaf))
        .filter_map(|leaf| Range::of_bound(&leaf.bound));
    let mut gaps = vec![Range { from: "MINVALUE".to_owned(), to: "MAXVALUE".to_owned() }];
    for range in ranges {
        let Some(last) = gaps.last_mut() else { break };
        if last.from == range.from {
            last.from = range.to;
        } else {
            last.to = range.from;
            gaps.push(Range { from: range.to, to: "MAXVALUE".to_owned() });
        }
    }
    let is_all = gaps.len() == 1 && gaps[0].from == "MINVALUE";
    let held: Vec<String> = gaps.iter().map(|gap| format!("({})", gap.holds(age))).collect();
    (!is_all).then(|| format!("({})", held.join(" OR ")))
}

/// Decides for every partition that was looked at.
#[must_use]
pub fn decide(asked: &Asked<'_>, looked: &Looked) -> Decided {
    let mut decided = Decided::default();
    decided.spared.extend(as_such(asked, looked));
    for leaf in &looked.leaves {
        let Ok(name) = TableName::new(&leaf.schema, &leaf.name) else { continue };
        match verdict(asked, looked, leaf) {
            Verdict::Ready => decided.ready.extend(hand_over(asked, looked, leaf, &name)),
            Verdict::Waits(why) => decided.spared.push((name.to_string(), why)),
            Verdict::NothingToSay => {}
        }
        let is_ready = decided.ready.last().is_some_and(|ready| ready.leaf == name);
        if !is_ready && (leaf.check.is_some() || !leaf.own_indexes.is_empty()) && leaf.is_ours {
            decided.tidy.push(Tidy {
                has_check: leaf.check.is_some(),
                indexes: idents(&leaf.own_indexes),
                leaf: name,
            });
        }
    }
    decided
}

/// Why none of the partitions is handed over, where that is the same for all.
fn as_such(asked: &Asked<'_>, looked: &Looked) -> Option<(String, String)> {
    let Asked { name, rule, policy, source, target, .. } = asked;
    let (age, into) = (policy.age.column()?, &policy.into);
    let column = source.columns.iter().find(|column| column.name == *age)?;
    let age_type = AgeType::of(&column.base_type).filter(|it| fits(&looked.from, age, *it))?;
    if !fits(&looked.into, age, age_type) {
        return Some((
            rule.to_string(),
            format!(
                "its partitions are not handed over as a whole, but moved row by row: {into} is not \
                 partitioned by RANGE ({age}) alone"
            ),
        ));
    }
    let is_candidate = |leaf: &&Leaf| leaf.is_past && leaf.overlaps.is_none() && !leaf.is_leaving;
    let first = looked.leaves.iter().find(is_candidate)?;
    let why = tables(looked, name, policy, (source, target))?;
    let how = rows(looked, policy, first);
    Some((rule.to_string(), format!("its old partitions are not handed over: {why}; {how}")))
}

enum Verdict {
    Ready,
    Waits(String),
    NothingToSay,
}

fn verdict(asked: &Asked<'_>, looked: &Looked, leaf: &Leaf) -> Verdict {
    if leaf.is_leaving {
        return Verdict::Waits(
            "it is leaving by its retention: left to the job partitions".to_owned(),
        );
    }
    let Asked { name, policy, source, target, .. } = asked;
    let is_told = || tables(looked, name, policy, (source, target)).is_some();
    if let Some(against) = speaks_against(looked, leaf, name, policy, (source, target)) {
        return match against {
            Against::ByRows => Verdict::NothingToSay,
            Against::TooYoung => Verdict::Waits(format!(
                "it ends at {}: handed over as a whole once all of it is older than {}; {} has no \
                 partition for single rows of it",
                leaf.ends, policy.older_than, policy.into
            )),
            Against::Obstacle(_) if is_told() => Verdict::NothingToSay,
            Against::Obstacle(why) => {
                Verdict::Waits(format!("not handed over: {why}; {}", rows(looked, policy, leaf)))
            }
        };
    }
    match looked.contents.get(&leaf.oid) {
        None => Verdict::Waits(format!(
            "left to the next run: {PARTITIONS_MAX} partitions are handed over in one"
        )),
        Some(contents) if contents.is_empty => Verdict::NothingToSay,
        Some(contents) => match &contents.left {
            Left::Rows(0) => Verdict::Ready,
            Left::Rows(count) => {
                let count = if *count > LEFT_MAX {
                    format!("more than {LEFT_MAX}")
                } else {
                    count.to_string()
                };
                Verdict::Waits(format!(
                    "not handed over: {count} of its rows are not due, as the condition says{}; {}",
                    if policy.rivals.is_empty() { "" } else { ", or go elsewhere by another rule" },
                    rows(looked, policy, leaf)
                ))
            }
            Left::Unknown(fault) => Verdict::Waits(format!(
                "not handed over: whether all of its rows are due is not known: {fault}"
            )),
        },
    }
}

/// How those rows go that are due and not handed over.
fn rows(looked: &Looked, policy: &ArchiveTable, leaf: &Leaf) -> String {
    let name = TableName::new(&leaf.schema, &leaf.name);
    match name {
        Ok(name) if looked.into_default.is_none() => format!(
            "what is due waits; to move it row by row: CREATE TABLE {} PARTITION OF {} {}",
            policy.into.sibling(beside(&name.table, "_archive")),
            policy.into,
            leaf.bound
        ),
        _ => "what is due moves row by row".to_owned(),
    }
}

fn hand_over(
    asked: &Asked<'_>,
    looked: &Looked,
    leaf: &Leaf,
    name: &TableName,
) -> Option<HandOver> {
    let Asked { policy, source, target, .. } = asked;
    let builds = leaf.missing.iter().zip(&leaf.missing_as).map(|(index, definition)| {
        let new = beside(&name.table, &format!("_{index}"));
        let is_unfinished = leaf.unfinished.iter().any(|unfinished| unfinished == new.as_str());
        Build { is_unfinished, definition: definition.clone(), name: new }
    });
    let map = columns::map(&source.columns, &target.columns);
    let proof = proof(policy, leaf);
    let wanted = match &proof {
        Proof::Index { name, .. } => Some(name.as_str()),
        _ => None,
    };
    let surplus = leaf.own_indexes.iter().filter(|index| Some(index.as_str()) != wanted);
    let rows = leaf.rows_estimate.filter(|rows| *rows > 0);
    let rows = rows.map_or_else(String::new, |rows| format!(" about {rows}"));
    Some(HandOver {
        source: asked.name.clone(),
        rule: asked.rule.clone(),
        into: policy.into.clone(),
        leaf: name.clone(),
        source_oid: looked.from.oid,
        into_oid: looked.into.oid,
        leaf_oid: leaf.oid,
        range: Range::of_bound(&leaf.bound)?,
        bound: leaf.bound.clone(),
        key: policy.age.column()?.clone(),
        condition: policy.whole(),
        surplus: idents(surplus),
        proof,
        builds: builds.collect(),
        check: leaf.check,
        added: own_columns(source, target).filter_map(|c| added(c, source)).flatten().collect(),
        owner: (leaf.owner != looked.pair.owner).then(|| looked.pair.owner.clone()),
        revoked: if leaf.grants_differ { leaf.grantees.clone() } else { Vec::new() },
        granted: if leaf.grants_differ { looked.grants.clone() } else { Vec::new() },
        defaults: looked
            .default
            .iter()
            .chain(looked.into_default.iter().map(|(name, _)| name))
            .cloned()
            .collect(),
        shape: asked.shape.to_owned(),
        part: Part {
            source: asked.name.clone(),
            target: policy.into.clone(),
            name: name.clone(),
            layout: layout_of(&source.columns, &map.from),
            age: policy.age.clone(),
            stamps: map.stamps,
        },
        allowance: policy.allowance,
        lock_timeout: looked.lock_timeout,
        reason: format!(
            "all of its{rows} rows are due, as it ends at {}, before {}: it is detached from {} and attached to \
             {} in one transaction",
            leaf.ends, asked.cutoff, asked.name, policy.into
        ),
    })
}

fn proof(policy: &ArchiveTable, leaf: &Leaf) -> Proof {
    let Some(condition) = &policy.whole() else { return Proof::Needless };
    let Some(name) = provable::index_name(leaf.oid, condition).filter(|_| !is_small(leaf)) else {
        return Proof::Scan;
    };
    let has = |names: &[String]| names.iter().any(|index| index == name.as_str());
    let is_unfinished = has(&leaf.unfinished);
    Proof::Index { is_made: has(&leaf.own_indexes) && !is_unfinished, is_unfinished, name }
}

fn idents<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<Ident> {
    names.into_iter().filter_map(|name| Ident::new(name).ok()).collect()
}
