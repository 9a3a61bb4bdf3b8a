//! The first look at a server: what it is, and whether pgtend may work there.

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row};

use super::fault::{Fault, Kind};
use super::ident::Ident;
use super::version::{MAJOR_MAX, MAJOR_MIN, Version};

/// What is known of the server after the first look.
#[derive(Debug, Clone)]
pub struct ServerFacts {
    /// Its version.
    pub version: Version,
    /// The database we are connected to.
    pub database: String,
    /// `host:port`, or the socket's directory.
    pub address: String,
    /// pgtend's own schema.
    pub schema: Ident,
    /// The role we are connected as.
    pub user: String,
}

/// What one look at the server found.
pub(super) struct Look {
    pub facts: ServerFacts,
    pub standby: bool,
}

const LOOK: &str = "\
SELECT current_setting('server_version_num')::int, current_database()::text, current_user::text, \
       pg_is_in_recovery()";

/// Looks. The simple protocol: nothing may be prepared where a pooler could stand in between.
pub(super) async fn look(
    conn: &mut PgConnection,
    schema: &Ident,
    address: &str,
) -> Result<Look, Fault> {
    let failed = |error: sqlx::Error| Fault::from_sqlx("look at the server", &error);
    let row = conn.fetch_one(sqlx::raw_sql(LOOK)).await.map_err(failed)?;
    let version: i32 = row.try_get(0).map_err(failed)?;
    Ok(Look {
        facts: ServerFacts {
            version: Version(version.unsigned_abs()),
            database: row.try_get(1).map_err(failed)?,
            address: address.to_owned(),
            schema: schema.clone(),
            user: row.try_get(2).map_err(failed)?,
        },
        standby: row.try_get(3).map_err(failed)?,
    })
}

/// Refuses a version pgtend does not know.
pub(super) fn supported(version: Version, address: &str) -> Result<(), Fault> {
    if version.is_supported() {
        return Ok(());
    }
    Err(Fault::new(
        Kind::Configuration,
        "connect to",
        format!("the server is PostgreSQL {version}; pgtend works on {MAJOR_MIN} to {MAJOR_MAX}"),
    )
    .on(address)
    .with_hint("use a version of pgtend made for it"))
}

/// The server can become a primary; until then nothing can be claimed on it.
pub(super) fn standby(address: &str) -> Fault {
    Fault::new(Kind::Standby, "connect to", "the server is a standby; pgtend works on the primary")
        .on(address)
        .with_hint("pgtend tries again by itself, and goes on after a promotion")
}

/// Refuses a pooler that gives each statement the server connection at hand.
///
/// Two connections that are open at once have one server process each, and keep it. Asked in the
/// order first, second, second, first, a pooler that hands out the connection used last shows one
/// process for both, and one that goes round shows two for the second.
pub(super) async fn refuse_transaction_pooler(
    first: &mut PgConnection,
    second: &mut PgConnection,
) -> Result<(), Fault> {
    let one = backend(first).await?;
    let other = backend(second).await?;
    let other_again = backend(second).await?;
    let one_again = backend(first).await?;
    if one == one_again && other == other_again && one != other {
        return Ok(());
    }
    Err(Fault::new(
        Kind::Configuration,
        "connect",
        "a transaction pooler stands in between: two open connections share one server process, \
         so session settings, cancellation and prepared statements would reach other clients",
    )
    .with_hint(
        "connect to the server itself, or to a pool in session mode with database.pooler = \"session\"",
    ))
}

async fn backend(conn: &mut PgConnection) -> Result<i32, Fault> {
    conn.fetch_one(sqlx::raw_sql("SELECT pg_backend_pid()"))
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| Fault::from_sqlx("look at the server", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_outside_of_13_to_18_are_refused() {
        for (number, refused) in
            [(120_022, true), (130_000, false), (180_004, false), (190_000, true)]
        {
            let answer = supported(Version(number), "db:5432");
            assert_eq!(answer.is_err(), refused, "{number}");
            if let Err(fault) = answer {
                assert_eq!(fault.kind.exit_code(), 78);
                assert!(fault.to_string().contains("works on 13 to 18"), "{fault}");
            }
        }
    }
}
