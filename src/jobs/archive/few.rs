//! The count of the rows that are due, which tells the range they stand in, too, where they are few: a day's
//! work need not be looked for again.

use super::due::DueRows;
use super::walk::{Term, Walk};
use crate::job::pace::GENTLE_ROWS_FIRST;

/// How many rows are few: as many as a gentle batch begins with, so that it may go by their range.
pub const FEW: u64 = GENTLE_ROWS_FIRST;

/// Counts them up to one more than [`FEW`], along a walk that leads with the age; of each row its width is needed.
///
/// One row: where they are few, the first row's values as text, then the last's; their number, their bytes;
/// the lowest age. Which rows those are is found as the planner likes best, as when they are counted: the order is
/// made behind that.
#[must_use]
pub fn count(due: &DueRows, walk: &Walk, width: &str) -> String {
    let each = |form: &dyn Fn(&Term) -> String| {
        walk.columns.iter().map(form).collect::<Vec<_>>().join(", ")
    };
    let selected = each(&Term::selected);
    let texts = |row: &str| each(&|term| format!("{row}.{}::text", term.name));
    let edge = |row: &str, direction: &str| {
        let order = each(&|term| format!("{}{direction}", term.name));
        format!(
            "LEFT JOIN LATERAL (SELECT * FROM counted WHERE total.rows <= {FEW} ORDER BY {order} LIMIT 1) AS {row} ON true"
        )
    };
    let leading = walk.columns.first().map_or_else(String::new, |term| term.name.to_string());
    format!(
        "WITH counted AS MATERIALIZED (\nSELECT {selected},\n  {width} AS pgtend_width\nFROM {}\nWHERE {}\nLIMIT {})\n\
         SELECT {}, {}, total.rows, total.bytes, total.first\n\
         FROM (SELECT count(*) AS rows, sum(pgtend_width)::bigint AS bytes, min({leading})::text AS first FROM counted) AS total\n\
         {}\n{}",
        due.source,
        due.predicate(),
        FEW + 1,
        texts("lowest"),
        texts("highest"),
        edge("lowest", ""),
        edge("highest", " DESC"),
    )
}
