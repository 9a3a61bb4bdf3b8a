//! Time as a parameter: periods, extents, grids, cron lines, and the one clock.
pub mod clock;
pub mod cron;
pub mod duration;
pub mod extent;
pub mod grid;
pub mod hours;
pub mod period;
pub mod zone;
