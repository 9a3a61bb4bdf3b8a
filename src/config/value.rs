//! One value of a setting: what kind it is, how it is read, how a message shows it.

use std::path::PathBuf;
use std::time::Duration;

pub(super) use ::config::ValueKind;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::keys::later::not_yet;
use super::near::{nearest, one_of};
use super::url;
use crate::config::checked::Size;
use crate::pg::condition::{Condition, Expression};
use crate::pg::ident::{Ident, TableName};
use crate::pg::partition_name::Template;
use crate::time::cron::Cron;
use crate::time::duration;
use crate::time::extent::Extent;
use crate::time::hours::Hours;
use crate::time::period::Period;

/// Why a value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A number where a text is wanted, and the like.
    Kind,
    /// The right kind, but it does not mean anything; why not.
    Because(String),
    /// The right kind, but not known.
    Unknown,
    /// It means something that is too much or too little.
    Range,
    /// A whole sentence that needs no more words.
    Sentence(String),
}

/// Types a setting is read into. The registry's check and the final reading use the same code.
pub(super) trait Read: Sized {
    /// Reads it.
    fn read(value: &ValueKind) -> Result<Self, Wrong>;
}

/// A closed set of words, each with its meaning.
pub(super) trait Word: Copy + 'static {
    /// All of them, in the order a message lists them.
    const ALL: &'static [(&'static str, Self)];
    /// Words that a later version will know, each with what is missing for it.
    const LATER: &'static [(&'static str, &'static str)] = &[];
}

/// The words of a set.
pub(super) fn words<T: Word>() -> Vec<&'static str> {
    T::ALL.iter().map(|(word, _)| *word).collect()
}

fn text(value: &ValueKind) -> Result<&str, Wrong> {
    match value {
        ValueKind::String(text) => Ok(text),
        _ => Err(Wrong::Kind),
    }
}

fn because(error: impl ToString) -> Wrong {
    Wrong::Because(error.to_string())
}

/// For errors that tell themselves what to write.
fn sentence(error: impl ToString) -> Wrong {
    Wrong::Sentence(error.to_string())
}

impl<T: Word> Read for T {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        let text = text(value)?;
        if let Some((_, meaning)) = T::ALL.iter().find(|(word, _)| *word == text) {
            return Ok(*meaning);
        }
        if let Some((_, what)) = T::LATER.iter().find(|(word, _)| *word == text) {
            let choices = one_of(&words::<T>().iter().map(|w| shown_text(w)).collect::<Vec<_>>());
            return Err(Wrong::Sentence(format!("{}; write {choices}", not_yet(what))));
        }
        Err(did_you_mean(nearest(text, words::<T>())))
    }
}

fn did_you_mean(word: Option<&str>) -> Wrong {
    word.map_or(Wrong::Unknown, |word| Wrong::Because(format!("did you mean \"{word}\"?")))
}

impl Read for bool {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        if let ValueKind::Boolean(flag) = value { Ok(*flag) } else { Err(Wrong::Kind) }
    }
}

impl Read for u64 {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        match value {
            ValueKind::I64(number) => {
                Self::try_from(*number).map_err(|_| because("it is negative"))
            }
            _ => Err(Wrong::Kind),
        }
    }
}

impl Read for u32 {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        Self::try_from(u64::read(value)?).map_err(|_| because("it is too large"))
    }
}

impl Read for f64 {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        match value {
            ValueKind::Float(number) => Ok(*number),
            // Written without a point; the counts people write are far below 2^53.
            ValueKind::I64(number) => i32::try_from(*number).map(Self::from).map_err(because),
            _ => Err(Wrong::Kind),
        }
    }
}

impl Read for Duration {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        duration::parse(text(value)?).map_err(because)
    }
}

impl Read for Size {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        text(value)?.parse().map_err(because)
    }
}

impl Read for Period {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        text(value)?.parse().map_err(sentence)
    }
}

/// A number of ids stands bare, or as a text of digits.
impl Read for Extent {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        let count = match value {
            ValueKind::I64(count) => Some(*count),
            ValueKind::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok()
            }
            _ => None,
        };
        match count {
            Some(count) if count < 1 => Err(because("a number of ids is 1 or more")),
            Some(count) => Ok(Self::Ids(count)),
            None => Period::read(value).map(Self::Time),
        }
    }
}

impl Read for NaiveDate {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        let date: Self = text(value)?.parse().map_err(|_| Wrong::Unknown)?;
        // Where the calendars of zones are known, and not a slip of the pen.
        let known = Self::from_ymd_opt(1900, 1, 1)..Self::from_ymd_opt(3000, 1, 1);
        if known.contains(&Some(date)) {
            Ok(date)
        } else {
            Err(because("it is not of 1900 to 2999"))
        }
    }
}

/// A text as RFC 3339 has it, a day in UTC, or milliseconds since 1970.
impl Read for DateTime<Utc> {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        let instant = match value {
            ValueKind::I64(milliseconds) => Self::from_timestamp_millis(*milliseconds),
            ValueKind::String(text) => {
                let day = || Some(text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc());
                let whole = DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc());
                whole.or_else(day)
            }
            _ => return Err(Wrong::Kind),
        };
        let known = DateTime::UNIX_EPOCH..=crate::time::zone::INSTANT_MAX;
        match instant {
            None => Err(Wrong::Unknown),
            Some(instant) if !known.contains(&instant) => Err(because("it is before 1970")),
            Some(instant) => Ok(instant),
        }
    }
}

impl Read for Hours {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        text(value)?.parse().map_err(because)
    }
}

impl Read for Cron {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        text(value)?.parse().map_err(sentence)
    }
}

impl Read for Tz {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        let text = text(value)?;
        let zones = || TZ_VARIANTS.iter().map(|zone| zone.name());
        text.parse().map_err(|_| did_you_mean(nearest(text, zones())))
    }
}

impl Read for Ident {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        text(value)?.parse().map_err(because)
    }
}

impl Read for TableName {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        text(value)?.parse().map_err(because)
    }
}

impl Read for Condition {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        text(value)?.parse().map_err(because)
    }
}

impl Read for Expression {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        text(value)?.parse().map_err(because)
    }
}

impl Read for Template {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        text(value)?.parse().map_err(because)
    }
}

impl Read for String {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        match text(value)? {
            blank if blank.trim().is_empty() => Err(because("it is empty")),
            text => Ok(text.to_owned()),
        }
    }
}

impl Read for PathBuf {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        match String::read(value)? {
            url if url.contains("://") => Err(because("it is a URL")),
            path => Ok(path.into()),
        }
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(value: &ValueKind) -> Result<Self, Wrong> {
        let ValueKind::Array(items) = value else { return Err(Wrong::Kind) };
        items
            .iter()
            .map(|item| {
                T::read(&item.kind).map_err(|wrong| match wrong {
                    Wrong::Kind => {
                        Wrong::Because(format!("{} is {}", shown(&item.kind), kind(&item.kind)))
                    }
                    Wrong::Because(why) => Wrong::Because(format!("{}: {why}", shown(&item.kind))),
                    Wrong::Unknown | Wrong::Range | Wrong::Sentence(_) => wrong,
                })
            })
            .collect()
    }
}

/// What kind of value it is, with its article.
pub(super) fn kind(value: &ValueKind) -> &'static str {
    match value {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "a boolean",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => {
            "an integer"
        }
        ValueKind::Float(_) => "a number with a point",
        ValueKind::String(_) => "a text",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    }
}

/// The longest text a message repeats, in characters; the place tells where the rest is.
const SHOWN_CHARS_MAX: usize = 60;

/// A value as a message shows it: on one line, cut, and with any password masked, as a URL may stand
/// under the wrong key.
pub(super) fn shown(value: &ValueKind) -> String {
    match value {
        ValueKind::String(text) => shown_text(text),
        ValueKind::Array(_) | ValueKind::Table(_) => "this".to_owned(),
        other => other.to_string(),
    }
}

/// Whether a value, of whatever key, holds what looks like a password.
pub(super) fn has_secret(value: &ValueKind) -> bool {
    match value {
        ValueKind::String(text) => url::masked(text) != *text,
        ValueKind::Array(items) => items.iter().any(|item| has_secret(&item.kind)),
        _ => false,
    }
}

/// As [`shown`], for a text.
pub(super) fn shown_text(text: &str) -> String {
    let masked = url::masked(text);
    let mut cut: String = masked.chars().take(SHOWN_CHARS_MAX).collect();
    if cut.len() < masked.len() {
        cut.push('…');
    }
    format!("\"{}\"", cut.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'"))
}
