//! Rows that are due and whose key the archive already holds.
//!
//! The same row, equal bit by bit in every column that is copied, leaves the hot table and is not
//! copied again; both ends of the comparison are locked until the commit. A different one stops the
//! table: which of the two is right only a person knows.

use super::columns::Mapping;
use super::sql::list;
use crate::pg::catalog::indexes::Index;
use crate::pg::ident::{Ident, TableName};

/// The statements, with the values of the range's INSERT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubles {
    /// Deletes those rows of a range that the archive holds already.
    pub drop: String,
    /// The same, leaving alone what others hold locked.
    pub drop_free: String,
    /// Finds rows that the archive holds otherwise: the key here, the key there, what they share.
    pub differing: Vec<String>,
}

/// So many pairs are named.
const NAMED_MAX: u32 = 3;

/// A key is cut here in messages, in characters.
const KEY_CHARS_MAX: u32 = 120;

impl Doubles {
    /// Writes them; `None` where no unique index of the archive leads from a row to its like.
    #[must_use]
    pub fn new(
        (source, into): (&TableName, &TableName),
        condition: &str,
        key: &[Ident],
        map: &Mapping,
        unique: &[Vec<Ident>],
    ) -> Option<Self> {
        let is_key = |columns: &&Vec<Ident>| columns.iter().all(|c| key.contains(c));
        let lookup = unique.iter().find(is_key).or_else(|| unique.first())?;
        let same = format!("{}\n  AND {}", equal(source, lookup), alike(source, map));
        let keys = list(key);
        let drop = |lock: &str| {
            format!(
                "-- only where keys are in the archive already: what is there, the same, leaves here\n\
                 WITH doubles AS MATERIALIZED (\nSELECT {keys}\nFROM {source}\nWHERE {condition}\n  \
                 AND EXISTS (SELECT FROM {into} AS kept WHERE {same} FOR SHARE)\n{lock}),\n\
                 dropped AS (\nDELETE FROM {source}\nWHERE {condition}\n  \
                 AND ({keys}) IN (SELECT {keys} FROM doubles)\nRETURNING 1)\n\
                 SELECT count(*) FROM dropped"
            )
        };
        let differing = unique.iter().map(|shared| {
            let other = format!("{}\n  AND NOT {}", equal(source, shared), alike(source, map));
            format!(
                "-- only where they differ: names them\n\
                 WITH met AS MATERIALIZED (\nSELECT {} AS here,\n  \
                 (SELECT {} FROM {into} AS kept WHERE {other} LIMIT 1) AS there\n\
                 FROM {source}\nWHERE {condition})\n\
                 SELECT here, there, '{}' FROM met WHERE there IS NOT NULL LIMIT {NAMED_MAX}",
                shown(key, &source.to_string()),
                shown(key, "kept"),
                format!("({})", list(shared)).replace('\'', "''"),
            )
        });
        Some(Self {
            drop: drop("FOR UPDATE"),
            drop_free: drop("FOR UPDATE SKIP LOCKED"),
            differing: differing.collect(),
        })
    }
}

/// The columns of each unique index by which a row's like can be looked up: all are copied, and
/// their `=` is the server's own.
#[must_use]
pub fn lookups(
    indexes: &[Index],
    map: &Mapping,
    is_comparable: impl Fn(&Ident) -> bool,
) -> Vec<Vec<Ident>> {
    indexes
        .iter()
        .filter(|index| index.is_unique && !index.is_partial)
        .filter_map(|index| index.columns.iter().cloned().collect::<Option<Vec<Ident>>>())
        .filter(|columns| columns.iter().all(|name| map.into.contains(name) && is_comparable(name)))
        .collect()
}

fn equal(source: &TableName, columns: &[Ident]) -> String {
    let each: Vec<String> =
        columns.iter().map(|name| format!("kept.{name} = {source}.{name}")).collect();
    each.join(" AND ")
}

/// `*=` compares images, so it knows every type, and tells 1.0 from 1.00. The casts keep the server
/// from comparing column by column.
fn alike(source: &TableName, map: &Mapping) -> String {
    let of = |table: &str, names: &[Ident]| {
        let each: Vec<String> = names.iter().map(|name| format!("{table}.{name}")).collect();
        format!("ROW({})::record", each.join(", "))
    };
    format!(
        "{} OPERATOR(pg_catalog.*=) {}",
        of("kept", &map.into),
        of(&source.to_string(), &map.from)
    )
}

/// `(id) = (5)` as an expression.
fn shown(key: &[Ident], table: &str) -> String {
    let values: Vec<String> = key.iter().map(|name| format!("{table}.{name}::text")).collect();
    let names = format!("({}) = (", list(key)).replace('\'', "''");
    format!("'{names}' || left(concat_ws(', ', {}), {KEY_CHARS_MAX}) || ')'", values.join(", "))
}
