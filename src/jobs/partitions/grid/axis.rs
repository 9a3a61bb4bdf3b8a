//! A table's grid laid on its key.

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;

use super::key::{KeyType, Point};
use crate::pg::partition_name::Mark;
use crate::time::grid::Grid;
use crate::time::zone;

/// Where the bounds of new partitions lie.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// What the bounds are values of.
    pub key: KeyType,
    /// What lies between them.
    pub cells: Cells,
    /// The zone whose days and months count: for bounds that are days or more, and for the age at
    /// which a partition expires.
    pub tz: Tz,
}

/// The cells of a grid.
#[derive(Debug, Clone, Copy)]
pub enum Cells {
    /// Of time: the grid on the wall clock, for keys that tell time.
    Calendar(Grid),
    /// So many ids each.
    Ids {
        /// In each.
        width: i64,
        /// Where one begins, from 0 to `width`.
        origin: i64,
    },
}

impl Axis {
    /// The key that an instant has; absent where its type has no such value, and where it tells no
    /// time.
    #[must_use]
    pub fn at(&self, instant: DateTime<Utc>) -> Option<Point> {
        match self.cells {
            Cells::Calendar(grid) if self.key.is_local() => {
                Some(Point::Time(zone::wall(instant, grid.tz())))
            }
            _ => self.key.of_instant(instant),
        }
    }

    /// The instant that a key stands for: on the wall clock of the table's zone where the key is one;
    /// absent where it tells no time.
    #[must_use]
    pub fn instant(&self, at: Point) -> Option<DateTime<Utc>> {
        match at {
            Point::Time(wall) if self.key.is_local() => Some(zone::instant(wall, self.tz)),
            _ => self.key.instant(at),
        }
    }

    /// How the key tells time, in a form to be recorded and compared: whoever changes it may move
    /// every partition's age by decades.
    #[must_use]
    pub fn reading(&self) -> String {
        format!("{} in {}", self.key, self.tz)
    }

    /// A key as names show it: what the grid's wall clock reads, or the id.
    #[must_use]
    pub fn mark(&self, at: Point) -> Mark {
        match (self.cells, at) {
            (Cells::Ids { .. }, Point::Integer(id)) => Mark::Id(id),
            (Cells::Calendar(grid), _) => Mark::Wall(self.wall(&grid, at)),
            // A table's points are of its key's kind.
            (Cells::Ids { .. }, Point::Time(_) | Point::Uuid(_)) => Mark::Id(0),
        }
    }

    /// Where the cell that holds a key starts; absent where that is no value of the type.
    #[must_use]
    pub fn cell_start(&self, at: Point) -> Option<Point> {
        match (self.cells, at) {
            (Cells::Ids { width, origin }, Point::Integer(id)) => {
                cell_of_ids(id, width, origin).map(Point::Integer)
            }
            (Cells::Calendar(grid), Point::Time(wall)) if self.key.is_local() => {
                Some(Point::Time(grid.floor_local(wall)))
            }
            (Cells::Calendar(grid), _) => {
                let floor = grid.floor(self.key.instant(at)?);
                self.of_boundary(&grid, floor)
            }
            (Cells::Ids { .. }, _) => None,
        }
    }

    /// The first bound of the grid after a key; absent where the type ends before it.
    #[must_use]
    pub fn next(&self, at: Point) -> Option<Point> {
        match (self.cells, at) {
            (Cells::Ids { width, origin }, Point::Integer(id)) => {
                let next = cell_of_ids(id, width, origin)?.checked_add(width)?;
                Some(Point::Integer(next)).filter(|point| Some(*point) <= self.key.last())
            }
            (Cells::Calendar(grid), _) => {
                let mut boundary = grid.next(self.wall(&grid, at));
                // Where a clock goes back over midnight, or a zone skips a day, the wall clock's next
                // midnight is not after the instant.
                loop {
                    let point = self.of_boundary(&grid, boundary)?;
                    if point > at {
                        return Some(point);
                    }
                    boundary = grid.next(boundary);
                }
            }
            (Cells::Ids { .. }, _) => None,
        }
    }

    /// The same grid, moved so that this key is one of its bounds; absent where the interval's grid
    /// has no bound there, such as days within a day.
    #[must_use]
    pub fn anchored_at(&self, at: Point) -> Option<Self> {
        let cells = match (self.cells, at) {
            (Cells::Ids { width, .. }, Point::Integer(id)) => {
                Cells::Ids { width, origin: id.rem_euclid(width) }
            }
            (Cells::Calendar(grid), _) => Cells::Calendar(grid.anchored(self.wall(&grid, at))),
            (Cells::Ids { .. }, _) => return None,
        };
        let moved = Self { cells, ..*self };
        moved.is_boundary(at).then_some(moved)
    }

    /// Whether a key is a bound of the grid. What follows the time in a uuid or an id is not looked
    /// at: others write bounds with a tail of their own.
    #[must_use]
    pub fn is_boundary(&self, at: Point) -> bool {
        let start = self.cell_start(at);
        start == Some(at)
            || start.is_some_and(|start| {
                self.key.instant(at).is_some() && self.key.instant(at) == self.key.instant(start)
            })
    }

    /// What the wall clock reads at a key; the end of the calendar where it is beyond.
    fn wall(&self, grid: &Grid, at: Point) -> NaiveDateTime {
        match at {
            Point::Time(wall) if self.key.is_local() => wall,
            _ => zone::wall(self.key.instant(at).unwrap_or(zone::INSTANT_MAX), grid.tz()),
        }
    }

    fn of_boundary(&self, grid: &Grid, wall: NaiveDateTime) -> Option<Point> {
        if self.key.is_local() {
            Some(Point::Time(wall))
        } else {
            self.key.of_instant(grid.instant(wall))
        }
    }
}

/// Where the cell that holds an id starts; absent where it starts before the first.
fn cell_of_ids(id: i64, width: i64, origin: i64) -> Option<i64> {
    id.checked_sub((i128::from(id) - i128::from(origin)).rem_euclid(width.into()).try_into().ok()?)
}
