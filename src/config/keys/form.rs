//! The forms a value may have: how each is checked, and the words that tell what to write.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::super::near::one_of;
use super::super::url;
use super::super::value::{Read, ValueKind, Word, Wrong, has_secret, kind, shown, words};
use crate::config::checked::Size;
use crate::pg::condition::{Condition, Expression};
use crate::pg::ident::{Ident, TableName};
use crate::pg::partition_name::Template;
use crate::time::cron::Cron;
use crate::time::duration;
use crate::time::extent::Extent;
use crate::time::grid::Grid;
use crate::time::hours::Hours;
use crate::time::period::Period;

/// The most that TOML can write: no limit of ours.
pub(super) const NO_MAX: u64 = i64::MAX.unsigned_abs();

/// The form of a key's value.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum Form {
    /// `true` or `false`.
    Bool,
    /// A whole number in a range.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A share: above 0, up to 1.
    Fraction,
    /// An exact length of time in a range.
    Duration {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// A number of bytes with its unit.
    Size,
    /// A calendar period, longer than nothing.
    Period,
    /// The grid of partition bounds: a calendar period of one unit, or a number of ids.
    Interval,
    /// A calendar period, or a number of ids.
    Extent,
    /// A day.
    Date,
    /// A moment.
    Instant,
    /// Hours of each day.
    Hours,
    /// Five cron fields.
    Cron,
    /// An IANA time zone.
    Zone,
    /// One SQL name.
    Ident,
    /// A table's SQL name.
    Table,
    /// One of a few words.
    Words(Choice),
    /// A path of the file system.
    Path,
    /// The database's URL; secret.
    Url,
    /// An SQL condition over a table's columns.
    Condition,
    /// An SQL expression over a table's columns.
    Expression,
    /// The template of partition names.
    Template,
    /// A list of SQL names.
    Idents,
    /// A list of tables' SQL names.
    Tables,
    /// A list of texts.
    Texts,
}

/// A closed set of words, its type forgotten.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Choice {
    /// The words.
    pub(in crate::config) words: fn() -> Vec<&'static str>,
    read: fn(&ValueKind) -> Result<(), Wrong>,
}

/// The choice between the words of `T`.
pub(in crate::config) const fn choice<T: Word>() -> Form {
    Form::Words(Choice { words: words::<T>, read: |value| T::read(value).map(drop) })
}

impl Form {
    /// Whether values of this form are never shown.
    pub(in crate::config) fn is_secret(self) -> bool {
        matches!(self, Self::Url)
    }

    /// Takes an environment variable's text for a value of this form. What cannot be one stays a
    /// text, for [`Form::check`] to refuse.
    pub(in crate::config) fn of_text(self, text: &str) -> ValueKind {
        let typed = match self {
            Self::Bool => text.parse().ok().map(ValueKind::Boolean),
            Self::Count { .. } if text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok().map(ValueKind::I64)
            }
            Self::Interval | Self::Extent | Self::Instant => text.parse().ok().map(ValueKind::I64),
            Self::Fraction => text.parse().ok().map(ValueKind::Float),
            Self::Idents | Self::Tables | Self::Texts => Some(ValueKind::Array(
                text.split(',').map(|item| item.trim().to_owned().into()).collect(),
            )),
            _ => None,
        };
        typed.unwrap_or_else(|| ValueKind::String(text.to_owned()))
    }

    /// Checks a value; the error tells what is wrong and what to write.
    pub(in crate::config) fn check(self, value: &ValueKind) -> Result<(), String> {
        let checked = match self {
            Self::Bool => bool::read(value).map(drop),
            Self::Count { min, max } => {
                u64::read(value).and_then(|n| within((min..=max).contains(&n)))
            }
            Self::Fraction => f64::read(value).and_then(|x| within(x > 0.0 && x <= 1.0)),
            Self::Duration { min, max } => {
                Duration::read(value).and_then(|d| within((min..=max).contains(&d)))
            }
            Self::Size => Size::read(value).map(drop),
            Self::Period => Period::read(value).map(drop),
            Self::Interval => interval(value),
            Self::Extent => Extent::read(value).map(drop),
            Self::Date => NaiveDate::read(value).map(drop),
            Self::Instant => DateTime::<Utc>::read(value).map(drop),
            Self::Hours => Hours::read(value).map(drop),
            Self::Cron => Cron::read(value).map(drop),
            Self::Zone => Tz::read(value).map(drop),
            Self::Ident => Ident::read(value).map(drop),
            Self::Table => TableName::read(value).map(drop),
            Self::Words(choice) => (choice.read)(value),
            Self::Path => PathBuf::read(value).map(drop),
            Self::Url => {
                String::read(value).and_then(|text| url::check(&text).map_err(Wrong::Sentence))
            }
            Self::Condition => Condition::read(value).map(drop),
            Self::Expression => Expression::read(value).map(drop),
            Self::Template => Template::read(value).map(drop),
            Self::Idents => Vec::<Ident>::read(value).map(drop),
            Self::Tables => Vec::<TableName>::read(value).map(drop),
            Self::Texts => Vec::<String>::read(value).map(drop),
        };
        checked.map_err(|wrong| self.sentence(value, wrong))
    }

    fn sentence(self, value: &ValueKind, wrong: Wrong) -> String {
        let shown = if self.is_secret() { "the value".to_owned() } else { shown(value) };
        let (noun, accepted) = (self.noun(), self.accepted());
        match wrong {
            Wrong::Kind => format!("{shown} is {}, not {noun}; write {accepted}", kind(value)),
            // The reason may repeat the value; a password under the wrong key must not be.
            _ if !self.is_secret() && has_secret(value) => {
                format!("{shown} is not {noun}; write {accepted}")
            }
            Wrong::Unknown => format!("{shown} is not {noun}; write {accepted}"),
            Wrong::Because(why) => format!("{shown} is not {noun} ({why}); write {accepted}"),
            Wrong::Range => format!("{shown} is out of range; write {accepted}"),
            Wrong::Sentence(sentence) => sentence,
        }
    }

    /// What such a value is called, with its article.
    pub(in crate::config) fn noun(self) -> &'static str {
        match self {
            Self::Bool => "a boolean",
            Self::Count { .. } => "a whole number",
            Self::Fraction => "a share",
            Self::Duration { .. } => "a duration",
            Self::Size => "a size",
            Self::Period => "a calendar period",
            Self::Interval => "an interval of partitions",
            Self::Extent => "a calendar period or a number of ids",
            Self::Date => "a date",
            Self::Instant => "a moment",
            Self::Hours => "a span of hours",
            Self::Cron => "a cron line",
            Self::Zone => "a time zone",
            Self::Ident => "an SQL name",
            Self::Table => "a table's name",
            Self::Words(_) => "one of the choices",
            Self::Path => "a path",
            Self::Url => "a URL",
            Self::Condition => "an SQL condition",
            Self::Expression => "an SQL expression",
            Self::Template => "a template of names",
            Self::Idents => "a list of SQL names",
            Self::Tables => "a list of tables",
            Self::Texts => "a list of texts",
        }
    }

    /// What may be written.
    pub(in crate::config) fn accepted(self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Count { min, max: NO_MAX } => format!("a whole number, {min} or more"),
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Fraction => "a number above 0 and up to 1, such as 0.05".to_owned(),
            Self::Duration { min, max } => format!(
                "a text such as \"30s\", \"1h 30m\" or \"100ms\", from {} to {}",
                duration::format(min),
                duration::format(max)
            ),
            Self::Size => "a text such as \"64 MiB\" or \"4 GiB\"".to_owned(),
            Self::Period => "a text such as \"1 month\", \"90 days\" or \"2 weeks\"".to_owned(),
            Self::Interval => {
                "minutes, hours, days, weeks, months, quarters or years, such as \"1 month\", or a \
                 number of ids, such as 1000000"
                    .to_owned()
            }
            Self::Extent => {
                "a text such as \"1 month\" or \"90 days\", or a number of ids, such as 1000000"
                    .to_owned()
            }
            Self::Date => "a text such as \"2024-01-01\"".to_owned(),
            Self::Instant => {
                "a text such as \"2015-01-01T00:00:00Z\", or milliseconds since 1970".to_owned()
            }
            Self::Hours => "two times of day, such as \"22:00-06:00\"".to_owned(),
            Self::Cron => {
                "five fields, minute hour day month weekday, such as \"30 2 * * *\"".to_owned()
            }
            Self::Zone => "a name such as \"UTC\" or \"Europe/Berlin\"".to_owned(),
            Self::Ident => {
                "a name as SQL writes it, such as \"created_at\" or '\"Created At\"'".to_owned()
            }
            Self::Table => {
                "schema.table as SQL writes it, such as \"public.jobs\" or 'app.\"Order\"'"
                    .to_owned()
            }
            Self::Words(choice) => one_of(
                &(choice.words)().iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>(),
            ),
            Self::Path => "a path such as \"/var/log/pgtend\"".to_owned(),
            Self::Url => url::ACCEPTED.to_owned(),
            Self::Condition => {
                "what may follow WHERE, such as \"status IN ('done', 'failed')\"".to_owned()
            }
            Self::Expression => {
                "an expression over the table's columns, such as \"to_timestamp(finished_ms / 1000)\"".to_owned()
            }
            Self::Template => format!("text with {}", one_of(&Template::placeholders())),
            Self::Idents => "a list such as [\"public\", \"app\"]".to_owned(),
            Self::Tables => "a list such as [\"public.jobs\", \"app.events\"]".to_owned(),
            Self::Texts => "a list such as [\"replica1\", \"replica2\"]".to_owned(),
        }
    }
}

/// Whether it cuts a key into partitions. The zone is no matter here: it only moves the midnights.
fn interval(value: &ValueKind) -> Result<(), Wrong> {
    match Extent::read(value)? {
        Extent::Ids(_) => Ok(()),
        Extent::Time(period) => {
            Grid::new(period, Tz::UTC).map(drop).map_err(|error| Wrong::Sentence(error.to_string()))
        }
    }
}

fn within(inside: bool) -> Result<(), Wrong> {
    if inside { Ok(()) } else { Err(Wrong::Range) }
}
