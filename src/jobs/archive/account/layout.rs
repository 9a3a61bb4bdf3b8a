//! Which columns a checksum is of, and how a row's hash is written in SQL.

use crate::pg::catalog::columns::Column;
use crate::pg::ident::{Ident, quoted};

/// The columns of a checksum with their base types, in order. It is kept with each batch, because a
/// table may have other columns by the time it is verified.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Layout(Vec<(String, String)>);

impl Layout {
    /// Of these columns.
    #[must_use]
    pub fn of<'a>(columns: impl IntoIterator<Item = &'a Column>) -> Self {
        let named = |column: &Column| (column.name.as_str().to_owned(), column.base_type.clone());
        Self(columns.into_iter().map(named).collect())
    }

    /// The columns, each with its type.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, base_type)| (name.as_str(), base_type.as_str()))
    }

    /// As it is kept.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_value(&self.0).unwrap_or_default().to_string()
    }

    /// A row's hash, 64 bits of all its values in their order. The same on every version: the server's
    /// own hash of a record came with 14, and knows no `json`. An array's hash adds up its elements'
    /// hashes, times powers of 31: without the outer hash two rows could exchange a value unseen.
    #[must_use]
    pub fn hash(&self) -> String {
        let hashes: Vec<String> =
            self.0.iter().map(|(name, base_type)| hash_of(name, base_type)).collect();
        format!(
            "hashint8extended(hash_array_extended(ARRAY[{}]::bigint[], 0), 0)",
            hashes.join(", ")
        )
    }
}

/// Common types by their own hash, which is fast. All others by their text, so that 1.0 and 1.00, which
/// are equal, are not the same. A collation that takes different texts for equal must not decide either.
fn hash_of(name: &str, base_type: &str) -> String {
    let name = quoted(name);
    match base_type {
        "smallint" => format!("hashint2extended({name}, 0)"),
        "integer" => format!("hashint4extended({name}, 0)"),
        "bigint" => format!("hashint8extended({name}, 0)"),
        "boolean" => format!("hashint4extended({name}::integer, 0)"),
        "uuid" => format!("uuid_hash_extended({name}, 0)"),
        "timestamp without time zone" => format!("timestamp_hash_extended({name}, 0)"),
        "timestamp with time zone" => {
            format!("timestamp_hash_extended({name} AT TIME ZONE 'UTC', 0)")
        }
        _ => format!("hashtextextended({name}::text COLLATE \"C\", 0)"),
    }
}

/// Of the source's columns those that are read, in this order.
#[must_use]
pub fn layout_of(source: &[Column], read: &[Ident]) -> Layout {
    Layout::of(read.iter().filter_map(|name| source.iter().find(|column| column.name == *name)))
}
