//! From settings to what they mean. Nothing is judged here: values are right, rules come apart.

use super::checked::{
    Analyze, Config, Daemon, Database, Expiry, Limits, Log, LogFile, OnExpiry, PartitionTable,
    Partitions, QUARANTINE, Schedule, SlowQueries, Snowflake, TimeCode, UrlSource,
};
use super::keys::KeyWord;
use super::path::KeyPath;
use super::section::{Section, Unread};
use super::settings::Settings;
use crate::time::period::Period;

mod archive;

/// The meaning of complete settings.
pub(super) fn config(settings: &Settings, url: Option<UrlSource>) -> Result<Config, Unread> {
    let section = |name: &str| Section::of(settings, KeyPath::of(name));
    let url = url.ok_or_else(|| Unread(KeyPath::of("database.url")))?;
    Ok(Config {
        database: database(&section("database"), &section("daemon"), url)?,
        daemon: daemon(&section("daemon"))?,
        log: log(&section("log"))?,
        partitions: section("partitions").if_written(partitions)?,
        archive: section("archive").if_written(archive::archive)?,
        analyze: section("analyze").if_written(analyze)?,
        slow_queries: section("slow_queries").if_written(slow_queries)?,
    })
}

fn database(
    section: &Section<'_>,
    daemon: &Section<'_>,
    url: UrlSource,
) -> Result<Database, Unread> {
    let max_connections: u32 = section.need("max_connections")?;
    Ok(Database {
        url,
        schema: section.need("schema")?,
        max_connections,
        spare_connections: max_connections.saturating_sub(daemon.need("max_concurrent_jobs")?),
        acquire_timeout: section.need("acquire_timeout")?,
        idle_timeout: section.need("idle_timeout")?,
        max_lifetime: section.need("max_lifetime")?,
        connect_timeout: section.need("connect_timeout")?,
        statement_timeout: section.need("statement_timeout")?,
        lock_timeout: section.need("lock_timeout")?,
        pooler: section.need("pooler")?,
    })
}

fn daemon(section: &Section<'_>) -> Result<Daemon, Unread> {
    Ok(Daemon {
        timezone: section.need("timezone")?,
        max_concurrent_jobs: section.need("max_concurrent_jobs")?,
        drain_timeout: section.need("drain_timeout")?,
        history_retention: section.need("history_retention")?,
    })
}

fn log(section: &Section<'_>) -> Result<Log, Unread> {
    Ok(Log {
        level: section.need("level")?,
        format: section.need("format")?,
        file: section.inner("file").if_written(log_file)?,
    })
}

fn log_file(section: &Section<'_>) -> Result<LogFile, Unread> {
    Ok(LogFile {
        directory: section.need("directory")?,
        rotation: section.need("rotation")?,
        keep: section.need("keep")?,
    })
}

fn schedule(section: &Section<'_>) -> Result<Schedule, Unread> {
    Ok(Schedule {
        cron: section.need("schedule")?,
        timezone: section.need("timezone")?,
        jitter: section.need("jitter")?,
        timeout: section.need("timeout")?,
        max_attempts: section.need("max_attempts")?,
        catchup: section.need("catchup")?,
        start_deadline: section.get("start_deadline"),
    })
}

fn partitions(section: &Section<'_>) -> Result<Partitions, Unread> {
    let tables = section.tables(|table| {
        Ok(PartitionTable {
            key: table.get("key").map(|word| time_code(table, word)).transpose()?,
            interval: table.need("interval")?,
            anchor: table.get("anchor"),
            premake: table.need("premake")?,
            timezone: table.need("timezone")?,
            name: table.get("name"),
            split: table.need("split")?,
            quarantine: quarantine(table),
            expiry: expiry(table),
        })
    })?;
    Ok(Partitions { schedule: schedule(section)?, tables })
}

/// Without `retention` nothing expires, and its companions cannot be written; so their defaults are
/// here.
fn expiry(table: &Section<'_>) -> Option<Expiry> {
    let retention = table.get("retention")?;
    Some(Expiry {
        retention,
        on_expiry: table.get("on_expiry").unwrap_or(OnExpiry::Detach),
        quarantine: quarantine(table),
        max_per_run: table.get("expire_max_per_run").unwrap_or(10),
        max_share: table.get("expire_max_share").unwrap_or(0.5),
    })
}

/// Of what expires, and of what a drain or a split leaves, which needs no `retention`.
fn quarantine(table: &Section<'_>) -> Period {
    table.get("quarantine").unwrap_or(QUARANTINE)
}

fn time_code(table: &Section<'_>, word: KeyWord) -> Result<TimeCode, Unread> {
    Ok(match word {
        KeyWord::Epoch(unit) => TimeCode::Epoch(unit),
        KeyWord::UuidV7 => TimeCode::UuidV7,
        KeyWord::Snowflake => TimeCode::Snowflake(Snowflake {
            epoch: table.need("snowflake_epoch")?,
            shift: table.need("snowflake_shift")?,
        }),
    })
}

fn limits(section: &Section<'_>) -> Result<Limits, Unread> {
    let database = Section::of(section.settings, KeyPath::of("database"));
    Ok(Limits {
        replica_lag: Some(database.need("max_replica_lag")?),
        replica_wal: Some(section.need("replica_wal")?),
        replicas: section.get("replicas").unwrap_or_default(),
        slot_wal: Some(section.need("slot_wal")?),
        archiver_wal: Some(section.need("archiver_wal")?),
        wal_per_second: section.get("wal_per_second"),
        active_sessions: section.get("active_sessions"),
        checkpoint_gap: section.get("checkpoint_gap"),
    })
}

fn analyze(section: &Section<'_>) -> Result<Analyze, Unread> {
    Ok(Analyze {
        schedule: schedule(section)?,
        stale_fraction: section.need("stale_fraction")?,
        stale_rows: section.need("stale_rows")?,
        max_tables: section.need("max_tables")?,
        schemas: section.get("schemas").unwrap_or_default(),
        exclude: section.get("exclude").unwrap_or_default(),
    })
}

fn slow_queries(section: &Section<'_>) -> Result<SlowQueries, Unread> {
    Ok(SlowQueries {
        schedule: schedule(section)?,
        slow_mean: section.need("slow_mean")?,
        slow_max: section.need("slow_max")?,
        min_calls: section.need("min_calls")?,
        max_lines: section.need("max_lines")?,
        remind_after: section.need("remind_after")?,
    })
}
