//! What is decided alike whoever asks that rows be taken out of a partition: whether that can be, by
//! which method, under which names; and what becomes of what an interrupted run began. Pure.

use super::{AT_ONCE_PAGES_MAX, AT_ONCE_ROWS_MAX, Asker, Carve, Method, Part, RUN_ROWS_MAX, Stage};
use crate::job::Plan;
use crate::jobs::partitions::action::PartitionAction;
use crate::jobs::partitions::alike::given::Likeness;
use crate::jobs::partitions::facts::{Emptying, Seen};
use crate::jobs::partitions::naming::NAMES_TRIED;
use crate::jobs::partitions::refusal::refused;
use crate::jobs::partitions::tended::Tended;
use crate::pg::catalog::carve::Begun;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::{Ident, TableName};
use crate::pg::range::Range;

/// What is done with a table's partition, and what is left alone.
#[derive(Debug, Default)]
pub struct Answer {
    /// What is done.
    pub action: Option<PartitionAction>,
    /// What stays as it is: the object, and why.
    pub stays: Vec<(TableName, String)>,
}

impl Answer {
    /// Nothing is done.
    #[must_use]
    pub fn nothing(stays: Vec<(TableName, String)>) -> Self {
        Self { action: None, stays }
    }

    /// Says what stays, and hands over what is done.
    pub fn told(self, plan: &mut Plan<PartitionAction>) -> Option<PartitionAction> {
        for (object, reason) in self.stays {
            plan.spare(object, reason);
        }
        self.action
    }
}

/// Somebody asks.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Everything.
    pub seen: &'a Seen,
    /// The partitioned table.
    pub table: &'a Tended<'a>,
    /// The partition.
    pub source: &'a TableName,
    /// Its oid.
    pub source_oid: i64,
    /// What was seen of it.
    pub emptying: &'a Emptying,
    /// Who asks.
    pub asker: Asker,
}

impl Request<'_> {
    /// What belongs to the old partition alone would be lost, or go on looking at the old one.
    ///
    /// # Errors
    /// `Refused`, with the cure.
    pub fn is_possible(&self) -> Result<(), Fault> {
        let Self { table, source, .. } = self;
        let words = self.words();
        let child = table.facts.children.iter().find(|child| child.oid == self.source_oid);
        if child.is_some_and(|child| child.kind != "r") {
            let message = format!("{words} {source} is not a plain table");
            return Err(refused(message, "move its rows by hand").on(table.name));
        }
        if table.facts.children.iter().any(|child| child.detach_pending) {
            return Err(refused(
                "a partition of it is half detached, so that none can be detached",
                "ALTER TABLE … DETACH PARTITION … FINALIZE first; the plan names it",
            )
            .on(table.name));
        }
        if self.emptying.facts.obstacles.is_empty() {
            return Ok(());
        }
        Err(refused(
            format!(
                "{words} {source} cannot be replaced by another table: {} would stay with the old one",
                self.emptying.facts.obstacles.join(", ")
            ),
            "drop that first and make it anew afterwards, or move the rows by hand",
        )
        .on(table.name))
    }

    /// Whether its rows can be copied under the lock: so many as are few, and not large.
    #[must_use]
    pub fn at_once(&self, rows: u64) -> Option<(Method, String)> {
        let Emptying { facts, .. } = self.emptying;
        let is_small = facts.pages <= AT_ONCE_PAGES_MAX || facts.identity.is_empty();
        (rows <= AT_ONCE_ROWS_MAX && is_small).then(|| {
            let why = format!("few enough (up to {AT_ONCE_ROWS_MAX}) to be copied under the lock");
            (Method::AtOnce, why)
        })
    }

    /// Its rows are copied while they change.
    ///
    /// # Errors
    /// `Refused`: nothing tells them apart.
    pub fn copied(&self, rows: u64) -> Result<(Method, String), Fault> {
        if self.emptying.facts.identity.is_empty() {
            return Err(refused(
                format!(
                    "{} has {rows} rows and no key that tells them apart, so they cannot be copied \
                     while they change",
                    self.words()
                ),
                "add a primary key, or a unique index over NOT NULL columns, to the table",
            )
            .on(self.table.name));
        }
        let why = "too many to be copied under a lock: copied while changes are captured";
        Ok((Method::Copy, why.to_owned()))
    }

    /// The first name that nobody has, of those with this number behind them.
    ///
    /// # Errors
    /// `Refused`: all are taken.
    pub fn free(&self, name: impl Fn(u32) -> TableName) -> Result<TableName, Fault> {
        let found = (1..=NAMES_TRIED).map(name).find(|name| !self.seen.taken.contains(name));
        found.ok_or_else(|| {
            refused("the names for its tables are taken", "rename or drop what has them")
                .on(self.table.name)
        })
    }

    /// The replacement of the partition by these parts.
    #[must_use]
    pub fn carve(&self, parts: Vec<Part>, method: Method, retired: TableName) -> Carve {
        let Self { seen, table, source, source_oid, emptying, asker } = *self;
        let bound = table.facts.children.iter().find(|child| child.oid == source_oid);
        let siblings = table.facts.children.iter().filter(|child| child.oid != source_oid);
        let likeness = Likeness { with_indexes: true, ..Likeness::of(table, seen.version) };
        let mut source_likeness = Likeness {
            owner: Ident::new(&emptying.owner).ok().filter(|owner| owner.as_str() != seen.role),
            traits: emptying.traits.clone(),
            storage: emptying.storage.clone(),
            ..likeness.clone()
        };
        source_likeness.traits.replica_index = likeness.traits.replica_index;
        Carve {
            asker,
            parent: table.name.clone(),
            parent_oid: table.facts.relation.oid,
            key: table.key.clone(),
            source: source.clone(),
            source_oid,
            source_bound: bound.map_or_else(|| "DEFAULT".to_owned(), |child| child.bound.clone()),
            facts: emptying.facts.clone(),
            points_at: table.facts.points_at.clone(),
            siblings: siblings.filter_map(|child| Range::of_bound(&child.bound)).collect(),
            parts,
            method,
            stage: Stage::Planned,
            likeness,
            source_likeness,
            retired,
            own_schema: seen.own_schema.clone(),
            rows: None,
            rows_max: None,
            lock_timeout: seen.lock_timeout,
            why: String::new(),
        }
    }

    fn words(&self) -> &'static str {
        match self.asker {
            Asker::Drain => "default partition",
            Asker::Split => "partition",
        }
    }
}

/// An interrupted run decided; this one carries on, or takes back what is not whole any more. The job
/// copies so many rows in one run at most; who asks waits for the end.
///
/// # Errors
/// `Bug`: the record cannot be read.
pub fn carried_on(
    seen: &Seen,
    table: &Tended<'_>,
    begun: &Begun,
    is_asked: bool,
) -> Result<Answer, Fault> {
    let carve = recorded(seen, table, begun)?;
    let rows_max = (!is_asked).then_some(RUN_ROWS_MAX);
    let is_whole = begun.is_whole && table.facts.emptying.contains_key(&begun.source);
    let action = if is_whole {
        let why = "carries on where an interrupted run stopped".to_owned();
        PartitionAction::Carve(Box::new(Carve { rows_max, why, ..carve }))
    } else {
        let why = "what an interrupted run made is not whole any more; it is taken back";
        PartitionAction::GiveUp(Box::new(Carve { why: why.to_owned(), ..carve }))
    };
    Ok(Answer { action: Some(action), stays: Vec::new() })
}

/// What was begun is taken back, because somebody asks for that.
///
/// # Errors
/// As above.
pub fn called_off(seen: &Seen, table: &Tended<'_>, asker: Asker) -> Result<Answer, Fault> {
    let Some(begun) = table.facts.begun.first() else {
        let words = format!("no {} of it is under way", asker.word());
        return Ok(Answer::nothing(vec![(table.name.clone(), words)]));
    };
    let carve = recorded(seen, table, begun)?;
    if carve.asker != asker {
        let other = carve.asker.word();
        let words = format!(
            "no {} of it is under way, but a {other}: pgtend partitions {other} {} --abort",
            asker.word(),
            table.name
        );
        return Ok(Answer::nothing(vec![(table.name.clone(), words)]));
    }
    let why = "asked for; its rows are where they were".to_owned();
    let action = PartitionAction::GiveUp(Box::new(Carve { why, ..carve }));
    Ok(Answer { action: Some(action), stays: Vec::new() })
}

fn recorded(seen: &Seen, table: &Tended<'_>, begun: &Begun) -> Result<Carve, Fault> {
    let bug = |what: &str| {
        let message = format!("the record of {} cannot be read: {what}", begun.name);
        Fault::new(Kind::Bug, "carry on with", message).on(table.name)
    };
    let source: TableName = begun.name.parse().map_err(|_| bug("its name"))?;
    let mut parts = Vec::new();
    for part in &begun.parts {
        let name = part.name.parse().map_err(|_| bug("the name of a part"))?;
        let range = part.from.clone().zip(part.to.clone()).map(|(from, to)| Range { from, to });
        parts.push(Part { name, range, takes_name: part.takes_name });
    }
    let method = Method::of_word(&begun.method).ok_or_else(|| bug("its method"))?;
    let retired = begun.retired.parse().map_err(|_| bug("its later name"))?;
    // Where the partition is gone, what was made for its rows can still be taken back.
    let gone = Emptying::default();
    let request = Request {
        seen,
        table,
        source: &source,
        source_oid: begun.source,
        emptying: table.facts.emptying.get(&begun.source).unwrap_or(&gone),
        asker: Asker::of_parts(&parts),
    };
    let stage = if begun.stage == "captured" { Stage::Captured } else { Stage::Made };
    Ok(Carve { stage, ..request.carve(parts, method, retired) })
}
