//! The application's tables and their history.

use super::stage::{Stage, connect, run};
use crate::pg::fault::Fault;

/// Jobs loaded, numbered from 1.
pub const JOBS: i64 = 200_000;
/// Rows of `activity_logs` loaded.
pub const LOGS: i64 = 300_000;
/// Rows of `events` loaded.
pub const EVENTS: i64 = 60_000;
/// Customers, numbered from 0; fifty of them are a team.
pub const CUSTOMERS: i32 = 1_000;
/// Teams.
pub const TEAMS: i32 = CUSTOMERS / 50;

const SCHEMA: &str = include_str!("schema.sql");
const ROWS: &str = include_str!("rows.sql");
const ANALYZE: &str = include_str!("analyze.sql");

/// The index somebody will drop.
pub const DROP_INDEX: &str = "DROP INDEX activity_logs_customer_id_created_at_idx";
/// And make again.
pub const CREATE_INDEX: &str = "CREATE INDEX activity_logs_customer_id_created_at_idx ON activity_logs (customer_id, created_at)";

/// Loads everything; about three seconds.
///
/// # Errors
/// What the server reports.
pub async fn load(stage: &Stage) -> Result<(), Fault> {
    // A connection each: the server counts a transaction's rows when it ends, and up to 14 a
    // connection's when that ends. Otherwise the rows would count as changed since the ANALYZE.
    for sql in [SCHEMA, ROWS, ANALYZE] {
        let mut conn = connect(&stage.options(super::stage::Role::Application)?).await?;
        run(&mut conn, sql).await?;
        close(conn).await;
    }
    Ok(())
}

async fn close(conn: sqlx::PgConnection) {
    // It has done its work; a lost goodbye changes nothing.
    let _ = sqlx::Connection::close(conn).await;
}
