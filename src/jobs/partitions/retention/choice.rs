//! Which partitions are to leave now. Pure: bounds, policy and clocks in, a choice out.

use chrono::{DateTime, Utc};

use super::super::facts::Facts;
use crate::config::checked::{Expiry, OnExpiry};
use crate::job::clocks::Clocks;
use crate::jobs::partitions::grid::axis::Axis;
use crate::jobs::partitions::grid::bounds::{Edge, Span, parse_bound};
use crate::jobs::partitions::grid::key::Point;
use crate::pg::catalog::quarantine::Agreed;
use crate::pg::ident::TableName;
use crate::time::period::Period;

/// A partition, as far as its leaving depends on it. The default partition is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its oid.
    pub oid: i64,
    /// Its name.
    pub name: TableName,
    /// Its range.
    pub span: Span,
    /// The same, as the catalog writes it.
    pub bound: String,
    /// It is neither partitioned itself nor a foreign table.
    pub is_plain: bool,
    /// Its detach is under way.
    pub is_pending: bool,
    /// A person attached it again after it had left.
    pub restored_at: Option<DateTime<Utc>>,
}

/// The partitions of a table, ascending.
#[must_use]
pub fn parts(facts: &Facts) -> Vec<Part> {
    let mut parts: Vec<Part> = facts
        .children
        .iter()
        .filter_map(|child| {
            let held = facts.held.iter().find(|held| held.relation == child.oid);
            Some(Part {
                oid: child.oid,
                name: TableName::new(&child.schema, &child.name).ok()?,
                span: parse_bound(&child.bound).ok().flatten()?,
                bound: child.bound.clone(),
                is_plain: child.kind == "r",
                is_pending: child.detach_pending,
                // Attached by hand and not noted yet counts as well.
                restored_at: held.and_then(|held| held.restored_at.or(held.detached_at)),
            })
        })
        .collect();
    parts.sort_by_key(|part| part.span);
    parts
}

/// What must be agreed to before it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// A partition whose upper bound is older than this expires.
    pub retention: Period,
    /// What becomes of it.
    pub on_expiry: OnExpiry,
    /// How long it waits before it may be dropped.
    pub quarantine: Period,
}

impl Policy {
    /// What is configured.
    #[must_use]
    pub fn of(expiry: &Expiry) -> Self {
        let Expiry { retention, on_expiry, quarantine, .. } = *expiry;
        Self { retention, on_expiry, quarantine }
    }

    /// What is on record; absent where the record cannot be read, and is to be asked for again.
    #[must_use]
    pub fn on_record(agreed: &Agreed) -> Option<Self> {
        let on_expiry = match agreed.on_expiry.as_str() {
            "detach" => OnExpiry::Detach,
            "drop" => OnExpiry::Drop,
            "drop_at_once" => OnExpiry::DropAtOnce,
            _ => return None,
        };
        let retention = agreed.retention.parse().ok()?;
        Some(Self { retention, on_expiry, quarantine: agreed.quarantine.parse().ok()? })
    }

    /// Whatever ends at or before this key is expired; absent where the key has no value for that
    /// moment, or tells no time: then nothing is.
    #[must_use]
    pub fn horizon(&self, axis: &Axis, now: DateTime<Utc>) -> Option<Point> {
        axis.at(self.retention.before(now, axis.tz))
    }

    /// Whether a range is expired: by its real upper bound, whole.
    #[must_use]
    pub fn expires(&self, span: Span, axis: &Axis, now: DateTime<Utc>) -> bool {
        match (span.to, self.horizon(axis, now)) {
            (Edge::At(to), Some(horizon)) => to <= horizon,
            _ => false,
        }
    }

    /// Whether this policy, agreed to, lets the other one take a range: with nothing kept only if
    /// that was agreed to as well.
    #[must_use]
    pub fn allows(&self, other: &Self, span: Span, axis: &Axis, now: DateTime<Utc>) -> bool {
        let is_lost = other.on_expiry == OnExpiry::DropAtOnce;
        self.expires(span, axis, now) && (!is_lost || self.on_expiry == OnExpiry::DropAtOnce)
    }

    /// Until when a partition detached at this moment is kept for certain.
    #[must_use]
    pub fn quarantine_ends(&self, detached_at: DateTime<Utc>, axis: &Axis) -> DateTime<Utc> {
        self.quarantine.after(detached_at, axis.tz)
    }

    /// Whether a detached partition may be dropped.
    #[must_use]
    pub fn drops(&self, span: Span, at: DateTime<Utc>, axis: &Axis, now: DateTime<Utc>) -> bool {
        self.on_expiry != OnExpiry::Detach
            && self.expires(span, axis, now)
            && self.quarantine_ends(at, axis) <= now
    }
}

/// Which partitions leave, and which would and do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice<'a> {
    /// To leave in this run, oldest first.
    pub leaving: Vec<&'a Part>,
    /// Expired, and more than one run may take.
    pub later: Vec<&'a Part>,
    /// Expired by a policy nobody has agreed to yet.
    pub not_agreed: Vec<&'a Part>,
    /// Expired, and attached again by a person.
    pub restored: Vec<&'a Part>,
    /// Expired, and no plain table.
    pub not_plain: Vec<&'a Part>,
    /// Not expired yet: the one that will be first.
    pub next: Option<&'a Part>,
}

/// Chooses. `agreed` is the policy on record; what expires by the configuration and not by it is not
/// agreed. The last partition never leaves, and at least one may always where there are more.
#[must_use]
pub fn choose<'a>(
    parts: &'a [Part],
    axis: &Axis,
    expiry: &Expiry,
    agreed: Option<Policy>,
    now: DateTime<Utc>,
) -> Choice<'a> {
    let policy = Policy::of(expiry);
    let mut choice = Choice::default();
    let standing: Vec<&Part> = parts.iter().filter(|part| !part.is_pending).collect();
    for &part in &standing {
        if !policy.expires(part.span, axis, now) {
            choice.next.get_or_insert(part);
        } else if part.restored_at.is_some() {
            choice.restored.push(part);
        } else if !part.is_plain {
            choice.not_plain.push(part);
        } else if agreed.is_some_and(|agreed| agreed.allows(&policy, part.span, axis, now)) {
            choice.leaving.push(part);
        } else {
            choice.not_agreed.push(part);
        }
    }
    let most = leave_max(standing.len(), expiry);
    choice.later = choice.leaving.split_off(choice.leaving.len().min(most));
    if matches!(choice.next, Some(part) if part.span.to == Edge::End) {
        choice.next = None;
    }
    choice
}

/// How many of so many partitions may leave in one run.
#[must_use]
pub fn leave_max(standing: usize, expiry: &Expiry) -> usize {
    let total = u32::try_from(standing).unwrap_or(u32::MAX);
    let share = f64::from(total) * expiry.max_share;
    let by_share = (1..=total).take_while(|n| f64::from(*n) <= share).count().max(1);
    let by_count = usize::try_from(expiry.max_per_run).unwrap_or(usize::MAX);
    by_share.min(by_count).min(standing.saturating_sub(1))
}

/// When a partition will be expired; absent where that is never, or beyond the calendar.
#[must_use]
pub fn expires_at(part: &Part, axis: &Axis, expiry: &Expiry) -> Option<DateTime<Utc>> {
    let Edge::At(to) = part.span.to else { return None };
    Some(expiry.retention.after(axis.instant(to)?, axis.tz))
}

/// Why the clock is not to be trusted with what leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// Two clocks differ: a person must look.
    ClocksApart(String),
    /// There is no tomorrow yet, which this run makes.
    NoTomorrow(String),
}

/// Whether the clock is to be doubted, by the facts alone.
#[must_use]
pub fn clock_doubt(
    clocks: Clocks,
    parts: &[Part],
    axis: &Axis,
    now: DateTime<Utc>,
) -> Option<Doubt> {
    if let Some(words) = clocks.doubt() {
        return Some(Doubt::ClocksApart(words));
    }
    let newest = parts.iter().filter(|part| !part.is_pending).map(|part| part.span.to).max()?;
    // Where the key's type ends before now, so does every partition.
    let key = axis.at(now);
    match newest {
        Edge::At(newest) if key.is_none_or(|key| newest <= key) => {
            Some(Doubt::NoTomorrow(format!(
                "its newest partition ends at {} and now is {}: it was not tended for long, or the \
             clock is ahead",
                axis.key.words(newest),
                now.format("%Y-%m-%d %H:%M:%SZ")
            )))
        }
        _ => None,
    }
}
