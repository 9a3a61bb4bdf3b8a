//! What became of the partitions on record: pure, record and catalog in, a verdict out.

use super::action::What;
use crate::jobs::partitions::grid::bounds::{Span, parse_bound};
use crate::pg::catalog::quarantine::Held;
use crate::pg::ident::TableName;

/// What is to be done about one partition on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Still a partition; it was only to leave.
    Intended,
    /// Its detach was interrupted: finish it.
    Finalize(TableName),
    /// Detached, and the run ended before that was noted and writes were blocked.
    Mark(TableName),
    /// Detached and blocked, under its own name.
    InQuarantine(TableName, Span),
    /// Somebody attached it again: to be noted, so that it stays.
    Restored(TableName),
    /// Attached again, and noted.
    Kept,
    /// The record means nothing any more, and why.
    Forget(&'static str),
    /// A person has taken it in hand, and how: left alone.
    Alone(TableName, String),
}

/// Judges one.
#[must_use]
pub fn fate(held: &Held) -> Fate {
    let Some(now) = held.now() else { return Fate::Forget("it was dropped by hand") };
    let same_name = now.to_string() == held.name;
    match (held.attached_to, held.detached_at) {
        (Some(parent), _) if parent != held.parent => {
            Fate::Forget("it is attached to another table")
        }
        (Some(_), _) if held.detach_pending => Fate::Finalize(now),
        (Some(_), None) if held.restored_at.is_some() => Fate::Kept,
        (Some(_), None) => Fate::Intended,
        (Some(_), Some(_)) => Fate::Restored(now),
        (None, None) if held.restored_at.is_some() => Fate::Forget("it was detached by hand"),
        (None, None) if same_name => Fate::Mark(now),
        (None, None) => Fate::Forget("it was detached and renamed by hand"),
        (None, Some(_)) if !same_name && !held.is_blocked => {
            Fate::Forget("it was renamed, and its writes unblocked, by hand")
        }
        (None, Some(_)) if !same_name => Fate::Alone(
            now,
            format!("was {} when it was detached; while it has another name it is kept", held.name),
        ),
        (None, Some(_)) if !held.is_blocked => Fate::Alone(
            now,
            "its constraint pgtend_quarantine is gone, so somebody uses it: it is kept".to_owned(),
        ),
        (None, Some(_)) => match parse_bound(&held.bound) {
            Ok(Some(span)) => Fate::InQuarantine(now, span),
            _ => Fate::Alone(now, "its recorded bound cannot be read: it is kept".to_owned()),
        },
    }
}

/// What sets a record or an interrupted detach right, whether its table is tended or not: what to do,
/// with which table, and why.
#[must_use]
pub fn upkeep(held: &Held, fate: &Fate) -> Option<(What, String, &'static str)> {
    match fate {
        Fate::Finalize(name) => {
            let why = "its DETACH CONCURRENTLY was interrupted: it takes no rows any more";
            Some((What::Finalize, name.to_string(), why))
        }
        Fate::Restored(name) => {
            let what = What::Keep { is_blocked: held.is_blocked };
            Some((what, name.to_string(), "it was attached again by hand: it stays"))
        }
        Fate::Forget(why) => Some((What::Forget, held.name.clone(), why)),
        Fate::Intended | Fate::Mark(_) | Fate::InQuarantine(..) | Fate::Kept | Fate::Alone(..) => {
            None
        }
    }
}

/// It was to leave, did not, and is not to leave any more: off the record with it. If a person
/// detaches it one day, it is theirs.
pub const NOT_LEAVING: &str = "it was to leave, and is not any more";
