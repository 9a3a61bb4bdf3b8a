//! What is due: pure, so that every question of clocks is settled by a table or a property.
//!
//! A slot is a moment at which the cron line was due. The planner is asked again and again, by
//! anyone, at any time, and remembers nothing: what was done is in history, and a slot at or before
//! the newest there is never due again. So it does not matter how often it is asked, how late,
//! how many processes ask, or that one of them was just restarted.
//!
//! | the server's clock | what follows |
//! | --- | --- |
//! | goes on, with pauses | slots passed meanwhile are caught up as `catchup` says |
//! | jumps forward | the same: with `latest`, one run |
//! | goes back by less than to the slot before | nothing twice; the next slot is the next new one |
//! | goes back further | slots in history that now lie ahead are set aside and reported; what was run stays run, all else is due as usual |

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::checked::{Catchup, Schedule};

/// The most slots `catchup = "all"` makes up at once, the newest ones; the others are missed.
pub const CATCHUP_MAX: usize = 100;
/// Missed slots are counted up to this; a minutely job that was off for a week is close to it.
pub const MISSED_COUNT_MAX: usize = 10_000;
/// With `catchup = "none"` a slot is run if it is found within this. The planner looks at least
/// every 30 s; twice that is a slot nobody was there for.
const ON_TIME: TimeDelta = TimeDelta::seconds(60);

/// What is known of one job.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its name.
    pub job: &'a str,
    /// When it is due, and what about missed slots.
    pub schedule: &'a Schedule,
    /// The newest slot in history, whatever became of it. Only slots of the schedule count: a run
    /// asked for by hand must not hide a slot.
    pub newest: Option<DateTime<Utc>>,
    /// The newest of those at or before `now`. The same, unless the clock went back.
    pub newest_past: Option<DateTime<Utc>>,
    /// When the job was first seen: slots before it were not missed, there was nothing to miss.
    pub known_since: DateTime<Utc>,
    /// An operator paused it.
    pub paused: bool,
}

/// What to do about one job now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Slots to run now, oldest first.
    pub run: Vec<DateTime<Utc>>,
    /// Slots to record without a run, oldest first.
    pub skip: Vec<Skip>,
    /// Slots that are neither run nor recorded. To be told once: by who wins the claim, or the
    /// record, of the newest slot above.
    pub missed: Option<Missed>,
    /// When something is due again, jitter included. Never before `now`.
    pub next_at: Option<DateTime<Utc>>,
    /// The newest slot in history, set aside because it lies further ahead than the next slot: the
    /// clock was wrong then, or is now.
    pub set_aside: Option<DateTime<Utc>>,
}

/// A slot that is recorded without a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    /// The slot.
    pub slot: DateTime<Utc>,
    /// Why.
    pub why: SkipReason,
}

/// Why a slot is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// Too late: past `start_deadline`, or missed with `catchup = "none"`.
    Late,
    /// The job is paused.
    Paused,
}

/// Slots that passed while nobody ran and are not made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// How many, counted to [`MISSED_COUNT_MAX`].
    pub slots: usize,
    /// The oldest.
    pub first: DateTime<Utc>,
    /// The newest.
    pub last: DateTime<Utc>,
}

/// Decides for one job. `now` is the server's clock.
#[must_use]
pub fn decide(facts: &Facts<'_>, now: DateTime<Utc>) -> Decision {
    let (after, set_aside) = last_settled(facts, now);
    let mut decision = Decision { set_aside, ..Decision::default() };
    let chosen = newest_due(facts, after, now);
    if let Some(&oldest) = chosen.first() {
        decision.missed = missed(facts.schedule, after, oldest);
    }
    for &slot in &chosen {
        match skip_reason(facts, slot, now) {
            Some(why) => decision.skip.push(Skip { slot, why }),
            None => decision.run.push(slot),
        }
    }
    let settled = chosen.last().copied().unwrap_or(after);
    decision.next_at = next_after(facts.schedule, settled).map(|slot| start(facts, slot));
    decision
}

/// The instant up to which all slots are settled, and the slot in history that was set aside.
///
/// A memory of a time beyond the next slot cannot come from this clock: following it would silence
/// the job until then.
fn last_settled(facts: &Facts<'_>, now: DateTime<Utc>) -> (DateTime<Utc>, Option<DateTime<Utc>>) {
    let next = next_after(facts.schedule, now).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let set_aside = facts.newest.filter(|newest| *newest > next);
    let recorded = if set_aside.is_none() { facts.newest } else { facts.newest_past };
    // A slot at the very moment the job became known is its first.
    let known = Some(facts.known_since - TimeDelta::microseconds(1)).filter(|known| *known < next);
    let after = recorded.or(known).unwrap_or_else(|| {
        // Nothing to go by: the newest slot is the first.
        latest_started(facts, now).unwrap_or(now) - SECOND
    });
    (after, set_aside)
}

const SECOND: TimeDelta = TimeDelta::seconds(1);

/// The newest slots after `after` whose start has come, oldest first: as many as may be caught up.
fn newest_due(facts: &Facts<'_>, after: DateTime<Utc>, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let limit = match facts.schedule.catchup {
        Catchup::All if !facts.paused => CATCHUP_MAX,
        Catchup::All | Catchup::Latest | Catchup::None => 1,
    };
    let before = |slot: &DateTime<Utc>| latest(facts.schedule, *slot - SECOND);
    let mut slots: Vec<_> = std::iter::successors(latest_started(facts, now), before)
        .take_while(|slot| *slot > after)
        .take(limit)
        .collect();
    slots.reverse();
    slots
}

fn missed(
    schedule: &Schedule,
    after: DateTime<Utc>,
    oldest_chosen: DateTime<Utc>,
) -> Option<Missed> {
    let until = oldest_chosen - SECOND;
    let mut passed = schedule.cron.slots_between(after, until, schedule.timezone, MISSED_COUNT_MAX);
    let first = passed.next()?;
    Some(Missed { slots: 1 + passed.count(), first, last: latest(schedule, until)? })
}

fn skip_reason(facts: &Facts<'_>, slot: DateTime<Utc>, now: DateTime<Utc>) -> Option<SkipReason> {
    let age = now - start(facts, slot);
    let deadline = facts.schedule.start_deadline.and_then(|limit| TimeDelta::from_std(limit).ok());
    let is_late = deadline.is_some_and(|deadline| age > deadline)
        || (facts.schedule.catchup == Catchup::None && age > ON_TIME);
    if facts.paused { Some(SkipReason::Paused) } else { is_late.then_some(SkipReason::Late) }
}

/// The newest slot whose start has come: the newest, or the one before if jitter holds that back.
fn latest_started(facts: &Facts<'_>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let slot = latest(facts.schedule, now)?;
    if start(facts, slot) <= now { Some(slot) } else { latest(facts.schedule, slot - SECOND) }
}

/// When the slot starts: itself plus jitter, the same for everyone who asks. Always before the next
/// slot, so that slots start in their order and none is overtaken and lost.
fn start(facts: &Facts<'_>, slot: DateTime<Utc>) -> DateTime<Utc> {
    if facts.schedule.jitter.is_zero() {
        return slot;
    }
    let gap = next_after(facts.schedule, slot)
        .and_then(|next| (next - slot).to_std().ok())
        .unwrap_or(Duration::MAX);
    let range_ms = facts.schedule.jitter.min(gap).as_millis().max(1);
    let delay_ms = u128::from(stable_hash(facts.job, slot)) % range_ms;
    slot + TimeDelta::milliseconds(i64::try_from(delay_ms).unwrap_or(0))
}

/// FNV-1a with a final mix: the same on every machine and in every version, unlike the standard
/// library's hashers.
fn stable_hash(job: &str, slot: DateTime<Utc>) -> u64 {
    let seconds = slot.timestamp().to_le_bytes();
    let bytes = job.bytes().chain(seconds);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

fn next_after(schedule: &Schedule, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
    schedule.cron.next_after(instant, schedule.timezone)
}

fn latest(schedule: &Schedule, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
    schedule.cron.latest_at_or_before(instant, schedule.timezone)
}

#[cfg(test)]
mod tests;
