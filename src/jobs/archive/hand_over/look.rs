//! What is asked about partitions that might be handed over. Questions, no policy.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::facts::{Contents, Looked, fits};
use super::obstacles::speaks_against;
use super::{CHECK, INDEX_PREFIX, LEFT_MAX, Left, PARTITIONS_MAX};
use crate::config::checked::ArchiveTable;
use crate::jobs::archive::due::AgeType;
use crate::jobs::archive::side::{Source, Target};
use crate::pg::catalog::hand_over::{self, Asked, Leaf, Pair};
use crate::pg::catalog::partition::{self, Relation};
use crate::pg::catalog::relation::Kind;
use crate::pg::catalog::{functions, setting};
use crate::pg::fault::{self, Fault};
use crate::pg::ident::{TableName, quoted};
use crate::pg::session::Reader;

/// Catalog rows are cheap; nobody has more partitions.
const LEAVES_MAX: i64 = 10_000;
/// How long the question about one partition's rows may take.
const QUESTION_MS: u32 = 10_000;

/// Looks at the two tables; `None` where neither is partitioned.
///
/// # Errors
/// Where the server does not answer.
pub async fn look(
    reader: &mut Reader<'_>,
    name: &TableName,
    policy: &ArchiveTable,
    (source, target): (&Source, &Target),
) -> Result<Option<Looked>, Fault> {
    let is_partitioned = |kind| kind == Kind::Partitioned;
    if !is_partitioned(source.relation.kind) && !is_partitioned(target.relation.kind) {
        return Ok(None);
    }
    let version = reader.server.version;
    let mut found = partition::relations(reader.conn, version, &[name, &policy.into]).await?;
    found.sort_by_key(|relation| relation.asked);
    let Ok([from, into]) = <[Relation; 2]>::try_from(found) else { return Ok(None) };
    let default = default_of(reader.conn, &from).await?;
    let mut looked = Looked {
        pair: Pair::default(),
        leaves: Vec::new(),
        contents: BTreeMap::new(),
        into_default: default_of(reader.conn, &into).await?,
        default: default.map(|(name, _)| name),
        grants: Vec::new(),
        unsteady: Vec::new(),
        lock_timeout: setting::lock_timeout(reader.conn).await?,
        from,
        into,
    };
    let Some(age) = policy.age.column() else { return Ok(Some(looked)) };
    let age_type = source.columns.iter().find(|column| column.name == *age);
    let Some(age_type) = age_type.and_then(|column| AgeType::of(&column.base_type)) else {
        return Ok(Some(looked));
    };
    let asked = Asked { from: looked.from.oid, into: looked.into.oid, key_type: age_type.sql() };
    if fits(&looked.into, age, age_type) && fits(&looked.from, age, age_type) {
        let cutoff = age_type.cutoff(policy.older_than.before(reader.now, chrono_tz::UTC));
        let names = (CHECK, INDEX_PREFIX);
        looked.leaves =
            hand_over::leaves(reader.conn, version, asked, &cutoff, names, LEAVES_MAX).await?;
        looked.pair = hand_over::pair(reader.conn, version, asked).await?;
        looked.grants = hand_over::grants(reader.conn, asked.into).await?;
        contents_of(reader.conn, name, policy, (source, target), &mut looked).await?;
    }
    Ok(Some(looked))
}

/// Asks about the rows of those partitions that nothing else speaks against.
async fn contents_of(
    conn: &mut PgConnection,
    name: &TableName,
    policy: &ArchiveTable,
    tables: (&Source, &Target),
    looked: &mut Looked,
) -> Result<(), Fault> {
    if let Some(condition) = &policy.whole() {
        looked.unsteady = functions::unsteady_among(conn, condition.functions()).await?;
    }
    let mut candidates = 0;
    for leaf in &looked.leaves {
        if candidates == PARTITIONS_MAX {
            break;
        }
        if speaks_against(looked, leaf, name, policy, tables).is_some() {
            continue;
        }
        let contents = contents(conn, name, policy, leaf).await?;
        candidates += usize::from(contents.is_all_due());
        looked.contents.insert(leaf.oid, contents);
    }
    Ok(())
}

/// The name of a default partition, and whether it is empty; not to know counts as not empty.
async fn default_of(
    conn: &mut PgConnection,
    table: &Relation,
) -> Result<Option<(TableName, bool)>, Fault> {
    let Some(oid) = table.default_oid else { return Ok(None) };
    let failed = |error: sqlx::Error| Fault::from_sqlx("look at the default partition", &error);
    let row: Option<(String, String)> = sqlx::query_as(
        "SELECT n.nspname::text, c.relname::text FROM pg_class AS c \
         JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::int8::oid",
    )
    .bind(oid)
    .fetch_optional(&mut *conn)
    .await
    .map_err(failed)?;
    let Some(name) = row.and_then(|(schema, name)| TableName::new(schema, name).ok()) else {
        return Ok(None);
    };
    let is_empty = match ask(conn, &format!("SELECT NOT EXISTS (SELECT FROM {name})")).await {
        Ok(row) => row.try_get(0).map_err(failed)?,
        Err(_) => false,
    };
    Ok(Some((name, is_empty)))
}

async fn contents(
    conn: &mut PgConnection,
    name: &TableName,
    policy: &ArchiveTable,
    leaf: &Leaf,
) -> Result<Contents, Fault> {
    let table = format!("{}.{}", quoted(&leaf.schema), quoted(&leaf.name));
    let left = match &policy.whole() {
        Some(condition) => format!(
            "(SELECT count(*) FROM (SELECT FROM ONLY {table} AS {} WHERE {condition} IS NOT TRUE \
             LIMIT {}) AS left_over)",
            name.table,
            LEFT_MAX + 1
        ),
        None => "0::int8".to_owned(),
    };
    let asked = ask(conn, &format!("SELECT NOT EXISTS (SELECT FROM ONLY {table}), {left}")).await;
    let read = |row: sqlx::postgres::PgRow| {
        Ok(Contents {
            is_empty: row.try_get(0)?,
            left: Left::Rows(i64::unsigned_abs(row.try_get(1)?)),
        })
    };
    match asked.and_then(read) {
        Ok(contents) => Ok(contents),
        Err(error) => {
            let fault = Fault::from_sqlx("look for rows that are not due in", &error).on(table);
            // A time-out looks like a cancel; if it is one, the next statement is cancelled too.
            if fault.kind.ends_run() && fault.kind != fault::Kind::Cancelled {
                return Err(fault);
            }
            Ok(Contents { is_empty: false, left: Left::Unknown(fault) })
        }
    }
}

/// A question about rows, with a limit of its own.
async fn ask(conn: &mut PgConnection, sql: &str) -> Result<sqlx::postgres::PgRow, sqlx::Error> {
    let begin = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = {QUESTION_MS}; SET LOCAL lock_timeout = 200"
    );
    conn.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await?;
    let asked = conn.fetch_one(sqlx::query(AssertSqlSafe(sql)).persistent(false)).await;
    conn.execute("ROLLBACK").await?;
    asked
}
