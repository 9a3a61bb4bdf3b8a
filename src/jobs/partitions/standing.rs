//! How things stand with one table, beyond its coverage and its expiry: for `status`.

use super::facts::Facts;
use super::tended::Tended;
use crate::job::{Action, Plan};
use crate::pg::ident::quoted;

/// Says what is in its default partition, and which detaches are not finished.
pub fn tell<A: Action>(plan: &mut Plan<A>, table: &Tended<'_>) {
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
