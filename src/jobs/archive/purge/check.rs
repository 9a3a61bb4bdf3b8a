//! What must be true before the first row is deleted. Policy, no questions.

use super::PurgeFacts;
use super::children::ChildArchive;
use crate::config::checked::Purge;
use crate::jobs::archive::children::has_index;
use crate::jobs::archive::preflight::{
    Findings, age_and_key, kind, order, referrers, source_side, volatile,
};
use crate::jobs::archive::refusal::Refusal;
use crate::jobs::archive::side::Source;
use crate::jobs::archive::sql::list;
use crate::pg::catalog::columns::Column;
use crate::pg::catalog::foreign_keys::{ForeignKey, Referrer};
use crate::pg::catalog::indexes::Index;
use crate::pg::ident::{Ident, TableName};

/// What is asked of every table that rows leave, and more.
pub fn check(name: &TableName, purge: &Purge, facts: &PurgeFacts, source: &Source) -> Findings {
    let mut found = Findings::default();
    kind(&source.relation, name, &mut found);
    if !found.refusals.is_empty() {
        return found;
    }
    source_side(name, source, &facts.user, &mut found);
    let leaves_too = |it: &Referrer| facts.children.iter().any(|child| child.is_emptied_for(it));
    referrers(name, source, (leaves_too, false), &mut found);
    age_and_key(&purge.age, source, &mut found);
    order(purge.order, &purge.age, source, &mut found);
    volatile(&facts.volatile, &purge.age, &mut found);
    for child in &facts.children {
        children(name, facts, source, child, &mut found);
    }
    if facts.is_ranged_by_age && purge.condition.is_none() {
        let key = if purge.archive_of.is_some() { "archive_retention" } else { "delete" };
        found.refuse(
            format!(
                "it is partitioned by {}: old partitions leave as a whole, at once and through a \
                 quarantine",
                purge.age.words()
            ),
            format!(
                "take {key} out, and write retention = \"{}\" in [partitions.tables.'{name}']",
                purge.older_than
            ),
        );
    }
    found
}

/// What is asked of a child's archive, and of what joins it to this one.
fn children(
    name: &TableName,
    facts: &PurgeFacts,
    source: &Source,
    child: &ChildArchive,
    found: &mut Findings,
) {
    let Some(archive) = &child.source else { return };
    let mut of_table = Findings::default();
    kind(&archive.relation, &child.name, &mut of_table);
    if of_table.refusals.is_empty() {
        source_side(&child.name, archive, &facts.user, &mut of_table);
        referrers(&child.name, archive, (|_: &Referrer| false, false), &mut of_table);
    }
    found.warnings.extend(of_table.warnings);
    found.refusals.extend(of_table.refusals.into_iter().map(|it| it.of_child(&child.name)));
    let joined = joined((name, facts, source), child, archive);
    found.refusals.extend(joined.err().map(|refusal| refusal.of_child(&child.child)));
    if let [key] = child.keys.as_slice()
        && !has_index(archive, key)
    {
        let (table, columns) = (&child.name, list(&key.columns));
        found.warnings.push(format!(
            "no index of {table} leads with ({columns}): each batch reads all of it; CREATE INDEX \
             CONCURRENTLY ON {table} ({columns})"
        ));
    }
}

/// Whether the columns of the one foreign key tell which rows of the child's archive refer to which of this one.
fn joined(
    (name, facts, source): (&TableName, &PurgeFacts, &Source),
    child: &ChildArchive,
    archive: &Source,
) -> Result<(), Refusal> {
    let into = &child.name;
    let [key] = child.keys.as_slice() else {
        return Err(Refusal::new(
            format!(
                "its rows in {into} cannot go with the rows they refer to, as it has no foreign key, or several"
            ),
            "give it its one foreign key, or take it out of `children`: its rows then stay in its archive",
        ));
    };
    if archive.relation.tree.contains(&source.relation.oid)
        || source.relation.tree.contains(&archive.relation.oid)
    {
        return Err(Refusal::new(
            format!("{into} is the archive itself, or one of them holds the other as a partition"),
            "take it out of `children`",
        ));
    }
    let ForeignKey { columns, referenced, constraint } = key;
    let sides = [
        (into, columns, &child.hot_columns, &archive.columns),
        (name, referenced, &facts.hot_columns, &source.columns),
    ];
    for (table, names, hot, held) in sides {
        if let Some(column) = names.iter().find(|column| !is_held(column, hot, held)) {
            return Err(Refusal::new(
                format!(
                    "{table} lacks column {column} of its foreign key {constraint}, or has it with another \
                     type: nothing tells which rows of {into} refer to which of {name}"
                ),
                format!("give {table} that column, or take the child out of `children`"),
            ));
        }
    }
    if source.indexes.iter().any(|index| is_unique_on(index, referenced)) {
        return Ok(());
    }
    let referenced = list(referenced);
    Err(Refusal::new(
        format!(
            "nothing keeps two rows of {name} from having the same ({referenced}): what refers to one that \
             stays would go with the other"
        ),
        format!("CREATE UNIQUE INDEX CONCURRENTLY ON {name} ({referenced})"),
    ))
}

/// With the type that it has in the hot table.
fn is_held(name: &Ident, hot: &[Column], held: &[Column]) -> bool {
    let of = |columns: &[Column]| columns.iter().find(|c| c.name == *name).map(|c| c.type_id);
    of(held).is_some() && of(held) == of(hot)
}

fn is_unique_on(index: &Index, columns: &[Ident]) -> bool {
    let is_among = |it: &Option<Ident>| it.as_ref().is_some_and(|it| columns.contains(it));
    index.is_unique && !index.is_partial && index.columns.iter().all(is_among)
}
