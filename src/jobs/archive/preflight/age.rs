//! Whether a row's age can be told, and in which order rows can go.

use super::findings::Findings;
use crate::config::checked::{Age, Order};
use crate::jobs::archive::due::AgeType;
use crate::jobs::archive::side::Source;
use crate::jobs::archive::walk::{self, Expressed};
use crate::pg::condition::Expression;
use crate::pg::ident::Ident;

pub(in crate::jobs::archive) fn age_and_key(age: &Age, source: &Source, found: &mut Findings) {
    match age {
        Age::Column(column) => age_column(column, source, found),
        Age::Expression(expression) => age_expression(expression, source, found),
    }
    if source.blocks.is_none() && source.walk(age).is_none() {
        found.refuse(
            "it has no primary key, and no unique index on NOT NULL columns of built-in types; nor do \
             places tell its rows apart, as each of its partitions has the same ones",
            "add a primary key, or a unique index on NOT NULL columns, or archive each partition as a \
             table",
        );
    }
}

/// What an order that was asked for needs.
pub(in crate::jobs::archive) fn order(
    order: Order,
    age: &Age,
    source: &Source,
    found: &mut Findings,
) {
    let has_key = walk::key(&source.columns, &source.indexes).is_some();
    let by_age = || source.walk(age).filter(|it| it.leads_with(age));
    match order {
        Order::Oldest if by_age().is_none() => found.refuse(
            format!(
                "order = \"oldest\" needs a key, and an index that leads with its age, {}",
                age.words()
            ),
            "CREATE INDEX CONCURRENTLY on its age, or take order out",
        ),
        Order::Key if !has_key => found.refuse(
            "order = \"key\" needs a primary key, or a unique index on NOT NULL columns",
            "add one, or take order out",
        ),
        _ => {}
    }
}

fn age_expression(expression: &Expression, source: &Source, found: &mut Findings) {
    let cure = "write an expression of type timestamptz, timestamp or date over its columns, and name what \
                is not in pg_catalog with its schema";
    match &source.expressed {
        Some(Ok(Expressed { type_name, .. })) if AgeType::of(type_name).is_none() => {
            let text = expression.as_str();
            found.refuse(format!("age_expression {text} is of type {type_name}"), cure);
        }
        Some(Err(fault)) => {
            found.refuse(format!("age_expression is refused: {}", fault.message), cure);
        }
        // It was not asked for, as something else forbids it.
        Some(Ok(_)) | None => {}
    }
}

fn age_column(age: &Ident, source: &Source, found: &mut Findings) {
    match source.columns.iter().find(|column| column.name == *age) {
        None => {
            let names: Vec<String> = source.columns.iter().map(|c| c.name.to_string()).collect();
            found.refuse(
                format!("it has no column {age}"),
                format!("correct age_column; the columns are {}", names.join(", ")),
            );
        }
        Some(column) if AgeType::of(&column.base_type).is_none() => found.refuse(
            format!("age_column {age} is of type {}", column.type_sql),
            "name a column of type timestamptz, timestamp or date",
        ),
        Some(_) => {}
    }
}

/// INSERT and DELETE evaluate condition and age separately: they must agree on each row.
pub(in crate::jobs::archive) fn volatile(functions: &[String], age: &Age, found: &mut Findings) {
    let what = match age {
        Age::Column(_) => "the condition",
        Age::Expression(_) => "the condition or age_expression",
    };
    for function in functions {
        found.refuse(
            format!("{what} calls {function}, which may answer differently each time"),
            "use a STABLE or IMMUTABLE function; declare it so if it is one",
        );
    }
}
