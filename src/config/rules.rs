//! Rules across keys: what is missing, and what contradicts itself.
//!
//! Each rule looks only at settings that are right by themselves, so that all problems are told at
//! once and none twice.

use std::time::Duration;

use super::keys::{Node, Otherwise, keys_of, node};
use super::path::KeyPath;
use super::problem::{Place, Problems};
use super::settings::Settings;
use super::show::literal;
use crate::config::checked::OnExpiry;
use crate::pg::ident::{Ident, TableName};
use crate::time::extent::Extent;
use crate::time::period::Period;

/// The jobs that this version has.
const JOBS: [&str; 4] = ["partitions", "archive", "analyze", "slow_queries"];

/// Holds all rules against the settings.
pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    let mut rules = Rules { settings, problems };
    rules.required_keys();
    rules.timeouts();
    rules.connections();
    rules.own_schema();
    rules.history();
    for job in JOBS {
        rules.needs_a_table(&KeyPath::of(job));
    }
    rules.tables();
    rules.archive();
    rules.slow_queries();
}

pub(super) struct Rules<'a> {
    pub(super) settings: &'a Settings,
    pub(super) problems: &'a mut Problems,
}

impl Rules<'_> {
    fn required_keys(&mut self) {
        for (section, instance) in self.settings.instances() {
            for key in keys_of(section.path) {
                let path = instance.join(key.name());
                let Otherwise::Required(example) = key.otherwise else { continue };
                if self.settings.setting(&path).is_none() && !self.settings.is_broken(&path) {
                    let message = format!("is missing; write {} = {example}", key.name());
                    let place = self.place_of(&instance);
                    self.problems.add(place, Some(path), message);
                }
            }
        }
    }

    fn timeouts(&mut self) {
        let lock = KeyPath::of("database.lock_timeout");
        let statement = KeyPath::of("database.statement_timeout");
        self.shorter(&lock, &statement, "a wait for a lock is part of a statement");
        for job in JOBS.map(KeyPath::of) {
            self.shorter(&lock, &job.join("timeout"), "a run would end before its first lock");
            let (jitter, deadline) = (job.join("jitter"), job.join("start_deadline"));
            self.shorter(&jitter, &deadline, "a slot that waits for its jitter would be too late");
        }
    }

    fn connections(&mut self) {
        let most = KeyPath::of("database.max_connections");
        let jobs = KeyPath::of("daemon.max_concurrent_jobs");
        let numbers = (self.settings.get::<u64>(&most), self.settings.get::<u64>(&jobs));
        if let (Some(have), Some(need)) = numbers
            && have < need
        {
            let message = format!(
                "is {have}, too few for {}; write {need} or more, or fewer jobs at once",
                self.named(&jobs)
            );
            self.blame(&[most, jobs], message);
        }
    }

    fn own_schema(&mut self) {
        let path = KeyPath::of("database.schema");
        let Some(schema) = self.settings.get::<Ident>(&path) else { return };
        let name = schema.as_str();
        if name.starts_with("pg_") || name == "information_schema" || name == "public" {
            let message = format!(
                "is {schema}, which is not pgtend's own; write a name that nothing else uses, such \
                 as \"pgtend\""
            );
            self.blame(std::slice::from_ref(&path), message);
        }
        for (_, instance) in self.settings.instances() {
            let table = instance.last().parse::<TableName>();
            let is_table = instance.names().len() == 3;
            if is_table && table.is_ok_and(|table| table.schema == schema) {
                let message = "is in pgtend's own schema, which keeps itself in order; remove it";
                self.problems.add(self.place_of(&instance), Some(instance), message);
            }
        }
    }

    fn history(&mut self) {
        let path = KeyPath::of("daemon.history_retention");
        if let Some(kept) = self.settings.get::<Period>(&path)
            && days_most(kept) < 1
        {
            let message = format!(
                "is {kept}; write \"1 day\" or longer, as the history tells which \
                                   slots have been run"
            );
            self.blame(&[path], message);
        }
    }

    /// A job that works through tables needs one.
    fn needs_a_table(&mut self, job: &KeyPath) {
        let tables = job.join("tables");
        let has_tables = matches!(node(&tables), Node::Tables);
        let written = self.settings.section(job).is_some();
        let named = self.settings.instances().iter().any(|(_, path)| path.parent() == tables);
        if has_tables && written && !named && !self.settings.is_broken(&tables) {
            let message = format!("no table is named; write [{}]", tables.join("schema.table"));
            self.problems.add(self.place_of(job), Some(job.clone()), message);
        }
    }

    fn tables(&mut self) {
        for (section, table) in self.settings.instances() {
            if section.path == "partitions.tables.*" {
                self.partition_table(&table);
            }
        }
    }

    fn partition_table(&mut self, table: &KeyPath) {
        self.partition_grid(table);
        self.quarantine(table);
        let (retention, interval) = (table.join("retention"), table.join("interval"));
        let grid = self.settings.get::<Extent>(&interval).and_then(Extent::period);
        if let (Some(kept), Some(grid)) = (self.settings.get::<Period>(&retention), grid)
            && seconds_most(kept) < seconds_least(grid)
        {
            let message =
                format!("is {kept}, shorter than one partition of {grid}; write a longer one");
            self.blame(&[retention.clone(), interval], message);
        }
        for name in ["on_expiry", "expire_max_per_run", "expire_max_share"] {
            let path = table.join(name);
            if self.is_written(&path) && self.is_absent(&retention) {
                let message = "says nothing without retention; write retention = \"12 months\", or \
                               remove it";
                self.blame(&[path], message.to_owned());
            }
        }
    }

    /// There is no quarantine where nothing is kept.
    fn quarantine(&mut self, table: &KeyPath) {
        let (quarantine, on_expiry) = (table.join("quarantine"), table.join("on_expiry"));
        if self.is_written(&quarantine)
            && self.settings.get::<OnExpiry>(&on_expiry) == Some(OnExpiry::DropAtOnce)
        {
            let message = "says nothing with on_expiry = \"drop_at_once\"; remove it, or write \
                           on_expiry = \"drop\"";
            self.blame(&[quarantine, on_expiry], message.to_owned());
        }
    }

    fn slow_queries(&mut self) {
        let (mean, max) =
            (KeyPath::of("slow_queries.slow_mean"), KeyPath::of("slow_queries.slow_max"));
        let both = (self.settings.get::<Duration>(&mean), self.settings.get::<Duration>(&max));
        if let (Some(mean_limit), Some(max_limit)) = both
            && max_limit < mean_limit
        {
            let message =
                format!("is {} and must not be below {}", self.value(&max), self.named(&mean));
            self.blame(&[max, mean], message);
        }
    }

    /// One duration must be shorter than another. The one that is written is to blame, not a default.
    fn shorter(&mut self, short: &KeyPath, long: &KeyPath, why: &str) {
        let both = (self.settings.get::<Duration>(short), self.settings.get::<Duration>(long));
        let (Some(short_limit), Some(long_limit)) = both else { return };
        if short_limit < long_limit {
            return;
        }
        let (blamed, other, relation) =
            if self.is_written(short) { (short, long, "shorter") } else { (long, short, "longer") };
        let message = format!(
            "is {} and must be {relation} than {}: {why}",
            self.value(blamed),
            self.named(other)
        );
        self.blame(std::slice::from_ref(blamed), message);
    }

    pub(super) fn is_absent(&self, path: &KeyPath) -> bool {
        self.settings.setting(path).is_none() && !self.settings.is_broken(path)
    }

    pub(super) fn is_written(&self, path: &KeyPath) -> bool {
        let setting = self.settings.setting(path);
        setting.is_some_and(|setting| !matches!(setting.place, Place::Default(_)))
    }

    /// Notes a problem about the first of the settings, at the place of the first that is written.
    pub(super) fn blame(&mut self, paths: &[KeyPath], message: String) {
        let places = paths.iter().filter_map(|path| self.settings.setting(path));
        let place = places
            .map(|setting| &setting.place)
            .find(|place| !matches!(place, Place::Default(_)))
            .unwrap_or(&Place::Nowhere);
        self.problems.add(place.clone(), paths.first().cloned(), message);
    }

    pub(super) fn place_of(&self, section: &KeyPath) -> Place {
        self.settings.section(section).unwrap_or(&Place::Nowhere).clone()
    }

    pub(super) fn value(&self, path: &KeyPath) -> String {
        self.settings.setting(path).map_or_else(String::new, |setting| literal(&setting.value))
    }

    /// A setting with its value and origin, for a message about another.
    fn named(&self, path: &KeyPath) -> String {
        let Some(setting) = self.settings.setting(path) else { return path.to_string() };
        format!("{path} = {} ({})", literal(&setting.value), setting.place.origin())
    }
}

/// At most this many whole days.
fn days_most(period: Period) -> u64 {
    seconds_most(period) / 86_400
}

/// At most this long.
fn seconds_most(period: Period) -> u64 {
    (u64::from(period.months()) * 31 + u64::from(period.days())) * 86_400
        + u64::from(period.seconds())
}

/// At least this long.
fn seconds_least(period: Period) -> u64 {
    (u64::from(period.months()) * 28 + u64::from(period.days())) * 86_400
        + u64::from(period.seconds())
}
