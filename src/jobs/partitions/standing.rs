//! How things stand with one table, beyond its coverage and its expiry: for the plan and `status`.

use super::facts::Facts;
use super::tended::Tended;
use crate::job::{Action, Plan};
use crate::pg::ident::quoted;

/// Says what of its newest partitions cannot be gone on with, what is in its default partition, and
/// which detaches are not finished.
pub fn tell<A: Action>(plan: &mut Plan<A>, table: &Tended<'_>, lays_partitions: bool) {
    match &table.differs {
        // Told aloud by the run that lays the first partitions of the other grid.
        Some(differs) if lays_partitions => {
            plan.warnings.push(format!("{}: {differs}", table.name));
        }
        Some(differs) => plan.spare(table.name, differs.as_str()),
        None => {}
    }
    if let Some(default) = &table.facts.default {
        let rows = match default.rows_estimate {
            Some(rows) => format!("about {rows}"),
            None => "unknown".to_owned(),
        };
        plan.stands(table.name, "rows_in_default", rows);
    }
    let pending = pending(table.facts);
    if !pending.is_empty() {
        plan.stands(table.name, "detach_pending", pending.join(", "));
    }
}

fn pending(facts: &Facts) -> Vec<String> {
    let pending = facts.children.iter().filter(|child| child.detach_pending);
    pending.map(|child| format!("{}.{}", quoted(&child.schema), quoted(&child.name))).collect()
}
