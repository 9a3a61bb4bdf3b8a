//! When jobs run, and that each slot runs once.
//!
//! `due` decides, and is pure; `wake` only wakes; `look` asks the one question a pass decides on;
//! `claim` makes a run unique; `execute` and `supervise` bring it to its end.

pub mod claim;
pub mod control;
pub mod due;
pub mod execute;
pub mod history;
pub mod look;
pub mod outage;
pub mod planner;
mod report;
mod runs;
pub mod supervise;
pub mod systemd;
mod wake;
