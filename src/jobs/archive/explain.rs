//! What to do about a batch that failed, where only a person can solve it.

use super::action::Move;
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;

/// Says what to do. What was cancelled while nobody stops us ran into `statement_timeout`, which
/// ends this table and not the run.
pub fn explain(mut fault: Fault, rows: &Move, is_stopping: bool) -> Fault {
    let source = &rows.source;
    if fault.kind == Kind::Cancelled && !is_stopping {
        fault.kind = Kind::TimedOut;
    }
    if fault.kind == Kind::TimedOut {
        let has_index = rows.then.is_some() || rows.proof_follows;
        let index = match rows.walk.blocks {
            None => format!(", or create an index on {}", rows.walk.words()),
            Some(_) if has_index => String::new(),
            Some(_) => ", or give the table a primary key and an index that leads with age_column"
                .to_owned(),
        };
        return fault
            .on(source)
            .with_hint(format!("lower batch_rows, raise database.statement_timeout{index}"));
    }
    let cure = fault.sqlstate.as_deref().and_then(|state| match &rows.into {
        Some(into) => cure(state, source, into),
        None => cure_of_deletion(state, source),
    });
    let Some(cure) = cure else { return fault };
    let done = if rows.into.is_some() { "moved" } else { "deleted" };
    let hint = fault.hint.take().map_or_else(String::new, |hint| format!("{hint}; "));
    fault.on(source).with_hint(format!("nothing of this batch was {done}; {hint}{cure}"))
}

fn cure_of_deletion(sqlstate: &str, source: &TableName) -> Option<String> {
    match sqlstate {
        "P0001" | "P0004" => {
            Some(format!("a trigger of {source} refuses the delete: exempt old rows"))
        }
        state if state.starts_with("22") => {
            Some("correct `where`, the trigger or the row".to_owned())
        }
        _ => None,
    }
}

fn cure(sqlstate: &str, source: &TableName, into: &TableName) -> Option<String> {
    Some(match sqlstate {
        // Two rows of one batch, or an index on an expression: no row to name.
        "23505" | "23P01" => format!(
            "{into} allows fewer rows than {source}: drop that constraint or index of {into}, or \
             make it part of {source} too"
        ),
        "23503" => format!(
            "an archive outlives what its rows refer to: drop that foreign key of {into}"
        ),
        "23502" => format!("ALTER TABLE {into} ALTER COLUMN … DROP NOT NULL for that column"),
        "23514" => format!(
            "drop that CHECK of {into}, or create the partition of {into} that takes the row"
        ),
        "42501" => format!(
            "GRANT SELECT, INSERT, UPDATE ON {into}: a key that is archived already is compared, and \
             the row there locked meanwhile"
        ),
        state if state.starts_with("22") => {
            "the condition or a trigger fails on the values of a row: correct `where`, the trigger or \
             the row"
                .to_owned()
        }
        "P0001" | "P0004" => {
            format!("a trigger of {source} or {into} refuses a row: exempt the rows of `where` in it")
        }
        state if state.starts_with("23") => format!("{into} refuses a row"),
        _ => return None,
    })
}
