//! Ranges as SQL has them: what stands in a bound, and as a condition.

use crate::pg::ident::Ident;

/// A range of the key: SQL literals, or `MINVALUE` and `MAXVALUE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// Included.
    pub from: String,
    /// Not included.
    pub to: String,
}

impl Range {
    /// The text of a bound, `FOR VALUES FROM (…) TO (…)`; absent where it is no such one.
    #[must_use]
    pub fn of_bound(bound: &str) -> Option<Self> {
        let edges = bound.strip_prefix("FOR VALUES FROM (")?.strip_suffix(')')?;
        let (from, to) = edges.split_once(") TO (")?;
        Some(Self { from: from.to_owned(), to: to.to_owned() })
    }

    /// A condition: a row is in it.
    #[must_use]
    pub fn holds(&self, key: &Ident) -> String {
        let lower = (self.from != "MINVALUE").then(|| format!("{key} >= {}", self.from));
        let upper = (self.to != "MAXVALUE").then(|| format!("{key} < {}", self.to));
        let edges: Vec<String> = lower.into_iter().chain(upper).collect();
        if edges.is_empty() { format!("{key} IS NOT NULL") } else { edges.join(" AND ") }
    }
}
