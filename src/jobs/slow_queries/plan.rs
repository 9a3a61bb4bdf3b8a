//! Which statements have a line in the log this time, and what is remembered of them.
//!
//! A statement is quiet until an interval in which it is slow; then it is open, with one line. It
//! stays open without a word, but for ever rarer reminders, until an interval in which it is
//! clearly fast, or until it has not been called for a while; then it is resolved, with one line.
//! A change beyond the lines of one poll is not lost: the next poll tells it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::action::Record;
use super::delta::{Anew, Comparison, Counter, Delta, Interval, Key};
use super::policy::Policy;
use super::redact::Class;
use super::report::{self, Totals};
use super::state::{Decision, Open, Seen, Text};
use crate::job::Plan;
use crate::telemetry::{CoverageGap, Event, SlowReason};

/// Texts looked up or fetched for statements that may open, per poll. The others wait.
const TEXTS_MAX: usize = 200;
/// Statements open at once. More are a flood that another line would not explain.
const OPEN_MAX: usize = 500;
/// Above this many evictions a minute, too much is lost.
const EVICTIONS_PER_MINUTE_MAX: u64 = 1;

/// The statements whose texts the plan needs: the open ones, and of those that may open the
/// costliest.
#[must_use]
pub fn wanted(interval: &Interval, open: &BTreeMap<Key, Open>, policy: &Policy) -> Vec<Key> {
    let may_open = |(key, delta): &(&Key, &Delta)| {
        !open.contains_key(key) && policy.slowness(delta, Class::Query).is_some()
    };
    let mut slow: Vec<(&Key, &Delta)> = interval.deltas.iter().filter(may_open).collect();
    slow.sort_by_key(|(_, delta)| Reverse(delta.sums[Counter::Time]));
    slow.truncate(TEXTS_MAX);
    open.keys().chain(slow.into_iter().map(|(key, _)| key)).copied().collect()
}

/// The plan of a poll: one action, or a warning more.
#[must_use]
pub fn plan(policy: &Policy, seen: &Seen, now: DateTime<Utc>) -> Plan<Record> {
    let mut plan = Plan::default();
    if let Comparison::Anew(Anew::Stale(age)) = &seen.comparison {
        plan.warnings.push(format!(
            "the last poll was {} minutes ago, too long to compare with, so this one begins anew; \
             let the schedule say how often the job really runs",
            age.as_secs() / 60
        ));
    }
    plan.actions.push(Record::new(seen, decide(policy, seen, now), now));
    plan
}

/// Decides what is told and what is remembered.
#[must_use]
pub fn decide(policy: &Policy, seen: &Seen, now: DateTime<Utc>) -> Decision {
    let gaps = seen.baseline().map(|baseline| baseline.gaps.clone()).unwrap_or_default();
    let mut decision = Decision { gaps, ..Decision::default() };
    if let Comparison::Since(interval) = &seen.comparison {
        Poll { policy, seen, interval, now }.tell_changes(&mut decision);
        let gaps = gaps_of(seen, interval, &decision.gaps);
        if gaps != decision.gaps {
            decision.events.push(report::coverage(seen, interval, &gaps));
            decision.gaps = gaps;
        }
    }
    decision
}

/// What keeps this poll from seeing everything. A house that has begun to evict goes on while it is
/// full.
fn gaps_of(
    seen: &Seen,
    interval: &Interval,
    before: &BTreeSet<CoverageGap>,
) -> BTreeSet<CoverageGap> {
    let marks = &seen.now.marks;
    // Not counted before extension 1.9; each takes the twentieth part of the entries.
    let estimate = || interval.vanished.saturating_mul(20) / marks.entries_max.max(1);
    let evictions = interval.evictions.unwrap_or_else(estimate);
    let minutes = interval.length.as_secs().div_ceil(60);
    let evicts = evictions > EVICTIONS_PER_MINUTE_MAX * minutes;
    let still_evicts = marks.is_full() && before.contains(&CoverageGap::Evictions);
    [
        (CoverageGap::Evictions, evicts || still_evicts),
        (CoverageGap::Hidden, marks.hidden > 0),
        (CoverageGap::Off, !seen.server.records),
    ]
    .into_iter()
    .filter_map(|(gap, is_open)| is_open.then_some(gap))
    .collect()
}

/// A change of state, in the order they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Open,
    Resolve,
    Remind,
}

/// A change of one statement, with all that its line says.
struct Change<'a> {
    kind: Kind,
    key: Key,
    text: &'a Text,
    delta: Delta,
    open: Open,
}

/// A poll that has something to compare with.
struct Poll<'a> {
    policy: &'a Policy,
    seen: &'a Seen,
    interval: &'a Interval,
    now: DateTime<Utc>,
}

impl<'a> Poll<'a> {
    fn tell_changes(&self, decision: &mut Decision) {
        let mut changes: Vec<Change<'a>> = Vec::new();
        let mut suppressed = 0;
        for (key, delta) in &self.interval.deltas {
            match (self.seen.texts.by_key.get(key), self.seen.open.get(key)) {
                (Some(text), None) => changes.extend(self.opening(*key, text, delta)),
                (Some(text), Some(open)) => {
                    changes.extend(self.of_open(*key, text, delta, open, decision));
                }
                (None, _) if self.policy.slowness(delta, Class::Query).is_some() => suppressed += 1,
                (None, _) => {}
            }
        }
        changes.extend(self.forgotten());
        changes.sort_by_key(|change| (change.kind, Reverse(change.delta.sums[Counter::Time])));

        let mut room = OPEN_MAX.saturating_sub(self.seen.open.len());
        let mut lines = self.policy.0.max_lines;
        let totals = Totals::of(self.interval);
        for change in changes {
            if lines == 0 || (change.kind == Kind::Open && room == 0) {
                suppressed += 1;
                continue;
            }
            lines -= 1;
            decision.events.push(self.line(&change, &totals));
            match change.kind {
                Kind::Resolve => _ = decision.resolved.insert(change.key),
                Kind::Remind => _ = decision.open.insert(change.key, change.open),
                Kind::Open => {
                    room -= 1;
                    decision.open.insert(change.key, change.open);
                }
            }
        }
        if suppressed > 0 {
            let max_lines = self.policy.0.max_lines;
            decision.events.push(Event::SlowQuerySuppressed { suppressed, max_lines });
        }
    }

    fn opening(&self, key: Key, text: &'a Text, delta: &Delta) -> Option<Change<'a>> {
        let reason = self.policy.slowness(delta, text.class)?;
        let open = Open {
            reason,
            opened_at: self.now,
            slow_at: self.now,
            told_at: self.now,
            reminders: 0,
            mean_before_us: delta.mean_before_us,
        };
        Some(Change { kind: Kind::Open, key, text, delta: *delta, open })
    }

    /// An open statement that was called: still slow, in between, or fast.
    fn of_open(
        &self,
        key: Key,
        text: &'a Text,
        delta: &Delta,
        open: &Open,
        decision: &mut Decision,
    ) -> Option<Change<'a>> {
        let change = |kind, open| Some(Change { kind, key, text, delta: *delta, open });
        let slowness: Option<SlowReason> = self.policy.slowness(delta, text.class);
        if slowness.is_none() {
            let fast = self.policy.is_fast(delta, text.class);
            return fast.then(|| change(Kind::Resolve, open.clone())).flatten();
        }
        let still = Open { slow_at: self.now, ..open.clone() };
        if !self.policy.is_reminder_due(open, self.now) {
            decision.open.insert(key, still);
            return None;
        }
        let reminded = Open { told_at: self.now, reminders: open.reminders + 1, ..still.clone() };
        decision.open.insert(key, still);
        change(Kind::Remind, reminded)
    }

    /// Open statements that are not called any more.
    fn forgotten(&self) -> impl Iterator<Item = Change<'a>> {
        let Self { seen, interval, policy, now } = *self;
        seen.open.iter().filter_map(move |(key, open)| {
            let is_quiet = !interval.deltas.contains_key(key) && policy.is_forgotten(open, now);
            let text = seen.texts.by_key.get(key).filter(|_| is_quiet)?;
            let max_us = seen.now.statements.get(key).map_or(0, |entry| entry.max_us);
            let delta = Delta { length: interval.length, max_us, ..Delta::default() };
            Some(Change { kind: Kind::Resolve, key: *key, text, delta, open: open.clone() })
        })
    }

    fn line(&self, change: &Change<'_>, totals: &Totals) -> Event {
        let Change { kind, key, text, delta, open } = change;
        let query = report::slow_query(self.seen, totals, *key, text, delta, open);
        match kind {
            Kind::Open => Event::SlowQueryOpened(query),
            Kind::Resolve => Event::SlowQueryResolved(query),
            Kind::Remind => Event::SlowQueryContinuing(query),
        }
    }
}
