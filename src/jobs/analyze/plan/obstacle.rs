//! Why a table that is due cannot be analyzed.

use super::forest::Forest;
use super::{in_scope, names};
use crate::config::checked;
use crate::jobs::analyze::action::Reach;
use crate::jobs::analyze::seen::{Seen, Table, TableKind};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::Ident;

/// What stands in the way.
pub(super) enum Obstacle {
    /// It goes by itself, or was asked for.
    Now(String),
    /// A person must act.
    Cure(Box<Fault>),
}

/// Looks for obstacles.
pub(super) struct Obstacles<'a> {
    pub(super) policy: &'a checked::Analyze,
    pub(super) seen: &'a Seen,
    pub(super) forest: &'a Forest<'a>,
}

impl Obstacles<'_> {
    /// What stands in the way of analyzing a table, with what its ANALYZE reaches.
    pub(super) fn to(&self, table: &Table, reach: Reach) -> Option<Obstacle> {
        let below = self.forest.below(table);
        // A parent's sample is taken from every partition, also by ANALYZE ONLY.
        if let Some(foreign) = below.iter().find(|below| below.kind == TableKind::Foreign) {
            let name = &foreign.name;
            let reason = format!("its partition {name} is a foreign table: sampling it would read another server");
            return Some(Obstacle::Now(reason));
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

    fn on(&self, table: &Table, on: &str) -> Option<Obstacle> {
        if !in_scope(self.policy, table) {
            return Some(Obstacle::Now(format!("{on}not one of analyze.schemas")));
        }
        if self.policy.exclude.contains(&table.name) {
            return Some(Obstacle::Now(format!("{on}excluded by analyze.exclude")));
        }
        if !(table.permitted && table.reachable) {
            return Some(Obstacle::Cure(Box::new(self.denied(table, on))));
        }
        let busy = |pid| format!("{on}process {pid} is analyzing or vacuuming it now");
        table.busy.map(busy).map(Obstacle::Now)
    }

    fn denied(&self, table: &Table, on: &str) -> Fault {
        let (role, owner, name) = (quoted(&self.seen.role), quoted(&table.owner), &table.name);
        let usage = format!("GRANT USAGE ON SCHEMA {} TO {role}", name.schema);
        let right = if self.seen.version.has_maintain() {
            format!("GRANT MAINTAIN ON TABLE {name} TO {role}")
        } else if table.owner_is_superuser {
            format!("ALTER TABLE {name} OWNER TO {role} (only an owner may analyze before PostgreSQL 17)")
        } else {
            format!("GRANT {owner} TO {role} (only an owner may analyze before PostgreSQL 17)")
        };
        let (message, cure) = match (table.permitted, table.reachable) {
            (true, _) => ("may not use its schema".to_owned(), usage),
            (false, true) => (format!("may not analyze what {owner} owns"), right),
            (false, false) => (format!("may not analyze what {owner} owns"), format!("{usage}; {right}")),
        };
        Fault::new(Kind::Permission, "analyze", format!("{on}role {role} {message}"))
            .on(name)
            .with_hint(format!("{cure}; or exclude it: analyze.exclude"))
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

fn quoted(name: &str) -> String {
    Ident::new(name).map_or_else(|_| name.to_owned(), |ident| ident.to_string())
}
