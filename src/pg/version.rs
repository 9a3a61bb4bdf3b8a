//! The server's version, and what follows from it.

use std::fmt;

/// The oldest major version pgtend works on.
pub const MAJOR_MIN: u32 = 13;
/// The newest major version pgtend is tested on.
pub const MAJOR_MAX: u32 = 18;

/// `server_version_num`, for example 180004 for 18.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32);

impl Version {
    /// The major version, 13 to 18 on a supported server.
    #[must_use]
    pub fn major(self) -> u32 {
        self.0 / 10_000
    }

    /// Whether pgtend may work here: older ones lack what the recipes stand on, newer ones are
    /// untested.
    #[must_use]
    pub fn is_supported(self) -> bool {
        (MAJOR_MIN..=MAJOR_MAX).contains(&self.major())
    }

    /// `ANALYZE ONLY parent` gathers a partitioned parent's statistics without its partitions.
    #[must_use]
    pub fn has_analyze_only(self) -> bool {
        self.major() >= 18
    }

    /// `transaction_timeout` exists.
    #[must_use]
    pub fn has_transaction_timeout(self) -> bool {
        self.major() >= 17
    }

    /// The privilege MAINTAIN exists: others than the owner can be allowed to ANALYZE.
    #[must_use]
    pub fn has_maintain(self) -> bool {
        self.major() >= 17
    }

    /// Checkpoints are counted in `pg_stat_checkpointer`; before, in `pg_stat_bgwriter`.
    #[must_use]
    pub fn has_checkpointer_view(self) -> bool {
        self.major() >= 17
    }

    /// Statistics counters live in shared memory: what a session reports is seen at once. Before,
    /// a collector process passes it on within about half a second.
    #[must_use]
    pub fn has_immediate_counters(self) -> bool {
        self.major() >= 15
    }

    /// `pg_stat_get_backend_wal` exists: the WAL that one session writes is counted.
    #[must_use]
    pub fn counts_wal_of_sessions(self) -> bool {
        self.major() >= 18
    }

    /// `client_connection_check_interval` exists: the server notices a client that is gone.
    #[must_use]
    pub fn has_connection_check(self) -> bool {
        self.major() >= 14
    }

    /// `pg_inherits.inhdetachpending` exists, as does `DETACH … CONCURRENTLY`.
    #[must_use]
    pub fn has_detach_concurrently(self) -> bool {
        self.major() >= 14
    }

    /// ATTACH takes SHARE ROW EXCLUSIVE on tables whose foreign keys point at the parent. Before, it
    /// only reads them.
    #[must_use]
    pub fn attach_locks_referrers(self) -> bool {
        self.major() >= 15
    }

    /// A membership has the options SET and INHERIT of its own.
    #[must_use]
    pub fn has_grant_with_set(self) -> bool {
        self.major() >= 16
    }

    /// Column compression can be set, and copied by `LIKE … INCLUDING COMPRESSION`.
    #[must_use]
    pub fn has_column_compression(self) -> bool {
        self.major() >= 14
    }

    /// A publication can hold some rows or columns of a table only.
    #[must_use]
    pub fn has_published_columns(self) -> bool {
        self.major() >= 15
    }

    /// A unique index may treat NULLs as equal.
    #[must_use]
    pub fn has_nulls_not_distinct(self) -> bool {
        self.major() >= 15
    }

    /// A ctid range condition is a TID range scan, not a sequential scan.
    #[must_use]
    pub fn has_tid_range_scan(self) -> bool {
        self.major() >= 14
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.0 % 10_000)
    }
}
