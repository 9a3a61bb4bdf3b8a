//! In what a partition differs from the table it is a partition of.
//!
//! Catalogs only, and in two looks. The first is cheap and finds which partitions may differ at all: most
//! are like their parent in every column of `pg_class`, and neither has anything else that could
//! differ. Only the others are compared in full, and the server returns nothing but differences.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use super::partition::Child;
use crate::pg::fault::Fault;
use crate::pg::ident::TableName;

/// More differences than this are not read: whoever has so many repairs them in several runs.
pub const DIFFERENCES_MAX: i64 = 10_000;

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// The owner.
    Owner,
    /// What a role may do with the table.
    Privilege,
    /// What a role may do with a column.
    ColumnPrivilege,
    /// `ENABLE ROW LEVEL SECURITY`
    RowSecurity,
    /// `FORCE ROW LEVEL SECURITY`
    ForcedRowSecurity,
    /// A row security policy.
    Policy,
    /// `REPLICA IDENTITY`
    ReplicaIdentity,
    /// A column's statistics target.
    StatisticsTarget,
    /// A column's `n_distinct`.
    ColumnOptions,
    /// An extended statistics object.
    Statistics,
    /// The target of one.
    TargetOfStatistics,
    /// The access method; to change it rewrites the table.
    AccessMethod,
    /// The tablespace; to change it copies the table.
    Tablespace,
}

impl TryFrom<String> for Aspect {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        Ok(match word.as_str() {
            "owner" => Self::Owner,
            "privilege" => Self::Privilege,
            "column privilege" => Self::ColumnPrivilege,
            "row security" => Self::RowSecurity,
            "forced row security" => Self::ForcedRowSecurity,
            "replica identity" => Self::ReplicaIdentity,
            "statistics target" => Self::StatisticsTarget,
            "column options" => Self::ColumnOptions,
            "statistics" => Self::Statistics,
            "target of statistics" => Self::TargetOfStatistics,
            "policy" => Self::Policy,
            "access method" => Self::AccessMethod,
            "tablespace" => Self::Tablespace,
            _ => return Err(format!("unknown aspect {word}")),
        })
    }
}

/// One difference between a partition and its parent.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Difference {
    /// The partitioned table.
    pub parent: i64,
    /// The partition.
    pub child: i64,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// We have the rights of its owner.
    pub acts_as_owner: bool,
    /// What differs.
    #[sqlx(try_from = "String")]
    pub aspect: Aspect,
    /// Where a privilege differs: whose; `None` is PUBLIC.
    pub role: Option<String>,
    /// Which column, privilege or statistics object, where there are several.
    pub item: Option<String>,
    /// Of a column's privilege: which.
    pub privilege: Option<String>,
    /// What the parent has.
    pub wanted: Option<String>,
    /// What the partition has.
    pub found: Option<String>,
}

/// `WHICH` pairs are compared, and `$2` rows read at most.
const DIFFERENCES: &str = include_str!("likeness.sql");

/// The first look beyond what `pg_class` says: relations with anything that has rows of its own. Since 17, a column
/// without a target has none; before, it has -1. LIMIT makes the server look up these relations'
/// columns by the index; else it reads those of the whole database where they are many.
const ADORNED: &str = "\
SELECT f.oid::int8 FROM unnest($1::int8[]::oid[]) AS f(oid) CROSS JOIN LATERAL ( \
  SELECT FROM pg_attribute WHERE attrelid = f.oid AND attnum > 0 AND NOT attisdropped \
    AND (attacl IS NOT NULL OR attoptions IS NOT NULL OR attstattarget <> -1) LIMIT 1) a \
UNION SELECT stxrelid::int8 FROM unnest($1::int8[]::oid[]) AS f(oid) \
      JOIN pg_statistic_ext ON stxrelid = f.oid \
UNION SELECT polrelid::int8 FROM unnest($1::int8[]::oid[]) AS f(oid) \
      JOIN pg_policy ON polrelid = f.oid";

/// In what these partitions differ from their tables, [`DIFFERENCES_MAX`] at most.
///
/// # Errors
/// Where the server does not answer.
pub async fn differences(
    conn: &mut PgConnection,
    children: &[Child],
) -> Result<Vec<Difference>, Fault> {
    let family: BTreeSet<i64> = children.iter().flat_map(|c| [c.parent, c.oid]).collect();
    let family: Vec<i64> = family.into_iter().collect();
    let adorned: Vec<i64> =
        sqlx::query_scalar(ADORNED).bind(family).fetch_all(&mut *conn).await.map_err(failed)?;
    let adorned: BTreeSet<i64> = adorned.into_iter().collect();
    let may_differ =
        |c: &&Child| c.stands_out || adorned.contains(&c.parent) || adorned.contains(&c.oid);
    let asked: Vec<i64> = children.iter().filter(may_differ).map(|child| child.oid).collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let sql = DIFFERENCES.replace("WHICH", "i.inhrelid = ANY ($1::int8[]::oid[])");
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(asked).bind(DIFFERENCES_MAX);
    query.fetch_all(conn).await.map(in_order).map_err(failed)
}

/// In what these partitions differ from the tables they are partitions of.
///
/// # Errors
/// Where the server does not answer.
pub async fn of_partitions(
    conn: &mut PgConnection,
    partitions: &[TableName],
) -> Result<Vec<Difference>, Fault> {
    let children = super::partition::by_name(conn, partitions).await?;
    differences(conn, &children).await
}

/// Partition by partition, and of each what matters most first.
fn in_order(mut found: Vec<Difference>) -> Vec<Difference> {
    found.sort_by(|a, b| {
        let key = |one: &Difference| (one.parent, one.child, one.aspect);
        (&a.schema, &a.name).cmp(&(&b.schema, &b.name)).then_with(|| key(a).cmp(&key(b)))
    });
    found
}

fn failed(error: sqlx::Error) -> Fault {
    Fault::from_sqlx("compare partitions with their parents", &error)
}
