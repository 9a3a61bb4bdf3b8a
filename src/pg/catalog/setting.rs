//! What the session is set to.

use std::time::Duration;

use sqlx::PgConnection;

use crate::pg::fault::Fault;

/// What the session waits for a lock at most.
///
/// # Errors
/// Where the server does not answer.
pub async fn lock_timeout(conn: &mut PgConnection) -> Result<Duration, Fault> {
    let milliseconds: i64 =
        sqlx::query_scalar("SELECT setting::int8 FROM pg_settings WHERE name = 'lock_timeout'")
            .fetch_one(conn)
            .await
            .map_err(|error| Fault::from_sqlx("read the session's settings", &error))?;
    Ok(Duration::from_millis(milliseconds.unsigned_abs()))
}
