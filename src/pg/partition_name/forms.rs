//! Which parts of a date names of an interval need, and how existing names are read.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;

use super::DatePart::{self, Day, Month, Quarter, Week, WeekYear, Year};
use super::{Part, Template};
use crate::pg::ident::Ident;
use crate::time::period::Period;

/// What is needed of a date to tell the partitions of an interval apart.
struct Forms {
    /// Any one of these, in this order; the first is what we choose.
    any_of: &'static [&'static [DatePart]],
    /// What stands between the parts of the first.
    joint: &'static str,
    /// The same in words.
    needed: &'static str,
}

fn forms(interval: Period) -> Forms {
    const FULL: &[DatePart] = &[Year, Month, Day];
    match (interval.months(), interval.days()) {
        (0, 7) => Forms {
            any_of: &[&[WeekYear, Week], FULL],
            joint: "w",
            needed: "{year} and {week}, or {year}, {month} and {day}",
        },
        (0, _) => Forms { any_of: &[FULL], joint: "_", needed: "{year}, {month} and {day}" },
        (months, _) if months.is_multiple_of(12) => Forms {
            any_of: &[&[Year], &[Year, Quarter], &[Year, Month], FULL],
            joint: "",
            needed: "{year}",
        },
        (months, _) if months.is_multiple_of(3) => Forms {
            any_of: &[&[Year, Quarter], &[Year, Month], FULL],
            joint: "q",
            needed: "{year}, and {quarter} or {month}",
        },
        _ => Forms { any_of: &[&[Year, Month], FULL], joint: "_", needed: "{year} and {month}" },
    }
}

impl Template {
    /// What partitions of an interval are called where nothing else is known: `{table}_p2026_01`.
    #[must_use]
    pub fn of_interval(interval: Period) -> Self {
        let Forms { any_of, joint, .. } = forms(interval);
        let mut parts = vec![Part::Table];
        let mut before = "_p";
        for part in any_of[0] {
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Date(*part));
            before = joint;
        }
        Self(parts)
    }

    /// What is missing to tell two cells of the grid apart, in words; nothing, if nothing is.
    #[must_use]
    pub fn lacks(&self, interval: Period) -> Option<&'static str> {
        let has = |wanted: &DatePart| self.0.contains(&Part::Date(*wanted));
        let Forms { any_of, needed, .. } = forms(interval);
        (!any_of.iter().any(|form| form.iter().all(has))).then_some(needed)
    }

    /// The template that the names of existing partitions follow, if at least two agree on one that
    /// can go on with this interval. `siblings`: name, and lower bound on the wall clock.
    #[must_use]
    pub fn of_siblings<'a>(
        siblings: impl Iterator<Item = (&'a str, NaiveDateTime)>,
        table: &Ident,
        interval: Period,
    ) -> Option<Self> {
        let mut votes: BTreeMap<Self, usize> = BTreeMap::new();
        for (name, from) in siblings {
            let read = |form: &&[DatePart]| read_name(name, from, form, table);
            if let Some(template) = forms(interval).any_of.iter().find_map(read) {
                *votes.entry(template).or_default() += 1;
            }
        }
        let (template, count) = votes.into_iter().max_by_key(|(_, count)| *count)?;
        (count >= 2).then_some(template)
    }
}

/// Takes a name apart that holds these parts of its date in this order, at most two characters
/// apart, and no other digits after the first.
fn read_name(
    name: &str,
    from: NaiveDateTime,
    form: &[DatePart],
    table: &Ident,
) -> Option<Template> {
    let first = form.first()?.render(from);
    name.rmatch_indices(&first).find_map(|(start, _)| {
        let head = &name[..start];
        if head.ends_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let mut parts = Vec::new();
        match head.strip_prefix(table.as_str()) {
            Some(rest) => {
                parts.push(Part::Table);
                super::push_text(&mut parts, rest);
            }
            None => super::push_text(&mut parts, head),
        }
        let mut rest = &name[start..];
        for part in form {
            let digits = rest.find(|c: char| c.is_ascii_digit()).filter(|&at| at <= 2)?;
            super::push_text(&mut parts, &rest[..digits]);
            rest = rest[digits..].strip_prefix(&part.render(from))?;
            parts.push(Part::Date(*part));
        }
        if rest.contains(|c: char| c.is_ascii_digit()) {
            return None;
        }
        super::push_text(&mut parts, rest);
        Some(Template(parts))
    })
}
