//! Calendar periods: `1 month`, `90 days`, `6 hours`.
/// A length of time, in calendar units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Calendar months.
    pub months: u32,
    /// Calendar days.
    pub days: u32,
    /// Exact microseconds.
    pub micros: u64,
}
impl std::str::FromStr for Period {
    type Err = String;
    fn from_str(_text: &str) -> Result<Self, String> {
        Err("not yet".into())
    }
}
