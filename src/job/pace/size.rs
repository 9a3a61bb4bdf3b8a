//! How large the next batch is: steered by the time the last one took.
//!
//! What is steered is work, not rows: a row of 20 kB takes some forty times as long as one of 300
//! bytes, while the bytes moved in a second hardly differ (measured on 18, one after the other: 79,000
//! rows/s of 31 MB, and 2,100 rows/s of 42 MB). So a batch is bounded in rows and in bytes at once, and a
//! table whose rows grow in the middle of a run needs no slow batch to find out.

use std::time::Duration;

/// What a row costs beside its bytes, as if it were so many: its place in heap and indexes, its WAL
/// records. With 64, the work per second of rows of 300 bytes and of 20 kB differs by a third.
const ROW_BYTES: f64 = 64.0;
/// The width of a row that nobody has measured.
const NOMINAL_WIDTH: f64 = 300.0;
/// No batch is steered below so many rows of [`NOMINAL_WIDTH`]: below, the fixed cost of a
/// transaction is most of it.
const ROWS_MIN: f64 = 100.0;
/// After a lock was waited for, after a deadlock, a time-out, or with others waiting for us.
const SHRINK: f64 = 0.5;
/// How fast sizes grow …
const GROW: f64 = 1.5;
/// … and how fast before any batch has taken half its time …
const CLIMB: f64 = 2.0;
/// … or even an eighth of it. Each batch has its fixed cost, so a day's few rows are better moved in few:
/// 100, 400, 1,600, not 100, 200, 400, 800, 1,600.
const LEAP: f64 = 4.0;
/// A batch of less than this share of the work that was allowed tells nothing of what would be right:
/// the end of the table, or rows that became small.
const FULL: f64 = 0.5;

/// The law one table's batches are sized by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Law {
    /// How long a batch should take; absent: its size is fixed.
    pub target: Option<Duration>,
    /// The rows of the first batch, 1 or more.
    pub rows_first: u64,
    /// Rows at most, 1 or more.
    pub rows_max: u64,
    /// Bytes at most; one row may always.
    pub bytes_max: u64,
}

/// What the next batch may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// Rows at most, 1 or more.
    pub rows: u64,
    /// Bytes at most, but one row may always.
    pub bytes: u64,
}

/// What a batch was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Rows it moved.
    pub rows: u64,
    /// Their bytes, where somebody has measured them.
    pub bytes: Option<u64>,
    /// Locks stood in its way.
    pub hurt: bool,
}

impl Measured {
    /// So many rows, and nothing else is known.
    #[must_use]
    pub fn of(rows: u64) -> Self {
        Self { rows, bytes: None, hurt: false }
    }

    fn work(self) -> f64 {
        let width = self.bytes.map(float);
        width.unwrap_or(float(self.rows) * NOMINAL_WIDTH) + float(self.rows) * ROW_BYTES
    }
}

/// The sizes of one table's batches.
#[derive(Debug, Clone)]
pub struct Sizer {
    law: Law,
    /// The work of the next batch, in bytes.
    work: f64,
    /// The work of one row, by the last batch.
    per_row: f64,
    /// No batch has come near its target yet.
    is_climbing: bool,
}

impl Sizer {
    /// At the start of a table.
    #[must_use]
    pub fn new(law: Law) -> Self {
        let per_row = NOMINAL_WIDTH + ROW_BYTES;
        let work = float(law.rows_first.min(law.rows_max)) * per_row;
        Self { law, work, per_row, is_climbing: true }
    }

    /// What the next batch may hold.
    #[must_use]
    pub fn portion(&self) -> Portion {
        let Law { target, rows_max, bytes_max, .. } = self.law;
        if target.is_none() {
            return Portion { rows: rows_max, bytes: bytes_max };
        }
        Portion {
            rows: whole(self.work / self.per_row).clamp(1, rows_max),
            bytes: whole(self.work).clamp(1, bytes_max),
        }
    }

    /// Learns from a batch.
    pub fn learn(&mut self, batch: Measured, took: Duration) {
        let Some(target) = self.law.target else { return };
        let work = batch.work();
        let is_full = work >= FULL * self.work;
        if batch.hurt {
            // Half of what it was, not of what was allowed before its rows were measured.
            if is_full {
                self.work = self.work.min(work);
            }
            self.shrink();
        }
        if batch.rows == 0 {
            return;
        }
        self.per_row = work / float(batch.rows);
        let share = took.as_secs_f64() / target.as_secs_f64();
        let growth = match self.is_climbing {
            true if share < 0.125 => LEAP,
            true => CLIMB,
            false => GROW,
        };
        self.is_climbing &= share < 0.5 && !batch.hurt;
        let next = work * (1.0 / share.max(1e-6)).clamp(SHRINK, growth);
        if share > 1.0 {
            self.work = self.work.min(next);
        } else if is_full && !batch.hurt {
            self.work = next;
        }
        self.bound();
    }

    /// Halves the next batch.
    pub fn shrink(&mut self) {
        self.work *= SHRINK;
        self.is_climbing = false;
        self.bound();
    }

    /// Whether a smaller batch may succeed where one of this portion did not.
    #[must_use]
    pub fn may_shrink(&self, failed: Portion) -> bool {
        self.law.target.is_some() && self.portion().rows < failed.rows
    }

    fn bound(&mut self) {
        let rows_max = float(self.law.rows_max);
        let most = (rows_max * self.per_row).min(float(self.law.bytes_max) + rows_max * ROW_BYTES);
        let least = ROWS_MIN.min(rows_max) * (NOMINAL_WIDTH + ROW_BYTES);
        self.work = self.work.min(most).max(least);
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes, far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative; `as` saturates above"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
