//! Which index finds rows by an expression.
//!
//! Only the server knows whether two expressions are the same: it prints an index's expression as it was
//! parsed, and compares it with its constants computed and its functions inlined. So it is asked how it
//! would find rows below a value, were reading the table too expensive.

use std::fmt;

use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use crate::pg::ident::TableName;

/// What finds rows by an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServedBy {
    /// An index of this name.
    Index(String),
    /// One of each partition.
    IndexOfEach,
}

/// `index jobs_age`
impl fmt::Display for ServedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(name) => write!(f, "index {name}"),
            Self::IndexOfEach => f.write_str("an index of each partition"),
        }
    }
}

/// The index that leads with an expression: it finds rows by it, and gives them in its order without a
/// sort. `below`: a value of its type. Nothing is read of the table.
///
/// # Errors
/// What the server says.
pub async fn by(
    conn: &mut PgConnection,
    table: &TableName,
    expression: &str,
    below: &str,
) -> Result<Option<ServedBy>, sqlx::Error> {
    // By the simple protocol they are one transaction, with which the settings end.
    let sql = format!(
        "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; \
         SET LOCAL enable_sort = off; SET LOCAL max_parallel_workers_per_gather = 0; \
         EXPLAIN (COSTS OFF, FORMAT JSON) SELECT FROM {table} WHERE {expression} < {below} \
         ORDER BY {expression}"
    );
    let Some(row) = conn.fetch_optional(sqlx::raw_sql(AssertSqlSafe(sql))).await? else {
        return Ok(None);
    };
    let Json(plan) = row.try_get::<Json<Value>, _>(0)?;
    let mut names = Vec::new();
    let all = plan.pointer("/0/Plan").is_some_and(|node| scans(node, &mut names));
    Ok(match (all, names.as_slice()) {
        (false, _) | (true, []) => None,
        (true, [name]) => Some(ServedBy::Index(name.clone())),
        (true, _) => Some(ServedBy::IndexOfEach),
    })
}

/// Whether all that is read is read by a condition on an index, in its order; with their names. There is
/// but one condition, so that an index is bound to serve it; one that it does not lead with gives another
/// order, which is then sorted.
fn scans(node: &Value, names: &mut Vec<String>) -> bool {
    if node["Node Type"].as_str().is_some_and(|kind| kind.ends_with("Sort")) {
        return false;
    }
    if let Some(below) = node["Plans"].as_array() {
        return below.iter().all(|node| scans(node, names));
    }
    let name = node["Index Name"].as_str().filter(|_| !node["Index Cond"].is_null());
    names.extend(name.map(ToOwned::to_owned));
    name.is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(node: &Value) -> Option<Vec<String>> {
        let mut names = Vec::new();
        scans(node, &mut names).then_some(names)
    }

    #[test]
    fn only_what_is_read_by_a_condition_is_served() {
        let index =
            |name| json!({ "Node Type": "Index Scan", "Index Name": name, "Index Cond": "(…)" });
        let whole = json!({ "Node Type": "Index Scan", "Index Name": "a", "Filter": "(…)" });
        let table = json!({ "Node Type": "Seq Scan", "Filter": "(…)" });
        let above = |below: Vec<Value>| json!({ "Node Type": "Merge Append", "Plans": below });
        let sort = json!({ "Node Type": "Incremental Sort", "Plans": [index("a")] });
        assert_eq!(names(&index("a")), Some(vec!["a".to_owned()]));
        assert_eq!(names(&above(vec![index("a")])), Some(vec!["a".to_owned()]));
        assert_eq!(names(&above(vec![index("a"), index("b")])).unwrap().len(), 2);
        for none in [&whole, &table, &sort, &json!({ "Node Type": "Result" })] {
            assert_eq!(names(none), None, "{none}");
            assert_eq!(names(&above(vec![index("a"), none.clone()])), None, "{none}");
        }
    }
}
