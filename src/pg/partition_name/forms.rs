//! Which parts of a date names of an interval need, and how existing names are read.

use std::collections::BTreeMap;

use super::DatePart::{self, Day, Hour, Minute, Month, Quarter, Second, Week, WeekYear, Year};
use super::{Mark, Part, Template};
use crate::pg::ident::Ident;
use crate::time::extent::Extent;
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
    const HOURS: &[DatePart] = &[Year, Month, Day, Hour];
    const MINUTES: &[DatePart] = &[Year, Month, Day, Hour, Minute];
    const SECONDS: &[DatePart] = &[Year, Month, Day, Hour, Minute, Second];
    match (interval.months(), interval.days()) {
        (0, 0) if interval.seconds().is_multiple_of(3_600) => Forms {
            any_of: &[HOURS, MINUTES, SECONDS],
            joint: "_",
            needed: "{year}, {month}, {day} and {hour}, or {from}",
        },
        (0, 0) => Forms {
            any_of: &[MINUTES, SECONDS],
            joint: "_",
            needed: "{year}, {month}, {day}, {hour} and {minute}, or {from}",
        },
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
    pub fn of_interval(interval: impl Into<Extent>) -> Self {
        let mut parts = vec![Part::Table];
        match interval.into() {
            Extent::Ids(_) => parts.extend([Part::Text("_p".to_owned()), Part::From]),
            Extent::Time(period) => {
                let Forms { any_of, joint, .. } = forms(period);
                let mut before = "_p";
                for part in any_of[0] {
                    parts.push(Part::Text(before.to_owned()));
                    parts.push(Part::Date(*part));
                    before = joint;
                }
            }
        }
        Self(parts)
    }

    /// What is missing to tell two cells of the grid apart, in words; nothing, if nothing is.
    #[must_use]
    pub fn lacks(&self, interval: impl Into<Extent>) -> Option<&'static str> {
        let has_from = self.0.contains(&Part::From);
        let Extent::Time(period) = interval.into() else {
            return (!has_from).then_some("{from}");
        };
        let has = |wanted: &DatePart| self.0.contains(&Part::Date(*wanted));
        let Forms { any_of, needed, .. } = forms(period);
        (!has_from && !any_of.iter().any(|form| form.iter().all(has))).then_some(needed)
    }

    /// Whether it needs a date, which an id has not.
    #[must_use]
    pub fn has_date(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Date(_)))
    }

    /// The template that the names of existing partitions follow, if at least two agree on one that
    /// can go on with this interval. `siblings`: name and lower bound.
    #[must_use]
    pub fn of_siblings<'a, M: Into<Mark>>(
        siblings: impl Iterator<Item = (&'a str, M)>,
        table: &Ident,
        interval: impl Into<Extent>,
    ) -> Option<Self> {
        let interval = interval.into();
        let mut votes: BTreeMap<Self, usize> = BTreeMap::new();
        for (name, from) in siblings {
            let template = match (interval, from.into()) {
                (Extent::Time(period), Mark::Wall(at)) => {
                    forms(period).any_of.iter().find_map(|form| {
                        let of_date = |part: &DatePart| (Part::Date(*part), part.render(at));
                        read_name(name, &form.iter().map(of_date).collect::<Vec<_>>(), table)
                    })
                }
                (Extent::Ids(_), from @ Mark::Id(_)) => {
                    let numbers =
                        [(Part::From, super::stamp(from)), (Part::BareFrom, super::bare(from))];
                    numbers
                        .iter()
                        .find_map(|number| read_name(name, std::slice::from_ref(number), table))
                }
                _ => None,
            };
            if let Some(template) = template {
                *votes.entry(template).or_default() += 1;
            }
        }
        let (template, count) = votes.into_iter().max_by_key(|(_, count)| *count)?;
        (count >= 2).then_some(template)
    }
}

/// Takes a name apart that holds these parts in this order, each with its digits, at most two
/// characters apart, and no other digits after the first.
fn read_name(name: &str, form: &[(Part, String)], table: &Ident) -> Option<Template> {
    let (_, first) = form.first()?;
    name.rmatch_indices(first.as_str()).find_map(|(start, _)| {
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
        for (part, digits) in form {
            let between = rest
                .find(digits.as_str())
                .filter(|&at| at <= 2 && !rest[..at].contains(|c: char| c.is_ascii_digit()))?;
            super::push_text(&mut parts, &rest[..between]);
            rest = &rest[between + digits.len()..];
            parts.push(part.clone());
        }
        if rest.contains(|c: char| c.is_ascii_digit()) {
            return None;
        }
        super::push_text(&mut parts, rest);
        Some(Template(parts))
    })
}
