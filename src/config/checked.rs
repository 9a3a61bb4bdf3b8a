//! What a configuration means: after this nothing needs interpreting.
//!
//! Pure data, made only by [`crate::config::load`]; every field is in range and consistent with the
//! others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::pg::ident::{Ident, TableName};
use crate::pg::partition_name::Template;
use crate::time::cron::Cron;
use crate::time::extent::Extent;
use crate::time::period::Period;

mod age;
mod allowance;
mod archive;
mod limits;

pub use age::Age;
pub use allowance::Allowance;
pub use archive::{Archive, ArchiveTable, Order, Purge, Rival, Rule, RuleName};
pub use limits::{Limits, Pace, Size, SizeError};

/// The whole configuration. A job runs if and only if its section is there.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[database]`
    pub database: Database,
    /// `[daemon]`
    pub daemon: Daemon,
    /// `[log]`
    pub log: Log,
    /// `[partitions]`
    pub partitions: Option<Partitions>,
    /// `[archive]`
    pub archive: Option<Archive>,
    /// `[analyze]`
    pub analyze: Option<Analyze>,
    /// `[slow_queries]`
    pub slow_queries: Option<SlowQueries>,
}

/// Where the connection's URL comes from. Read again at each reconnect, so that a rotated secret is
/// picked up. Holds no secret but the URL itself.
#[derive(Debug, Clone)]
pub enum UrlSource {
    /// `database.url`, or `DATABASE_URL`.
    Text(secrecy::SecretString),
    /// `database.url_file`, or the systemd credential `database_url`.
    File(PathBuf),
    /// libpq's `PG*` variables and password file.
    Libpq,
}

/// What stands between us and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooler {
    /// A direct connection.
    None,
    /// A pooler in session mode: no start-up parameters.
    Session,
}

/// `[database]`
#[derive(Debug, Clone)]
pub struct Database {
    /// Where the URL comes from.
    pub url: UrlSource,
    /// pgtend's own schema.
    pub schema: Ident,
    /// Work connections at most; the control pool adds up to 2.
    pub max_connections: u32,
    /// How many of them no job needs for itself.
    pub spare_connections: u32,
    /// How long a run waits for a free work connection.
    pub acquire_timeout: Duration,
    /// Idle work connections are closed after this.
    pub idle_timeout: Duration,
    /// Connections are replaced after this.
    pub max_lifetime: Duration,
    /// One connection attempt.
    pub connect_timeout: Duration,
    /// The server ends any one statement after this.
    pub statement_timeout: Duration,
    /// The cap on waiting for any lock.
    pub lock_timeout: Duration,
    /// What stands in between.
    pub pooler: Pooler,
}

/// `[daemon]`
#[derive(Debug, Clone)]
pub struct Daemon {
    /// The zone cron lines are read in unless a job says otherwise.
    pub timezone: Tz,
    /// Jobs running at once.
    pub max_concurrent_jobs: u32,
    /// From SIGTERM to exit at most.
    pub drain_timeout: Duration,
    /// History rows are kept this long.
    pub history_retention: Period,
}

/// `[log]`
#[derive(Debug, Clone)]
pub struct Log {
    /// The lowest level written.
    pub level: Level,
    /// How lines look.
    pub format: LogFormat,
    /// `[log.file]`
    pub file: Option<LogFile>,
}

/// Levels, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A person should act.
    Error,
    /// We coped.
    Warn,
    /// Work was done.
    Info,
    /// Idle passes and details.
    Debug,
    /// Everything, libraries too.
    Trace,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// How often the log file is rotated (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// At each full hour.
    Hourly,
    /// At midnight.
    Daily,
    /// Never.
    Never,
}

/// `[log.file]`
#[derive(Debug, Clone)]
pub struct LogFile {
    /// A directory of pgtend's own.
    pub directory: PathBuf,
    /// When a new file begins.
    pub rotation: Rotation,
    /// Files kept, the current one included.
    pub keep: u32,
}

/// What every job's section has.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Five cron fields.
    pub cron: Cron,
    /// The zone the cron line is read in.
    pub timezone: Tz,
    /// Each slot starts up to this much later, by a hash of job and slot.
    pub jitter: Duration,
    /// The whole run, from its start.
    pub timeout: Duration,
    /// Tries per slot, 1 or more; only temporary faults are tried again.
    pub max_attempts: u32,
    /// What is done about slots missed while nobody ran.
    pub catchup: Catchup,
    /// A slot older than this is recorded as `skipped_late` instead of run.
    pub start_deadline: Option<Duration>,
}

/// What is done about missed slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Catchup {
    /// Only the newest missed slot is run.
    Latest,
    /// None is run.
    None,
    /// Every missed slot is run, oldest first, 100 at most.
    All,
}

impl Catchup {
    /// The word in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::None => "none",
            Self::All => "all",
        }
    }
}

/// `[partitions]`
#[derive(Debug, Clone)]
pub struct Partitions {
    /// When.
    pub schedule: Schedule,
    /// Per partitioned table.
    pub tables: BTreeMap<TableName, PartitionTable>,
}

/// How long what was detached waits, where nothing is said.
pub const QUARANTINE: Period = Period::of_days(7);

/// `[partitions.tables."schema.table"]`
#[derive(Debug, Clone)]
pub struct PartitionTable {
    /// How a key that is neither date nor timestamp tells time. Absent: it does not.
    pub key: Option<TimeCode>,
    /// The grid of bounds: a calendar interval, or a number of ids.
    pub interval: Extent,
    /// A day that begins a partition; absent: the calendar's own beginnings.
    pub anchor: Option<NaiveDate>,
    /// Coverage must reach from now to now + this, or from the highest id. Of the same kind as the
    /// interval.
    pub premake: Extent,
    /// The zone the bounds are midnight in.
    pub timezone: Tz,
    /// Names of new partitions; it tells the partitions of the interval apart. Absent: as the
    /// existing ones are called, or chosen from the interval.
    pub name: Option<Template>,
    /// Partitions that span several cells of the grid are cut at its bounds.
    pub split: bool,
    /// How long what was detached waits before it may be dropped.
    pub quarantine: Period,
    /// What becomes of old partitions; absent: they are kept for ever.
    pub expiry: Option<Expiry>,
}

/// What becomes of old partitions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expiry {
    /// A partition whose upper bound is older than this expires.
    pub retention: Period,
    /// What becomes of it then.
    pub on_expiry: OnExpiry,
    /// How long it waits, detached, before it may be dropped.
    pub quarantine: Period,
    /// Partitions of this table that leave in one run at most.
    pub max_per_run: u32,
    /// The share of its partitions that leave in one run at most, 0 < x ≤ 1; one may always.
    pub max_share: f64,
}

/// What becomes of an expired partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExpiry {
    /// Detached and kept.
    Detach,
    /// Detached, and dropped after its quarantine.
    Drop,
    /// Dropped while it is still attached: nothing is kept, and no table it refers to is locked.
    DropAtOnce,
}

impl OnExpiry {
    /// As the configuration writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Detach => "detach",
            Self::Drop => "drop",
            Self::DropAtOnce => "drop_at_once",
        }
    }
}

/// How the values of a key tell time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeCode {
    /// Units since 1970 in UTC.
    Epoch(EpochUnit),
    /// UUIDs of version 7.
    UuidV7,
    /// Ids whose upper bits are milliseconds.
    Snowflake(Snowflake),
}

/// What an epoch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochUnit {
    /// `epoch_s`
    Seconds,
    /// `epoch_ms`
    Milliseconds,
    /// `epoch_us`
    Microseconds,
    /// `epoch_ns`
    Nanoseconds,
}

/// The layout of Snowflake-like ids: `(milliseconds since epoch) << shift`, and lower bits of any
/// meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snowflake {
    /// When its milliseconds begin, in whole milliseconds.
    pub epoch: DateTime<Utc>,
    /// Bits below the milliseconds, 0 to 40.
    pub shift: u32,
}

impl TimeCode {
    /// The word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Epoch(EpochUnit::Seconds) => "epoch_s",
            Self::Epoch(EpochUnit::Milliseconds) => "epoch_ms",
            Self::Epoch(EpochUnit::Microseconds) => "epoch_us",
            Self::Epoch(EpochUnit::Nanoseconds) => "epoch_ns",
            Self::UuidV7 => "uuidv7",
            Self::Snowflake(_) => "snowflake",
        }
    }

    /// The types of columns that keep such values.
    #[must_use]
    pub const fn types(self) -> &'static str {
        match self {
            Self::Epoch(_) => "integer or bigint",
            Self::UuidV7 => "uuid",
            Self::Snowflake(_) => "bigint",
        }
    }
}

/// `[analyze]`
#[derive(Debug, Clone)]
pub struct Analyze {
    /// When.
    pub schedule: Schedule,
    /// Changed rows since the last ANALYZE, as a share of the table, 0 < x ≤ 1.
    pub stale_fraction: f64,
    /// Changed rows below which a table is not stale, whatever the share.
    pub stale_rows: u64,
    /// Tables per run at most.
    pub max_tables: u32,
    /// Only these schemas; empty: all but the system's and pgtend's own.
    pub schemas: Vec<Ident>,
    /// Never these tables.
    pub exclude: Vec<TableName>,
}

/// `[slow_queries]`
#[derive(Debug, Clone)]
pub struct SlowQueries {
    /// When.
    pub schedule: Schedule,
    /// Interval mean at or above this is slow.
    pub slow_mean: Duration,
    /// A new maximum at or above this is slow; absent: ten times `slow_mean`.
    pub slow_max: Duration,
    /// Calls in the interval below which a mean says nothing.
    pub min_calls: u64,
    /// Lines per poll at most; the rest is one line with their number.
    pub max_lines: u32,
    /// An open statement is mentioned again after this.
    pub remind_after: Duration,
}
