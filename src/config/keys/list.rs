//! Every section and every key, in the order in which they are shown.
//!
//! One key is one entry of two lines; the formatter would make six of it.

use std::sync::LazyLock;
use std::time::Duration;

use super::Otherwise::{Absent, Default, Derived, Required};
use super::form::NO_MAX;
use super::words::KeyWord;
use super::{Form, Holds, Key, Section, choice};
use crate::config::checked::{Catchup, Level, LogFormat, OnExpiry, Order, Pace, Pooler, Rotation};
use crate::config::path::KeyPath;
use crate::config::value::ValueKind;
use crate::time::duration;
use crate::time::extent::Extent;

/// Every section, outer ones first.
pub(in crate::config) const SECTIONS: &[Section] = &[
    section("database", "The connection, and pgtend's own schema."),
    section("daemon", "What holds for all jobs."),
    section("log", "Log lines on standard error."),
    optional("log.file", "Log lines to a file as well; JSON, one object per line."),
    optional("partitions", "There is always a partition for tomorrow."),
    optional("partitions.tables.*", "One partitioned table."),
    optional("archive", "Old finished rows leave the hot table."),
    with("archive", "archive.limits", "At which signs batches wait until they are gone."),
    optional("archive.tables.*", "One hot table."),
    optional(
        "archive.tables.*.rules.*",
        "One of several rules of a table; what it does not say, the table says.",
    ),
    optional("analyze", "Planner statistics where autovacuum leaves them stale."),
    optional("slow_queries", "Which statements became slow, by pg_stat_statements."),
];

/// The keys that every job has.
#[rustfmt::skip]
macro_rules! schedule {
    ($job:literal, $cron:literal) => {
        [
            key(concat!($job, ".schedule"), Form::Cron, Required(concat!("\"", $cron, "\"")),
                "When: five cron fields, minute hour day month weekday."),
            key(concat!($job, ".timezone"), Form::Zone,
                Derived("daemon.timezone", |settings, _| settings.text("daemon.timezone")),
                "The zone the cron line is read in."),
            key(concat!($job, ".jitter"), DURATION_OR_NONE, Default(r#""0s""#),
                "Each run starts up to this much later, to spread many instances."),
            key(concat!($job, ".timeout"), DURATION, Default(r#""1h""#),
                "A run is cancelled after this."),
            key(concat!($job, ".max_attempts"), Form::Count { min: 1, max: 100 }, Default("3"),
                "How often one slot is tried; only temporary faults are tried again."),
            key(concat!($job, ".catchup"), choice::<Catchup>(), Default(r#""latest""#),
                "Which slots that were missed while nobody ran are run later."),
            key(concat!($job, ".start_deadline"), DURATION, Absent(r#""10m""#, "none is too late"),
                "A slot that could not start within this is skipped."),
        ]
    };
}

/// Every key. The documentation of the sample and of the JSON Schema is written here.
pub(in crate::config) static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    [
        DATABASE,
        DAEMON,
        LOG,
        &schedule!("partitions", "17 * * * *"),
        PARTITION_TABLES,
        &schedule!("archive", "30 2 * * *"),
        ARCHIVE_LIMITS,
        ARCHIVE_TABLES,
        ARCHIVE_RULES,
        &schedule!("analyze", "*/15 * * * *"),
        ANALYZE,
        &schedule!("slow_queries", "* * * * *"),
        SLOW_QUERIES,
    ]
    .concat()
});

#[rustfmt::skip]
const DATABASE: &[Key] = &[
    key("database.url", Form::Url, Absent(r#""postgres://pgtend@localhost/app""#, "another source is used"),
        "Where the database is. Absent, with url_file: the systemd credential database_url, then DATABASE_URL, then libpq's PG* variables."),
    key("database.url_file", Form::Path, Absent(r#""/run/secrets/database_url""#, "another source is used"),
        "A file that holds the URL and is not readable by everyone. It is read again at each connect."),
    key("database.schema", Form::Ident, Default(r#""pgtend""#),
        "pgtend's own schema: history, claims, baselines."),
    key("database.max_connections", Form::Count { min: 1, max: 65 },
        Derived("max_concurrent_jobs + 1", |settings, _| {
            let jobs: u64 = settings.get(&KeyPath::of("daemon.max_concurrent_jobs"))?;
            Some(ValueKind::I64(i64::try_from(jobs).ok()? + 1))
        }),
        "Connections for jobs at most; two more serve claims and cancels."),
    key("database.acquire_timeout", DURATION, Default(r#""30s""#),
        "How long a run waits for a free connection."),
    key("database.idle_timeout", DURATION, Default(r#""10s""#),
        "An idle work connection is closed after this."),
    key("database.max_lifetime", DURATION, Default(r#""30m""#),
        "A connection is replaced after this."),
    key("database.connect_timeout", DURATION, Default(r#""10s""#),
        "One attempt to connect takes this long at most."),
    key("database.statement_timeout", SERVER_TIMEOUT, Default(r#""15m""#),
        "The server ends any one statement after this."),
    key("database.lock_timeout", SERVER_TIMEOUT, Default(r#""2s""#),
        "No statement waits longer for a lock; others queue behind a waiting one."),
    key("database.pooler", choice::<Pooler>(), Default(r#""none""#),
        "What stands before the server: nothing, or a pooler in session mode."),
    key("database.max_replica_lag", DURATION, Default(r#""30s""#),
        "Jobs that write much wait while a replica's last replayed change is older than this."),
];

#[rustfmt::skip]
const DAEMON: &[Key] = &[
    key("daemon.timezone", Form::Zone, Default(r#""UTC""#),
        "The zone of cron lines and of partition bounds, unless a job says otherwise."),
    key("daemon.max_concurrent_jobs", Form::Count { min: 1, max: 64 }, Default("4"),
        "Jobs that run at once."),
    key("daemon.drain_timeout", DURATION, Default(r#""1m""#),
        "From SIGTERM to exit at most; what still runs then is cancelled on the server."),
    key("daemon.history_retention", Form::Period, Default(r#""90 days""#),
        "How long the history of runs is kept; at least a day."),
];

#[rustfmt::skip]
const LOG: &[Key] = &[
    key("log.level", choice::<Level>(), Default(r#""info""#), "The least severe lines written."),
    key("log.format", choice::<LogFormat>(), Default(r#""auto""#),
        "auto: pretty on a terminal, JSON otherwise."),
    key("log.file.directory", Form::Path, Required(r#""/var/log/pgtend""#),
        "A directory of pgtend's own; old files in it are removed."),
    key("log.file.rotation", choice::<Rotation>(), Default(r#""daily""#),
        "When a new file begins, in UTC."),
    key("log.file.keep", Form::Count { min: 1, max: 10_000 }, Default("14"),
        "Files kept, the current one included."),
];

#[rustfmt::skip]
const PARTITION_TABLES: &[Key] = &[
    key("partitions.tables.*.key", choice::<KeyWord>(),
        Absent(r#""epoch_ms""#, "the key is a date or timestamp, or a number that tells no time"),
        "How a key that is neither date nor timestamp tells time; never guessed."),
    key("partitions.tables.*.snowflake_epoch", Form::Instant,
        Absent(r#""2015-01-01T00:00:00Z""#, "required with key = \"snowflake\""),
        "When the milliseconds of Snowflake-like ids begin."),
    key("partitions.tables.*.snowflake_shift", Form::Count { min: 0, max: 40 },
        Derived("22, with key = \"snowflake\"", |settings, section| {
            let key: KeyWord = settings.get(&section.join("key"))?;
            (key == KeyWord::Snowflake).then(|| 22.into())
        }),
        "How many bits of a Snowflake-like id stand below its milliseconds."),
    key("partitions.tables.*.interval", Form::Interval, Required(r#""1 month""#),
        "How much one partition holds: minutes, hours, days, weeks, months, quarters or years; or a number of ids."),
    key("partitions.tables.*.anchor", Form::Date,
        Absent(r#""2024-01-01""#, "weeks begin on Monday, all others with the calendar"),
        "A day on which a partition begins; the others follow from it."),
    key("partitions.tables.*.premake", Form::Extent,
        Derived("3 months; 1 week of hours, 1 day of minutes; 3 partitions of ids", |settings, section| {
            Some(premake(settings.get(&section.join("interval"))?))
        }),
        "How far ahead there must be partitions; of ids, how many beyond the highest."),
    key("partitions.tables.*.timezone", Form::Zone,
        Derived("partitions.timezone", |settings, _| settings.text("partitions.timezone")),
        "The zone in which bounds are midnight."),
    key("partitions.tables.*.name", Form::Template,
        Absent(r#""{table}_p{year}_{month}""#, "as existing ones are called, or chosen from the interval"),
        "Names of new partitions. Beside {week}, {year} is the year the week belongs to."),
    key("partitions.tables.*.split", Form::Bool, Default("false"),
        "Whether partitions that span several intervals are cut into such of one each, in the background."),
    key("partitions.tables.*.retention", Form::Period, Absent(r#""12 months""#, "kept for ever"),
        "The age at which a partition expires, by its upper bound."),
    key("partitions.tables.*.on_expiry", choice::<OnExpiry>(), Absent(r#""detach""#, "detach"),
        "What becomes of an expired partition: detached and kept; that, and dropped after its quarantine; dropped while attached."),
    key("partitions.tables.*.quarantine", Form::Period, Absent(r#""7 days""#, "7 days"),
        "How long what was detached waits before it is dropped."),
    key("partitions.tables.*.expire_max_per_run", Form::Count { min: 1, max: 1_000 },
        Absent("10", "10"),
        "Partitions of the table that leave in one run at most."),
    key("partitions.tables.*.expire_max_share", Form::Fraction, Absent("0.5", "0.5"),
        "The share of its partitions that leave in one run at most; one may always."),
];

#[rustfmt::skip]
const ARCHIVE_LIMITS: &[Key] = &[
    key("archive.limits.replicas", Form::Texts, Absent(r#"["replica1"]"#, "all that are connected"),
        "The replicas that count, by application_name; the slowest decides."),
    key("archive.limits.replica_wal", Form::Size, Default(r#""256 MiB""#),
        "WAL that a replica has yet to replay; its age is database.max_replica_lag."),
    key("archive.limits.slot_wal", Form::Size, Default(r#""16 GiB""#),
        "WAL that a replication slot retains."),
    key("archive.limits.archiver_wal", Form::Size, Default(r#""1 GiB""#),
        "WAL that waits to be archived."),
    key("archive.limits.wal_per_second", Form::Size, Absent(r#""32 MiB""#, "no limit"),
        "WAL that the whole server writes in a second."),
    key("archive.limits.active_sessions", Form::Count { min: 1, max: 100_000 },
        Absent("16", "no limit"),
        "Sessions of others that run a statement."),
    key("archive.limits.checkpoint_gap", DURATION, Absent(r#""30s""#, "no limit"),
        "Checkpoints forced by the volume of WAL come no closer together than this."),
];

#[rustfmt::skip]
const ARCHIVE_TABLES: &[Key] = &[
    key("archive.tables.*.into", Form::Table,
        Absent(r#""public.ml_jobs_archive""#, "required, unless delete = true"),
        "The table that archived rows move to."),
    key("archive.tables.*.age_column", Form::Ident,
        Absent(r#""created_at""#, "required here or in each rule, unless an expression tells the age"),
        "The column that tells a row's age: a date or a timestamp."),
    key("archive.tables.*.age_expression", Form::Expression,
        Absent(r#""to_timestamp(finished_ms / 1000)""#, "a column tells the age"),
        "An SQL expression over the table's columns that tells a row's age, instead of age_column."),
    key("archive.tables.*.older_than", Form::Period,
        Absent(r#""30 days""#, "required here, or in each rule"),
        "Rows older than this are moved, or deleted."),
    key("archive.tables.*.archive_retention", Form::Period, Absent(r#""7 years""#, "for ever"),
        "How long rows are kept in all: older ones are deleted from the archive table."),
    key("archive.tables.*.delete", Form::Bool, Default("false"),
        "Delete rows instead of moving them; only without into."),
    key("archive.tables.*.where", Form::Condition,
        Absent(r#""status IN ('completed', 'failed')""#, "all rows of that age"),
        "Which rows of that age: an SQL condition over the table's columns."),
    key("archive.tables.*.create_target", Form::Bool, Default("false"),
        "Create the archive table like the source if it is missing."),
    key("archive.tables.*.pace", choice::<Pace>(), Default(r#""gentle""#),
        "gentle: short batches with pauses, steered by their time; full: for throughput, without pauses."),
    key("archive.tables.*.order", choice::<Order>(), Default(r#""fastest""#),
        "In which order rows leave: fastest, by what is due; oldest, along an index on the age; key, along the key."),
    key("archive.tables.*.adopt_new_columns", Form::Bool, Default("false"),
        "Give the archive table the columns and the room that the source got meanwhile."),
    key("archive.tables.*.vacuum", Form::Bool, Default("true"),
        "VACUUM and ANALYZE the table after many rows have left, unless autovacuum is at it."),
    key("archive.tables.*.children", Form::Tables,
        Absent(r#"["public.job_events"]"#, "rows that others refer to stop the table"),
        "Tables that refer to this one: their rows move first, each to a table named after it with _archive."),
    key("archive.tables.*.batch_rows", Form::Count { min: 1, max: 100_000 }, Default("10000"),
        "Rows moved in one transaction at most."),
    key("archive.tables.*.max_rows", Form::Count { min: 1, max: NO_MAX },
        Absent("1000000", "no limit but the timeout"),
        "Rows moved by one run at most."),
    key("archive.tables.*.max_duration", DURATION, Absent(r#""20m""#, "no limit but the timeout"),
        "How long one run moves rows of this table at most; it ends with the batch in hand."),
    key("archive.tables.*.hours", Form::Hours, Absent(r#""22:00-06:00""#, "all hours"),
        "The hours of the day in which rows of this table move, in archive.timezone."),
];

#[rustfmt::skip]
const ARCHIVE_RULES: &[Key] = &[
    key("archive.tables.*.rules.*.into", Form::Table,
        Absent(r#""public.ml_jobs_failed""#, AS_TABLE),
        "The table that rows of this rule move to."),
    key("archive.tables.*.rules.*.age_column", Form::Ident, Absent(r#""finished_at""#, AS_TABLE),
        "The column that tells a row's age: a date or a timestamp."),
    key("archive.tables.*.rules.*.age_expression", Form::Expression,
        Absent(r#""to_timestamp(finished_ms / 1000)""#, AS_TABLE),
        "An SQL expression over the table's columns that tells a row's age, instead of a column."),
    key("archive.tables.*.rules.*.older_than", Form::Period, Absent(r#""90 days""#, AS_TABLE),
        "Rows older than this are moved, or deleted."),
    key("archive.tables.*.rules.*.archive_retention", Form::Period, Absent(r#""2 years""#, AS_TABLE),
        "How long rows of this rule are kept in all."),
    key("archive.tables.*.rules.*.delete", Form::Bool, Absent("false", AS_TABLE),
        "Delete rows instead of moving them; only without into in this rule."),
    key("archive.tables.*.rules.*.where", Form::Condition, Absent(r#""status = 'failed'""#, AS_TABLE),
        "Which rows of that age."),
    key("archive.tables.*.rules.*.order", choice::<Order>(), Absent(r#""oldest""#, AS_TABLE),
        "In which order rows of this rule leave."),
    key("archive.tables.*.rules.*.max_rows", Form::Count { min: 1, max: NO_MAX },
        Absent("100000", AS_TABLE),
        "Rows moved by one run of this rule at most."),
    key("archive.tables.*.rules.*.max_duration", DURATION, Absent(r#""5m""#, AS_TABLE),
        "How long one run moves rows of this rule at most."),
    key("archive.tables.*.rules.*.hours", Form::Hours, Absent(r#""22:00-06:00""#, AS_TABLE),
        "The hours of the day in which rows of this rule move."),
];

/// What a rule does not say.
const AS_TABLE: &str = "as the table has it";

#[rustfmt::skip]
const ANALYZE: &[Key] = &[
    key("analyze.stale_fraction", Form::Fraction, Default("0.05"),
        "A table is stale when this share of its rows changed since its last ANALYZE."),
    key("analyze.stale_rows", Form::Count { min: 1, max: NO_MAX }, Default("1000"),
        "With fewer changed rows no table is stale, whatever the share."),
    key("analyze.max_tables", Form::Count { min: 1, max: 100_000 }, Default("100"),
        "Tables analyzed by one run at most."),
    key("analyze.schemas", Form::Idents,
        Absent(r#"["public"]"#, "all but the system's and pgtend's own"),
        "Only tables of these schemas."),
    key("analyze.exclude", Form::Tables, Absent(r#"["public.scratch"]"#, "none"),
        "Never these tables."),
];

#[rustfmt::skip]
const SLOW_QUERIES: &[Key] = &[
    key("slow_queries.slow_mean", DURATION, Default(r#""500ms""#),
        "A statement whose mean since the last poll is at or above this is slow."),
    key("slow_queries.slow_max", DURATION,
        Derived("10 × slow_mean", |settings, section| {
            let mean: Duration = settings.get(&section.join("slow_mean"))?;
            Some(duration::format(mean.checked_mul(10)?).into())
        }),
        "A statement with a new maximum at or above this is slow."),
    key("slow_queries.min_calls", Form::Count { min: 1, max: NO_MAX }, Default("1"),
        "With fewer calls since the last poll a mean says nothing."),
    key("slow_queries.max_lines", Form::Count { min: 1, max: 1_000 }, Default("20"),
        "Lines per poll at most; one more line counts the rest."),
    key("slow_queries.remind_after", DURATION, Default(r#""1h""#),
        "A statement that stays slow is mentioned again after this."),
];

/// As far ahead as a person needs to notice that no partitions are made any more, and never more
/// partitions than a run makes.
fn premake(interval: Extent) -> ValueKind {
    let period = match interval {
        Extent::Ids(width) => return width.saturating_mul(3).into(),
        Extent::Time(period) => period,
    };
    let is_time_of_day = period.months() == 0 && period.days() == 0;
    match period.seconds() {
        3_600.. if is_time_of_day => "1 week",
        _ if is_time_of_day => "1 day",
        _ => "3 months",
    }
    .into()
}

/// A week is the longest wait that makes sense; longer is a slip of the pen.
const DURATION: Form =
    Form::Duration { min: Duration::from_millis(1), max: Duration::from_hours(7 * 24) };
const DURATION_OR_NONE: Form =
    Form::Duration { min: Duration::ZERO, max: Duration::from_hours(24) };
/// The server counts milliseconds in 31 bits, a little over 24 days; 0 would mean no limit there.
const SERVER_TIMEOUT: Form =
    Form::Duration { min: Duration::from_millis(1), max: Duration::from_hours(24 * 24) };

const fn key(
    path: &'static str,
    form: Form,
    otherwise: super::Otherwise,
    doc: &'static str,
) -> Key {
    Key { path, form, otherwise, doc }
}

const fn section(path: &'static str, doc: &'static str) -> Section {
    Section { path, holds: Holds::Always, doc }
}

const fn optional(path: &'static str, doc: &'static str) -> Section {
    Section { path, holds: Holds::IfWritten, doc }
}

const fn with(outer: &'static str, path: &'static str, doc: &'static str) -> Section {
    Section { path, holds: Holds::With(outer), doc }
}
