//! The other ways to move rows.

use std::fmt::Write as _;
use std::time::Duration;

use pgtend::time::clock;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::common::{since, timed_sql};
use super::world::{COLUMNS, FINISHED};

/// One statement for everything that is older: the fastest that a careful hand writes.
pub async fn single_statement(conn: &mut PgConnection, older_than: &str) -> Duration {
    let sql = format!(
        "WITH moved AS (DELETE FROM ml_jobs WHERE created_at < now() - interval '{older_than}' AND {FINISHED} \
         RETURNING {COLUMNS}) \
         INSERT INTO ml_jobs_archive ({COLUMNS}) SELECT {COLUMNS} FROM moved"
    );
    timed_sql(conn, &sql).await
}

/// A row, at the client.
#[derive(sqlx::FromRow)]
struct Job {
    id: i64,
    #[sqlx(rename = "job_uuid")]
    uuid: String,
    customer_id: i32,
    status: String,
    created_at: chrono::DateTime<chrono::Utc>,
    score: Option<f64>,
    payload: String,
}

/// Row by row over the connection, in one transaction: the next row of a cursor, its INSERT, its
/// DELETE. Takes so many rows from this id on.
pub async fn row_by_row(conn: &mut PgConnection, first: u32, count: u32) -> Duration {
    let started = clock::monotonic();
    let mut transaction = conn.begin().await.expect("begin");
    let declare = format!(
        "DECLARE due CURSOR FOR SELECT id, job_uuid::text, customer_id, status, created_at, score, payload \
         FROM ml_jobs WHERE id >= {first} AND id < {first} + {count} FOR UPDATE"
    );
    sqlx::raw_sql(AssertSqlSafe(declare)).execute(&mut *transaction).await.expect("declare");
    while let Some(job) = sqlx::query_as::<_, Job>("FETCH NEXT FROM due")
        .fetch_optional(&mut *transaction)
        .await
        .expect("fetch")
    {
        add(&mut transaction, &job).await;
        let delete = sqlx::query("DELETE FROM ml_jobs WHERE CURRENT OF due");
        delete.execute(&mut *transaction).await.expect("delete");
    }
    transaction.commit().await.expect("commit");
    since(started)
}

/// The same inside the server, without a round trip: what row by row can be at best.
pub async fn row_by_row_inside(conn: &mut PgConnection, first: u32, count: u32) -> Duration {
    let sql = format!(
        "DO $$ DECLARE
           due CURSOR FOR SELECT * FROM ml_jobs WHERE id >= {first} AND id < {first} + {count} FOR UPDATE;
         BEGIN FOR job IN due LOOP
           INSERT INTO ml_jobs_archive ({COLUMNS}) VALUES (job.id, job.job_uuid, job.customer_id, job.status,
             job.created_at, job.score, job.payload);
           DELETE FROM ml_jobs WHERE CURRENT OF due;
         END LOOP; END $$"
    );
    timed_sql(conn, &sql).await
}

/// Load all, add all, `DELETE … IN` by a thousand: what an object-relational mapper sends that does
/// not batch its inserts, without the time it spends on objects.
pub async fn objects(conn: &mut PgConnection, first: u32, count: u32) -> Duration {
    let started = clock::monotonic();
    let mut transaction = conn.begin().await.expect("begin");
    let load = format!(
        "SELECT id, job_uuid::text, customer_id, status, created_at, score, payload FROM ml_jobs \
         WHERE id >= {first} AND id < {first} + {count}"
    );
    let jobs: Vec<Job> =
        sqlx::query_as(AssertSqlSafe(load)).fetch_all(&mut *transaction).await.expect("load");
    for job in &jobs {
        add(&mut transaction, job).await;
    }
    for chunk in jobs.chunks(1000) {
        let mut delete = String::from("DELETE FROM ml_jobs WHERE id IN (0");
        for job in chunk {
            // Writing to a string cannot fail.
            let _ = write!(delete, ", {}", job.id);
        }
        delete.push(')');
        sqlx::raw_sql(AssertSqlSafe(delete)).execute(&mut *transaction).await.expect("delete");
    }
    transaction.commit().await.expect("commit");
    since(started)
}

async fn add(conn: &mut PgConnection, job: &Job) {
    let add = format!(
        "INSERT INTO ml_jobs_archive ({COLUMNS}) VALUES ($1, $2::uuid, $3, $4, $5, $6, $7)"
    );
    sqlx::query(AssertSqlSafe(add))
        .bind(job.id)
        .bind(&job.uuid)
        .bind(job.customer_id)
        .bind(&job.status)
        .bind(job.created_at)
        .bind(job.score)
        .bind(&job.payload)
        .execute(conn)
        .await
        .expect("add");
}
