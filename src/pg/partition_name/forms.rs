//! Which parts of a date names of an interval need, and how existing names are read.

use super::DatePart::{
    self, BareDay, BareMonth, Day, Hour, Minute, Month, MonthName, Quarter, Second, Week, WeekYear,
    Year,
};
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
            any_of: &[&[WeekYear, Week], FULL, MINUTES, SECONDS],
            joint: "w",
            needed: "{year} and {week}, or {year}, {month} and {day}",
        },
        (0, _) => Forms {
            any_of: &[FULL, MINUTES, SECONDS],
            joint: "_",
            needed: "{year}, {month} and {day}",
        },
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
        _ => Forms {
            any_of: &[&[Year, Month], FULL, MINUTES, SECONDS],
            joint: "_",
            needed: "{year} and {month}",
        },
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
    /// can go on with this interval. `siblings`: name and lower bound, the one that counts most
    /// first. A name may be read in several ways; what fits most of them is theirs.
    #[must_use]
    pub fn of_siblings<'a, M: Into<Mark>>(
        siblings: impl Iterator<Item = (&'a str, M)>,
        table: &Ident,
        interval: impl Into<Extent>,
    ) -> Option<Self> {
        let interval = interval.into();
        let mut votes: Vec<(Self, usize)> = Vec::new();
        for (name, from) in siblings {
            let from = from.into();
            let mut is_known = false;
            for (template, count) in &mut votes {
                if template.cell(table, from, 1).as_str() == name {
                    *count += 1;
                    is_known = true;
                }
            }
            // Most names are like the first. To read one in every way takes a hundred times as long.
            if !is_known {
                votes.extend(readings(name, from, table, interval).into_iter().map(|it| (it, 1)));
            }
        }
        // The last of equals is taken, so the first read comes last.
        let (template, count) = votes.into_iter().rev().max_by_key(|(_, count)| *count)?;
        (count >= 2).then_some(template)
    }
}

/// Every template that makes this name of this bound.
fn readings(name: &str, from: Mark, table: &Ident, interval: Extent) -> Vec<Template> {
    match (interval, from) {
        (Extent::Time(period), Mark::Wall(at)) => forms(period)
            .any_of
            .iter()
            .flat_map(|form| spellings(form))
            .filter_map(|form| {
                let of_date = |part: &DatePart| (Part::Date(*part), part.render(at));
                read_name(name, &form.iter().map(of_date).collect::<Vec<_>>(), table)
            })
            .collect(),
        (Extent::Ids(_), Mark::Id(_)) => {
            [(Part::From, super::stamp(from)), (Part::BareFrom, super::bare(from))]
                .iter()
                .filter_map(|number| read_name(name, std::slice::from_ref(number), table))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The ways in which people and other tools write a date: with and without leading zeros, months by
/// name, the year first or last.
fn spellings(form: &[DatePart]) -> Vec<Vec<DatePart>> {
    let with = |month: DatePart, day: DatePart| {
        let other = |part: &DatePart| match part {
            Month => month,
            Day => day,
            part => *part,
        };
        form.iter().map(other).collect::<Vec<_>>()
    };
    let mut found = vec![
        form.to_vec(),
        with(BareMonth, BareDay),
        with(MonthName, Day),
        with(MonthName, BareDay),
    ];
    if let [first, second] = form {
        found.push(vec![*second, *first]);
        found.push(vec![if *second == Month { MonthName } else { *second }, *first]);
    }
    if form == [Year, Month, Day] {
        found.push(vec![Day, Month, Year]);
    }
    found.dedup();
    found
}

/// What stands between two parts at most: `_week_`.
const BETWEEN_MAX: usize = 6;

/// Takes a name apart that holds these parts in this order, each with its digits, and no other digits
/// after the first.
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
            let between = rest.find(digits.as_str()).filter(|&at| {
                at <= BETWEEN_MAX && !rest[..at].contains(|c: char| c.is_ascii_digit())
            })?;
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
