//! A table that was detached takes no writes: the statements.

use std::fmt::Display;

use crate::pg::catalog::quarantine::BLOCK;

/// The constraint refuses INSERT and UPDATE by its name. DELETE and TRUNCATE are refused by a
/// function every server has, which raises an error wherever it is not a row's BEFORE UPDATE.
/// What a foreign key's ON DELETE or ON UPDATE does comes from a trigger on the table referred to,
/// and passes: otherwise nobody could delete from that table any more, whatever the row.
pub fn block(table: impl Display) -> [String; 2] {
    [
        format!(
            "ALTER TABLE {table} ADD CONSTRAINT {BLOCK} \
             CHECK (pg_catalog.pg_trigger_depth() > 0) NOT VALID"
        ),
        format!(
            "CREATE TRIGGER {BLOCK} BEFORE DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT \
             WHEN (pg_catalog.pg_trigger_depth() = 0) \
             EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()"
        ),
    ]
}

/// It takes writes again.
pub fn unblock(table: impl Display) -> [String; 2] {
    [
        format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {BLOCK}"),
        format!("DROP TRIGGER IF EXISTS {BLOCK} ON {table}"),
    ]
}
