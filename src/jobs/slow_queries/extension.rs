//! Where `pg_stat_statements` is installed, which version, and the SQL that version understands.
//!
//! The extension's version decides, not the server's: after an upgrade of the server it stays what
//! it was. It may live in any schema.

use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::Ident;

/// Finds it.
pub const FIND: &str = "\
SELECT n.nspname::text, e.extversion
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'";

/// Texts are read up to this length, in characters. The redacted text is shorter still.
const TEXT_READ_MAX: usize = 16_384;

/// An installed extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    schema: Ident,
    version: (u32, u32),
}

impl Extension {
    /// From what [`FIND`] returned.
    ///
    /// # Errors
    /// `Configuration` where it is not installed or too old, with the cure.
    pub fn judge(found: Option<(String, String)>, database: &str) -> Result<Self, Fault> {
        let fault = |message: String| {
            Fault::new(Kind::Configuration, "read", message).on("pg_stat_statements")
        };
        let (schema, text) = found.ok_or_else(|| {
            fault(format!("the extension is not installed in database {database}")).with_hint(
                "as a superuser, in that database: CREATE EXTENSION pg_stat_statements; it also \
                 has to be in shared_preload_libraries",
            )
        })?;
        let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if version < (1, 8) {
            return Err(fault(format!("the extension has version {text}; 1.8 or later is needed"))
                .with_hint("ALTER EXTENSION pg_stat_statements UPDATE"));
        }
        let schema = Ident::new(schema).map_err(|error| fault(error.to_string()))?;
        Ok(Self { schema, version })
    }

    /// As the catalog has it: `1.11`.
    #[must_use]
    pub fn version(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    fn has(&self, minor: u32) -> bool {
        self.version >= (1, minor)
    }

    /// What concerns all entries. It is read before the entries, so that one created in between
    /// is younger than this. `$1` is the database (oid).
    #[must_use]
    pub fn marks_sql(&self) -> String {
        let Self { schema, .. } = self;
        let (fields, info) = if self.has(9) {
            let info = format!("CROSS JOIN {schema}.pg_stat_statements_info() i ");
            ("i.stats_reset, i.dealloc AS evictions", info)
        } else {
            ("NULL::timestamptz AS stats_reset, NULL::bigint AS evictions", String::new())
        };
        format!(
            "SELECT clock_timestamp() AS taken_at, \
             pg_catalog.pg_postmaster_start_time() AS started_at, \
             (SELECT system_identifier FROM pg_catalog.pg_control_system()) AS system, \
             {fields}, c.entries, c.hidden, \
             pg_catalog.current_setting('pg_stat_statements.max')::bigint AS entries_max, \
             pg_catalog.current_setting('track_io_timing')::boolean AS times_io, \
             pg_catalog.current_setting('block_size')::bigint AS block_bytes, \
             coalesce(pg_catalog.current_setting('compute_query_id', true), 'on') <> 'off' \
             AS records \
             FROM (SELECT count(*) AS entries, \
             count(*) FILTER (WHERE s.dbid = $1 AND s.queryid IS NULL) AS hidden \
             FROM {schema}.pg_stat_statements(false) s) c {info}"
        )
    }

    /// The entries of one database, without their texts: reading those costs ten times as much and
    /// writes a temporary file. Times come in whole microseconds. `$1` is the database (oid).
    #[must_use]
    pub fn entries_sql(&self) -> String {
        let io = if self.has(11) {
            "shared_blk_read_time + shared_blk_write_time + local_blk_read_time \
             + local_blk_write_time + temp_blk_read_time + temp_blk_write_time"
        } else if self.has(10) {
            "blk_read_time + blk_write_time + temp_blk_read_time + temp_blk_write_time"
        } else {
            "blk_read_time + blk_write_time"
        };
        let since = if self.has(11) {
            "stats_since, minmax_stats_since"
        } else {
            "NULL::timestamptz AS stats_since, NULL::timestamptz AS minmax_stats_since"
        };
        format!(
            "SELECT userid AS role, {} AS toplevel, queryid, calls, \
             ((total_plan_time + total_exec_time) * 1000)::bigint AS time, rows, \
             shared_blks_hit AS hit, shared_blks_read AS read, temp_blks_written AS temp_written, \
             (({io}) * 1000)::bigint AS io, wal_bytes::bigint AS wal, \
             (min_exec_time * 1000)::bigint AS min_us, \
             (max_exec_time * 1000)::bigint AS max_us, {since} \
             FROM {}.pg_stat_statements(false) WHERE dbid = $1 AND queryid IS NOT NULL",
            self.toplevel(),
            self.schema,
        )
    }

    /// The texts of some statements: `$1` is the database (oid), `$2`, `$3` and `$4` are the parts
    /// of their keys.
    #[must_use]
    pub fn texts_sql(&self) -> String {
        format!(
            "SELECT DISTINCT ON (role, toplevel, queryid) role, toplevel, queryid, \
             coalesce(r.rolname::text, role::text) AS role_name, \
             pg_catalog.left(s.query, {TEXT_READ_MAX}) AS query \
             FROM (SELECT userid AS role, {} AS toplevel, queryid, query \
             FROM {}.pg_stat_statements(true) WHERE dbid = $1) s \
             JOIN unnest($2::oid[], $3::boolean[], $4::bigint[]) AS k (role, toplevel, queryid) \
             USING (role, toplevel, queryid) \
             LEFT JOIN pg_catalog.pg_roles r ON r.oid = role",
            self.toplevel(),
            self.schema,
        )
    }

    fn toplevel(&self) -> &'static str {
        if self.has(9) { "toplevel" } else { "true" }
    }
}

/// Explains the server's refusals.
#[must_use]
pub fn explain(error: &sqlx::Error) -> Fault {
    let mut fault = Fault::from_sqlx("read", error).on("pg_stat_statements");
    match fault.sqlstate.as_deref() {
        Some("55000") => {
            fault.kind = Kind::Configuration;
            fault.with_hint("add it to shared_preload_libraries and restart the server")
        }
        Some("42501") => fault.with_hint(
            "GRANT USAGE ON the extension's SCHEMA and EXECUTE ON its FUNCTIONs to this role",
        ),
        _ => fault,
    }
}
