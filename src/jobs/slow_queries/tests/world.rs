//! A `pg_stat_statements` in memory: it counts, evicts, resets and crashes like the real one, and
//! knows what really happened.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::jobs::slow_queries::delta::{Counter, Entry, Key, Marks, Origin, Since, Snapshot};

/// What the extension's version tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// 1.8: neither evictions nor resets nor ages.
    Blind,
    /// 1.9 and 1.10: evictions and the time of the last reset.
    Counts,
    /// 1.11 and later: also the age of each entry.
    Ages,
}

pub const ALL: [Extension; 3] = [Extension::Blind, Extension::Counts, Extension::Ages];

#[derive(Debug, Clone)]
pub struct World {
    pub extension: Extension,
    pub now: DateTime<Utc>,
    pub started_at: DateTime<Utc>,
    pub reset_at: DateTime<Utc>,
    pub evictions: u64,
    pub entries_max: usize,
    pub hidden: u64,
    pub entries: BTreeMap<i64, Entry>,
    /// Calls and microseconds since the last poll, whatever happened to the entries.
    pub truth: BTreeMap<i64, (u64, u64)>,
    /// Entries that were there at the last poll, are there now, and are not the same.
    pub recreated: BTreeMap<i64, bool>,
}

pub fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

pub fn key(queryid: i64) -> Key {
    Key { role: 10, toplevel: true, queryid }
}

impl World {
    pub fn new(extension: Extension) -> Self {
        let start = time("2025-06-01T00:00:00Z");
        Self {
            extension,
            now: start,
            started_at: start,
            reset_at: start,
            evictions: 0,
            entries_max: 5000,
            hidden: 0,
            entries: BTreeMap::new(),
            truth: BTreeMap::new(),
            recreated: BTreeMap::new(),
        }
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now += TimeDelta::from_std(Duration::from_secs(seconds)).expect("short");
    }

    /// Calls of one statement, each of the same duration.
    pub fn run(&mut self, queryid: i64, calls: u64, each_ms: u64) {
        self.now += TimeDelta::microseconds(1);
        let micros_each = each_ms * 1000;
        if !self.entries.contains_key(&queryid) && self.entries.len() >= self.entries_max {
            self.evict();
        }
        let micros = self.now.timestamp_micros();
        let entry = self.entries.entry(queryid).or_insert_with(|| Entry {
            min_us: u64::MAX,
            since: (self.extension == Extension::Ages)
                .then_some(Since { entry: micros, minmax: micros }),
            ..Entry::default()
        });
        entry.sums[Counter::Calls] += calls;
        entry.sums[Counter::Time] += calls * micros_each;
        entry.sums[Counter::Rows] += calls;
        entry.min_us = entry.min_us.min(micros_each);
        entry.max_us = entry.max_us.max(micros_each);
        let (true_calls, true_us) = self.truth.entry(queryid).or_default();
        *true_calls += calls;
        *true_us += calls * micros_each;
    }

    /// As the server does it: the least used 5 %, at least 10.
    fn evict(&mut self) {
        let mut by_calls: Vec<(u64, i64)> =
            self.entries.iter().map(|(&id, entry)| (entry.sums[Counter::Calls], id)).collect();
        by_calls.sort_unstable();
        for &(_, id) in by_calls.iter().take((self.entries.len() / 20).max(10)) {
            self.forget(id);
        }
        self.evictions += 1;
    }

    /// `pg_stat_statements_reset(0, 0, queryid)`
    pub fn forget(&mut self, queryid: i64) {
        self.entries.remove(&queryid);
        self.recreated.insert(queryid, true);
    }

    /// `pg_stat_statements_reset()`
    pub fn reset(&mut self) {
        self.now += TimeDelta::microseconds(1);
        let all: Vec<i64> = self.entries.keys().copied().collect();
        for id in all {
            self.forget(id);
        }
        self.reset_at = self.now;
        self.evictions = 0;
    }

    /// A clean one: everything is kept.
    pub fn restart(&mut self) {
        self.started_at = self.now;
    }

    /// What a poll sees; the truth begins anew.
    pub fn poll(&mut self) -> Snapshot {
        self.truth.clear();
        self.recreated.clear();
        self.look()
    }

    pub fn look(&self) -> Snapshot {
        let counts = self.extension != Extension::Blind;
        let marks = Marks {
            origin: Origin { system: 1, database: 5, extension: format!("{:?}", self.extension) },
            taken_at: self.now,
            started_at: self.started_at,
            stats_reset: counts.then_some(self.reset_at),
            evictions: counts.then_some(self.evictions),
            entries: self.entries.len() as u64,
            entries_max: self.entries_max as u64,
            hidden: self.hidden,
        };
        let statements = self.entries.iter().map(|(&id, &entry)| (key(id), entry)).collect();
        Snapshot { marks, statements }
    }
}
