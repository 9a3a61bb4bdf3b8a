//! The job as it is from poll to poll, without a server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono_tz::Tz;

use super::world::{Extension, World};
use crate::config::checked;
use crate::jobs::slow_queries::delta::{Comparison, Key, Snapshot, compare};
use crate::jobs::slow_queries::plan::{decide, wanted};
use crate::jobs::slow_queries::policy::Policy;
use crate::jobs::slow_queries::redact::{Class, redact};
use crate::jobs::slow_queries::state::{Baseline, Open, Seen, Server, Stored, Text, Texts};
use crate::telemetry::{CoverageGap, Event};

/// The job between polls of a world: what its tables would hold.
pub struct Desk {
    pub world: World,
    pub policy: Policy,
    pub server: Server,
    pub last: Option<Snapshot>,
    pub gaps: BTreeSet<CoverageGap>,
    pub open: BTreeMap<Key, Open>,
    pub texts: BTreeMap<Key, Text>,
    /// How often texts were fetched from the server.
    pub fetches: usize,
}

pub fn section() -> checked::SlowQueries {
    checked::SlowQueries {
        schedule: checked::Schedule {
            cron: "* * * * *".parse().expect("five fields"),
            timezone: Tz::UTC,
            jitter: Duration::ZERO,
            timeout: Duration::from_mins(1),
            max_attempts: 1,
            catchup: checked::Catchup::Latest,
            start_deadline: None,
        },
        slow_mean: Duration::from_millis(100),
        slow_max: Duration::from_secs(1),
        min_calls: 2,
        max_lines: 3,
        remind_after: Duration::from_hours(1),
    }
}

/// Numbers from 900 on are commands, 990 is our own.
fn sql_of(queryid: i64) -> String {
    match queryid {
        990 => "select count(*) from pg_stat_statements(false)".to_owned(),
        900.. => format!("vacuum t{queryid}"),
        _ => format!("select {queryid} from t{queryid}"),
    }
}

impl Desk {
    pub fn new() -> Self {
        let mut desk = Self {
            world: World::new(Extension::Counts),
            policy: Policy(section()),
            server: Server { times_io: true, block_bytes: 8192, records: true },
            last: None,
            gaps: BTreeSet::new(),
            open: BTreeMap::new(),
            texts: BTreeMap::new(),
            fetches: 0,
        };
        assert_eq!(desk.poll(), [""; 0], "the first poll is silent");
        desk
    }

    pub fn seen(&self) -> Seen {
        let now = self.world.look();
        let stale_after = self.policy.stale_after(now.marks.taken_at);
        let comparison = compare(self.last.as_ref(), &now, stale_after);
        let mut texts = Texts::default();
        if let Comparison::Since(interval) = &comparison {
            for key in wanted(interval, &self.open, &self.policy) {
                let text = self.texts.get(&key).cloned().unwrap_or_else(|| {
                    texts.fetched.insert(key);
                    let redacted = redact(&sql_of(key.queryid));
                    Text {
                        role_name: "web".into(),
                        query: redacted.text,
                        fingerprint: redacted.fingerprint,
                        class: if key.queryid == 990 { Class::Own } else { redacted.class },
                    }
                });
                texts.by_key.insert(key, text);
            }
        }
        let stored = self.last.as_ref().map(|last| Stored {
            taken_at: last.marks.taken_at,
            baseline: Some(Baseline {
                snapshot: last.clone(),
                changed: BTreeSet::new(),
                gaps: self.gaps.clone(),
            }),
        });
        let open = self.open.clone();
        Seen { database: "app".into(), server: self.server, stored, now, comparison, open, texts }
    }

    /// Polls after a minute, and remembers.
    pub fn poll_events(&mut self) -> Vec<Event> {
        self.world.pass(60);
        let seen = self.seen();
        let decision = decide(&self.policy, &seen, self.world.now);
        self.fetches += usize::from(!seen.texts.fetched.is_empty());
        self.texts.extend(seen.texts.by_key);
        self.open.extend(decision.open);
        self.open.retain(|key, _| !decision.resolved.contains(key));
        self.gaps = decision.gaps;
        self.last = Some(self.world.poll());
        decision.events
    }

    /// The same in words: `opened 7`, `suppressed 2`.
    pub fn poll(&mut self) -> Vec<String> {
        self.poll_events().iter().map(words).collect()
    }
}

fn words(event: &Event) -> String {
    match event {
        Event::SlowQueryOpened(query) => format!("opened {}", query.queryid),
        Event::SlowQueryContinuing(query) => format!("reminded {}", query.queryid),
        Event::SlowQueryResolved(query) => format!("resolved {}", query.queryid),
        Event::SlowQuerySuppressed { suppressed, .. } => format!("suppressed {suppressed}"),
        Event::SlowQueryCoverage(coverage) => format!("coverage {:?}", coverage.gaps),
        other => panic!("not one of this job's: {other:?}"),
    }
}
