//! The command line: names are a contract, help teaches.

#![expect(clippy::doc_markdown, reason = "these comments are printed as help")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::pg::version::{MAJOR_MAX, MAJOR_MIN};

/// Tends one PostgreSQL database: partitions, archiving, statistics, slow queries.
///
/// Results go to standard output, logs to standard error.
#[derive(Debug, Parser)]
#[command(name = "pgtend", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// The configuration file. Without it: $PGTEND_CONFIG, else /etc/pgtend/pgtend.toml, else
    /// config/pgtend.toml.
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Begin with:
  pgtend demo                 see every job at work on a throwaway server
  pgtend check                is everything in place? each problem with its cure
  pgtend plan                 what would be done, and the very SQL; changes nothing
  pgtend once                 do it now, once
  pgtend run                  the daemon

Exit codes:
  0 done    1 a job failed or was partial    3 nothing to do, or something (plan --check)
  64 usage    69 server unreachable    70 a bug    74 log or file I/O    75 temporary, try again
  77 permission refused    78 configuration";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The daemon: schedule every configured job until told to stop
    ///
    /// SIGTERM or SIGINT finishes the batch in hand and exits 0; a second one cancels on the
    /// server. SIGHUP reloads a valid configuration. SIGUSR1 writes the status to the log.
    Run,
    /// Run jobs now, once, through the same claim as the daemon
    ///
    /// Exit 0: done. 1: failed or partial. 3: nothing was run, because the job is running already,
    /// is paused, or has done the slot.
    Once(OnceArgs),
    /// What `once` would do and why, with the very SQL; changes nothing
    Plan(PlanArgs),
    /// Is everything in place? Each problem with its cure
    ///
    /// Looks at configuration, connection, version, pooler, privileges, extension and clock.
    Check(FormatArgs),
    /// Per job: last run, outcome, next run
    Status(FormatArgs),
    /// Create or upgrade pgtend's own schema
    Migrate,
    /// Show the effective configuration, or its JSON Schema
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Work on one partitioned table
    #[command(subcommand)]
    Partitions(PartitionsCommand),
    /// Look after what was archived
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// The runs of the past, newest first
    History(HistoryArgs),
    /// Keep a job from starting, here and in every daemon on this database
    Pause(PauseArgs),
    /// Let a paused job start again
    Resume {
        /// The job
        #[arg(value_name = "JOB")]
        job: String,
    },
    /// Ask the running daemon to start a job within 15 seconds
    Trigger {
        /// The job
        #[arg(value_name = "JOB")]
        job: String,
    },
    /// A throwaway PostgreSQL with sample data, every job run on it, a report of what changed
    ///
    /// It starts a server of its own and touches no other: no configuration, DATABASE_URL or PGHOST
    /// leads it elsewhere. It removes all it made, also when it is interrupted. PostgreSQL's programs
    /// are looked for in $PGTEND_POSTGRES_BIN, in target/postgres (make postgres), where Debian has
    /// them, and on PATH. Exit 0: every promise was kept. 1: one was not.
    Demo(DemoArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in roff
    Man,
}

/// `once`
#[derive(Debug, Args)]
pub struct OnceArgs {
    /// The jobs; default: all configured
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which slot is claimed: `now`, or `scheduled` for the newest one of the job's cron line, so
    /// that a CronJob never doubles what a daemon has done
    #[arg(long, value_enum, default_value_t)]
    pub slot: Slot,
    /// Agree to what a new policy expires or deletes: the jobs `partitions` and `archive` ask for it
    /// once, naming what would leave
    #[arg(long)]
    pub confirm: bool,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The jobs; default: all configured
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
    /// How the plan is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Plan as of this time instead of the server's now, RFC 3339: 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub now: Option<chrono::DateTime<chrono::Utc>>,
    /// Exit 3 if there is anything to do, 1 if a table is refused
    #[arg(long)]
    pub check: bool,
    /// As if `once` were run with --confirm
    #[arg(long)]
    pub confirm: bool,
}

/// `archive …`
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// Compare what was recorded as moved with what the archive holds now; changes nothing
    ///
    /// Count and checksum of every batch on record are made again from the archive's rows, in one read
    /// from end to end. Exit 0: as recorded. 1: something differs, and is named.
    Verify(VerifyArgs),
    /// Bring archived rows back to the hot table
    ///
    /// In batches, each a transaction. A row whose key the hot table has already stays in the archive,
    /// and is counted; nothing is overwritten. What came back is not archived again for as long as
    /// --keep says. Cut off at any point, the same command carries on.
    Restore(RestoreArgs),
}

/// `archive restore`
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The hot table, as in the configuration: schema.table
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// Only rows of this age or younger, by age_column; RFC 3339, or a day: 2026-01-31
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub since: Option<chrono::DateTime<chrono::Utc>>,
    /// Only rows older than this
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub until: Option<chrono::DateTime<chrono::Utc>>,
    /// Only these: an SQL condition over the hot table's columns
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<crate::pg::condition::Condition>,
    /// So long they are not archived again
    #[arg(long, value_name = "PERIOD", default_value = "30 days")]
    pub keep: crate::time::period::Period,
    /// Show what would be done, and the very SQL; change nothing
    #[arg(long)]
    pub plan: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `archive verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The hot table, as in the configuration: schema.table; default: all
    #[arg(value_name = "TABLE")]
    pub table: Option<String>,
    /// Only batches with rows of this age or younger, by age_column; RFC 3339, or a day: 2026-01-31
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub since: Option<chrono::DateTime<chrono::Utc>>,
    /// Only batches with rows older than this
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub until: Option<chrono::DateTime<chrono::Utc>>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// A time, or the beginning of a day in UTC.
fn instant(text: &str) -> Result<chrono::DateTime<chrono::Utc>, String> {
    let day =
        text.parse::<chrono::NaiveDate>().map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc());
    text.parse().or(day).map_err(|_| "write 2026-01-31T12:00:00Z, or 2026-01-31".to_owned())
}

/// `partitions …`
#[derive(Debug, Subcommand)]
pub enum PartitionsCommand {
    /// Attach a partition again that expired and is still in quarantine
    ///
    /// It stays until the policy is confirmed again (once partitions --confirm).
    Restore(OneTableArgs),
    /// Make partitions like their table again where they differ from it
    ///
    /// Owner, privileges, row security, replica identity, statistics targets, extended statistics.
    /// `plan partitions` tells which differ, in what, and the SQL.
    Repair(OneTableArgs),
    /// Print the configuration for the tables that pg_partman (4 or 5) maintains; changes nothing
    ///
    /// Reads part_config and the tables it names. What cannot be taken over is named in a comment,
    /// with the reason. The job then goes on with their names and bounds.
    ImportPartman,
    /// Move the rows of the default partition to partitions of their own, while the table is used
    ///
    /// Every row up to the end of `premake` gets into the partition of its range. What was there stays
    /// beside it as a table of its own. Cut off at any point, the same command carries on, or the job's
    /// next run does.
    Drain(CarveArgs),
    /// Cut partitions that span several intervals into such of one each, while the table is used
    ///
    /// The oldest such partition that holds rows is replaced by others that hold its rows between them,
    /// at the bounds of `interval`. What was there stays beside it as a table of its own. Cut off at any
    /// point, the same command carries on, or the job's next run does. With `split = true` in the
    /// table's section the job does so by itself.
    Split(CarveArgs),
    /// Turn a plain table with live writers into a partitioned one
    ///
    /// It becomes its own first partition, whole; no row is moved. What stands on it or reads it is
    /// listed first: each thing is made anew, or the adoption is refused with the reason. Resumable:
    /// the same command carries on. Until the swap, --abort takes everything back.
    Adopt(AdoptArgs),
}

/// `partitions drain`, `partitions split`
#[derive(Debug, Args)]
pub struct CarveArgs {
    /// The partitioned table, as in the configuration: schema.table
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// Show what would be done, and the very SQL; change nothing
    #[arg(long)]
    pub plan: bool,
    /// Take back what was begun
    #[arg(long)]
    pub abort: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `partitions restore`, `partitions repair`
#[derive(Debug, Args)]
pub struct OneTableArgs {
    /// The partitioned table, as in the configuration: schema.table
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// Which partition; default: to restore, the newest in quarantine; to repair, all that differ
    #[arg(long, value_name = "NAME")]
    pub partition: Option<String>,
    /// Show what would be done, and the very SQL; change nothing
    #[arg(long)]
    pub plan: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `partitions adopt`
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// The plain table, as in the configuration: schema.table
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// The column to partition by; default: the only one that the configuration can mean
    #[arg(long, value_name = "NAME")]
    pub column: Option<String>,
    /// Show the checklist, what would be done, and the very SQL; change nothing
    #[arg(long)]
    pub plan: bool,
    /// Take back what was prepared
    #[arg(long)]
    pub abort: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `check`, `status`
#[derive(Debug, Args)]
pub struct FormatArgs {
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `history`
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Only this job
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// How many runs at most
    #[arg(long, short, default_value_t = 20, value_name = "N")]
    pub limit: u32,
    /// How the runs are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `pause`
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// The job
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Why; shown to everyone who meets the pause
    #[arg(long)]
    pub reason: Option<String>,
    /// The pause ends by itself after this: 30m, 2h, 3days
    #[arg(long = "for", value_name = "DURATION")]
    pub duration: Option<String>,
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Leave the server up and print its URL and a configuration for it
    #[arg(long)]
    pub keep: bool,
    /// The PostgreSQL major version
    #[arg(long, default_value_t = MAJOR_MAX, value_name = "MAJOR", value_parser = majors())]
    pub postgres: u32,
}

fn majors() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(i64::from(MAJOR_MIN)..=i64::from(MAJOR_MAX))
}

/// `config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// The effective configuration, with the origin of each value, secrets masked
    Show,
    /// Its JSON Schema
    Schema,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Which slot `once` claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Slot {
    /// This moment: always a run of its own
    #[default]
    Now,
    /// The newest slot of the schedule
    Scheduled,
}
