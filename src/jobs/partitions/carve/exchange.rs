//! The one transaction that the application could notice, and the evidence it stands on.

use super::{Carve, Method, Part};
use crate::jobs::partitions::block::block;
use crate::jobs::partitions::premake::create;
use crate::pg::catalog::quarantine::BOUND_CHECK;
use crate::pg::ident::literal;
use crate::pg::step::{Expect, Statement};

/// Changes that are replayed under the lock at most: some 10 ms.
const REPLAYED_MAX: u32 = 2_000;
/// What the exchange says where more came meanwhile: replay again, and try again.
pub(super) const LOG_IS_LONG: &str = "more rows changed meanwhile than are replayed under the lock";
const NOT_AS_SEEN: &str = "it is not that partition of that table any more, by oid, name and bound";
const NOT_AS_MADE: &str = "the tables that were made for its rows are not as they were made, or changes to it are not \
     captured any more";
const TOO_MANY: &str = "it has more rows by now than are copied under a lock";

impl Carve {
    /// It is that partition, of that table, with that bound.
    pub(super) fn attached(&self) -> Statement {
        let Self { source, source_oid, parent_oid, source_bound, .. } = self;
        let sql = format!(
            "SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
             WHERE c.oid = {source_oid} AND c.oid = {}::regclass AND i.inhparent = {parent_oid} \
             AND pg_get_expr(c.relpartbound, 0) = {})",
            literal(&source.to_string()),
            literal(source_bound),
        );
        Statement::new(sql).expect(Expect::True(NOT_AS_SEEN))
    }

    /// The parts are ours and attached to nothing, and no change was missed.
    fn as_made(&self) -> Statement {
        let names: Vec<String> =
            self.made().map(|part| format!("({})", literal(&part.name.to_string()))).collect();
        let captured = if self.method == Method::Copy {
            format!(" AND {} AND NOT {}", self.captures(), self.was_truncated())
        } else {
            String::new()
        };
        let sql = format!(
            "SELECT (SELECT bool_and(c.oid IS NOT NULL AND NOT c.relispartition AND \
             obj_description(c.oid, 'pg_class') = {}) FROM (VALUES {}) AS made (name) \
             LEFT JOIN pg_class c ON c.oid = to_regclass(made.name)){captured}",
            literal(&self.mark()),
            names.join(", "),
        );
        Statement::new(sql).expect(Expect::True(NOT_AS_MADE))
    }

    /// The parent first: whoever is on the way to a row has it locked. What is locked after it is
    /// waited for less long. The work behind the evidence is one round trip, so that the locks last no
    /// longer over a slow network.
    pub(super) fn exchange_statements(&self) -> Vec<Statement> {
        let Self { parent, source, .. } = self;
        let mut all = vec![
            Statement::new(format!("LOCK TABLE ONLY {parent} IN ACCESS EXCLUSIVE MODE")),
            Statement::new("SET LOCAL lock_timeout = 20"),
            Statement::new(format!("LOCK TABLE ONLY {source} IN ACCESS EXCLUSIVE MODE")),
            self.attached(),
            self.as_made(),
        ];
        all.extend(self.last_rows());
        all.push(Statement::new(self.work().join(";\n")));
        all
    }

    fn work(&self) -> Vec<String> {
        let Self { parent, source, retired, .. } = self;
        let mut sql = vec![format!("ALTER TABLE {parent} DETACH PARTITION {source}")];
        if self.method == Method::Copy {
            sql.extend(self.end_capture());
        }
        sql.push(format!("ALTER TABLE {source} RENAME TO {}", retired.table));
        sql.extend(self.parts.iter().flat_map(|part| self.attach(part)));
        sql.extend(self.keep());
        sql
    }

    /// What came since the last replay.
    fn last_rows(&self) -> Vec<Statement> {
        match self.method {
            Method::Whole => Vec::new(),
            Method::AtOnce => {
                let few = format!(
                    "SELECT count(*) <= {max} FROM (SELECT FROM ONLY {} LIMIT {max} + 1) s",
                    self.source,
                    max = super::AT_ONCE_ROWS_MAX * 2,
                );
                let few = Statement::new(few).expect(Expect::True(TOO_MANY));
                vec![few, Statement::new(self.copy_at_once())]
            }
            Method::Copy => {
                let few = format!(
                    "SELECT count(*) <= {REPLAYED_MAX} FROM (SELECT FROM {} LIMIT {REPLAYED_MAX} + 1) s",
                    self.log()
                );
                let few = Statement::new(few).expect(Expect::True(LOG_IS_LONG));
                let by_index = super::steps::BY_INDEX.map(Statement::new);
                let replay = self.replay().map(Statement::new);
                [few].into_iter().chain(by_index).chain(replay).collect()
            }
        }
    }

    fn attach(&self, part: &Part) -> Vec<String> {
        let (parent, name) = (&self.parent, &part.name);
        let bound = part.range.as_ref().map_or_else(
            || "DEFAULT".to_owned(),
            |range| format!("FOR VALUES FROM ({}) TO ({})", range.from, range.to),
        );
        let mut sql = vec![format!("ALTER TABLE {parent} ATTACH PARTITION {name} {bound}")];
        if self.made().any(|made| made == part) {
            sql.extend(create::after_attach(&self.as_new(part)));
            sql.push(format!("COMMENT ON TABLE {name} IS NULL"));
        }
        sql.push(format!("ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {BOUND_CHECK}"));
        if part.takes_name {
            sql.push(format!("ALTER TABLE {name} RENAME TO {}", self.source.table));
        }
        sql
    }

    /// The old partition is kept: nobody writes to it, and its foreign keys hold nobody up.
    fn keep(&self) -> Vec<String> {
        let Self { retired, source, source_oid, facts, .. } = self;
        if self.method == Method::Whole {
            return vec![format!("DELETE FROM partition_carve WHERE source = {source_oid}")];
        }
        let mut sql: Vec<String> = facts
            .source_foreign_keys
            .iter()
            .map(|name| {
                format!("ALTER TABLE {retired} DROP CONSTRAINT {}", crate::pg::ident::quoted(name))
            })
            .collect();
        let names: Vec<String> = self
            .parts
            .iter()
            .map(|part| if part.takes_name { source.to_string() } else { part.name.to_string() })
            .collect();
        sql.extend(block(retired));
        sql.extend([
            format!(
                "COMMENT ON TABLE {retired} IS {}",
                literal(&format!(
                    "pgtend: its rows are in {}, and it takes no writes",
                    names.join(", ")
                ))
            ),
            format!(
                "UPDATE partition_carve SET stage = 'done', name = {}, after = NULL, \
                 done_at = clock_timestamp(), \
                 replaced_xid = pg_snapshot_xmax(pg_current_snapshot()) WHERE source = {source_oid}",
                literal(&retired.to_string())
            ),
        ]);
        sql
    }

    /// Takes back what was made: nothing of it is attached.
    pub(super) fn abandon_statements(&self) -> Vec<Statement> {
        let names: Vec<String> =
            self.made().map(|part| format!("({})", literal(&part.name.to_string()))).collect();
        let ours = format!(
            "SELECT bool_and(c.oid IS NULL OR (NOT c.relispartition AND \
             obj_description(c.oid, 'pg_class') = {})) FROM (VALUES {}) AS made (name) \
             LEFT JOIN pg_class c ON c.oid = to_regclass(made.name)",
            literal(&self.mark()),
            names.join(", "),
        );
        let mut all = vec![Statement::new(ours).expect(Expect::True(NOT_AS_MADE))];
        let mut sql = self.end_capture();
        let source = &self.source;
        sql.push(format!("ALTER TABLE IF EXISTS {source} DROP CONSTRAINT IF EXISTS {BOUND_CHECK}"));
        sql.extend(self.made().map(|part| format!("DROP TABLE IF EXISTS {}", part.name)));
        sql.push(format!("DELETE FROM partition_carve WHERE source = {}", self.source_oid));
        all.extend(sql.into_iter().map(Statement::new));
        all
    }
}
