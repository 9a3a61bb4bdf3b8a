//! What a configuration means once it is right.

use std::time::Duration;

use super::loads;
use crate::config::checked::{Catchup, Level, LogFormat, Pooler, Rule};
use crate::pg::ident::{Ident, TableName};

#[test]
fn defaults_are_as_documented() {
    let config = loads(super::LEAST).config;
    let database = &config.database;
    assert_eq!(database.schema.as_str(), "pgtend");
    assert_eq!(database.max_connections, 5);
    assert_eq!(database.acquire_timeout, Duration::from_secs(30));
    assert_eq!(database.idle_timeout, Duration::from_secs(10));
    assert_eq!(database.max_lifetime, Duration::from_mins(30));
    assert_eq!(database.connect_timeout, Duration::from_secs(10));
    assert_eq!(database.statement_timeout, Duration::from_mins(15));
    assert_eq!(database.lock_timeout, Duration::from_secs(2));
    assert_eq!(database.pooler, Pooler::None);
    assert_eq!(config.daemon.timezone, chrono_tz::UTC);
    assert_eq!(config.daemon.max_concurrent_jobs, 4);
    assert_eq!(config.daemon.drain_timeout, Duration::from_mins(1));
    assert_eq!(config.daemon.history_retention, "90 days".parse().unwrap());
    assert_eq!((config.log.level, config.log.format), (Level::Info, LogFormat::Auto));
    assert!(config.log.file.is_none());
    assert!(config.partitions.is_none() && config.archive.is_none());
    assert!(config.analyze.is_none() && config.slow_queries.is_none());
}

#[test]
fn a_job_has_what_it_says_and_the_defaults_for_the_rest() {
    let text = format!(
        "{}[daemon]\ntimezone = \"Asia/Tokyo\"\nmax_concurrent_jobs = 8\n\
         [slow_queries]\nschedule = \"* * * * *\"\nslow_mean = \"100ms\"\n\
         [analyze]\nschedule = \"*/15 * * * *\"\ntimezone = \"UTC\"\ncatchup = \"none\"\n\
         start_deadline = \"10m\"\nschemas = [\"app\", '\"Odd\"']\n",
        super::LEAST
    );
    let config = loads(&text).config;
    assert_eq!(config.database.max_connections, 9);
    let slow = config.slow_queries.unwrap();
    assert_eq!(
        (slow.slow_mean, slow.slow_max),
        (Duration::from_millis(100), Duration::from_secs(1))
    );
    assert_eq!(slow.schedule.timezone, chrono_tz::Asia::Tokyo);
    assert_eq!(slow.schedule.catchup, Catchup::Latest);
    assert_eq!(slow.schedule.start_deadline, None);
    assert_eq!((slow.schedule.jitter, slow.schedule.max_attempts), (Duration::ZERO, 3));
    assert_eq!(slow.schedule.timeout, Duration::from_hours(1));
    let analyze = config.analyze.unwrap();
    assert_eq!(analyze.schedule.cron.as_str(), "*/15 * * * *");
    assert_eq!(analyze.schedule.timezone, chrono_tz::UTC);
    assert_eq!(analyze.schedule.catchup, Catchup::None);
    assert_eq!(analyze.schedule.start_deadline, Some(Duration::from_mins(10)));
    assert_eq!(analyze.schemas, ["app", "Odd"].map(|name| Ident::new(name).unwrap()));
    assert_eq!(
        (analyze.stale_fraction, analyze.stale_rows, analyze.max_tables),
        (0.05, 1_000, 100)
    );
}

#[test]
fn tables_are_what_sql_makes_of_their_names() {
    let text = format!(
        "{}[archive]\nschedule = \"5 * * * *\"\n\
         [archive.tables.ML_Jobs]\ninto = 'Archive.\"Jobs\"'\nage_column = \"Created\"\n\
         older_than = \"1 month\"\nwhere = \"status = 'done'\"\nmax_rows = 5\n",
        super::LEAST
    );
    let archive = loads(&text).config.archive.unwrap();
    let table = &archive.tables[&Rule::of(TableName::new("public", "ml_jobs").unwrap())];
    assert_eq!(table.into, TableName::new("archive", "Jobs").unwrap());
    assert_eq!(table.age.to_string(), "created");
    assert_eq!(table.condition, Some("status = 'done'".parse().unwrap()));
    assert_eq!((table.create_target, table.batch_rows, table.max_rows), (false, 10_000, Some(5)));
}
