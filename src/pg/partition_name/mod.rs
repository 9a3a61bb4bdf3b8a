//! Names of new partitions: from a template, never over 63 bytes, never the same for two ranges.
//! Pure.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use chrono::{Datelike, NaiveDateTime, NaiveTime, Timelike};

use crate::pg::ident::{IDENT_BYTES_MAX, Ident};

mod beside;
mod forms;

pub use beside::{beside, since, until};

/// Text with placeholders, which a partition's lower bound fills.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Text(String),
    Table,
    Date(DatePart),
    /// The whole lower bound: a stamp, or a number of at least ten digits.
    From,
    /// The same without leading zeros: only read off existing names.
    BareFrom,
}

/// A bound as names show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Of a key that tells time: the wall time.
    Wall(NaiveDateTime),
    /// Of a key that counts.
    Id(i64),
}

impl From<NaiveDateTime> for Mark {
    fn from(at: NaiveDateTime) -> Self {
        Self::Wall(at)
    }
}

impl From<i64> for Mark {
    fn from(id: i64) -> Self {
        Self::Id(id)
    }
}

/// A part of a date, with as many digits as it always has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum DatePart {
    Year,
    Quarter,
    Month,
    Day,
    /// The ISO week.
    Week,
    /// The year that the ISO week belongs to: the last days of December can lie in week 1.
    WeekYear,
    Hour,
    Minute,
    Second,
    /// `1` to `12`, `1` to `31`, `jan` to `dec`: only read off existing names.
    BareMonth,
    BareDay,
    MonthName,
}

/// Placeholders as they are written.
const PLACEHOLDERS: [(&str, Part); 10] = [
    ("table", Part::Table),
    ("year", Part::Date(DatePart::Year)),
    ("quarter", Part::Date(DatePart::Quarter)),
    ("month", Part::Date(DatePart::Month)),
    ("week", Part::Date(DatePart::Week)),
    ("day", Part::Date(DatePart::Day)),
    ("hour", Part::Date(DatePart::Hour)),
    ("minute", Part::Date(DatePart::Minute)),
    ("second", Part::Date(DatePart::Second)),
    ("from", Part::From),
];

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Between braces stands no known word.
    #[error("{{{0}}} is not known")]
    Placeholder(String),
    /// `{` without `}`.
    #[error("a {{ is not closed")]
    Open,
    /// `}` without `{`.
    #[error("a }} stands without its {{")]
    Close,
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(brace);
            push_text(&mut parts, before);
            let inner = after.strip_prefix('{').ok_or(TemplateError::Close)?;
            let (word, after) = inner.split_once('}').ok_or(TemplateError::Open)?;
            let known = PLACEHOLDERS.iter().find(|(name, _)| *name == word);
            let (_, part) = known.ok_or_else(|| TemplateError::Placeholder(word.to_owned()))?;
            parts.push(part.clone());
            rest = after;
        }
        push_text(&mut parts, rest);
        Ok(Self(parts).with_week_year())
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::BareFrom => f.write_str("{from}")?,
                Part::Date(DatePart::BareMonth | DatePart::MonthName) => f.write_str("{month}")?,
                Part::Date(DatePart::BareDay) => f.write_str("{day}")?,
                placeholder => {
                    let known = PLACEHOLDERS.iter().find(|(_, part)| part == placeholder);
                    write!(f, "{{{}}}", known.map_or("year", |(name, _)| name))?;
                }
            }
        }
        Ok(())
    }
}

impl DatePart {
    fn render(self, at: NaiveDateTime) -> String {
        match self {
            Self::Year => format!("{:04}", at.year()),
            Self::Quarter => (at.month0() / 3 + 1).to_string(),
            Self::Month => format!("{:02}", at.month()),
            Self::Day => format!("{:02}", at.day()),
            Self::WeekYear => format!("{:04}", at.iso_week().year()),
            Self::Week => format!("{:02}", at.iso_week().week()),
            Self::Hour => format!("{:02}", at.hour()),
            Self::Minute => format!("{:02}", at.minute()),
            Self::Second => format!("{:02}", at.second()),
            Self::BareMonth => at.month().to_string(),
            Self::BareDay => at.day().to_string(),
            Self::MonthName => at.format("%b").to_string().to_ascii_lowercase(),
        }
    }
}

impl Template {
    /// Every placeholder, as it is written.
    #[must_use]
    pub fn placeholders() -> Vec<String> {
        PLACEHOLDERS.iter().map(|(name, _)| format!("{{{name}}}")).collect()
    }

    /// Beside a week and no month, the year is the one the week belongs to.
    fn with_week_year(mut self) -> Self {
        let has = |date| self.0.contains(&Part::Date(date));
        if has(DatePart::Week) && !has(DatePart::Month) {
            for part in self.0.iter_mut().filter(|part| **part == Part::Date(DatePart::Year)) {
                *part = Part::Date(DatePart::WeekYear);
            }
        }
        self
    }

    /// The name of a whole cell of the grid that starts here. `number` 2 and more give what it is
    /// called where that name is taken.
    #[must_use]
    pub fn cell(&self, table: &Ident, from: impl Into<Mark>, number: u32) -> Ident {
        let from = from.into();
        let parts = self.0.iter().map(|part| match (part, from) {
            (Part::Date(date), Mark::Wall(at)) => Part::Text(date.render(at)),
            (Part::Date(_) | Part::From, _) => Part::Text(stamp(from)),
            (Part::BareFrom, _) => Part::Text(bare(from)),
            (other, _) => other.clone(),
        });
        spell(parts.chain([numbered(number)]), table)
    }

    /// The name of a range that is not a cell of the grid: both its ends stand in place of the date.
    #[must_use]
    pub fn odd(
        &self,
        table: &Ident,
        from: impl Into<Mark>,
        to: impl Into<Mark>,
        number: u32,
    ) -> Ident {
        let is_date = |part: &Part| !matches!(part, Part::Text(_) | Part::Table);
        let first = self.0.iter().position(is_date).unwrap_or(self.0.len());
        let after = self.0.iter().rposition(is_date).map_or(self.0.len(), |last| last + 1);
        let spelled = if self.0.contains(&Part::BareFrom) { bare } else { stamp };
        let ends = Part::Text(format!("{}_to_{}", spelled(from.into()), spelled(to.into())));
        let parts = self.0[..first].iter().cloned().chain([ends]);
        spell(parts.chain(self.0[after..].iter().cloned()).chain([numbered(number)]), table)
    }
}

fn numbered(number: u32) -> Part {
    Part::Text(if number < 2 { String::new() } else { format!("_{number}") })
}

/// A bound in a name. A wall time is only as exact as it needs to be; an id has ten digits and more,
/// so that names sort as their ranges do, and an `m` for minus.
fn stamp(bound: Mark) -> String {
    let at = match bound {
        Mark::Wall(at) => at,
        Mark::Id(id) if id < 0 => return format!("m{:010}", id.unsigned_abs()),
        Mark::Id(id) => return format!("{id:010}"),
    };
    let form = if at.nanosecond() != 0 {
        "%Y_%m_%d_%H%M%S_%6f"
    } else if at.second() != 0 {
        "%Y_%m_%d_%H%M%S"
    } else if at.time() != NaiveTime::MIN {
        "%Y_%m_%d_%H%M"
    } else {
        "%Y_%m_%d"
    };
    at.format(form).to_string()
}

/// As [`stamp`], without leading zeros.
fn bare(bound: Mark) -> String {
    match bound {
        Mark::Id(id) if id < 0 => format!("m{}", id.unsigned_abs()),
        Mark::Id(id) => id.to_string(),
        Mark::Wall(_) => stamp(bound),
    }
}

/// Puts the parts together and makes them fit.
fn spell(parts: impl Iterator<Item = Part>, table: &Ident) -> Ident {
    let mut name = String::new();
    let mut table_at = None;
    for part in parts {
        let start = name.len();
        match part {
            Part::Text(text) => name.push_str(&text),
            Part::Table => {
                name.push_str(table.as_str());
                table_at = Some(start..name.len());
            }
            Part::Date(_) | Part::From | Part::BareFrom => {}
        }
    }
    let fitted = fit(&name, table_at);
    Ident::new(fitted).unwrap_or_else(|_| table.clone())
}

/// `_` and eight digits.
const HASH_BYTES: usize = 9;

/// Cuts the table's name, so that the date survives, and marks what was cut by its hash: two tables
/// that differ only beyond the cut stay apart, and all partitions of one still look alike.
fn fit(name: &str, table_at: Option<Range<usize>>) -> String {
    if name.len() <= IDENT_BYTES_MAX {
        return name.to_owned();
    }
    let excess = name.len() + HASH_BYTES - IDENT_BYTES_MAX;
    let cut = table_at.filter(|table| table.len() > excess).unwrap_or(0..name.len());
    let whole = &name[cut.clone()];
    let kept = &whole[..whole.floor_char_boundary(whole.len() - excess)];
    format!("{}{kept}_{:08x}{}", &name[..cut.start], hash(whole), &name[cut.end..])
}

/// FNV-1a: short, and the same on every machine and in every version.
#[must_use]
pub fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests;
