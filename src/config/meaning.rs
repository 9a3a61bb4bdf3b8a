//! From settings to what they mean. Nothing is judged here: values are right, rules come apart.

use std::collections::BTreeMap;

use super::checked::{
    Analyze, Archive, ArchiveTable, Config, Daemon, Database, Log, LogFile, PartitionTable,
    Partitions, Schedule, SlowQueries, UrlSource,
};
use super::path::KeyPath;
use super::settings::Settings;
use super::value::Read;
use crate::pg::ident::TableName;

/// One section of the settings.
struct Section<'a> {
    settings: &'a Settings,
    path: KeyPath,
}

/// The meaning of complete settings; nothing if a problem has been noted about one that is needed.
pub(super) fn config(settings: &Settings, url: Option<UrlSource>) -> Option<Config> {
    let section = |name: &str| Section { settings, path: KeyPath::of(name) };
    Some(Config {
        database: database(&section("database"), url?)?,
        daemon: daemon(&section("daemon"))?,
        log: log(&section("log"))?,
        partitions: section("partitions").if_written(partitions)?,
        archive: section("archive").if_written(archive)?,
        analyze: section("analyze").if_written(analyze)?,
        slow_queries: section("slow_queries").if_written(slow_queries)?,
    })
}

impl Section<'_> {
    fn get<T: Read>(&self, name: &str) -> Option<T> {
        self.settings.get(&self.path.join(name))
    }

    fn inner(&self, name: &str) -> Section<'_> {
        Section { settings: self.settings, path: self.path.join(name) }
    }

    /// `Some(None)` if the section is not written, `None` if it is and cannot be read.
    fn if_written<T>(&self, read: impl FnOnce(&Self) -> Option<T>) -> Option<Option<T>> {
        match self.settings.section(&self.path) {
            Some(_) => read(self).map(Some),
            None => Some(None),
        }
    }

    /// The tables of a job, each with its section.
    fn tables<T>(
        &self,
        read: impl Fn(&Section<'_>) -> Option<T>,
    ) -> Option<BTreeMap<TableName, T>> {
        let tables = self.path.join("tables");
        self.settings
            .instances()
            .into_iter()
            .filter(|(_, path)| path.parent() == tables)
            .map(|(_, path)| {
                let name = path.last().parse().ok()?;
                Some((name, read(&Section { settings: self.settings, path })?))
            })
            .collect()
    }
}

fn database(section: &Section<'_>, url: UrlSource) -> Option<Database> {
    Some(Database {
        url,
        schema: section.get("schema")?,
        max_connections: section.get("max_connections")?,
        acquire_timeout: section.get("acquire_timeout")?,
        idle_timeout: section.get("idle_timeout")?,
        max_lifetime: section.get("max_lifetime")?,
        connect_timeout: section.get("connect_timeout")?,
        statement_timeout: section.get("statement_timeout")?,
        lock_timeout: section.get("lock_timeout")?,
        pooler: section.get("pooler")?,
    })
}

fn daemon(section: &Section<'_>) -> Option<Daemon> {
    Some(Daemon {
        timezone: section.get("timezone")?,
        max_concurrent_jobs: section.get("max_concurrent_jobs")?,
        drain_timeout: section.get("drain_timeout")?,
        history_retention: section.get("history_retention")?,
    })
}

fn log(section: &Section<'_>) -> Option<Log> {
    Some(Log {
        level: section.get("level")?,
        format: section.get("format")?,
        file: section.inner("file").if_written(log_file)?,
    })
}

fn log_file(section: &Section<'_>) -> Option<LogFile> {
    Some(LogFile {
        directory: section.get("directory")?,
        rotation: section.get("rotation")?,
        keep: section.get("keep")?,
    })
}

fn schedule(section: &Section<'_>) -> Option<Schedule> {
    Some(Schedule {
        cron: section.get("schedule")?,
        timezone: section.get("timezone")?,
        jitter: section.get("jitter")?,
        timeout: section.get("timeout")?,
        max_attempts: section.get("max_attempts")?,
        catchup: section.get("catchup")?,
        start_deadline: section.get("start_deadline"),
    })
}

fn partitions(section: &Section<'_>) -> Option<Partitions> {
    let tables = section.tables(|table| {
        Some(PartitionTable {
            interval: table.get("interval")?,
            premake: table.get("premake")?,
            timezone: table.get("timezone")?,
            name: table.get("name"),
            retention: table.get("retention"),
        })
    })?;
    Some(Partitions { schedule: schedule(section)?, tables })
}

fn archive(section: &Section<'_>) -> Option<Archive> {
    let tables = section.tables(|table| {
        Some(ArchiveTable {
            into: table.get("into")?,
            age_column: table.get("age_column")?,
            older_than: table.get("older_than")?,
            condition: table.get("where"),
            create_target: table.get("create_target")?,
            batch_rows: table.get("batch_rows")?,
            max_rows: table.get("max_rows"),
        })
    })?;
    Some(Archive { schedule: schedule(section)?, tables })
}

fn analyze(section: &Section<'_>) -> Option<Analyze> {
    Some(Analyze {
        schedule: schedule(section)?,
        stale_fraction: section.get("stale_fraction")?,
        stale_rows: section.get("stale_rows")?,
        max_tables: section.get("max_tables")?,
        schemas: section.get("schemas").unwrap_or_default(),
        exclude: section.get("exclude").unwrap_or_default(),
    })
}

fn slow_queries(section: &Section<'_>) -> Option<SlowQueries> {
    Some(SlowQueries {
        schedule: schedule(section)?,
        slow_mean: section.get("slow_mean")?,
        slow_max: section.get("slow_max")?,
        min_calls: section.get("min_calls")?,
        max_lines: section.get("max_lines")?,
        remind_after: section.get("remind_after")?,
    })
}
