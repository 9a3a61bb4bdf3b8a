//! What stands in the server's catalog. Reads only, and no policy.
//!
//! Every function takes a connection and names what it looks for; what does not exist is `None` or
//! an empty list, never an error.
pub mod adoption;
pub mod carve;
pub mod clutter;
pub mod columns;
pub mod foreign_keys;
pub mod functions;
pub mod hand_over;
pub mod indexes;
pub mod inventory;
pub mod leftover;
pub mod likeness;
pub mod own;
pub mod partition;
pub mod partition_contents;
pub mod partition_default;
pub mod partition_ids;
pub mod partman;
pub mod policies;
pub mod pressure;
pub mod privileges;
pub mod publications;
pub mod quarantine;
pub mod relation;
pub mod served;
pub mod setting;
pub mod shape;
pub mod stamp;
pub mod traits;
pub mod triggers;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::fault::{Fault, Kind};
use super::ident::{Ident, TableName};

fn failed(error: sqlx::Error) -> Fault {
    Fault::from_sqlx("read the catalog", &error)
}

/// A column that holds a name of the catalog, cast to text.
fn ident(row: &PgRow, index: usize) -> Result<Ident, Fault> {
    let name: String = row.try_get(index).map_err(failed)?;
    Ident::new(name).map_err(|error| Fault::new(Kind::Bug, "read the catalog", error.to_string()))
}

/// Two columns: schema and table.
fn table_name(row: &PgRow, index: usize) -> Result<TableName, Fault> {
    Ok(TableName { schema: ident(row, index)?, table: ident(row, index + 1)? })
}
