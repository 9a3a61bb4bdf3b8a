//! What our role may do.

use sqlx::postgres::types::Oid;
use sqlx::{PgConnection, Row};

use super::failed;
use crate::pg::fault::Fault;
use crate::pg::ident::{Ident, TableName};

/// Which of these privileges (`SELECT`, `DELETE`, …) our role lacks on a table.
///
/// # Errors
/// Where the server does not answer.
pub async fn missing_on_table(
    conn: &mut PgConnection,
    table: Oid,
    wanted: &[&str],
) -> Result<Vec<String>, Fault> {
    sqlx::query_scalar(
        "SELECT p FROM unnest($2::text[]) WITH ORDINALITY AS w(p, place) \
         WHERE NOT has_table_privilege($1, p) ORDER BY place",
    )
    .bind(table)
    .bind(wanted)
    .fetch_all(conn)
    .await
    .map_err(failed)
}

/// Whether our role may alter a table: as its owner, or a member of it.
///
/// # Errors
/// Where the server does not answer.
pub async fn may_alter(conn: &mut PgConnection, table: Oid) -> Result<bool, Fault> {
    sqlx::query_scalar("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = $1")
        .bind(table)
        .fetch_one(conn)
        .await
        .map_err(failed)
}

/// What our role may do in a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaRights {
    /// Reach what is in it.
    pub may_use: bool,
    /// Create tables in it.
    pub may_create: bool,
    /// Hand a table we create in it to this owner, and still use it.
    pub may_hand_over: bool,
}

/// A role gives a table away only to a role it may become, and that may create in the schema.
const SCHEMA: &str = "\
SELECT has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE'), \
       pg_has_role($2::name, 'USAGE') AND has_schema_privilege($2::name, n.oid, 'CREATE') \
       AND pg_has_role($2::name, CASE WHEN current_setting('server_version_num')::int >= 160000 \
                                THEN 'SET' ELSE 'MEMBER' END) \
FROM pg_namespace AS n WHERE n.nspname = $1";

/// Our rights in a table's schema, given who is to own the table. `None`: there is no such schema.
///
/// # Errors
/// Where the server does not answer.
pub async fn in_schema_of(
    conn: &mut PgConnection,
    table: &TableName,
    owner: &Ident,
) -> Result<Option<SchemaRights>, Fault> {
    let row = sqlx::query(SCHEMA)
        .bind(table.schema.as_str())
        .bind(owner.as_str())
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(SchemaRights {
        may_use: row.try_get(0).map_err(failed)?,
        may_create: row.try_get(1).map_err(failed)?,
        may_hand_over: row.try_get(2).map_err(failed)?,
    }))
}
