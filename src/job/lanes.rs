//! Actions on different tables beside each other, on two connections.
//!
//! To make a partition keeps one process of the server busy for some milliseconds, most of them in its
//! catalog and in the file system. Two tables have nothing of that in common.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::line::Line;
use super::outcome::{ActionOutcome, Outcome, Verdict};
use super::plan::Action;
use super::{Context, Job};
use crate::pg::fault::Kind;
use crate::pg::session::Session;

/// Below so many actions, to connect once more takes longer than it saves.
const WORTH_IT: usize = 12;

/// Cuts a plan where an action that goes by itself meets one that does not.
pub(super) fn parts<A: Action>(actions: &[A]) -> impl Iterator<Item = &[A]> {
    actions.chunk_by(|one, next| one.lane().is_some() == next.lane().is_some())
}

/// Whether these are many, and concern several tables.
pub(super) fn is_worth_it<A: Action>(part: &[A]) -> bool {
    part.len() >= WORTH_IT
        && part.iter().any(|action| action.lane() != part[0].lane())
        && part[0].lane().is_some()
}

/// Applies them on both sessions. What ends the run in one lane stops the other behind its action.
pub(super) async fn beside<J: Job>(
    job: &J,
    (cx, mut second): (&mut Context<'_>, Session),
    part: &[J::Action],
    outcome: &mut Outcome,
) {
    let stop = cx.stop.child_token();
    let [one, other] = share(part);
    let lane = async |session: &mut Session, actions: Vec<&J::Action>| {
        let mut done = Outcome::nothing(job.name(), Verdict::Succeeded, None);
        let (now, started, spent) = (cx.now, cx.started, BTreeMap::new());
        let mut cx = Context { session, now, started, spent, stop: &stop };
        Line::default().work(job, &mut cx, actions, &mut done).await;
        if done.error.is_some() {
            stop.cancel();
        }
        done
    };
    let (one, other) = tokio::join!(lane(cx.session, one), lane(&mut second, other));
    second.close();
    // The one that was stopped by the other has less to say.
    let errors = [&one, &other].into_iter().filter_map(|done| done.error.as_ref());
    outcome.error = errors.min_by_key(|fault| fault.kind == Kind::Cancelled).cloned();
    outcome.actions.extend(in_order(part, [one, other]));
}

/// Gives each table's actions to one lane, both about as many. In each, what the plan has first stays
/// first.
fn share<A: Action>(part: &[A]) -> [Vec<&A>; 2] {
    let mut tables: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for action in part {
        *tables.entry(action.lane()).or_default() += 1;
    }
    let mut by_size: Vec<(Option<String>, usize)> = tables.into_iter().collect();
    by_size.sort_by_key(|(_, actions)| Reverse(*actions));
    let (mut lane_of, mut lengths) = (BTreeMap::new(), [0, 0]);
    for (table, actions) in by_size {
        let shorter = usize::from(lengths[1] < lengths[0]);
        lengths[shorter] += actions;
        lane_of.insert(table, shorter);
    }
    let (one, other) = part.iter().partition(|action| lane_of[&action.lane()] == 0);
    [one, other]
}

/// What both lanes did, as the plan has it.
fn in_order<A: Action>(part: &[A], lanes: [Outcome; 2]) -> Vec<ActionOutcome> {
    let place = |(place, action): (usize, &A)| (action.object(), place);
    let places: BTreeMap<String, usize> = part.iter().enumerate().map(place).collect();
    let mut done: Vec<ActionOutcome> = lanes.into_iter().flat_map(|lane| lane.actions).collect();
    done.sort_by_key(|done| places.get(&done.object).copied());
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of which table, and which of its months.
    struct Month(Option<&'static str>, u32);

    impl Action for Month {
        fn kind(&self) -> &'static str {
            "month"
        }
        fn object(&self) -> String {
            format!("{} {}", self.0.unwrap_or("none"), self.1)
        }
        fn reason(&self) -> String {
            String::new()
        }
        fn sql(&self) -> Vec<String> {
            Vec::new()
        }
        fn lane(&self) -> Option<String> {
            self.0.map(ToOwned::to_owned)
        }
    }

    fn objects(actions: &[&Month]) -> Vec<String> {
        actions.iter().map(|action| action.object()).collect()
    }

    #[test]
    fn a_table_stays_in_its_lane_and_what_is_first_stays_first() {
        let part = [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("a", 3)];
        let part = part.map(|(table, month)| Month(Some(table), month));
        let [one, other] = share(&part);
        assert_eq!(objects(&one), ["a 1", "a 2", "a 3"]);
        assert_eq!(objects(&other), ["b 1", "c 1", "b 2"]);
    }

    #[test]
    fn few_go_one_after_the_other_and_so_do_those_of_one_table() {
        let of = |tables: &[&'static str]| -> Vec<Month> {
            (0..12).map(|month| Month(Some(tables[month % tables.len()]), 0)).collect()
        };
        assert!(is_worth_it(&of(&["a", "b"])));
        assert!(!is_worth_it(&of(&["a", "b"])[1..]));
        assert!(!is_worth_it(&of(&["a"])));
    }

    #[test]
    fn what_has_no_lane_goes_by_itself() {
        let lanes = [Some("a"), Some("b"), None, None, Some("c")];
        let plan = lanes.map(|lane| Month(lane, 0));
        let cut: Vec<usize> = parts(&plan).map(<[Month]>::len).collect();
        assert_eq!(cut, [2, 2, 1]);
    }
}
