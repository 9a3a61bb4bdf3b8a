//! Whether the server lets a condition stand in an index: it must be IMMUTABLE.
//!
//! The server says so only when the index is made. So the text is judged, on the safe side: what is
//! called provable here, the server accepts, but for operators of somebody's own. What is not moves
//! row by row.

use crate::pg::catalog::columns::Column;
use crate::pg::condition::Condition;
use crate::pg::ident::{Ident, TableName};
use crate::pg::lexer::{Lexer, Token};

/// Words that bring a clock or a time zone in, or a conversion that may.
const UNSTEADY: [&str; 14] = [
    "cast",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "date",
    "interval",
    "localtime",
    "localtimestamp",
    "session_user",
    "time",
    "timestamp",
    "timestamptz",
    "zone",
];

/// Why it cannot stand in an index of a partition of this table; `None`: it can. `unsteady` are the
/// functions it calls that are not IMMUTABLE.
#[must_use]
pub fn obstacle(
    condition: &Condition,
    source: &TableName,
    columns: &[Column],
    unsteady: &[String],
) -> Option<String> {
    if let Some(function) = unsteady.first() {
        return Some(format!("it calls {function}, which is not IMMUTABLE"));
    }
    let tokens: Vec<Token<'_>> =
        Lexer::new(condition.as_str()).filter(|token| *token != Token::Space).collect();
    let mut times: Vec<&str> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let name = match token {
            Token::Word(word) => word.to_ascii_lowercase(),
            Token::Quoted(quoted) => quoted[1..quoted.len() - 1].replace("\"\"", "\""),
            Token::Other(":") if is_cast_of_value(&tokens, at) => {
                return Some("it casts what is no literal".to_owned());
            }
            _ => continue,
        };
        let column = columns.iter().find(|column| column.name.as_str() == name);
        match column {
            Some(column) if is_time(&column.base_type) => times.push(&column.base_type),
            Some(_) => {}
            None if name == source.table.as_str() => {
                return Some("it names the table, which the partition is not".to_owned());
            }
            None if matches!(token, Token::Word(_)) && UNSTEADY.contains(&name.as_str()) => {
                return Some(format!("`{name}` may mean another moment another day"));
            }
            None => {}
        }
    }
    times.sort_unstable();
    times.dedup();
    (times.len() > 1)
        .then(|| format!("it may compare {}, which a time zone decides", times.join(" with ")))
}

/// `::` behind anything but a literal. What is cast from a literal is a constant.
fn is_cast_of_value(tokens: &[Token<'_>], at: usize) -> bool {
    let is_first = tokens.get(at + 1) == Some(&Token::Other(":"));
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    is_first && before != Some(&Token::Other(":")) && before != Some(&Token::Literal)
}

fn is_time(base_type: &str) -> bool {
    base_type == "date" || base_type.starts_with("time")
}

/// The name of the index that finds rows which are not due: another condition, another name.
#[must_use]
pub fn index_name(leaf_oid: i64, condition: &Condition) -> Option<Ident> {
    let hash = crate::pg::partition_name::hash(condition.as_str());
    Ident::new(format!("{}{leaf_oid}_{hash:08x}", super::INDEX_PREFIX)).ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{column, jobs_columns};
    use super::*;

    #[test]
    fn what_a_time_zone_or_a_clock_decides_is_not_provable() {
        let columns = [
            jobs_columns(),
            vec![
                column("finished_at", "timestamp with time zone", 1184),
                column("day", "date", 1082),
            ],
        ]
        .concat();
        let judge = |text: &str| {
            let condition: Condition = text.parse().unwrap();
            obstacle(&condition, &"public.jobs".parse().unwrap(), &columns, &[])
        };
        for text in [
            "status IN ('completed', 'failed')",
            "status = 'done' AND id > 5",
            "finished_at IS NOT NULL AND finished_at < '2020-01-01'",
            "finished_at >= created_at",
            "status = 'done'::job_status",
            "status LIKE 'd%' -- now()::date",
            "\"status\" <> 'date'",
        ] {
            assert_eq!(judge(text), None, "{text}");
        }
        for text in [
            "finished_at::date < '2020-01-01'",
            "finished_at < day",
            "finished_at < DATE '2020-01-01'",
            "finished_at < '2020-01-01'::timestamp",
            "finished_at < CURRENT_TIMESTAMP",
            "CAST(status AS int) = 1",
            "jobs.status = 'done'",
            "jobs IS NOT NULL",
        ] {
            assert!(judge(text).is_some(), "{text}");
        }
    }
}
