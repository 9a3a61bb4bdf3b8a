//! How much WAL was written between two moments.
//!
//! From 18 on the server counts what each of its processes writes. Before, only where the whole server
//! stands is known: what others wrote meanwhile is in the difference, so that it is told by another name.

use std::fmt;

use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::version::Version;

/// A process tells its counts when it feels like it; now it does at the end of this statement.
const TELL: &str = "SELECT pg_stat_force_next_flush()";

/// What our own process has written since it began.
const OURS: &str = "\
SELECT pg_backend_pid(), wal_bytes::int8 FROM pg_stat_get_backend_wal(pg_backend_pid())";

/// What the whole server has.
const SERVERS: &str = "\
SELECT pg_backend_pid(), CASE WHEN pg_is_in_recovery() THEN NULL \
                              ELSE (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::int8 END";

/// Where it stands at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The server's process that was asked.
    pid: i32,
    stands: Wal,
}

/// WAL that was written; serialized by the name that log lines and JSON have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Wal {
    /// So many bytes by our session alone.
    #[serde(rename = "wal_bytes")]
    Ours(u64),
    /// So many bytes by the whole server, our session among others.
    #[serde(rename = "server_wal_bytes")]
    Servers(u64),
}

impl Mark {
    /// Asks, outside of any transaction. `None`: the server does not tell, as a standby would not.
    ///
    /// # Errors
    /// What the server or the connection says.
    pub(super) async fn set(
        conn: &mut PgConnection,
        version: Version,
    ) -> Result<Option<Self>, sqlx::Error> {
        let is_ours = version.counts_wal_of_sessions();
        if is_ours {
            sqlx::raw_sql(TELL).execute(&mut *conn).await?;
        }
        let question = if is_ours { OURS } else { SERVERS };
        let row =
            sqlx::query(AssertSqlSafe(question)).persistent(false).fetch_optional(conn).await?;
        let read = |row: &PgRow| -> Result<_, sqlx::Error> {
            Ok((row.try_get::<i32, _>(0)?, row.try_get::<Option<i64>, _>(1)?))
        };
        let Some((pid, Some(bytes))) = row.as_ref().map(read).transpose()? else {
            return Ok(None);
        };
        let bytes = bytes.unsigned_abs();
        let stands = if is_ours { Wal::Ours(bytes) } else { Wal::Servers(bytes) };
        Ok(Some(Self { pid, stands }))
    }

    /// What was written since an earlier mark. `None`: another process answered, as behind a pooler, or
    /// somebody has reset its counts.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Wal> {
        if self.pid != earlier.pid {
            return None;
        }
        match (self.stands, earlier.stands) {
            (Wal::Ours(now), Wal::Ours(then)) => now.checked_sub(then).map(Wal::Ours),
            (Wal::Servers(now), Wal::Servers(then)) => now.checked_sub(then).map(Wal::Servers),
            _ => None,
        }
    }
}

impl Wal {
    /// Both together. Of two kinds, which no one server tells, the first.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Ours(a), Self::Ours(b)) => Self::Ours(a.saturating_add(b)),
            (Self::Servers(a), Self::Servers(b)) => Self::Servers(a.saturating_add(b)),
            (first, _) => first,
        }
    }

    /// As columns: ours, the whole server's.
    #[must_use]
    pub fn columns(self) -> (Option<i64>, Option<i64>) {
        let bytes = |bytes| Some(i64::try_from(bytes).unwrap_or(i64::MAX));
        match self {
            Self::Ours(ours) => (bytes(ours), None),
            Self::Servers(servers) => (None, bytes(servers)),
        }
    }

    /// What [`Wal::columns`] wrote.
    #[must_use]
    pub fn of_columns(ours: Option<i64>, servers: Option<i64>) -> Option<Self> {
        let ours = ours.map(|bytes| Self::Ours(bytes.unsigned_abs()));
        ours.or_else(|| servers.map(|bytes| Self::Servers(bytes.unsigned_abs())))
    }

    /// `812 MiB`
    fn size(self) -> String {
        let (Self::Ours(bytes) | Self::Servers(bytes)) = self;
        match bytes {
            0..1_024 => format!("{bytes} B"),
            1_024..1_048_576 => format!("{} KiB", bytes >> 10),
            1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
            _ => format!("{}.{} GiB", bytes >> 30, ((bytes & 0x3fff_ffff) * 10) >> 30),
        }
    }

    /// `812 MiB`, `812 MiB, whole server`
    #[must_use]
    pub fn in_short(self) -> String {
        let whose = if matches!(self, Self::Servers(_)) { ", whole server" } else { "" };
        format!("{}{whose}", self.size())
    }
}

/// `812 MiB of WAL`
impl fmt::Display for Wal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if matches!(self, Self::Servers(_)) { " by the whole server" } else { "" };
        write!(f, "{} of WAL{whose}", self.size())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_compared_only_with_their_like() {
        let mark = |pid, stands| Mark { pid, stands };
        let since = |now, then| mark(1, now).since(mark(1, then));
        assert_eq!(since(Wal::Ours(7), Wal::Ours(3)), Some(Wal::Ours(4)));
        assert_eq!(since(Wal::Servers(7), Wal::Servers(7)), Some(Wal::Servers(0)));
        assert_eq!(since(Wal::Ours(3), Wal::Ours(7)), None, "reset");
        assert_eq!(since(Wal::Ours(7), Wal::Servers(3)), None);
        assert_eq!(mark(2, Wal::Ours(7)).since(mark(1, Wal::Ours(3))), None, "another process");
    }

    #[test]
    fn sums_are_of_one_kind() {
        assert_eq!(Wal::Ours(3).plus(Wal::Ours(4)), Wal::Ours(7));
        assert_eq!(Wal::Servers(3).plus(Wal::Servers(4)), Wal::Servers(7));
    }

    #[test]
    fn words() {
        let said = |bytes| Wal::Ours(bytes).to_string();
        assert_eq!(said(1_023), "1023 B of WAL");
        assert_eq!(said(1_536), "1 KiB of WAL");
        assert_eq!(said(812 << 20), "812 MiB of WAL");
        assert_eq!(said(3 << 29), "1.5 GiB of WAL");
        assert_eq!(Wal::Servers(2_048).to_string(), "2 KiB of WAL by the whole server");
    }
}
