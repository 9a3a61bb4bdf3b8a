//! In what a partition differs from the table it is a partition of.
//!
//! One query for all partitions of all tables, over catalogs only: 10,000 partitions are compared in
//! a fraction of a second, because the server returns nothing but differences.

use sqlx::{AssertSqlSafe, FromRow, PgConnection};

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

/// In what the partitions of these tables differ from them, [`DIFFERENCES_MAX`] at most.
///
/// # Errors
/// Where the server does not answer.
pub async fn differences(
    conn: &mut PgConnection,
    parents: &[i64],
) -> Result<Vec<Difference>, Fault> {
    let sql = DIFFERENCES.replace("WHICH", "i.inhparent = ANY ($1::int8[]::oid[])");
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(parents).bind(DIFFERENCES_MAX);
    query.fetch_all(conn).await.map(in_order).map_err(failed)
}

/// In what this partition differs from the table it is a partition of.
///
/// # Errors
/// Where the server does not answer.
pub async fn of_partition(
    conn: &mut PgConnection,
    partition: &TableName,
) -> Result<Vec<Difference>, Fault> {
    let sql = DIFFERENCES.replace("WHICH", "i.inhrelid = to_regclass($1::text)");
    let query =
        sqlx::query_as(AssertSqlSafe(sql)).bind(partition.to_string()).bind(DIFFERENCES_MAX);
    query.fetch_all(conn).await.map(in_order).map_err(failed)
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
