//! Cron lines of five fields.
/// A parsed cron line.
#[derive(Debug, Clone)]
pub struct Cron(String);
impl std::str::FromStr for Cron {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.into()))
    }
}
