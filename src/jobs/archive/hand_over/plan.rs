//! Which partitions are handed over, which move row by row, and which wait. Policy, no questions.

use super::action::{Build, HandOver, Proof, Tidy};
use super::look::Looked;
use super::{CHECK, LEFT_MAX, Left, PARTITIONS_MAX, SCANNED_MAX, provable};
use crate::config::checked::ArchiveTable;
use crate::jobs::archive::columns;
use crate::jobs::archive::due::AgeType;
use crate::jobs::archive::observe::{Source, Target};
use crate::pg::catalog::columns::Column;
use crate::pg::catalog::hand_over::{Covered, Leaf};
use crate::pg::catalog::partition::Relation;
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

/// A table partitioned by RANGE of the age column alone.
#[must_use]
pub fn fits(relation: &Relation, age: &Ident, age_type: AgeType) -> bool {
    // As `pg_type` numbers them: no domain.
    let type_oid = match age_type {
        AgeType::Day => 1082,
        AgeType::WallClock => 1114,
        AgeType::Instant => 1184,
    };
    relation.strategy.as_deref() == Some("r")
        && relation.key_parts == Some(1)
        && relation.key_column.as_deref() == Some(age.as_str())
        && relation.key_type_oid == Some(type_oid)
        && relation.key_order_usual == Some(true)
}

/// The rows that the archive has a place for, as a condition; `None`: all.
#[must_use]
pub fn within(looked: Option<&Looked>, age: &Ident) -> Option<String> {
    let covered = looked?.covered.as_ref()?;
    let held = |Covered { from, to }: &Covered| {
        format!("({})", Range { from: from.clone(), to: to.clone() }.holds(age))
    };
    let ranges: Vec<String> = covered.iter().map(held).collect();
    Some(if ranges.is_empty() { "false".to_owned() } else { format!("({})", ranges.join(" OR ")) })
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
    let Asked { name, policy, source, target, .. } = asked;
    let (age, into) = (&policy.age_column, &policy.into);
    let column = source.columns.iter().find(|column| column.name == *age)?;
    let age_type = AgeType::of(&column.base_type).filter(|it| fits(&looked.from, age, *it))?;
    if !fits(&looked.into, age, age_type) {
        return Some((
            name.to_string(),
            format!(
                "its partitions are not handed over as a whole, but moved row by row: {into} is not \
                 partitioned by RANGE ({age}) alone"
            ),
        ));
    }
    let is_candidate = |leaf: &&Leaf| leaf.is_past && leaf.overlaps.is_none() && !leaf.is_leaving;
    let first = looked.leaves.iter().find(is_candidate)?;
    let (why, cure) = tables(looked, name, policy, (source, target))?;
    let how = if looked.covered.is_some() {
        format!("their rows wait, as {into} has no partition for them, such as {}", first.bound)
    } else {
        "their rows move one by one".to_owned()
    };
    Some((
        name.to_string(),
        format!("its old partitions are not handed over: {why}; {cure}; {how}"),
    ))
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
            Against::Obstacle(..) if is_told() => Verdict::NothingToSay,
            Against::Obstacle(why, cure) => Verdict::Waits(format!(
                "not handed over: {why}; {cure}; {}",
                rows(looked, policy, leaf)
            )),
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
                    "not handed over: {count} of its rows are not due, as the condition says; {}",
                    rows(looked, policy, leaf)
                ))
            }
            Left::Unknown(fault) => Verdict::Waits(format!(
                "not handed over: whether all of its rows are due is not known: {fault}"
            )),
        },
    }
}

/// What speaks against handing a partition over.
pub enum Against {
    /// The archive has a place for its rows: they move one by one.
    ByRows,
    /// Some of it is not old yet.
    TooYoung,
    /// Why the server would refuse, or do more than change its catalog; and the cure.
    Obstacle(String, String),
}

/// What the catalog says against handing a partition over; what its rows say comes after.
#[must_use]
pub fn speaks_against(
    looked: &Looked,
    leaf: &Leaf,
    name: &TableName,
    policy: &ArchiveTable,
    (source, target): (&Source, &Target),
) -> Option<Against> {
    if leaf.overlaps.is_some() {
        return Some(Against::ByRows);
    }
    if !leaf.is_past {
        // A default partition takes single rows.
        let waits = looked.into_default.is_none();
        return Some(if waits { Against::TooYoung } else { Against::ByRows });
    }
    let obstacle = tables(looked, name, policy, (source, target))
        .or_else(|| partition(looked, leaf, policy))
        .or_else(|| unprovable(looked, leaf, name, policy, source));
    obstacle.map(|(why, cure)| Against::Obstacle(why, cure))
}

type Obstacle = Option<(String, String)>;

fn because(why: impl Into<String>, cure: impl Into<String>) -> Obstacle {
    Some((why.into(), cure.into()))
}

/// What concerns both tables as such.
fn tables(
    looked: &Looked,
    name: &TableName,
    policy: &ArchiveTable,
    (source, target): (&Source, &Target),
) -> Obstacle {
    let (into, pair) = (&policy.into, &looked.pair);
    for (table, relation) in [(name, &looked.from), (into, &looked.into)] {
        if !relation.rights.acts_as_owner {
            return because(
                format!("{table} belongs to {}, whose rights pgtend lacks", relation.owner),
                format!("GRANT {} TO the role of pgtend", Ident::new(&relation.owner).ok()?),
            );
        }
        if relation.foreign_keys {
            return because(
                format!("foreign keys of {table} or to it would be searched or kept"),
                "drop them, if the archive is to have whole partitions",
            );
        }
    }
    if let Some(hook) = source.hooks.iter().chain(&target.hooks).next() {
        return because(
            format!("trigger or rule {} on {} would not fire", hook.name, hook.table),
            "drop it, if nothing depends on it",
        );
    }
    if let Some(column) = pair.columns.first() {
        return because(
            format!("column {column} is another in {into}: its type, NULL or generator"),
            format!("make {into} like {name}"),
        );
    }
    if let Some(check) = pair.checks.first() {
        return because(
            format!("{into} has the constraint {check}, which {name} lacks"),
            format!("add it to {name}, or drop it from {into}"),
        );
    }
    if let Some(publication) = pair.publications.first() {
        return because(
            format!("publication {publication} would not tell its subscribers"),
            "publish neither table, if the archive is to have whole partitions",
        );
    }
    if let Some(column) = own_columns(source, target).find(|column| added(column, source).is_none())
    {
        return because(
            format!("{into} has column {} with a default of its own", column.name),
            format!("ALTER TABLE {into} ALTER COLUMN {} DROP DEFAULT", column.name),
        );
    }
    match &looked.into_default {
        Some((default, false)) => because(
            format!("the default partition {default} has rows, which the server would search"),
            format!("empty it, and drop it or leave it empty: pgtend partitions drain {into}"),
        ),
        _ => None,
    }
}

/// What concerns one partition.
fn partition(looked: &Looked, leaf: &Leaf, policy: &ArchiveTable) -> Obstacle {
    let (into, pair) = (&policy.into, &looked.pair);
    if leaf.kind != "r" {
        return because(
            "it is partitioned itself, or a foreign table",
            "its partitions are moved row by row",
        );
    }
    if !leaf.is_ours || leaf.owner != pair.owner && !looked.into.rights.may_give_to_owner {
        return because(
            format!(
                "it belongs to {}, {into} to {}, and pgtend has not the rights of both",
                leaf.owner, pair.owner
            ),
            format!("ALTER TABLE … OWNER TO {}", pair.owner),
        );
    }
    if !leaf.is_permanent {
        return because(
            "it is unlogged: a crash of the server would empty it",
            "ALTER TABLE … SET LOGGED",
        );
    }
    if leaf.row_security {
        return because(
            "row level security is on for it",
            "ALTER TABLE … DISABLE ROW LEVEL SECURITY",
        );
    }
    if let Some(hook) = leaf.hooks.first() {
        return because(format!("it has {hook} of its own, and would keep it"), "drop it");
    }
    if let Some(key) = leaf.foreign_keys.first() {
        return because(format!("it has, or is referred to by, foreign key {key}"), "drop it");
    }
    if let Some(publication) = leaf.publications.first() {
        return because(
            format!("publication {publication} names it"),
            "drop it from the publication",
        );
    }
    if pair.tablespace.is_some() && pair.tablespace != leaf.tablespace {
        let space = pair.tablespace.as_deref().unwrap_or_default();
        return because(
            format!("{into} is kept in tablespace {space}, and a hand-over moves no bytes"),
            format!("ALTER TABLE … SET TABLESPACE {space} in a quiet hour"),
        );
    }
    if pair.access_method.is_some() && pair.access_method != leaf.access_method {
        return because(
            format!("{into} has another access method, and a hand-over rewrites nothing"),
            "give both the same",
        );
    }
    leaf.missing_keys.first().and_then(|key| {
        because(
            format!("{into} has the key {key}, and it has none like that: the server would make it under the lock"),
            format!("give both tables the same keys, or drop {key}"),
        )
    })
}

/// Large, and nothing can prove in time that the condition holds for all of its rows.
fn unprovable(
    looked: &Looked,
    leaf: &Leaf,
    name: &TableName,
    policy: &ArchiveTable,
    source: &Source,
) -> Obstacle {
    let condition = policy.condition.as_ref().filter(|_| !is_small(leaf))?;
    let why = provable::obstacle(condition, name, &source.columns, &looked.unsteady)?;
    because(
        format!(
            "the condition cannot stand in an index, and it is too large to be scanned under a lock: {why}"
        ),
        "write `where` with IMMUTABLE expressions only",
    )
}

/// No row at all is what the counters say, too, of a table they know nothing of.
fn is_small(leaf: &Leaf) -> bool {
    leaf.rows_estimate.is_some_and(|rows| (1..=SCANNED_MAX).contains(&rows))
}

/// How the rows go that are due and not handed over.
fn rows(looked: &Looked, policy: &ArchiveTable, leaf: &Leaf) -> String {
    if looked.covered.is_none() {
        return "its rows move one by one".to_owned();
    }
    let into = &policy.into;
    format!(
        "its rows wait; to move those that are due one by one: CREATE TABLE {} PARTITION OF {into} {}",
        into.sibling(beside(&into.table, &format!("_{}", leaf.oid))),
        leaf.bound
    )
}

/// Columns that only the archive has.
fn own_columns<'a>(source: &'a Source, target: &'a Target) -> impl Iterator<Item = &'a Column> {
    let is_shared = |column: &Column| source.columns.iter().any(|other| other.name == column.name);
    target.columns.iter().filter(move |column| !is_shared(column))
}

/// Gives the partition such a column, as the rows of a batch would have it, without touching a row:
/// `now()` is the same for all of them, and kept once in the catalog.
fn added(column: &Column, source: &Source) -> Option<Vec<String>> {
    let Column { name, type_sql, .. } = column;
    if columns::stamps(column, &source.columns) {
        let not_null = if column.is_not_null { " NOT NULL" } else { "" };
        let mut sql = vec![format!("ADD COLUMN {name} {type_sql}{not_null} DEFAULT now()")];
        if !column.has_default {
            sql.push(format!("ALTER COLUMN {name} DROP DEFAULT"));
        }
        return Some(sql);
    }
    let is_plain = !column.is_not_null && !column.has_default && column.generated.is_none();
    is_plain.then(|| vec![format!("ADD COLUMN {name} {type_sql}")])
}

fn hand_over(
    asked: &Asked<'_>,
    looked: &Looked,
    leaf: &Leaf,
    name: &TableName,
) -> Option<HandOver> {
    let Asked { policy, source, target, .. } = asked;
    let builds = leaf.missing.iter().zip(&leaf.missing_as).filter_map(|(index, definition)| {
        let new = beside(&name.table, &format!("_{index}"));
        let is_unfinished = leaf.unfinished.iter().any(|unfinished| unfinished == new.as_str());
        Some(Build { is_unfinished, definition: definition.clone(), name: new })
    });
    let proof = proof(policy, leaf);
    let wanted = match &proof {
        Proof::Index { name, .. } => Some(name.as_str()),
        _ => None,
    };
    let surplus = leaf.own_indexes.iter().filter(|index| Some(index.as_str()) != wanted);
    let rows = leaf.rows_estimate.map_or_else(String::new, |rows| format!(", about {rows} rows"));
    let condition =
        if policy.condition.is_some() { " and none that the condition spares" } else { "" };
    Some(HandOver {
        source: asked.name.clone(),
        into: policy.into.clone(),
        leaf: name.clone(),
        source_oid: looked.from.oid,
        into_oid: looked.into.oid,
        leaf_oid: leaf.oid,
        range: Range::of_bound(&leaf.bound)?,
        bound: leaf.bound.clone(),
        key: policy.age_column.clone(),
        condition: policy.condition.clone(),
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
        lock_timeout: looked.lock_timeout,
        reason: format!(
            "it ends at {}, before {}{condition}{rows}: it is detached from {} and attached to {} in \
             one transaction",
            leaf.ends, asked.cutoff, asked.name, policy.into
        ),
    })
}

fn proof(policy: &ArchiveTable, leaf: &Leaf) -> Proof {
    let Some(condition) = &policy.condition else { return Proof::Needless };
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

/// The CHECK's condition: what the bound says, and that there is a key.
#[must_use]
pub fn check_sql(leaf: &TableName, key: &Ident, range: &Range) -> String {
    format!(
        "ALTER TABLE {leaf} ADD CONSTRAINT {CHECK} CHECK ({key} IS NOT NULL AND {}) NOT VALID",
        range.holds(key)
    )
}
