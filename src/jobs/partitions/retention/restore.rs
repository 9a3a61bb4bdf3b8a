//! A partition comes back from quarantine.

use chrono::{DateTime, Utc};

use super::super::action::PartitionAction;
use super::super::facts::Seen;
use super::super::tended::Tended;
use super::action::What;
use super::choice::parts;
use super::held::{Fate, fate};
use super::plan::leaving;
use crate::jobs::partitions::grid::bounds::Span;
use crate::pg::catalog::quarantine::Held;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;

/// What is being done when it is refused.
const DOING: &str = "restore a partition of";

/// Attaches the newest in quarantine again, or the named one.
///
/// # Errors
/// `Refused`: there is none, or its range has another partition by now.
pub fn restore(
    seen: &Seen,
    table: &Tended<'_>,
    wanted: Option<&str>,
    now: DateTime<Utc>,
) -> Result<PartitionAction, Fault> {
    let refused = |message: String, cure: &str| {
        Fault::new(Kind::Refused, DOING, message).on(table.name).with_hint(cure)
    };
    let held: Vec<(&Held, TableName, Span)> = table
        .facts
        .held
        .iter()
        .filter_map(|held| match fate(held) {
            Fate::InQuarantine(name, span) => Some((held, name, span)),
            _ => None,
        })
        .collect();
    let is_wanted = |name: &TableName| {
        wanted.is_none_or(|wanted| {
            wanted == name.to_string()
                || wanted == name.table.to_string()
                || wanted == name.table.as_str()
        })
    };
    let found = held.iter().filter(|(_, name, _)| is_wanted(name)).max_by_key(|(.., span)| *span);
    let Some((held, name, span)) = found else {
        let has = held.iter().map(|(_, name, _)| name.to_string()).collect::<Vec<_>>().join(", ");
        return Err(match (wanted, has.as_str()) {
            (_, "") => refused(
                "nothing of it is in quarantine".into(),
                "pgtend plan partitions shows what is",
            ),
            (Some(wanted), _) => refused(
                format!("{wanted} is not in quarantine"),
                &format!("in quarantine are {has}"),
            ),
            (None, _) => {
                refused("nothing of it can be restored".into(), &format!("in quarantine are {has}"))
            }
        });
    };
    let parts = parts(table.facts);
    let other = parts.iter().find(|part| part.span.from < span.to && span.from < part.span.to);
    if let Some(other) = other {
        return Err(refused(
            format!("{name} held what {} holds now", other.name),
            "detach that one first, or copy the rows",
        ));
    }
    let what = What::Restore { is_unproven: held.is_unproven };
    let why = format!("asked for; its bound is {}", held.bound);
    let object = (held.relation, name.to_string(), held.bound.clone(), why);
    Ok(PartitionAction::Leave(Box::new(leaving(seen, table, now, what, object))))
}
