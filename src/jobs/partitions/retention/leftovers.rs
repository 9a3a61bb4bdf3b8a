//! Old partitions whose rows others took over, in a drain or a split. They hold nothing that is not
//! elsewhere, so that they end whether or not the table has a `retention`: dropped after `quarantine`,
//! or kept where `on_expiry = "detach"` says that nothing is dropped.

use chrono::{DateTime, Utc};

use super::super::action::PartitionAction;
use super::super::facts::Seen;
use super::super::tended::Tended;
use super::choice::{clock_doubt, parts};
use super::ending::Ending;
use super::words::at;
use crate::config::checked::OnExpiry;
use crate::job::Plan;
use crate::pg::catalog::leftover::Leftover;
use crate::pg::ident::TableName;

/// Of one table's, so many are dropped in one run at most.
const DROPS_MAX: usize = 10;

/// What is to be done about one on record.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It is what it was made, under its name.
    Waiting(TableName),
    /// The record means nothing any more, and why.
    Forget(&'static str),
    /// A person has taken it in hand, and how: left alone.
    Alone(TableName, String),
}

fn fate(leftover: &Leftover) -> Fate {
    let Some(now) = leftover.now() else { return Fate::Forget("it was dropped by hand") };
    let same_name = now.to_string() == leftover.name;
    if leftover.is_attached {
        return Fate::Forget("it was attached by hand");
    }
    match (same_name, leftover.is_blocked) {
        (false, false) => Fate::Forget("it was renamed, and its writes unblocked, by hand"),
        (false, true) => {
            let was = &leftover.name;
            let why = format!("was {was}; while it has another name it is kept");
            Fate::Alone(now, why)
        }
        (true, false) => {
            let why = "its block pgtend_quarantine is not whole any more, so somebody uses it: it is kept";
            Fate::Alone(now, why.to_owned())
        }
        (true, true) if !leftover.is_proven => {
            let why = format!(
                "its rows are in other partitions; an older pgtend left it without a proof that nobody \
                 wrote to it since, so it is kept: DROP TABLE {now}"
            );
            Fate::Alone(now, why)
        }
        (true, true) => Fate::Waiting(now),
    }
}

/// Those whose quarantine is over and that nothing keeps, oldest first: each is asked about late rows.
#[must_use]
pub fn due<'a>(table: &'a Tended<'_>, now: DateTime<Utc>) -> Vec<(&'a Leftover, TableName)> {
    if keeps(table) {
        return Vec::new();
    }
    let is_due = |leftover: &&Leftover| ends(table, leftover) <= now;
    let found =
        table.facts.leftovers.iter().filter(is_due).filter_map(|leftover| match fate(leftover) {
            Fate::Waiting(name) => Some((leftover, name)),
            Fate::Forget(_) | Fate::Alone(..) => None,
        });
    found.take(DROPS_MAX).collect()
}

fn keeps(table: &Tended<'_>) -> bool {
    table.config.expiry.is_some_and(|expiry| expiry.on_expiry == OnExpiry::Detach)
}

fn ends(table: &Tended<'_>, leftover: &Leftover) -> DateTime<Utc> {
    table.config.quarantine.after(leftover.since, table.axis.tz)
}

/// Plans for one table. What is dropped is returned, to be done last.
pub fn end(
    plan: &mut Plan<PartitionAction>,
    seen: &Seen,
    table: &Tended<'_>,
    now: DateTime<Utc>,
) -> Vec<PartitionAction> {
    let due = due(table, now);
    let is_doubtful = clock_doubt(seen.clocks, &parts(table.facts), &table.axis, now).is_some();
    let mut dropped = Vec::new();
    let mut next: Option<DateTime<Utc>> = None;
    let mut count = 0_usize;
    for leftover in &table.facts.leftovers {
        let name = match fate(leftover) {
            Fate::Waiting(name) => name,
            other => {
                upkeep(plan, seen, leftover, other);
                continue;
            }
        };
        count += 1;
        let (since, ends) = (at(leftover.since), ends(table, leftover));
        let is_due = due.iter().any(|(due, _)| due.relation == leftover.relation);
        let words = if keeps(table) {
            format!("kept: on_expiry = detach; when nobody needs it: DROP TABLE {name}")
        } else if ends > now {
            next = Some(next.map_or(ends, |next| next.min(ends)));
            format!("in quarantine until {}, then dropped", at(ends))
        } else if is_doubtful {
            "its quarantine is over; it waits until the clock is trusted".to_owned()
        } else if !is_due {
            format!("its quarantine is over; left for the next run: one drops {DROPS_MAX}")
        } else {
            match table.facts.written.get(&leftover.relation) {
                Some(Ok(false)) => {
                    let why = format!(
                        "its rows are in other partitions since {since}, nobody wrote to it, and \
                         quarantine = {} is over",
                        table.config.quarantine
                    );
                    let drops = Some((name, leftover.since));
                    dropped.push(ending(seen, leftover, drops, why));
                    continue;
                }
                Some(Ok(true)) => {
                    "rows were written to it since, which are nowhere else: it is kept".to_owned()
                }
                Some(Err(fault)) => {
                    format!("whether rows were written to it is not known: {fault}")
                }
                None => "its quarantine is over".to_owned(),
            }
        };
        plan.spare(name, format!("its rows are in other partitions since {since}; {words}"));
    }
    if count > 0 {
        let value = match next {
            Some(next) => format!("{count} (next drop {})", at(next)),
            None => count.to_string(),
        };
        plan.stands(table.name, "leftovers", value);
    }
    dropped
}

/// The same where their table is not tended: nothing is dropped.
pub fn of_strays(plan: &mut Plan<PartitionAction>, seen: &Seen, strays: &[Leftover]) {
    for leftover in strays {
        match fate(leftover) {
            Fate::Waiting(name) => {
                let words = format!(
                    "its rows are in other partitions since {}; kept: its table is not tended any more",
                    at(leftover.since)
                );
                plan.spare(name, words);
            }
            other => upkeep(plan, seen, leftover, other),
        }
    }
}

fn upkeep(plan: &mut Plan<PartitionAction>, seen: &Seen, leftover: &Leftover, fate: Fate) {
    match fate {
        Fate::Forget(why) => plan.actions.push(ending(seen, leftover, None, why.to_owned())),
        Fate::Alone(name, why) => plan.spare(name, why),
        Fate::Waiting(_) => {}
    }
}

fn ending(
    seen: &Seen,
    leftover: &Leftover,
    drops: Option<(TableName, DateTime<Utc>)>,
    why: String,
) -> PartitionAction {
    PartitionAction::End(Box::new(Ending {
        drops,
        oid: leftover.relation,
        name: leftover.name.clone(),
        why,
        lock_timeout: seen.lock_timeout,
    }))
}
