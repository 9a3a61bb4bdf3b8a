//! What an adoption cannot carry over: told before anything is done, each with what to do about it.

use super::blueprint::Blueprint;
use super::parent;
use crate::pg::catalog::inventory::{Index, Inventory, Publication, ReferenceIn, Trigger, View};
use crate::pg::ident::quoted;

/// One thing that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What, as the checklist names it.
    pub object: String,
    /// Why it cannot be carried over.
    pub why: String,
    /// What to do.
    pub cure: String,
}

fn obstacle(
    object: impl Into<String>,
    why: impl Into<String>,
    cure: impl Into<String>,
) -> Obstacle {
    Obstacle { object: object.into(), why: why.into(), cure: cure.into() }
}

/// Everything that stands in the way.
#[must_use]
pub fn obstacles(print: &Blueprint<'_>) -> Vec<Obstacle> {
    let Blueprint { inventory, .. } = print;
    let mut found = of_the_table(inventory);
    found.extend(of_the_key(print));
    found.extend(inventory.indexes.iter().filter_map(|index| of_index(print, index)));
    found.extend(inventory.references_in.iter().filter_map(|r| of_reference(print, r)));
    for reference in inventory.references_out.iter().filter(|reference| !reference.is_valid) {
        found.push(obstacle(
            format!("foreign key {}", quoted(&reference.name)),
            "it is NOT VALID, and a partitioned table's cannot be",
            format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", print.table, quoted(&reference.name)),
        ));
    }
    for check in &inventory.checks {
        let name = quoted(&check.name);
        let drop = format!("ALTER TABLE {} DROP CONSTRAINT {name}", print.table);
        if !check.is_valid {
            let validate = format!("ALTER TABLE {} VALIDATE CONSTRAINT {name}", print.table);
            found.push(obstacle(format!("check {name}"), "it is NOT VALID", validate));
        } else if !check.is_inherited {
            let why = "it is NO INHERIT, which a partitioned table's check cannot be";
            found.push(obstacle(format!("check {name}"), why, drop));
        }
    }
    found.extend(inventory.views.iter().filter_map(of_view));
    found.extend(inventory.routines.iter().filter(|routine| !routine.may_alter).map(|routine| {
        let why = "it reads the table, and only its owner can make it read the new one";
        obstacle(format!("function {}", routine.name), why, "GRANT its owner's role to pgtend's")
    }));
    found.extend(inventory.triggers.iter().filter_map(of_trigger));
    found.extend(inventory.publications.iter().filter_map(of_publication));
    found.extend(inventory.rules.iter().map(|rule| {
        let name = quoted(rule);
        let drop = format!("DROP RULE {name} ON {}", print.table);
        obstacle(format!("rule {name}"), "a rule rewrites statements on this table only", drop)
    }));
    found.extend(inventory.others.iter().map(|other| {
        let why = "it depends on the table or on its row type, and would stay with the old one";
        obstacle(other.clone(), why, "drop it, and make it again afterwards")
    }));
    found
}

fn of_the_table(inventory: &Inventory) -> Vec<Obstacle> {
    let mut found = Vec::new();
    let mut table = |is: bool, why: &str, cure: &str| {
        if is {
            found.push(obstacle("the table", why, cure));
        }
    };
    table(
        inventory.persistence == "u",
        "it is UNLOGGED, which a partitioned table cannot be",
        "ALTER TABLE … SET LOGGED, if it is to be logged",
    );
    table(inventory.persistence == "t", "it is temporary", "none: it is gone with its session");
    table(inventory.is_typed, "it is made OF a type", "ALTER TABLE … NOT OF");
    table(
        inventory.is_partition,
        "it is a partition itself",
        "name the partitioned table in [partitions.tables]",
    );
    table(
        inventory.has_heirs,
        "other tables inherit from it",
        "ALTER TABLE … NO INHERIT, or merge them into it",
    );
    table(
        inventory.is_heir && !inventory.is_partition,
        "it inherits from another table",
        "ALTER TABLE … NO INHERIT",
    );
    table(
        inventory.is_subscribed,
        "a subscription writes to it, and would not know the new table",
        "adopt it on the publisher first, or drop it from the publication meanwhile",
    );
    table(
        inventory.has_labels,
        "it has security labels",
        "remove them, and set them again afterwards",
    );
    if let Some(method) = inventory.access_method.as_deref().filter(|method| *method != "heap") {
        table(true, &format!("its access method is {method}"), "pgtend adopts heap tables only");
    }
    if let Some(extension) = &inventory.extension {
        table(true, &format!("extension {extension} made it"), "leave it to the extension");
    }
    found
}

fn of_the_key(print: &Blueprint<'_>) -> Option<Obstacle> {
    let column = print.inventory.columns.iter().find(|c| c.name == print.key.as_str())?;
    column.is_generated.then(|| {
        let object = format!("column {}", print.key);
        obstacle(object, "a generated column cannot be a partition key", "name another: --column")
    })
}

fn of_index(print: &Blueprint<'_>, index: &Index) -> Option<Obstacle> {
    let name = quoted(&index.name);
    let drop = match &index.constraint {
        Some(_) => format!("ALTER TABLE {} DROP CONSTRAINT {name}", print.table),
        None => format!("DROP INDEX CONCURRENTLY {}.{name}", print.table.schema),
    };
    let key = &print.key;
    if index.is_replica_identity {
        return Some(obstacle(
            format!("replica identity {name}"),
            "it is an index, which every partition has under another name",
            format!("ALTER TABLE {} REPLICA IDENTITY DEFAULT, or FULL", print.table),
        ));
    }
    if index.is_exclusion || has_period(index) {
        return Some(obstacle(
            format!("constraint {name}"),
            "an exclusion constraint holds within one partition only",
            format!("if the application can do without: {drop}"),
        ));
    }
    if index.is_primary && !print.has_key(index) {
        return index.is_deferrable.then(|| {
            let why = "it is DEFERRABLE and has to be widened by the partition key";
            obstacle(format!("primary key {name}"), why, "make it NOT DEFERRABLE")
        });
    }
    if index.is_unique && !print.has_key(index) {
        let columns: Vec<String> = index.columns.iter().map(|column| quoted(column)).collect();
        let columns =
            if columns.is_empty() { "an expression".to_owned() } else { columns.join(", ") };
        return Some(obstacle(
            format!("unique index {name}"),
            format!(
                "it keeps {columns} unique without the partition key {key}, which no partitioned table can"
            ),
            format!("if {columns}, {key} is unique enough: make that index, then {drop}"),
        ));
    }
    let is_readable = index.constraint_def.is_some() || parent::tail(print, index).is_some();
    (!is_readable && index.is_valid).then(|| {
        obstacle(
            format!("index {name}"),
            "its definition cannot be read",
            format!("{drop}, and make it again afterwards"),
        )
    })
}

/// `WITHOUT OVERLAPS`, of 18 and later.
fn has_period(index: &Index) -> bool {
    index.constraint_def.as_ref().is_some_and(|definition| definition.contains(" WITHOUT OVERLAPS"))
}

fn of_reference(print: &Blueprint<'_>, reference: &ReferenceIn) -> Option<Obstacle> {
    let ReferenceIn { table, name, .. } = reference;
    let name = quoted(name);
    let object = format!("foreign key {name} of {table}");
    let drop = format!("ALTER TABLE {table} DROP CONSTRAINT {name}");
    let has_key = reference.columns.iter().any(|column| column == print.key.as_str());
    if !has_key {
        let columns: Vec<String> = reference.columns.iter().map(|column| quoted(column)).collect();
        let why = format!(
            "it points at ({}) without the partition key {}, and a partitioned table has no such key",
            columns.join(", "),
            print.key
        );
        return Some(obstacle(object, why, format!("let it point at the widened key, or {drop}")));
    }
    if reference.is_own || reference.is_partitioned {
        let which = if reference.is_own { "the table itself" } else { "a partitioned table" };
        return Some(obstacle(
            object,
            format!("it is of {which}, so it cannot be made anew without a scan under a lock"),
            drop,
        ));
    }
    if !reference.is_valid {
        let cure = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}");
        return Some(obstacle(object, "it is NOT VALID", cure));
    }
    (!reference.may_alter).then(|| {
        obstacle(
            object,
            "it has to be made anew, and only its table's owner may",
            "GRANT that owner's role to pgtend's",
        )
    })
}

fn of_view(view: &View) -> Option<Obstacle> {
    let name = &view.name;
    if view.is_materialized {
        let query = view.definition.split_whitespace().collect::<Vec<_>>().join(" ");
        return Some(obstacle(
            format!("materialized view {name}"),
            "it would go on reading the old table, and can only be made anew empty",
            format!(
                "DROP MATERIALIZED VIEW {name}; afterwards CREATE MATERIALIZED VIEW {name} AS {query}"
            ),
        ));
    }
    (!view.may_alter).then(|| {
        let owner = quoted(&view.owner);
        let why =
            format!("it reads the table, and only its owner {owner} can make it read the new one");
        obstacle(format!("view {name}"), why, format!("GRANT {owner} to pgtend's role"))
    })
}

fn of_trigger(trigger: &Trigger) -> Option<Obstacle> {
    let object = format!("trigger {}", quoted(&trigger.name));
    if trigger.is_row && trigger.has_transition_tables {
        let why = "a row's trigger with transition tables cannot stand on a partition";
        return Some(obstacle(object, why, "make it FOR EACH STATEMENT"));
    }
    (trigger.enabled != "O").then(|| {
        let why = "it is disabled, or fires for replication, which its copies would not";
        obstacle(object, why, "enable it, or drop it")
    })
}

fn of_publication(publication: &Publication) -> Option<Obstacle> {
    let name = quoted(&publication.name);
    let object = format!("publication {name}");
    if !publication.via_root {
        return Some(obstacle(
            object,
            "its subscribers would be sent changes of partitions they do not have",
            format!("ALTER PUBLICATION {name} SET (publish_via_partition_root = true)"),
        ));
    }
    if publication.is_listed && publication.is_partial {
        return Some(obstacle(
            object,
            "it holds some rows or columns of the table only",
            format!("take the table out of {name}, and put the new one in afterwards"),
        ));
    }
    (publication.is_listed && !publication.may_alter).then(|| {
        obstacle(
            object,
            "only its owner can put the new table in",
            "GRANT its owner's role to pgtend's",
        )
    })
}
