//! What tells a row's age.

use std::fmt;
use std::str::FromStr;

use crate::pg::condition::{Expression, FunctionName};
use crate::pg::ident::Ident;

/// A column, or an expression over the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Age {
    /// `age_column`
    Column(Ident),
    /// `age_expression`
    Expression(Expression),
}

impl Age {
    /// The column, if it is one: only a column leads an index, or is what a table is partitioned by.
    #[must_use]
    pub fn column(&self) -> Option<&Ident> {
        match self {
            Self::Column(column) => Some(column),
            Self::Expression(_) => None,
        }
    }

    /// The functions it calls.
    #[must_use]
    pub fn functions(&self) -> &[FunctionName] {
        match self {
            Self::Column(_) => &[],
            Self::Expression(expression) => expression.functions(),
        }
    }

    /// For people, on one line.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Column(column) => column.to_string(),
            Self::Expression(expression) => {
                expression.as_str().split_whitespace().collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// As SQL has it, an expression in its parentheses.
impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(column) => write!(f, "{column}"),
            Self::Expression(expression) => write!(f, "{expression}"),
        }
    }
}

/// Why a text on record tells no age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is neither a column's name nor an expression in parentheses")]
pub struct AgeError;

/// As it was displayed.
impl FromStr for Age {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        match text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            Some(inner) => inner.parse().map(Self::Expression).map_err(|_| AgeError),
            None => text.parse().map(Self::Column).map_err(|_| AgeError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_displayed_is_read_again() {
        let column = Age::Column(Ident::new("Created (at)").unwrap());
        let expression = Age::Expression("to_timestamp(ms / 1000) -- seconds".parse().unwrap());
        for age in [column, expression] {
            assert_eq!(age.to_string().parse(), Ok(age));
        }
        assert_eq!("(a) + (b".parse::<Age>(), Err(AgeError));
    }
}
