//! When jobs run, and that each slot runs once.

pub mod claim;
pub mod control;
pub mod due;
pub mod execute;
pub mod history;
pub mod supervise;
pub mod wake;
