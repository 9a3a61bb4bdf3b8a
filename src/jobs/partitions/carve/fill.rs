//! The statements that bring rows into their parts. Each is one text, run as often as needed: where
//! the copying stands is in the record.

use super::{Carve, Part};
use crate::pg::ident::Ident;

/// Rows per batch: a tenth of a second, and a small transaction.
pub const BATCH_ROWS: u32 = 10_000;

impl Carve {
    fn columns(&self, prefix: &str) -> String {
        let columns = self.facts.columns.iter().filter_map(|name| Ident::new(name).ok());
        columns.map(|name| format!("{prefix}{name}")).collect::<Vec<_>>().join(", ")
    }

    /// The columns that tell rows apart.
    pub(super) fn identity(&self) -> Vec<Ident> {
        self.facts.identity.iter().filter_map(|name| Ident::new(name).ok()).collect()
    }

    /// `id, ts`
    pub(super) fn identity_list(&self) -> String {
        self.identity().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The log of changed keys.
    pub(super) fn log(&self) -> String {
        format!("{}.carve_log_{}", self.own_schema, self.source_oid)
    }

    /// Puts the rows of a CTE where they belong.
    fn inserts(&self, from: &str, suffix: &str) -> Vec<String> {
        let columns = self.columns("");
        let insert = |(number, part): (usize, &Part)| {
            format!(
                "part_{number} AS (INSERT INTO {} ({columns}) SELECT {columns} FROM {from} WHERE {}{suffix})",
                part.name,
                self.belongs(part)
            )
        };
        self.made().enumerate().map(insert).collect()
    }

    /// The next rows in the order of the key. A row that is there already was replayed, or is
    /// about to be: its change is in the log.
    pub(super) fn copy(&self, is_first: bool) -> String {
        let (source, oid, keys) = (&self.source, self.source_oid, self.identity());
        let list = self.identity_list();
        let after =
            keys.iter().zip(&self.facts.identity_types).enumerate().map(|(place, (_, kind))| {
                format!(
                    "(SELECT (after ->> {place})::{kind} FROM partition_carve WHERE source = {oid})"
                )
            });
        let after = after.collect::<Vec<_>>().join(", ");
        let further = if is_first { String::new() } else { format!(" WHERE ({list}) > ({after})") };
        let descending: Vec<String> = keys.iter().map(|key| format!("{key} DESC")).collect();
        let texts: Vec<String> = keys.iter().map(|key| format!("{key}::text")).collect();
        format!(
            "WITH batch AS MATERIALIZED (SELECT {} FROM ONLY {source}{further} ORDER BY {list} LIMIT {BATCH_ROWS}),\n\
             {},\n\
             position AS (UPDATE partition_carve SET after = (SELECT jsonb_build_array({}) FROM batch \
             ORDER BY {} LIMIT 1) WHERE source = {oid} AND EXISTS (SELECT FROM batch))\n\
             SELECT count(*) FROM batch",
            self.columns(""),
            self.inserts("batch", " ON CONFLICT DO NOTHING").join(",\n"),
            texts.join(", "),
            descending.join(", "),
        )
    }

    /// Brings the parts to what the partition holds now, for every key in the log. A unique key of a
    /// partitioned table includes its partition key, so each is looked up in its own part only.
    pub(super) fn replay(&self) -> [String; 3] {
        let (log, list) = (self.log(), self.identity_list());
        let same = |one: &str| {
            let pairs = self.identity().into_iter().map(|key| format!("{one}.{key} = k.{key}"));
            pairs.collect::<Vec<_>>().join(" AND ")
        };
        let keys = format!("SELECT DISTINCT {list} FROM {log}");
        let deletes = self.made().enumerate().map(|(number, part)| {
            let is_same = same("p");
            format!(
                "part_{number} AS (DELETE FROM {} p USING (SELECT * FROM k WHERE {}) k WHERE {is_same})",
                part.name,
                self.belongs(part)
            )
        });
        let deletes = deletes.collect::<Vec<_>>().join(",\n");
        [
            format!("WITH k AS MATERIALIZED ({keys}),\n{deletes}\nSELECT count(*) FROM k"),
            format!(
                "WITH now AS MATERIALIZED (SELECT {} FROM ONLY {} s JOIN ({keys}) k ON {}),\n{}\n\
                 SELECT count(*) FROM now",
                self.columns("s."),
                self.source,
                same("s"),
                self.inserts("now", "").join(",\n"),
            ),
            format!("DELETE FROM {log}"),
        ]
    }

    /// All rows, under the lock.
    pub(super) fn copy_at_once(&self) -> String {
        format!(
            "WITH now AS MATERIALIZED (SELECT {} FROM ONLY {}),\n{}\nSELECT count(*) FROM now",
            self.columns(""),
            self.source,
            self.inserts("now", "").join(",\n"),
        )
    }

    /// Both hold the same rows, value by value.
    pub(super) fn is_the_same(&self) -> String {
        let columns = self.columns("");
        let sums = |from: String| {
            format!(
                "(SELECT ROW(count(*), sum(hashtextextended(ROW({columns})::text, 0))) FROM {from} s)"
            )
        };
        let parts: Vec<String> =
            self.made().map(|part| format!("SELECT {columns} FROM ONLY {}", part.name)).collect();
        let parts = format!("({})", parts.join(" UNION ALL "));
        format!(
            "SELECT {} IS NOT DISTINCT FROM {}",
            sums(format!("ONLY {}", self.source)),
            sums(parts)
        )
    }
}
