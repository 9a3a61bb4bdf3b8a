//! What there is of pgtend's own schema: `plan` works before `migrate`, and beside an older schema.

use sqlx::PgConnection;

/// Whether a table of ours is there.
///
/// # Errors
/// Where the server does not answer.
pub async fn has_table(conn: &mut PgConnection, table: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(conn).await
}

/// Whether a table of ours is there, and has this column.
///
/// # Errors
/// Where the server does not answer.
pub async fn has_column(
    conn: &mut PgConnection,
    table: &str,
    column: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_attribute \
                        WHERE attrelid = to_regclass($1) AND attname = $2::name)",
    )
    .bind(table)
    .bind(column)
    .fetch_one(conn)
    .await
}
