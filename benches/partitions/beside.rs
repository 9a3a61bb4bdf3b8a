//! Two databases of one server that are copies of each other: one for `pg_partman`, one for us.
//!
//! `pg_partman`'s own `create_parent` makes the 200 sets: 17 monthly partitions and a default one
//! each, with a primary key, an index and a thousand rows. It comes from Debian's package, which
//! `scripts/partman` installs. Server, settings, tables, owner and grants are the same for both.

use std::fmt::Write;

use pgtend::throwaway::Server;
use sqlx::PgConnection;

use super::support::{run, with_partman};
use super::{connect, start, value};

pub const PARENTS: u32 = 200;
/// Eight months back, the present one and eight ahead.
pub const PREMAKE: u32 = 8;

/// What `pg_partman` is asked to do: what its background worker calls, and `pg_cron` in its manual.
/// It commits after each set.
pub const MAINTENANCE: &str = "CALL partman.run_maintenance_proc()";

/// A server with both databases, both maintained once, so that nothing is left to do.
pub struct Beside {
    pub server: Server,
    /// Of `pg_partman`.
    pub version: String,
}

impl Beside {
    /// Makes it; nothing where `pg_partman` is not installed, which is said.
    pub async fn make() -> Option<Self> {
        let Some(binaries) = with_partman() else {
            println!(
                "SKIPPED: pg_partman is not installed; scripts/partman installs Debian's package"
            );
            return None;
        };
        let server = start(&binaries);
        let mut admin = connect(&server, "postgres").await;
        run(&mut admin, "CREATE DATABASE theirs").await;
        let version = sets(&mut connect(&server, "theirs").await).await;
        let this = Self { server, version };
        this.copy(&mut admin, "theirs", "ours").await;
        Some(this)
    }

    /// A copy of a database. Nobody may be connected to the one that is copied.
    pub async fn copy(&self, admin: &mut PgConnection, from: &str, to: &str) {
        run(admin, &format!("CREATE DATABASE {to} TEMPLATE {from}")).await;
    }

    /// What stands beside what, for the head of a scene.
    pub fn words(&self) -> String {
        format!(
            "PostgreSQL {}, pg_partman {}, fsync on; {PARENTS} parents of 17 partitions and a default one",
            self.server.major(),
            self.version
        )
    }

    /// Our configuration of the same sets.
    pub fn config(&self, database: &str, premake: u32) -> String {
        format!("[database]\nurl = \"{}\"\n{}", self.server.url(database), sections(premake))
    }
}

/// The sections of all sets.
pub fn sections(premake: u32) -> String {
    let mut text = "[partitions]\nschedule = \"17 * * * *\"\n".to_owned();
    for number in 0..PARENTS {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "[partitions.tables.\"public.set_{number}\"]\ninterval = \"1 month\"\npremake = \"{premake} months\"\n"
        );
    }
    text
}

/// Makes the sets, and says which version of the extension did.
async fn sets(conn: &mut PgConnection) -> String {
    run(conn, "CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman").await;
    let sql = "SELECT extversion FROM pg_extension WHERE extname = 'pg_partman'";
    let version = value(conn, sql).await;
    let shape = if version.starts_with('4') { "'native', 'monthly'" } else { "'1 month'" };
    for number in 0..PARENTS {
        let sql = format!(
            "CREATE TABLE set_{number} (id bigint NOT NULL, at timestamptz NOT NULL, kind text, payload jsonb, \
                PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
             CREATE INDEX ON set_{number} (kind, at);
             SELECT partman.create_parent('public.set_{number}', 'at', {shape}, p_premake := {PREMAKE})"
        );
        run(conn, &sql).await;
    }
    // Without it, it makes no partition ahead of an empty table.
    run(conn, "UPDATE partman.part_config SET infinite_time_partitions = true").await;
    let fill = format!(
        "DO $$ BEGIN FOR n IN 0..{} LOOP
           EXECUTE format('INSERT INTO set_%s SELECT g, now() - interval ''5 hours'' * g, ''k'', ''{{}}''
                           FROM generate_series(1, 1000) g', n);
         END LOOP; END $$",
        PARENTS - 1
    );
    run(conn, &fill).await;
    run(conn, MAINTENANCE).await;
    run(conn, "VACUUM ANALYZE").await;
    version
}

/// How many partitions there are.
pub async fn partitions(conn: &mut PgConnection) -> u32 {
    let sql = "SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r'";
    value(conn, sql).await.parse().expect("a count")
}
