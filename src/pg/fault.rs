//! Errors already classified, and the one table of SQLSTATEs.
//!
//! A [`Fault`] says what was being done, to which object, why it failed and what to do. Whether it
//! is worth another try, whether it concerns one table or the whole run, and which exit code it
//! ends in follow from its [`Kind`] and nothing else.

use std::fmt;
use std::time::Duration;

/// What went wrong, as far as the reaction depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No connection, or it broke.
    Unreachable,
    /// The server is a standby: it can become a primary.
    Standby,
    /// The lock was not had within `lock_timeout`.
    LockNotHad,
    /// Deadlock, serialization failure: the transaction may simply be run again.
    Conflict,
    /// Out of memory, disk, connections or locks on the server.
    Exhausted,
    /// Cancelled from outside: by us while stopping, or by an administrator.
    Cancelled,
    /// A deadline was reached: `statement_timeout` or the job's `timeout`.
    TimedOut,
    /// Another process holds the claim now.
    LeaseLost,
    /// The role may not do this.
    Permission,
    /// The configuration cannot work with this server.
    Configuration,
    /// The evidence an action stood on no longer holds; the next run looks again.
    Changed,
    /// The policy forbids this table as it is; a person must change something.
    Refused,
    /// Reading or writing a file.
    Io,
    /// pgtend itself is wrong.
    Bug,
    /// Any other error of the server.
    Server,
}

/// What the caller does about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same step may succeed if run again.
    Retry,
    /// Leave this object for the next run.
    Skip,
    /// Report it; trying again changes nothing.
    Fail,
}

/// A session that stood in the way of a lock.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Blocker {
    /// Its process id on the server.
    pub pid: i32,
    /// Its `application_name`, possibly empty.
    pub application: String,
    /// Its role.
    pub user: String,
    /// `active`, `idle in transaction`, …
    pub state: String,
    /// Seconds since its transaction began.
    pub age_s: i64,
}

/// A classified error. Its `Display` is one line that reads alone.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What the reaction depends on.
    pub kind: Kind,
    /// SQLSTATE, where the server reported one.
    pub sqlstate: Option<String>,
    /// What was being done, for example `attach partition`.
    pub doing: String,
    /// The object it was done to, as SQL names it.
    pub object: Option<String>,
    /// The server's or our own sentence.
    pub message: String,
    /// The server's DETAIL. Kept apart: it can hold row contents and is never logged.
    pub detail: Option<String>,
    /// What to do: the server's HINT, or our own advice.
    pub hint: Option<String>,
    /// Who held the lock that was not had.
    pub blockers: Vec<Blocker>,
}

impl std::error::Error for Fault {}

/// SQLSTATE, or its class of two letters, to kind. The first match counts.
const SQLSTATES: &[(&str, Kind)] = &[
    ("08", Kind::Unreachable),
    ("57P01", Kind::Unreachable), // admin_shutdown: also what pg_terminate_backend sends
    ("57P02", Kind::Unreachable), // crash_shutdown
    ("57P03", Kind::Unreachable), // cannot_connect_now: starting up
    ("57P05", Kind::Unreachable), // idle_session_timeout
    ("25P03", Kind::Unreachable), // idle_in_transaction_session_timeout ends the connection
    ("25P04", Kind::TimedOut),    // transaction_timeout
    ("57014", Kind::Cancelled),   // query_canceled: the session tells a time-out from a cancel
    ("55P03", Kind::LockNotHad),
    ("40", Kind::Conflict), // 40001 serialization_failure, 40P01 deadlock_detected
    ("53", Kind::Exhausted), // 53300 too_many_connections, 53200 out_of_memory (locks too)
    ("42501", Kind::Permission),
    ("28", Kind::Permission),
    ("3D000", Kind::Configuration), // no such database
    ("25006", Kind::Standby),       // read_only_sql_transaction
];

impl Kind {
    /// The kind an SQLSTATE stands for.
    #[must_use]
    pub fn of_sqlstate(code: &str) -> Self {
        SQLSTATES
            .iter()
            .find(|(prefix, _)| code.starts_with(prefix))
            .map_or(Self::Server, |&(_, kind)| kind)
    }

    /// What the caller does about it.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Unreachable
            | Self::Standby
            | Self::LockNotHad
            | Self::Conflict
            | Self::Exhausted => Class::Retry,
            Self::Changed => Class::Skip,
            Self::Cancelled
            | Self::TimedOut
            | Self::LeaseLost
            | Self::Permission
            | Self::Configuration
            | Self::Refused
            | Self::Io
            | Self::Bug
            | Self::Server => Class::Fail,
        }
    }

    /// Whether the whole run ends here, or only the object at hand is given up.
    #[must_use]
    pub fn ends_run(self) -> bool {
        matches!(
            self,
            Self::Unreachable | Self::Standby | Self::Cancelled | Self::LeaseLost | Self::Bug
        )
    }

    /// The process's exit code when this fault is what ended it (sysexits).
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Unreachable => 69,
            Self::Bug => 70,
            Self::Io => 74,
            Self::Standby
            | Self::LockNotHad
            | Self::Conflict
            | Self::Exhausted
            | Self::Cancelled
            | Self::TimedOut
            | Self::LeaseLost => 75,
            Self::Permission => 77,
            Self::Configuration => 78,
            Self::Changed | Self::Refused | Self::Server => 1,
        }
    }
}

impl Fault {
    /// A fault of our own making, not the server's.
    #[must_use]
    pub fn new(kind: Kind, doing: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            sqlstate: None,
            doing: doing.into(),
            object: None,
            message: message.into(),
            detail: None,
            hint: None,
            blockers: Vec::new(),
        }
    }

    /// Classifies what sqlx reports.
    #[must_use]
    pub fn from_sqlx(doing: impl Into<String>, error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => Self::from_database(doing.into(), database.as_ref()),
            sqlx::Error::PoolTimedOut => {
                Self::new(Kind::Unreachable, doing, "no connection was had in time")
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::new(Kind::Unreachable, doing, error.to_string()),
            sqlx::Error::Configuration(_) => {
                Self::new(Kind::Configuration, doing, error.to_string())
            }
            _ => Self::new(Kind::Bug, doing, error.to_string()),
        }
    }

    fn from_database(doing: String, error: &dyn sqlx::error::DatabaseError) -> Self {
        let sqlstate = error.code().map(std::borrow::Cow::into_owned);
        let kind = sqlstate.as_deref().map_or(Kind::Server, Kind::of_sqlstate);
        let pg = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>();
        Self {
            kind,
            doing,
            object: error.table().map(|table| match pg.and_then(|e| e.schema()) {
                Some(schema) => format!("{schema}.{table}"),
                None => table.to_owned(),
            }),
            message: without_values(error.message(), sqlstate.as_deref()),
            detail: pg.and_then(|e| e.detail()).map(str::to_owned),
            hint: pg.and_then(|e| e.hint()).map(str::to_owned),
            sqlstate,
            blockers: Vec::new(),
        }
    }

    /// Names the object, where the server did not or named another one.
    #[must_use]
    pub fn on(mut self, object: impl fmt::Display) -> Self {
        self.object = Some(object.to_string());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A statement was ended because it would have held a lock for longer than this. It is told from
    /// a cancel by the time, as by the session's `cancelled_or_timed_out`.
    #[must_use]
    pub fn held_too_long(mut self, hold_max: Duration) -> Self {
        self.kind = Kind::TimedOut;
        self.with_hint(format!(
            "it would hold a lock that the application waits for longer than {} ms",
            hold_max.as_millis()
        ))
    }

    /// With the blockers of an earlier try, where this one ended before they could be seen.
    #[must_use]
    pub fn or_blocked_as(mut self, earlier: Option<Self>) -> Self {
        if self.blockers.is_empty() {
            self.blockers = earlier.map(|fault| fault.blockers).unwrap_or_default();
        }
        self
    }

    /// What the caller does about it.
    #[must_use]
    pub fn class(&self) -> Class {
        self.kind.class()
    }
}

/// Data exceptions (SQLSTATE class 22) quote the value they stumble over: the contents of a row.
fn without_values(message: &str, sqlstate: Option<&str>) -> String {
    if !sqlstate.is_some_and(|code| code.starts_with("22")) {
        return message.to_owned();
    }
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}…{}", &message[..=first], &message[last..])
        }
        _ => message.to_owned(),
    }
}

impl Fault {
    /// The reason and the cure, for where what was being done is known.
    #[must_use]
    pub fn why(&self) -> String {
        let code = self.sqlstate.as_ref().map(|code| format!(" (SQLSTATE {code})"));
        let blockers = self.blockers.iter().map(|blocker| format!("; blocked by {blocker}"));
        let hint = self.hint.as_ref().map(|hint| format!("; {hint}"));
        let rest = code.into_iter().chain(blockers).chain(hint);
        std::iter::once(self.message.clone()).chain(rest).collect()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)?;
        if let Some(object) = &self.object {
            write!(f, " {object}")?;
        }
        write!(f, ": {}", self.why())
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, application, user, state, age_s } = self;
        write!(f, "pid {pid} ({application:?} as {user}, {state}, transaction open {age_s} s)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_lead_to_reactions() {
        for (code, kind, class, exit) in [
            ("55P03", Kind::LockNotHad, Class::Retry, 75),
            ("40001", Kind::Conflict, Class::Retry, 75),
            ("40P01", Kind::Conflict, Class::Retry, 75),
            ("53300", Kind::Exhausted, Class::Retry, 75),
            ("08006", Kind::Unreachable, Class::Retry, 69),
            ("57P01", Kind::Unreachable, Class::Retry, 69),
            ("57014", Kind::Cancelled, Class::Fail, 75),
            ("42501", Kind::Permission, Class::Fail, 77),
            ("28P01", Kind::Permission, Class::Fail, 77),
            ("3D000", Kind::Configuration, Class::Fail, 78),
            ("25006", Kind::Standby, Class::Retry, 75),
            ("23505", Kind::Server, Class::Fail, 1),
        ] {
            let found = Kind::of_sqlstate(code);
            assert_eq!((found, found.class(), found.exit_code()), (kind, class, exit), "{code}");
        }
    }

    #[test]
    fn values_of_rows_are_not_repeated() {
        let said = "invalid input syntax for type integer: \"top \"secret\"\"";
        let kept = "invalid input syntax for type integer: \"…\"";
        assert_eq!(without_values(said, Some("22P02")), kept);
        assert_eq!(
            without_values("value \"9\" is out of range", Some("22003")),
            "value \"…\" is out of range"
        );
        assert_eq!(
            without_values("relation \"t\" is gone", Some("42P01")),
            "relation \"t\" is gone"
        );
    }

    #[test]
    fn a_fault_reads_alone() {
        let mut fault = Fault::new(Kind::LockNotHad, "attach partition", "lock timeout")
            .on("public.t_2025_01")
            .with_hint("retried at the next run");
        fault.sqlstate = Some("55P03".into());
        fault.blockers.push(Blocker {
            pid: 7,
            application: "psql".into(),
            user: "app".into(),
            state: "idle in transaction".into(),
            age_s: 61,
        });
        assert_eq!(
            fault.to_string(),
            "attach partition public.t_2025_01: lock timeout (SQLSTATE 55P03); blocked by pid 7 \
             (\"psql\" as app, idle in transaction, transaction open 61 s); retried at the next run"
        );
    }
}
