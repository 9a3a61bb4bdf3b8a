//! The partitioned table that will take over the name: of the same shape, and invisible to the
//! application until the swap.

use super::CHECK;
use super::blueprint::{Blueprint, plain};
use crate::jobs::partitions::alike::clauses;
use crate::jobs::partitions::alike::left_behind::left_behind;
use crate::pg::catalog::inventory::{Index, Sequence};
use crate::pg::catalog::traits::Grant;
use crate::pg::ident::{literal, quoted};
use crate::pg::step::{Expect, Statement, Step};

/// One transaction that makes it and puts it on record.
#[must_use]
pub fn make(print: &Blueprint<'_>) -> Step {
    let mut sql = vec![create(print)];
    sql.extend(likeness(print));
    sql.extend(print.inventory.sequences.iter().filter_map(|s| identity(print, s)));
    if let Some(index) = print.widened() {
        let columns = print.widened_columns(index);
        let name = print.names.meanwhile(&index.name);
        sql.push(format!(
            "ALTER TABLE {} ADD CONSTRAINT {name} PRIMARY KEY {columns}",
            print.names.parent
        ));
    }
    sql.extend(print.copied().map(|index| copied(print, index)));
    sql.extend(print.inventory.references_out.iter().map(|reference| {
        let (parent, name) = (&print.names.parent, quoted(&reference.name));
        format!("ALTER TABLE {parent} ADD CONSTRAINT {name} {}", reference.definition)
    }));
    let mut statements = plain(sql);
    statements.push(recorded(print));
    // Its foreign keys lock what they point at, against writes.
    let is_noticed = !print.inventory.references_out.is_empty();
    let lock = if is_noticed { print.brief() } else { print.patient() };
    print.step("make the partitioned table for", lock, statements)
}

fn create(print: &Blueprint<'_>) -> String {
    let compression =
        if print.version.has_column_compression() { " INCLUDING COMPRESSION" } else { "" };
    let tablespace = print.traits.tablespace.as_deref();
    let tablespace = tablespace.map(|name| format!(" TABLESPACE {}", quoted(name)));
    format!(
        "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING CONSTRAINTS \
         INCLUDING STORAGE{compression} INCLUDING COMMENTS INCLUDING STATISTICS) \
         PARTITION BY RANGE ({}){}",
        print.names.parent,
        print.table,
        print.key,
        tablespace.unwrap_or_default(),
    )
}

/// What LIKE leaves behind.
fn likeness(print: &Blueprint<'_>) -> Vec<String> {
    let (parent, traits) = (&print.names.parent, print.traits);
    let mut sql = Vec::new();
    if print.progress.check.is_some() {
        sql.push(format!("ALTER TABLE {parent} DROP CONSTRAINT IF EXISTS {CHECK}"));
    }
    if let Some(comment) = &print.inventory.comment {
        sql.push(format!("COMMENT ON TABLE {parent} IS {}", literal(comment)));
    }
    let like = print.relation.oid.to_string();
    sql.extend(left_behind(parent, print.owner.as_ref(), traits, &like));
    if traits.row_security {
        sql.push(clauses::row_security(parent, true));
    }
    if traits.row_security_forced {
        sql.push(clauses::forced_row_security(parent, true));
    }
    if let "f" | "n" = traits.replica_identity.as_str() {
        sql.extend(clauses::replica_identity(parent, &traits.replica_identity));
    }
    sql
}

/// The new table's own sequence. It goes on where the old one has come to, in the swap.
fn identity(print: &Blueprint<'_>, sequence: &Sequence) -> Option<String> {
    let always = match sequence.identity.as_deref()? {
        "a" => "ALWAYS",
        _ => "BY DEFAULT",
    };
    let Sequence { column, start, increment, min, max, cache, cycles, .. } = sequence;
    let name = format!("{}.{}", quoted(&sequence.schema), print.names.meanwhile(&sequence.name));
    let cycle = if *cycles { " CYCLE" } else { "" };
    let mut sql = format!(
        "ALTER TABLE {} ALTER COLUMN {} ADD GENERATED {always} AS IDENTITY (SEQUENCE NAME {name} \
         START WITH {start} INCREMENT BY {increment} MINVALUE {min} MAXVALUE {max} CACHE {cache}{cycle})",
        print.names.parent,
        quoted(column),
    );
    for Grant { grantee, privileges, grantable } in &sequence.grants {
        let option = if *grantable { " WITH GRANT OPTION" } else { "" };
        let role = clauses::role(grantee.as_deref());
        sql.push_str(&format!(";\nGRANT {privileges} ON SEQUENCE {name} TO {role}{option}"));
    }
    Some(sql)
}

fn copied(print: &Blueprint<'_>, index: &Index) -> String {
    let (parent, name) = (&print.names.parent, print.names.meanwhile(&index.name));
    if let Some(definition) = &index.constraint_def {
        return format!("ALTER TABLE {parent} ADD CONSTRAINT {name} {definition}");
    }
    let unique = if index.is_unique { "UNIQUE " } else { "" };
    let tail = tail(print, index).unwrap_or_default();
    format!("CREATE {unique}INDEX {name} ON {parent} {tail}")
}

/// What follows the table's name in an index's definition: `USING btree (v)`.
#[must_use]
pub fn tail<'a>(print: &Blueprint<'_>, index: &'a Index) -> Option<&'a str> {
    let unique = if index.is_unique { "UNIQUE " } else { "" };
    let start = format!("CREATE {unique}INDEX {} ON {} ", quoted(&index.name), print.table);
    index.definition.strip_prefix(&start)
}

/// On record together with it, so that nobody has to guess later whose it is.
fn recorded(print: &Blueprint<'_>) -> Statement {
    let sql = format!(
        "UPDATE partition_adoption SET parent = {}::regclass WHERE relation = {} \
         AND adopted_at IS NULL RETURNING true",
        literal(&print.names.parent.to_string()),
        print.relation.oid,
    );
    Statement::new(sql).expect(Expect::True("the adoption was taken back meanwhile"))
}
