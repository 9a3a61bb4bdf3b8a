//! Time as a parameter: periods, cron lines, and the one clock.
pub mod clock;
pub mod cron;
pub mod period;
