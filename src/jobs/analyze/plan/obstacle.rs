//! Why a table that is due cannot be analyzed.

use super::denied::quoted;
use super::forest::Forest;
use super::{in_scope, names};
use crate::config::checked;
use crate::jobs::analyze::action::Reach;
use crate::jobs::analyze::seen::{Seen, Table, TableKind};

/// What stands in the way.
pub(super) enum Obstacle<'a> {
    /// It goes by itself, or was asked for.
    Now(String),
    /// The role has no right to this table: the one that is due, or one that its ANALYZE reaches.
    Denied(&'a Table),
}

/// Looks for obstacles.
pub(super) struct Obstacles<'a> {
    pub(super) policy: &'a checked::Analyze,
    pub(super) seen: &'a Seen,
    pub(super) forest: &'a Forest<'a>,
}

impl<'a> Obstacles<'a> {
    /// What stands in the way of analyzing a table, with what its ANALYZE reaches.
    pub(super) fn to(&self, table: &'a Table, reach: Reach) -> Option<Obstacle<'a>> {
        let below = self.forest.below(table);
        // A parent's sample is taken from every partition, also by ANALYZE ONLY.
        if let Some(foreign) = below.iter().find(|below| below.kind == TableKind::Foreign) {
            return Some(Obstacle::Now(format!(
                "its partition {} is a foreign table: sampling it would read another server",
                foreign.name
            )));
        }
        let below = if reach == Reach::Tree { below } else { Vec::new() };
        std::iter::once(table).chain(below).find_map(|reached| {
            let on = if reached.oid == table.oid {
                String::new()
            } else {
                format!("its partition {}, which its ANALYZE includes: ", reached.name)
            };
            self.on(reached, &on)
        })
    }

    fn on(&self, table: &'a Table, on: &str) -> Option<Obstacle<'a>> {
        if !in_scope(self.policy, table) {
            return Some(Obstacle::Now(format!("{on}not one of analyze.schemas")));
        }
        if self.policy.exclude.contains(&table.name) {
            return Some(Obstacle::Now(format!("{on}excluded by analyze.exclude")));
        }
        if !(table.permitted && table.reachable) {
            return Some(Obstacle::Denied(table));
        }
        let busy = |pid| format!("{on}process {pid} is analyzing or vacuuming it now");
        table.busy.map(busy).map(Obstacle::Now)
    }

    /// Sentences about what this plan cannot know.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.seen.counted {
            warnings.push(
                "track_counts is off: the server counts no changes, and only missing statistics \
                 are found; set track_counts = on"
                    .to_owned(),
            );
        }
        let hidden: Vec<String> = (self.seen.tables.iter())
            .filter(|table| in_scope(self.policy, table) && table.kind != TableKind::Foreign)
            .filter(|table| table.permitted && !table.visible)
            .filter(|table| !self.policy.exclude.contains(&table.name))
            .map(|table| table.name.to_string())
            .collect();
        if !hidden.is_empty() {
            let role = quoted(&self.seen.role);
            warnings.push(format!(
                "role {role} may not see the statistics of {}, so that what is missing there is \
                 not found; GRANT SELECT on them TO {role}, and BYPASSRLS where row security is on",
                names(&hidden)
            ));
        }
        warnings
    }
}
