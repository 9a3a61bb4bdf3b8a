//! What a partition holds: how many rows of which ranges. Read while nobody waits, and with a limit.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use crate::pg::fault::Fault;
use crate::pg::ident::{Ident, TableName};

/// A partition whose rows are counted.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// Its name.
    pub table: &'a TableName,
    /// The key column.
    pub key: &'a Ident,
    /// Its type, as SQL writes it.
    pub key_type: &'a str,
    /// How long one question may take.
    pub limit: Duration,
}

impl Asked<'_> {
    /// Whether it has more rows than this.
    ///
    /// # Errors
    /// Where the question takes too long, the table is locked, or our role may not read it.
    pub async fn has_more_than(&self, conn: &mut PgConnection, rows: u64) -> Result<bool, Fault> {
        let sql = format!("SELECT EXISTS (SELECT FROM ONLY {} OFFSET {rows})", self.table);
        let rows = self.ask(conn, &sql).await?;
        rows.first().map_or(Ok(false), |row| row.try_get(0)).map_err(|error| self.failed(&error))
    }

    /// The least key, as text; of those that are a moment, where `finite`.
    ///
    /// # Errors
    /// As above.
    pub async fn least(
        &self,
        conn: &mut PgConnection,
        finite: bool,
    ) -> Result<Option<String>, Fault> {
        let Self { table, key, .. } = self;
        let finite = if finite { format!(" AND {key} > '-infinity'") } else { String::new() };
        let sql = format!(
            "SELECT {key}::text FROM ONLY {table} WHERE {key} IS NOT NULL{finite} ORDER BY {key} LIMIT 1"
        );
        let rows = self.ask(conn, &sql).await?;
        rows.first().map(|row| row.try_get(0)).transpose().map_err(|error| self.failed(&error))
    }

    /// The greatest key, as text; of those that are a moment, where `finite`.
    ///
    /// # Errors
    /// As above.
    pub async fn greatest(
        &self,
        conn: &mut PgConnection,
        finite: bool,
    ) -> Result<Option<String>, Fault> {
        let Self { table, key, .. } = self;
        let finite = if finite { format!(" AND {key} < 'infinity'") } else { String::new() };
        let sql = format!(
            "SELECT {key}::text FROM ONLY {table} WHERE {key} IS NOT NULL{finite} ORDER BY {key} DESC LIMIT 1"
        );
        let rows = self.ask(conn, &sql).await?;
        rows.first().map(|row| row.try_get(0)).transpose().map_err(|error| self.failed(&error))
    }

    /// How many rows it has, but no more than this and one.
    ///
    /// # Errors
    /// As above.
    pub async fn count_up_to(&self, conn: &mut PgConnection, rows: u64) -> Result<u64, Fault> {
        let sql =
            format!("SELECT count(*) FROM (SELECT FROM ONLY {} LIMIT {rows} + 1) s", self.table);
        let found = self.ask(conn, &sql).await?;
        let count = found.first().map_or(Ok(0), |row| row.try_get::<i64, _>(0));
        count.map(i64::unsigned_abs).map_err(|error| self.failed(&error))
    }

    /// Which of these conditions on the key some row meets, in their order. An index on the key
    /// answers at once.
    ///
    /// # Errors
    /// As above.
    pub async fn which(
        &self,
        conn: &mut PgConnection,
        conditions: &[String],
    ) -> Result<Vec<bool>, Fault> {
        let asked = conditions
            .iter()
            .map(|condition| format!("EXISTS (SELECT FROM ONLY {} WHERE {condition})", self.table));
        let sql = format!("SELECT ARRAY[{}]::bool[]", asked.collect::<Vec<_>>().join(", "));
        let found = self.ask(conn, &sql).await?;
        let answer = found.first().map_or(Ok(Vec::new()), |row| row.try_get(0));
        answer.map_err(|error| self.failed(&error))
    }

    /// Rows between these ascending bounds, which are SQL literals: before the first, between each
    /// and the next, from the last on with those without a key.
    ///
    /// # Errors
    /// As above.
    pub async fn spread(
        &self,
        conn: &mut PgConnection,
        bounds: &[String],
    ) -> Result<Vec<u64>, Fault> {
        let Self { table, key, key_type, .. } = self;
        let sql = format!(
            "SELECT COALESCE(width_bucket({key}, ARRAY[{}]::{key_type}[]), {last})::int8, count(*) \
             FROM ONLY {table} GROUP BY 1",
            bounds.join(", "),
            last = bounds.len(),
        );
        let mut counts = vec![0; bounds.len() + 1];
        for row in self.ask(conn, &sql).await? {
            let read = |index| row.try_get::<i64, _>(index).map_err(|error| self.failed(&error));
            let bucket = usize::try_from(read(0)?).unwrap_or(0);
            if let Some(count) = counts.get_mut(bucket) {
                *count = read(1)?.unsigned_abs();
            }
        }
        Ok(counts)
    }

    async fn ask(
        &self,
        conn: &mut PgConnection,
        sql: &str,
    ) -> Result<Vec<sqlx::postgres::PgRow>, Fault> {
        let begin = format!(
            "BEGIN READ ONLY; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = 200",
            self.limit.as_millis()
        );
        conn.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await.map_err(|e| self.failed(&e))?;
        let asked = conn.fetch_all(sqlx::query(AssertSqlSafe(sql)).persistent(false)).await;
        conn.execute("ROLLBACK").await.map_err(|error| self.failed(&error))?;
        asked.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &sqlx::Error) -> Fault {
        Fault::from_sqlx("look into", error).on(self.table)
    }
}
