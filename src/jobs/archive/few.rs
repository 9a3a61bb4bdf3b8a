//! The look for the first range of rows that are due, which tells how many they are where they are few.

use sqlx::AssertSqlSafe;

use super::due::{ANY_AGE, DueRows};
use super::found::Found;
use super::side::Source;
use super::sql::first_range;
use crate::pg::session::Reader;

/// How many rows the look asks for: more are counted.
const FEW: u64 = 3_000;

/// What the look found.
pub enum Few {
    /// Nothing is due.
    None,
    /// All that is due.
    All(Found),
}

/// Looks: a day's work need not be counted and looked for again. `None`: there are more rows, or no index leads
/// with the age.
///
/// # Errors
/// Where the server does not answer, or refuses the condition.
pub async fn few(
    reader: &mut Reader<'_>,
    due: &DueRows,
    source: &Source,
    cutoff: &str,
) -> Result<Option<Few>, sqlx::Error> {
    let walk = source.walk(&due.age).filter(|walk| due.by_index && walk.leads_with(&due.age));
    let Some(walk) = walk else { return Ok(None) };
    let row = sqlx::query(AssertSqlSafe(first_range(due, &walk, &source.columns)))
        .bind(cutoff)
        .bind(FEW.to_string())
        .bind(ANY_AGE)
        .persistent(false)
        .fetch_optional(&mut *reader.conn)
        .await?;
    let Some(row) = row else { return Ok(Some(Few::None)) };
    let found = Found::read(&row, walk.columns.len(), FEW)?;
    Ok(found.is_last.then_some(Few::All(found)))
}
