use std::collections::BTreeSet;

use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;

fn schedule(cron: &str, catchup: Catchup) -> Schedule {
    Schedule {
        cron: cron.parse().unwrap(),
        timezone: Tz::UTC,
        jitter: Duration::ZERO,
        timeout: Duration::from_hours(1),
        max_attempts: 1,
        catchup,
        start_deadline: None,
    }
}

/// `12:00`, or `2 12:00` for the day after, or with seconds.
fn at(text: &str) -> DateTime<Utc> {
    let (day, time) = text.split_once(' ').unwrap_or(("1", text));
    let seconds = if time.len() == 5 { ":00" } else { "" };
    format!("2026-03-{day:0>2}T{time}{seconds}Z").parse().unwrap()
}

fn facts<'a>(schedule: &'a Schedule, newest: Option<&str>) -> Facts<'a> {
    let newest = newest.map(at);
    Facts {
        job: "archive",
        schedule,
        newest,
        newest_past: newest,
        known_since: at("00:00"),
        paused: false,
    }
}

/// The decision in one line: `run … | late … | paused … | missed N first-last | aside … | next …`.
fn check(facts: &Facts<'_>, now: &str, expected: &str) {
    let text = |instant: &DateTime<Utc>| instant.format("%-d %H:%M:%S").to_string();
    let decision = decide(facts, at(now));
    let mut parts: Vec<String> =
        decision.run.iter().map(|slot| format!("run {}", text(slot))).collect();
    parts.extend(
        decision
            .skip
            .iter()
            .map(|skip| format!("{:?} {}", skip.why, text(&skip.slot)).to_lowercase()),
    );
    parts.extend(
        decision.missed.map(|m| format!("missed {} {}-{}", m.slots, text(&m.first), text(&m.last))),
    );
    parts.extend(decision.set_aside.map(|slot| format!("aside {}", text(&slot))));
    parts.extend(decision.next_at.map(|next| format!("next {}", text(&next))));
    assert_eq!(parts.join(" | "), expected, "at {now}");
}

#[test]
fn a_slot_is_due_once() {
    let hourly = schedule("0 * * * *", Catchup::Latest);
    check(&facts(&hourly, Some("11:00")), "11:59:59", "next 1 12:00:00");
    check(&facts(&hourly, Some("11:00")), "12:00", "run 1 12:00:00 | next 1 13:00:00");
    check(&facts(&hourly, Some("12:00")), "12:00", "next 1 13:00:00");
}

#[test]
fn slots_before_the_job_was_known_are_not_missed() {
    let hourly = schedule("0 * * * *", Catchup::All);
    let mut known = facts(&hourly, None);
    known.known_since = at("11:00:01");
    check(&known, "11:30", "next 1 12:00:00");
    check(&known, "12:30", "run 1 12:00:00 | next 1 13:00:00");
    known.known_since = at("12:00");
    check(&known, "12:00", "run 1 12:00:00 | next 1 13:00:00");
}

#[test]
fn missed_slots_are_caught_up_as_configured() {
    let latest = schedule("0 * * * *", Catchup::Latest);
    check(
        &facts(&latest, Some("02:00")),
        "06:30",
        "run 1 06:00:00 | missed 3 1 03:00:00-1 05:00:00 | next 1 07:00:00",
    );
    let all = schedule("0 * * * *", Catchup::All);
    check(
        &facts(&all, Some("03:00")),
        "06:30",
        "run 1 04:00:00 | run 1 05:00:00 | run 1 06:00:00 | next 1 07:00:00",
    );
    let none = schedule("0 * * * *", Catchup::None);
    check(
        &facts(&none, Some("03:00")),
        "06:30",
        "late 1 06:00:00 | missed 2 1 04:00:00-1 05:00:00 | next 1 07:00:00",
    );
    check(
        &facts(&none, Some("03:00")),
        "06:00:59",
        "run 1 06:00:00 | missed 2 1 04:00:00-1 05:00:00 | next 1 07:00:00",
    );
}

#[test]
fn catching_up_all_stops_at_its_limit() {
    let minutely = schedule("* * * * *", Catchup::All);
    let decision = decide(&facts(&minutely, Some("00:00")), at("10:00"));
    assert_eq!((decision.run.len(), decision.run[0]), (CATCHUP_MAX, at("08:21")));
    let missed = Missed { slots: 500, first: at("00:01"), last: at("08:20") };
    assert_eq!(decision.missed, Some(missed));
    let decision = decide(&facts(&minutely, Some("00:00")), at("20 00:00"));
    assert_eq!(decision.missed.map(|missed| missed.slots), Some(MISSED_COUNT_MAX));
}

#[test]
fn a_slot_past_its_start_deadline_is_late() {
    let mut hourly = schedule("0 * * * *", Catchup::All);
    hourly.start_deadline = Some(Duration::from_mins(90));
    check(
        &facts(&hourly, Some("03:00")),
        "06:30",
        "run 1 05:00:00 | run 1 06:00:00 | late 1 04:00:00 | next 1 07:00:00",
    );
    hourly.catchup = Catchup::Latest;
    hourly.start_deadline = Some(Duration::from_mins(20));
    check(&facts(&hourly, Some("05:00")), "06:20", "run 1 06:00:00 | next 1 07:00:00");
    check(&facts(&hourly, Some("05:00")), "06:20:01", "late 1 06:00:00 | next 1 07:00:00");
}

#[test]
fn a_paused_job_records_its_slots() {
    let all = schedule("0 * * * *", Catchup::All);
    let paused = Facts { paused: true, ..facts(&all, Some("03:00")) };
    check(&paused, "06:30", "paused 1 06:00:00 | missed 2 1 04:00:00-1 05:00:00 | next 1 07:00:00");
    check(&paused, "03:30", "next 1 04:00:00");
}

#[test]
fn the_clock_may_jump() {
    let minutely = schedule("* * * * *", Catchup::Latest);
    // Forward by ten minutes: one run.
    check(
        &facts(&minutely, Some("12:00")),
        "12:10:30",
        "run 1 12:10:00 | missed 9 1 12:01:00-1 12:09:00 | next 1 12:11:00",
    );
    // Back by two seconds: nothing twice.
    check(
        &Facts { newest_past: Some(at("11:59")), ..facts(&minutely, Some("12:00")) },
        "11:59:58",
        "next 1 12:01:00",
    );
    // Back by ten minutes: what was run stays run, and the job goes on after it …
    let back = Facts { newest_past: Some(at("11:50")), ..facts(&minutely, Some("12:00")) };
    check(&back, "11:50:30", "aside 1 12:00:00 | next 1 11:51:00");
    // … and what was not run is due.
    check(&back, "11:51", "run 1 11:51:00 | aside 1 12:00:00 | next 1 11:52:00");
    // Back to before anything was known: the newest slot is the first.
    let before_all =
        Facts { newest_past: None, known_since: at("11:55"), ..facts(&minutely, Some("12:00")) };
    check(&before_all, "11:50:30", "run 1 11:50:00 | aside 1 12:00:00 | next 1 11:51:00");
    let no_history = Facts { known_since: at("12:00"), ..facts(&minutely, None) };
    check(&no_history, "11:50:30", "run 1 11:50:00 | next 1 11:51:00");
    check(&no_history, "11:59:59", "next 1 12:00:00");
}

#[test]
fn jitter_delays_the_start_and_keeps_the_slot() {
    let mut hourly = schedule("0 * * * *", Catchup::Latest);
    hourly.jitter = Duration::from_mins(10);
    let archive = facts(&hourly, Some("11:00"));
    let starts = start(&archive, at("12:00"));
    let pinned = at("12:00") + TimeDelta::milliseconds(590_523);
    assert_eq!(starts, pinned, "replicas of different versions must agree");
    assert!(decide(&archive, starts - TimeDelta::milliseconds(1)).run.is_empty());
    assert_eq!(decide(&archive, at("11:30")).next_at, Some(starts));
    assert_eq!(decide(&archive, starts).run, [at("12:00")]);
    let analyze = Facts { job: "analyze", ..archive };
    assert_ne!(start(&analyze, at("12:00")), starts);
}

#[test]
fn jitter_spreads_evenly_and_never_overtakes() {
    let mut minutely = schedule("* * * * *", Catchup::Latest);
    minutely.jitter = Duration::from_hours(1);
    let facts = facts(&minutely, None);
    let slots: Vec<_> = (0..1_000).map(|n| at("00:00") + TimeDelta::minutes(n)).collect();
    let delays: Vec<_> =
        slots.iter().map(|slot| (start(&facts, *slot) - slot).num_milliseconds()).collect();
    assert!(delays.iter().all(|delay| (0..60_000).contains(delay)));
    let mean = delays.iter().sum::<i64>() / 1_000;
    assert!((27_000..33_000).contains(&mean), "{mean}");
}

/// A database with history, and a clock that may do anything.
struct World {
    schedule: Schedule,
    known_since: DateTime<Utc>,
    recorded: BTreeSet<DateTime<Utc>>,
    missed: usize,
    now: DateTime<Utc>,
}

impl World {
    fn new(schedule: Schedule, now: DateTime<Utc>) -> Self {
        Self { schedule, known_since: now, recorded: BTreeSet::new(), missed: 0, now }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            job: "partitions",
            schedule: &self.schedule,
            newest: self.recorded.last().copied(),
            newest_past: self.recorded.range(..=self.now).next_back().copied(),
            known_since: self.known_since,
            paused: false,
        }
    }

    /// Asks the planner and does what it says; checks what must hold of any decision.
    fn pass(&mut self) {
        let decision = decide(&self.facts(), self.now);
        assert!(decision.run.is_sorted() && decision.skip.is_sorted_by_key(|skip| skip.slot));
        for slot in decision.run.iter().chain(decision.skip.iter().map(|skip| &skip.slot)) {
            assert!(start(&self.facts(), *slot) <= self.now, "{slot} has not come");
            assert!(self.recorded.insert(*slot), "{slot} is there twice");
        }
        self.missed += decision.missed.map_or(0, |missed| missed.slots);
        let again = decide(&self.facts(), self.now);
        assert_eq!((again.run, again.skip, again.missed), (vec![], vec![], None));
        assert_eq!(again.next_at, decision.next_at);
        self.check_next(decision.next_at.unwrap());
        self.check_not_silent();
    }

    /// Nothing is due before `next_at`, something is then.
    fn check_next(&self, next_at: DateTime<Utc>) {
        assert!(next_at > self.now);
        let run_at = |now| {
            decide(
                &World {
                    recorded: self.recorded.clone(),
                    schedule: self.schedule.clone(),
                    now,
                    ..*self
                }
                .facts(),
                now,
            )
        };
        let just_before = run_at(next_at - TimeDelta::milliseconds(1));
        assert!(just_before.run.is_empty() && just_before.skip.is_empty(), "due before {next_at}");
        let then = run_at(next_at);
        let is_recorded = self.recorded.range(self.now..).next().is_some();
        assert!(
            !then.run.is_empty() || !then.skip.is_empty() || is_recorded,
            "nothing at {next_at}"
        );
    }

    /// The newest slot whose start has come is settled, or a later one is that the clock may still
    /// remember, or it is older than the job.
    fn check_not_silent(&self) {
        let facts = self.facts();
        let slot = latest_started(&facts, self.now).unwrap();
        let next = next_after(&self.schedule, self.now).unwrap();
        let settled = self.recorded.range(slot..=next).next().is_some();
        let unknown = self.known_since > slot && self.known_since <= next;
        assert!(settled || unknown, "{slot} is forgotten at {}", self.now);
    }

    /// Every slot since the job is known whose start has come.
    fn slots(&self) -> BTreeSet<DateTime<Utc>> {
        let after = self.known_since - TimeDelta::microseconds(1);
        let facts = self.facts();
        self.schedule
            .cron
            .slots_between(after, self.now, self.schedule.timezone, usize::MAX)
            .filter(|slot| start(&facts, *slot) <= self.now)
            .collect()
    }
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let line = proptest::sample::select(vec![
        "* * * * *",
        "*/7 * * * *",
        "17 * * * *",
        "0,30 2 * * *",
        "30 2 * * *",
        "5 9-17 * * MON-FRI",
    ]);
    let zone = proptest::sample::select(vec![
        Tz::UTC,
        Tz::Europe__Berlin,
        Tz::America__Sao_Paulo,
        Tz::Australia__Lord_Howe,
    ]);
    let catchup = proptest::sample::select(vec![Catchup::Latest, Catchup::None, Catchup::All]);
    let jitter = prop_oneof![Just(0), 1..7_200_u64];
    let deadline = proptest::option::of(0..7_200_u64);
    (line, zone, catchup, jitter, deadline).prop_map(|(line, zone, catchup, jitter, deadline)| {
        Schedule {
            timezone: zone,
            jitter: Duration::from_secs(jitter),
            start_deadline: deadline.map(Duration::from_secs),
            ..schedule(line, catchup)
        }
    })
}

/// Close to changes of the clock in these zones, half of the time.
fn any_start() -> impl Strategy<Value = DateTime<Utc>> {
    let changes = [
        "2026-03-29T00:30:00Z",
        "2026-10-24T23:30:00Z",
        "2018-11-04T02:00:00Z",
        "2026-04-04T14:00:00Z",
    ];
    let change = proptest::sample::select(changes.to_vec()).prop_map(|text| text.parse().unwrap());
    let any = (1_500_000_000_000..1_900_000_000_000_i64)
        .prop_map(|milli| DateTime::from_timestamp_millis(milli).unwrap());
    prop_oneof![change, any]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// While the clock goes forward, by a little or by hours, every slot is run, recorded or missed,
    /// exactly once; with `all`, run or recorded.
    #[test]
    fn no_slot_is_lost_or_doubled(
        schedule in any_schedule(),
        start in any_start(),
        steps in proptest::collection::vec(prop_oneof![4 => 1..90_000_i64, 1 => 1..5_900_000_i64], 1..20),
    ) {
        let mut world = World::new(schedule, start);
        for step in steps {
            world.now += TimeDelta::milliseconds(step);
            world.pass();
        }
        let slots = world.slots();
        prop_assert!(world.recorded.is_subset(&slots));
        prop_assert_eq!(world.recorded.len() + world.missed, slots.len());
        if world.schedule.catchup == Catchup::All {
            prop_assert_eq!(world.missed, 0);
        }
    }

    /// Whatever the clock does, nothing is run twice and no job falls silent.
    #[test]
    fn clock_jumps_neither_double_nor_silence(
        schedule in any_schedule(),
        start in any_start(),
        steps in proptest::collection::vec(
            prop_oneof![6 => 0..90_000_i64, 2 => -5_000..5_000_i64, 1 => -100_000_000..100_000_000_i64],
            1..20,
        ),
    ) {
        let mut world = World::new(schedule, start);
        for step in steps {
            world.now += TimeDelta::milliseconds(step);
            world.pass();
        }
    }
}
