//! How `archive verify` is told that rows have left an archive for good.

use crate::jobs::archive::account::layout::layout_of;
use crate::jobs::archive::account::{Kind, Record};
use crate::jobs::archive::columns::{self, ARCHIVED_AT};
use crate::jobs::archive::walk::Walk;
use crate::pg::catalog::columns::Column;
use crate::pg::ident::TableName;

/// By the columns of the hot table that it knows them by; `None`: the archive has not the same ones, and
/// `archive verify` cannot make the checksum either, and says so.
pub fn of(
    (source, hot): (&TableName, &[Column]),
    (target, held): (&TableName, &[Column]),
    walk: &Walk,
    age: String,
) -> Option<Record> {
    let map = columns::map(hot, held);
    let layout = layout_of(hot, &map.from);
    let is_same = layout.columns().all(|(name, base_type)| {
        held.iter().any(|c| c.name.as_str() == name && c.base_type == base_type)
    });
    (!hot.is_empty() && is_same).then(|| Record {
        kind: Kind::Purge,
        source: source.clone(),
        target: target.clone(),
        rule: None,
        walk: walk.signature(),
        layout,
        age,
        stamp: map.stamps.then(|| ARCHIVED_AT.to_owned()),
    })
}
