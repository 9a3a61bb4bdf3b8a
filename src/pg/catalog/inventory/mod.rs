//! What stands on a table, reads it or is made of it: everything that a change of its identity
//! concerns. Whatever is not known by its kind is listed too, so that nothing is overlooked.

use serde::Deserialize;
use sqlx::{AssertSqlSafe, PgConnection};

use super::traits::Grant;
use crate::pg::fault::{Fault, Kind};
use crate::pg::version::Version;

mod fingerprint;

pub use fingerprint::{fingerprint, sql as fingerprint_sql};

/// Everything about one table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Inventory {
    /// `pg_class.relpersistence`: `p`, `u` or `t`.
    pub persistence: String,
    /// Its access method.
    pub access_method: Option<String>,
    /// Made `OF` a composite type.
    pub is_typed: bool,
    /// A partition of another table.
    pub is_partition: bool,
    /// Other tables inherit from it.
    pub has_heirs: bool,
    /// It inherits from another table.
    pub is_heir: bool,
    /// `COMMENT ON TABLE`
    pub comment: Option<String>,
    /// A subscription writes to it.
    pub is_subscribed: bool,
    /// It has security labels.
    pub has_labels: bool,
    /// The extension that made it.
    pub extension: Option<String>,
    /// In their order.
    pub columns: Vec<Column>,
    /// The primary key first.
    pub indexes: Vec<Index>,
    /// CHECK constraints, and NOT NULL ones that are NOT VALID (18).
    pub checks: Vec<Check>,
    /// Its foreign keys to other tables.
    pub references_out: Vec<ReferenceOut>,
    /// Foreign keys to it, its own among them.
    pub references_in: Vec<ReferenceIn>,
    /// Views that read it directly.
    pub views: Vec<View>,
    /// Functions with a parsed body (`BEGIN ATOMIC`) that read it.
    pub routines: Vec<Routine>,
    /// Functions whose text has its name somewhere; 100 at most.
    pub mentions: Vec<Mention>,
    /// Triggers that a person made.
    pub triggers: Vec<Trigger>,
    /// Rules.
    pub rules: Vec<String>,
    /// Publications it is part of, by name, schema or `FOR ALL TABLES`.
    pub publications: Vec<Publication>,
    /// Sequences that belong to its columns.
    pub sequences: Vec<Sequence>,
    /// Whatever else depends on it or on its row type, in the server's words.
    pub others: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub type_oid: i64,
    /// Its type in words.
    pub type_name: String,
    /// NULL is refused.
    pub is_not_null: bool,
    /// It has a default.
    pub has_default: bool,
    /// `GENERATED ALWAYS AS (…)`
    pub is_generated: bool,
}

/// An index, with its constraint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Index {
    /// Its name.
    pub name: String,
    /// The server uses it.
    pub is_valid: bool,
    /// No two rows have the same key.
    pub is_unique: bool,
    /// The primary key's.
    pub is_primary: bool,
    /// An exclusion constraint's.
    pub is_exclusion: bool,
    /// `REPLICA IDENTITY USING INDEX`
    pub is_replica_identity: bool,
    /// The constraint it serves.
    pub constraint: Option<String>,
    /// `UNIQUE (a, b)`
    pub constraint_def: Option<String>,
    /// That constraint is checked later.
    pub is_deferrable: bool,
    /// Its key columns, expressions left out.
    pub columns: Vec<String>,
    /// `INCLUDE`
    pub included: Vec<String>,
    /// `CREATE INDEX …`
    pub definition: String,
}

/// A CHECK or NOT NULL constraint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// All rows were held against it.
    pub is_valid: bool,
    /// Partitions have it too; otherwise `NO INHERIT`.
    pub is_inherited: bool,
}

/// A foreign key of the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReferenceOut {
    /// Its name.
    pub name: String,
    /// `FOREIGN KEY (…) REFERENCES …`
    pub definition: String,
    /// The table it points at, as SQL names it.
    pub table: String,
    /// All rows were held against it.
    pub is_valid: bool,
}

/// A foreign key that points at the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct ReferenceIn {
    /// Its name.
    pub name: String,
    /// `FOREIGN KEY (…) REFERENCES …`
    pub definition: String,
    /// The table that has it, as SQL names it.
    pub table: String,
    /// The table points at itself.
    pub is_own: bool,
    /// All rows were held against it.
    pub is_valid: bool,
    /// The table that has it is partitioned.
    pub is_partitioned: bool,
    /// We have the rights of that table's owner.
    pub may_alter: bool,
    /// The columns it points at.
    pub columns: Vec<String>,
}

/// A view.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct View {
    /// As SQL names it.
    pub name: String,
    /// It holds rows of its own.
    pub is_materialized: bool,
    /// Its owner.
    pub owner: String,
    /// We have the rights of its owner.
    pub may_alter: bool,
    /// `security_barrier=true`
    pub options: Vec<String>,
    /// Its query, ended by a semicolon.
    pub definition: String,
}

/// A function or procedure.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Routine {
    /// `public.f(integer)`
    pub name: String,
    /// We have the rights of its owner.
    pub may_alter: bool,
    /// `CREATE OR REPLACE FUNCTION …`
    pub definition: String,
}

/// A function whose text has the table's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Mention {
    /// `public.f(integer)`
    pub name: String,
    /// Its text has `ON CONFLICT`.
    pub upserts: bool,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// `FOR EACH ROW`
    pub is_row: bool,
    /// `pg_trigger.tgenabled`: `O` is the usual.
    pub enabled: String,
    /// `REFERENCING …`
    pub has_transition_tables: bool,
    /// `CREATE TRIGGER …`
    pub definition: String,
}

/// A publication.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Publication {
    /// Its name.
    pub name: String,
    /// The table is named in it; otherwise its schema is, or all tables are.
    pub is_listed: bool,
    /// `publish_via_partition_root`
    pub via_root: bool,
    /// We have the rights of its owner.
    pub may_alter: bool,
    /// Only some rows or columns of the table.
    pub is_partial: bool,
}

/// A sequence that belongs to a column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sequence {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The column.
    pub column: String,
    /// The column's identity: `a` ALWAYS, `d` BY DEFAULT; absent for a serial column.
    pub identity: Option<String>,
    /// `START WITH`
    pub start: String,
    /// `INCREMENT BY`
    pub increment: String,
    /// `MINVALUE`
    pub min: String,
    /// `MAXVALUE`
    pub max: String,
    /// `CACHE`
    pub cache: String,
    /// `CYCLE`
    pub cycles: bool,
    /// To others than its owner.
    pub grants: Vec<Grant>,
}

const INVENTORY: &str = include_str!("inventory.sql");

/// Reads it. `None`: there is no such table any more.
///
/// # Errors
/// Where the server does not answer, or somebody holds a view of it locked.
pub async fn of(
    conn: &mut PgConnection,
    version: Version,
    table: i64,
) -> Result<Option<Inventory>, Fault> {
    let failed = |error: &sqlx::Error| Fault::from_sqlx("take the inventory of a table", error);
    let sql = if version.has_published_columns() {
        let partial = "coalesce(r.prqual IS NOT NULL OR r.prattrs IS NOT NULL, false) OR";
        INVENTORY.replace("/*PARTIAL*/", partial)
    } else {
        INVENTORY.to_owned()
    };
    let text: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(table)
        .fetch_optional(conn)
        .await
        .map_err(|error| failed(&error))?;
    let parse = |text: String| {
        serde_json::from_str(&text).map_err(|error| {
            Fault::new(Kind::Bug, "take the inventory of a table", error.to_string())
        })
    };
    text.map(parse).transpose()
}
