//! What becomes of everything that stands on a table or reads it: one line each.

use super::blueprint::Blueprint;
use super::refusals::Obstacle;
use crate::job::plan::{ChecklistItem, Fate};
use crate::jobs::partitions::alike::clauses;
use crate::pg::catalog::inventory::{Inventory, Sequence};
use crate::pg::ident::quoted;

/// The whole list: what is refused first.
#[must_use]
pub fn checklist(print: &Blueprint<'_>, obstacles: &[Obstacle]) -> Vec<ChecklistItem> {
    let mut list = List(Vec::new());
    for Obstacle { object, why, cure } in obstacles {
        list.add(object.clone(), Fate::Refused, format!("{why}; {cure}"));
    }
    keys(&mut list, print);
    readers(&mut list, print.inventory);
    stands(&mut list, print);
    rights(&mut list, print);
    let refused: Vec<String> = obstacles.iter().map(|obstacle| obstacle.object.clone()).collect();
    list.0.retain(|item| item.fate == Fate::Refused || !refused.contains(&item.object));
    list.0
}

struct List(Vec<ChecklistItem>);

impl List {
    fn add(&mut self, object: impl Into<String>, fate: Fate, how: impl Into<String>) {
        self.0.push(ChecklistItem { object: object.into(), fate, how: how.into() });
    }
}

/// What keeps rows apart, and what the application may rely on no more.
fn keys(list: &mut List, print: &Blueprint<'_>) {
    let key = &print.key;
    if !print.key_is_not_null {
        list.add(
            format!("column {key}"),
            Fate::Changed,
            "NULL is refused from now on: a partition key has a place",
        );
    }
    if let Some(index) = print.widened() {
        let columns: Vec<String> = index.columns.iter().map(|column| quoted(column)).collect();
        let (columns, wide) = (columns.join(", "), print.widened_columns(index));
        list.add(
            format!("primary key {}", quoted(&index.name)),
            Fate::Changed,
            format!(
                "becomes PRIMARY KEY {wide}: the server does not keep {columns} alone unique any more, \
                 ON CONFLICT ({columns}) fails, and no foreign key can point at it"
            ),
        );
    }
    for index in &print.inventory.indexes {
        let name = quoted(&index.name);
        let what = if index.is_primary {
            "primary key"
        } else if index.is_unique {
            "unique index"
        } else {
            "index"
        };
        if !index.is_valid {
            list.add(
                format!("{what} {name}"),
                Fate::Kept,
                "invalid: it stays with the old table only",
            );
        } else if !index.is_primary || print.has_key(index) {
            let how = format!(
                "the new table's, under its name; the old one's part of it is {}",
                print.names.afterwards(&index.name)
            );
            list.add(format!("{what} {name}"), Fate::Replayed, how);
        }
    }
    for check in &print.inventory.checks {
        list.add(format!("check {}", quoted(&check.name)), Fate::Replayed, "copied");
    }
    for reference in &print.inventory.references_out {
        let how = format!("copied; {} is locked for a moment in the swap", reference.table);
        list.add(format!("foreign key {}", quoted(&reference.name)), Fate::Replayed, how);
    }
    for reference in &print.inventory.references_in {
        let object = format!("foreign key {} of {}", quoted(&reference.name), reference.table);
        list.add(object, Fate::Replayed, "made anew NOT VALID in the swap, validated after it");
    }
}

/// What reads the table.
fn readers(list: &mut List, inventory: &Inventory) {
    for view in &inventory.views {
        list.add(
            format!("view {}", view.name),
            Fate::Replayed,
            "made anew in the swap; its owner and grants stay",
        );
    }
    for routine in &inventory.routines {
        list.add(
            format!("function {}", routine.name),
            Fate::Replayed,
            "made anew in the swap: its body is bound to the table",
        );
    }
    let bound: Vec<&str> = inventory.routines.iter().map(|routine| routine.name.as_str()).collect();
    for mention in inventory.mentions.iter().filter(|m| !bound.contains(&m.name.as_str())) {
        let how = if mention.upserts {
            "finds the new table by its name; its text has ON CONFLICT, which needs a unique key of those columns"
        } else {
            "finds the new table by its name"
        };
        list.add(format!("function {}", mention.name), Fate::Follows, how);
    }
}

/// What stands on it.
fn stands(list: &mut List, print: &Blueprint<'_>) {
    let Blueprint { inventory, names, .. } = print;
    for trigger in &inventory.triggers {
        let how = if trigger.is_row {
            format!(
                "made anew; TG_TABLE_NAME is the partition's now: {} and so on",
                names.old.table
            )
        } else {
            "made anew; the old table keeps its own".to_owned()
        };
        list.add(format!("trigger {}", quoted(&trigger.name)), Fate::Replayed, how);
    }
    for policy in print.policies {
        list.add(
            format!("policy {}", quoted(&policy.name)),
            Fate::Replayed,
            "made anew; the old table keeps its own",
        );
    }
    for publication in &inventory.publications {
        let (fate, how) = if publication.is_listed {
            (Fate::Replayed, "the new table takes the old one's place")
        } else {
            (Fate::Follows, "it has the new table as it had the old one")
        };
        list.add(format!("publication {}", quoted(&publication.name)), fate, how);
    }
    for Sequence { schema, name, column, identity, .. } in &inventory.sequences {
        let sequence = format!("{}.{}", quoted(schema), quoted(name));
        match identity {
            Some(_) => list.add(
                format!("identity {}", quoted(column)),
                Fate::Replayed,
                format!("goes on from its last value; {sequence} is a new sequence of that name"),
            ),
            None => list.add(
                format!("sequence {sequence}"),
                Fate::Replayed,
                "belongs to the new table; its values go on",
            ),
        }
    }
    if !print.storage.is_empty() {
        let how = format!(
            "{} stay with the old table, and new partitions get them",
            print.storage.join(", ")
        );
        list.add("storage parameters", Fate::Replayed, how);
    }
}

/// Who may do what.
fn rights(list: &mut List, print: &Blueprint<'_>) {
    let traits = print.traits;
    list.add(
        format!("owner {}", quoted(&print.relation.owner)),
        Fate::Replayed,
        "owns the new table too",
    );
    for grant in &traits.grants {
        let role = clauses::role(grant.grantee.as_deref());
        list.add(
            format!("grants to {role}"),
            Fate::Replayed,
            format!("{} on the new table", grant.privileges),
        );
    }
    for grant in &traits.column_grants {
        let role = clauses::role(grant.grantee.as_deref());
        let how =
            format!("{} on the new table", clauses::on_columns(&grant.privilege, &grant.columns));
        list.add(format!("column grants to {role}"), Fate::Replayed, how);
    }
    if traits.row_security {
        let forced = if traits.row_security_forced { ", forced" } else { "" };
        list.add("row security", Fate::Replayed, format!("enabled{forced} on the new table"));
    }
    if traits.replica_identity != "d" {
        list.add("replica identity", Fate::Replayed, "as the old table's");
    }
    if print.inventory.comment.is_some() {
        list.add("comment", Fate::Replayed, "copied");
    }
}
