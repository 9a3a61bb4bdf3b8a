//! How one partition leaves: which kind of DETACH, or none, and what stands against it.

use super::action::What;
use super::choice::{Part, Policy};
use super::plan::Draft;
use super::words::at;
use crate::config::checked::{Expiry, OnExpiry};
use crate::jobs::partitions::grid::bounds::Edge;
use crate::pg::ident::TableName;

impl Draft<'_, '_> {
    pub(super) fn detach(&mut self, expiry: &Expiry, part: &Part) {
        let facts = self.table.facts;
        if !facts.references.is_empty() {
            let cure = "delete or move those rows first, oldest first";
            match facts.referenced.get(&part.oid) {
                Some(Ok(None)) => {}
                Some(Ok(Some(who))) => {
                    self.refuse(
                        format!("{} is expired, and rows refer to its rows by {who}", part.name),
                        cure,
                    );
                    return;
                }
                Some(Err(fault)) => {
                    let message = format!(
                        "{} is expired, and whether rows refer to its rows is not known: {fault}",
                        part.name
                    );
                    let cure =
                        "allow pgtend to read that table, or index the foreign key's columns";
                    self.refuse(message, cure);
                    return;
                }
                None => return,
            }
        }
        let is_concurrent = self.seen.version.has_detach_concurrently()
            && facts.default.is_none()
            && !facts.relation.foreign_keys;
        let what = if expiry.on_expiry == OnExpiry::DropAtOnce {
            let is_referred_to = !facts.references.is_empty();
            What::DropAtOnce { lock_first: self.lock_first(), is_referred_to }
        } else if is_concurrent {
            What::DetachConcurrently
        } else {
            What::Detach { lock_first: self.lock_first(), key: self.table.key.clone() }
        };
        let Edge::At(to) = part.span.to else { return };
        let then = match expiry.on_expiry {
            OnExpiry::Detach => "it is kept as a table of its own".to_owned(),
            OnExpiry::DropAtOnce => "nothing of it is kept: on_expiry = drop_at_once".to_owned(),
            OnExpiry::Drop => format!(
                "it is dropped after {}",
                at(Policy::of(expiry).quarantine_ends(self.now, &self.table.axis))
            ),
        };
        let why = format!(
            "it ends at {}, which is older than retention = {}; {then}",
            self.table.axis.key.words(to),
            expiry.retention
        );
        let object = (part.oid, part.name.to_string(), part.bound.clone());
        let action = self.leaving(what, object, why);
        self.leaving.push(action);
    }

    /// Tables with foreign keys to this one are locked before it, in which order the application
    /// locks them too: DETACH would take them the other way round.
    fn lock_first(&self) -> Vec<TableName> {
        let mut tables: Vec<TableName> = self
            .table
            .facts
            .references
            .iter()
            .filter(|reference| reference.may_lock && !reference.is_own)
            .filter_map(|reference| TableName::new(&reference.schema, &reference.table).ok())
            .collect();
        tables.sort();
        tables.dedup();
        tables
    }
}
