//! Which way a table is gone through: chosen from the catalog, and from how many of its rows are due.
//!
//! - **Sweep**: block by block, as the rows lie. For a backlog, where no index leads with the age, and
//!   where no key tells the rows apart.
//! - **Keyset**: along an index, from the oldest row on. For daily work, and to prove that a sweep
//!   left nothing.

use super::walk::Walk;
use crate::pg::catalog::relation::Blocks;
use crate::pg::version::Version;

/// A sweep reads every block; along an index, a due row costs about four times what a row that a
/// sweep only passes by does. Measured in `benches/archive`.
const SWEPT_PERCENT: u64 = 25;

/// A table of fewer blocks is read more quickly than its places are named.
const NAMED_FROM: u64 = 100;

/// What the choice is made from.
#[derive(Debug, Clone, Copy)]
pub struct Sight {
    /// Before 14, a range of blocks is found by reading all of them.
    pub version: Version,
    /// The table's blocks; absent: it has none of its own.
    pub blocks: Option<Blocks>,
    /// An index leads with the age.
    pub by_index: bool,
    /// Rows that are due, as far as that is known.
    pub due: Option<u64>,
    /// Rows per batch at most.
    pub batch_rows: u32,
    /// An earlier run swept the table's present blocks, and was cut off.
    pub goes_on: bool,
}

/// The sweep that is to come before the walk along the index; `None`: the walk does it all.
#[must_use]
pub fn sweep(sight: Sight) -> Option<Walk> {
    let blocks = sight.blocks.filter(|blocks| blocks.is_counted)?;
    if !sight.version.has_tid_range_scan() {
        return None;
    }
    if !sight.by_index {
        return Walk::sweep(blocks, "block by block, as no index leads with the age".to_owned());
    }
    if sight.goes_on {
        return Walk::sweep(blocks, "block by block, as an earlier run began it so".to_owned());
    }
    let due = sight.due.filter(|&due| due > sight.batch_rows.into())?;
    let percent = (due.saturating_mul(100) / blocks.rows.max(1)).min(100);
    let reason = format!("block by block, as about {percent} % of its rows are due");
    if percent < SWEPT_PERCENT { None } else { Walk::sweep(blocks, reason) }
}

/// The sweep of a table without a key, on every day and in every pass: only its place tells a row from
/// others, so that no index can lead to where a walk goes on.
#[must_use]
pub fn keyless(version: Version, blocks: Blocks) -> Option<Walk> {
    let reason = "block by block, as no key tells its rows apart: each pass reads all of it";
    let is_small = blocks.is_counted && blocks.count < NAMED_FROM;
    let names_places = !version.has_tid_range_scan() && !is_small;
    Some(Walk { names_places, ..Walk::sweep(blocks, reason.to_owned())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGHT: Sight = Sight {
        version: Version(180_000),
        blocks: Some(Blocks {
            file: 1,
            is_counted: true,
            count: 400,
            rows: 10_000,
            has_large: false,
        }),
        by_index: true,
        due: Some(5_000),
        batch_rows: 1_000,
        goes_on: false,
    };

    fn reason(sight: Sight) -> Option<String> {
        sweep(sight).map(|walk| walk.reason)
    }

    #[test]
    fn a_backlog_is_swept() {
        assert_eq!(reason(SIGHT).unwrap(), "block by block, as about 50 % of its rows are due");
        assert_eq!(reason(Sight { due: Some(2_499), ..SIGHT }), None, "daily work");
        assert_eq!(reason(Sight { batch_rows: 5_000, ..SIGHT }), None, "one batch does it");
        assert_eq!(reason(Sight { due: None, ..SIGHT }), None, "nobody knows");
        // The estimates are of different days.
        assert!(reason(Sight { due: Some(20_000), ..SIGHT }).unwrap().contains("about 100 %"));
    }

    #[test]
    fn only_what_has_blocks_is_swept_and_only_where_the_server_can() {
        assert_eq!(reason(Sight { version: Version(130_022), ..SIGHT }), None);
        assert_eq!(reason(Sight { blocks: None, ..SIGHT }), None);
        let uncounted = SIGHT.blocks.map(|blocks| Blocks { is_counted: false, ..blocks });
        assert_eq!(reason(Sight { blocks: uncounted, ..SIGHT }), None);
    }

    #[test]
    fn without_a_key_everything_is_swept_and_places_are_named_where_that_helps() {
        let names_places = |version, blocks| keyless(version, blocks).unwrap().names_places;
        let (old, new) = (Version(130_022), Version(140_000));
        let blocks = SIGHT.blocks.unwrap();
        assert!(names_places(old, blocks));
        assert!(!names_places(new, blocks));
        assert!(!names_places(old, Blocks { count: 99, ..blocks }));
        assert!(names_places(old, Blocks { count: 1, is_counted: false, ..blocks }), "who knows");
    }

    #[test]
    fn without_an_index_on_the_age_everything_is_read_anyway() {
        let sight = Sight { by_index: false, due: Some(1), ..SIGHT };
        assert_eq!(reason(sight).unwrap(), "block by block, as no index leads with the age");
    }

    #[test]
    fn what_was_begun_is_finished_the_same_way() {
        let sight = Sight { goes_on: true, due: Some(1), ..SIGHT };
        assert_eq!(reason(sight).unwrap(), "block by block, as an earlier run began it so");
    }
}
