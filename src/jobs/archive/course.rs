//! How a table is gone through: by which ways, and where an unfinished pass goes on.

use chrono::{DateTime, Utc};

use super::action::Move;
use super::count::Counted;
use super::due::{ANY_AGE, DueRows};
use super::found::Found;
use super::observe::Position;
use super::recipe::{self, Sight};
use super::side::Source;
use super::walk::{self, Walk};
use crate::config::checked::{Order, Pace};
use crate::pg::version::Version;
use crate::time::period::Period;

/// It.
pub struct Course<'a> {
    /// Which rows are due.
    pub due: DueRows,
    /// Rows below this are old.
    pub cutoff: String,
    /// The order that the rows' key gives them; that of their places, where they have none.
    pub walk: Walk,
    /// What comes before the walk, or instead of it.
    sweep: Option<Walk>,
    position: Option<&'a Position>,
    counted: &'a Counted,
}

/// What else it is chosen by, for rows that move as for rows that are deleted.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The server's version.
    pub version: Version,
    /// Rows older than now − this are due.
    pub older_than: Period,
    /// Rows per batch at most.
    pub batch_rows: u32,
    /// In which order they are to leave.
    pub order: Order,
}

impl<'a> Course<'a> {
    /// Chooses it by what is known of how many rows are due at this moment. `None`: nothing tells the
    /// rows apart, neither a key nor their place in a file of their own.
    #[must_use]
    pub fn new(
        mut due: DueRows,
        source: &Source,
        (counted, position): (&'a Counted, Option<&'a Position>),
        terms: Terms,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let Terms { version, older_than, batch_rows, order } = terms;
        let cutoff = due.age_type.cutoff(older_than.before(now, chrono_tz::UTC));
        let (columns, indexes) = (&source.columns, &source.indexes);
        if order != Order::Fastest {
            // No index on the age serves the order of the key.
            due.by_index &= order == Order::Oldest;
            let walk = match order {
                Order::Key => Walk::by_key(columns, indexes)?,
                _ => source.walk(&due.age)?,
            };
            return Some(Self { due, cutoff, walk, sweep: None, position, counted });
        }
        let Some(walk) = source.walk(&due.age) else {
            let walk = recipe::keyless(version, source.blocks?)?;
            return Some(Self { due, cutoff, walk, sweep: None, position, counted });
        };
        let sweep = recipe::sweep(Sight {
            version,
            blocks: source.blocks,
            by_index: due.by_index,
            due: counted.about(),
            batch_rows,
            goes_on: source
                .blocks
                .zip(position)
                .is_some_and(|(blocks, position)| position.walk == walk::signature_of(blocks)),
        });
        Some(Self { due, cutoff, walk, sweep, position, counted })
    }

    /// The ways of the passes, the first one's first. An unfinished pass goes on the way it went.
    fn walks(&self) -> Vec<&Walk> {
        let again = self.sweep.is_none() || self.due.by_index;
        let all = self.sweep.iter().chain(again.then_some(&self.walk)).collect::<Vec<_>>();
        let from = all.iter().position(|walk| self.after_on(walk).is_some()).unwrap_or(0);
        all[from..].to_vec()
    }

    /// Where an unfinished pass stands.
    #[must_use]
    pub fn after(&self) -> Option<Vec<String>> {
        self.after_on(self.walks().first()?)
    }

    /// A position counts only along the same walk.
    #[must_use]
    pub fn after_on(&self, walk: &Walk) -> Option<Vec<String>> {
        let position = self.position?;
        let fits = position.walk == walk.signature() && position.after.len() == walk.columns.len();
        fits.then(|| position.after.clone())
    }

    /// The age at which a walk that leads with the age begins: that of the first row due, if all were
    /// counted.
    #[must_use]
    pub fn oldest_on(&self, walk: &Walk) -> Option<String> {
        let oldest = self.counted.first.as_deref().unwrap_or(ANY_AGE);
        walk.leads_with(&self.due.age).then(|| oldest.to_owned())
    }

    /// The range of all that is due along this walk, where the count told it.
    #[must_use]
    pub fn all_on(&self, walk: &Walk) -> Option<Found> {
        self.counted.all.clone().filter(|_| walk.leads_with(&self.due.age))
    }

    /// The passes, each along its walk, with the one that follows it.
    pub fn moves(&self, along: impl Fn(&Walk, Option<Move>) -> Move) -> Option<Move> {
        self.walks().into_iter().rev().fold(None, |then, walk| Some(along(walk, then)))
    }

    /// ` by 10000 at most along (created_at, id), as …`
    #[must_use]
    pub fn words(
        &self,
        (batch_rows, pace): (u32, Pace),
        walk: &Walk,
        then: Option<&Move>,
    ) -> String {
        let then = then.map_or_else(String::new, |then| {
            format!(
                "; then looks along {}, {}, for what is left",
                then.walk.words(),
                then.walk.reason
            )
        });
        let goes_on = if self.after().is_some() {
            "; goes on where an earlier run stopped, then looks from the start again"
        } else {
            ""
        };
        let pace = match pace {
            Pace::Gentle => "",
            Pace::Full => ", without pauses,",
        };
        let (list, reason) = (walk.words(), &walk.reason);
        format!(" by {batch_rows} at most{pace} along {list}, {reason}{then}{goes_on}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::archive::count::Due;
    use crate::jobs::archive::observe::old_rows;
    use crate::jobs::archive::tests::world;

    /// At which age a walk along the age and the key begins, and one along the key alone.
    fn begins(counted: &Counted) -> [Option<String>; 2] {
        let world = world();
        let name = "jobs".parse().unwrap();
        let due = old_rows(&name, &world.policy.age, None, &world.source).unwrap();
        let terms = Terms {
            version: world.facts.version,
            older_than: world.policy.older_than,
            batch_rows: 1_000,
            order: Order::Fastest,
        };
        let course =
            Course::new(due, &world.source, (counted, None), terms, DateTime::UNIX_EPOCH).unwrap();
        let mut by_key = course.walk.clone();
        by_key.columns.remove(0);
        [course.oldest_on(&course.walk), course.oldest_on(&by_key)]
    }

    #[test]
    fn the_first_pass_begins_at_the_first_row_that_was_counted() {
        let first = Some("2024-12-24 18:00:00+00".to_owned());
        let counted = Counted { first: first.clone(), ..Due::Rows(5).into() };
        assert_eq!(begins(&counted), [first, None]);
        assert_eq!(begins(&Due::Rows(100_001).into()), [Some(ANY_AGE.to_owned()), None]);
    }
}
