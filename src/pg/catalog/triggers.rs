//! What happens besides when rows are inserted or deleted: triggers and rules.

use sqlx::{PgConnection, Row};

use super::relation::Relation;
use super::{failed, ident, table_name};
use crate::pg::fault::Fault;
use crate::pg::ident::{Ident, TableName};

/// A statement that fires triggers and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fires {
    /// INSERT
    OnInsert,
    /// DELETE
    OnDelete,
}

/// A trigger or rule that a person made and that is enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its name.
    pub name: Ident,
    /// The table it stands on: the one asked for, or one of its partitions.
    pub table: TableName,
    /// It can change or swallow rows: a rule, or a row trigger that fires before.
    pub can_swallow: bool,
    /// A rule, not a trigger.
    pub is_rule: bool,
}

/// Bits of `pg_trigger.tgtype`.
const INSERT: i32 = 4;
const DELETE: i32 = 8;

/// ROW is bit 1, BEFORE is 2, INSTEAD is 64. The copies that the server makes for partitions are
/// left out. A rule on a partition does not fire for its parent, so only `$3` is asked for rules.
const HOOKS: &str = "\
SELECT t.tgname::text AS name, n.nspname::text AS nspname, c.relname::text AS relname, \
       t.tgtype & 1 = 1 AND t.tgtype & (2 + 64) <> 0 AS can_swallow, false AS is_rule \
FROM pg_trigger AS t \
JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace \
WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') \
  AND t.tgtype & $2 <> 0 \
  AND NOT EXISTS (SELECT FROM pg_trigger AS p WHERE p.oid = t.tgparentid AND p.tgrelid = ANY ($1)) \
UNION ALL \
SELECT r.rulename::text, n.nspname::text, c.relname::text, true, true \
FROM pg_rewrite AS r \
JOIN pg_class AS c ON c.oid = r.ev_class JOIN pg_namespace AS n ON n.oid = c.relnamespace \
WHERE r.ev_class = $3 AND r.ev_enabled IN ('O', 'A') \
  AND r.ev_type::text = CASE $2 WHEN 4 THEN '3' ELSE '4' END \
ORDER BY nspname, relname, name";

/// The enabled triggers and rules that such a statement fires on a table, its partitions included.
///
/// # Errors
/// Where the server does not answer.
pub async fn of(
    conn: &mut PgConnection,
    relation: &Relation,
    fires: Fires,
) -> Result<Vec<Hook>, Fault> {
    let Relation { oid, tree, .. } = relation;
    if !relation.may_fire && tree == &[*oid] {
        return Ok(Vec::new());
    }
    let bit = match fires {
        Fires::OnInsert => INSERT,
        Fires::OnDelete => DELETE,
    };
    let rows = sqlx::query(HOOKS).bind(tree).bind(bit).bind(oid).fetch_all(conn).await;
    rows.map_err(failed)?
        .iter()
        .map(|row| {
            Ok(Hook {
                name: ident(row, 0)?,
                table: table_name(row, 1)?,
                can_swallow: row.try_get(3).map_err(failed)?,
                is_rule: row.try_get(4).map_err(failed)?,
            })
        })
        .collect()
}
