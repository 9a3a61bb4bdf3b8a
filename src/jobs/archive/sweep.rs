//! Ranges of blocks, guessed from how many due rows the last ones held.

use std::fmt;

use super::found::Range;
use crate::job::batch::Portion;
use crate::pg::catalog::relation::Blocks;

/// A row's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    block: u32,
    number: u16,
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        let (block, number) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
        Some(Self { block: block.parse().ok()?, number: number.parse().ok()? })
    }

    /// The place behind it.
    fn next(self) -> Self {
        match self.number.checked_add(1) {
            Some(number) => Self { number, ..self },
            None => Self { block: self.block.saturating_add(1), number: 0 },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.block, self.number)
    }
}

/// What is known of the blocks ahead.
#[derive(Debug, Clone, Copy)]
pub struct Sweep {
    /// So many due rows …
    rows: u64,
    /// … were in so many blocks.
    blocks: u64,
    /// There were any: the next ones probably hold some too. Otherwise the next due row is looked for.
    is_dense: bool,
    /// The last range held none.
    is_bare: bool,
    /// Values lie elsewhere, and blocks tell nothing of their bytes.
    has_large: bool,
    /// The bytes of a row, on the average of the whole table.
    row_bytes: u64,
    /// Blocks per range at most.
    blocks_max: u64,
}

impl Sweep {
    /// At the beginning, all rows count as due; where each place in a range is named, ranges are short.
    #[must_use]
    pub fn new(blocks: Blocks, names_places: bool) -> Self {
        let (rows, count) = (blocks.rows.max(1), blocks.count.max(1));
        Self {
            rows,
            blocks: count,
            is_dense: true,
            is_bare: false,
            has_large: blocks.has_large || !blocks.is_counted,
            row_bytes: BLOCK_BYTES.saturating_mul(count) / rows,
            blocks_max: if names_places { NAMED_BLOCKS_MAX } else { BLOCKS_MAX },
        }
    }

    /// A range that was looked for, or its beginning: where due rows are rare, it may span the table.
    #[must_use]
    pub fn cut(&self, range: Range) -> Range {
        let ends = [&range.first, &range.last].map(|end| Place::read(end.first()?));
        let [Some(first), Some(last)] = ends else { return range };
        let blocks_max = u32::try_from(self.blocks_max).unwrap_or(u32::MAX);
        let furthest = first.block.saturating_add(blocks_max - 1);
        if last.block <= furthest {
            return range;
        }
        let last = Place { block: furthest, number: u16::MAX };
        Range { last: vec![last.to_string()], ..range }
    }

    /// The blocks behind this place that should hold no more than so many due rows. `None`: they
    /// have to be looked for.
    #[must_use]
    pub fn range(&self, after: Option<&[String]>, portion: Portion) -> Option<Range> {
        let blocks = u128::from(portion.rows) * u128::from(self.blocks) / u128::from(self.rows);
        let blocks_max = self.blocks_max.min(portion.bytes / BLOCK_BYTES);
        let blocks = u64::try_from(blocks).unwrap_or(u64::MAX).min(blocks_max);
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        if !self.is_dense || self.has_large || blocks == 0 {
            return None;
        }
        let first = match after {
            Some(after) => Place::read(after.first()?)?.next(),
            None => Place { block: 0, number: 0 },
        };
        let last = Place { block: first.block.saturating_add(blocks - 1), number: u16::MAX };
        Some(Range {
            first: vec![first.to_string()],
            last: vec![last.to_string()],
            rows_max: Some(portion.rows),
        })
    }

    /// What a range held.
    pub fn learn(&mut self, range: &Range, rows: u64) {
        self.is_dense = rows > 0;
        self.is_bare = rows == 0;
        let ends = [&range.first, &range.last].map(|end| Place::read(end.first()?));
        if let ([Some(first), Some(last)], true) = (ends, self.is_dense) {
            let blocks = u64::from(last.block.saturating_sub(first.block)) + 1;
            // A little more, as the next blocks are not quite the same; at most twice as many blocks,
            // as they may be quite different.
            let seen = rows.saturating_mul(21) / 20 + 1;
            self.rows = seen.max(self.rows.saturating_mul(blocks) / self.blocks / 2).max(1);
            self.blocks = blocks;
        }
    }

    /// So many due rows were met of about as many, and the last range held none: what is left is few,
    /// and most of the table may lie ahead.
    #[must_use]
    pub fn is_mostly_done(&self, met: u64, about: Option<u64>) -> bool {
        self.is_bare && about.is_some_and(|about| met >= about / 4 * 3)
    }

    /// About how many bytes so many rows have.
    #[must_use]
    pub fn bytes(&self, rows: u64) -> u64 {
        rows.saturating_mul(self.row_bytes)
    }

    /// A guess held too much: the next range is looked for.
    pub fn overshot(&mut self) {
        self.is_dense = false;
        self.is_bare = false;
    }
}

/// 128 MiB: no batch reads more than that, however few of the rows are due.
const BLOCKS_MAX: u64 = 16_384;
/// So many blocks have 75,000 places, which takes the server about 30 ms to name and look at.
const NAMED_BLOCKS_MAX: u64 = 256;
/// Unless the server was compiled otherwise.
const BLOCK_BYTES: u64 = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS: Blocks =
        Blocks { file: 1, is_counted: true, count: 100, rows: 2_500, has_large: false };

    fn range(first: &str, last: &str) -> Range {
        Range { first: vec![first.into()], last: vec![last.into()], rows_max: None }
    }

    fn ends(sweep: &Sweep, after: Option<&str>, rows_max: u64) -> Option<(String, String)> {
        let after = after.map(|after| vec![after.to_owned()]);
        let portion = Portion { rows: rows_max, bytes: 1 << 20 };
        let mut range = sweep.range(after.as_deref(), portion)?;
        Some((range.first.remove(0), range.last.remove(0)))
    }

    fn of(first: &str, last: &str) -> (String, String) {
        (first.into(), last.into())
    }

    #[test]
    fn ranges_follow_each_other_without_a_gap() {
        let sweep = Sweep::new(BLOCKS, false);
        assert_eq!(ends(&sweep, None, 1_000), Some(of("(0,0)", "(39,65535)")));
        assert_eq!(ends(&sweep, Some("(39,65535)"), 1_000), Some(of("(40,0)", "(79,65535)")));
        // One that was looked for may end in the middle of a block.
        assert_eq!(ends(&sweep, Some("(39,7)"), 1_000), Some(of("(39,8)", "(78,65535)")));
        assert_eq!(ends(&sweep, None, 24), None, "less than a block");
    }

    #[test]
    fn sizes_follow_what_was_found() {
        let mut sweep = Sweep::new(BLOCKS, false);
        sweep.learn(&range("(0,0)", "(39,65535)"), 100);
        assert_eq!(
            ends(&sweep, Some("(39,65535)"), 1_000),
            Some(of("(40,0)", "(119,65535)")),
            "twice"
        );
        sweep.learn(&range("(40,0)", "(119,65535)"), 2_000);
        assert_eq!(ends(&sweep, Some("(119,65535)"), 1_000), Some(of("(120,0)", "(157,65535)")));
        sweep.learn(&range("(120,0)", "(157,65535)"), 0);
        assert_eq!(ends(&sweep, Some("(157,65535)"), 1_000), None, "nothing there: look");
        sweep.learn(&range("(500,3)", "(539,9)"), 1_000);
        assert!(ends(&sweep, Some("(539,9)"), 1_000).is_some());
        sweep.overshot();
        assert_eq!(ends(&sweep, Some("(539,9)"), 1_000), None);
    }

    #[test]
    fn where_most_are_met_the_rest_is_not_swept() {
        let mut sweep = Sweep::new(BLOCKS, false);
        let met = range("(0,0)", "(39,65535)");
        sweep.learn(&met, 800);
        assert!(!sweep.is_mostly_done(800, Some(1_000)), "more may lie right behind");
        sweep.learn(&range("(40,0)", "(79,65535)"), 0);
        assert!(sweep.is_mostly_done(800, Some(1_000)));
        assert!(!sweep.is_mostly_done(700, Some(1_000)), "too many are left");
        assert!(!sweep.is_mostly_done(800, None), "nobody knows");
        sweep.overshot();
        assert!(!sweep.is_mostly_done(800, Some(1_000)), "it held too much");
    }

    #[test]
    fn bytes_bound_a_guess() {
        let sweep = Sweep::new(BLOCKS, false);
        assert_eq!(ends(&sweep, None, 1_000_000), Some(of("(0,0)", "(127,65535)")));
        let sweep = Sweep::new(Blocks { has_large: true, ..BLOCKS }, false);
        assert_eq!(ends(&sweep, None, 1_000), None);
    }

    #[test]
    fn a_range_that_was_looked_for_ends_before_it_is_long() {
        let cut = |names_places, last: &str| {
            let found = range("(5,3)", last);
            Sweep::new(BLOCKS, names_places).cut(found).last.remove(0)
        };
        assert_eq!(cut(true, "(260,7)"), "(260,7)", "256 blocks");
        assert_eq!(cut(true, "(261,1)"), "(260,65535)");
        assert_eq!(cut(false, "(16388,1)"), "(16388,1)");
        assert_eq!(cut(false, "(70000,1)"), "(16388,65535)");
    }

    #[test]
    fn the_end_of_all_blocks_is_no_overflow() {
        let sweep = Sweep::new(BLOCKS, false);
        assert_eq!(
            ends(&sweep, Some("(4294967290,65535)"), 1_000),
            Some(of("(4294967291,0)", "(4294967295,65535)"))
        );
    }
}
