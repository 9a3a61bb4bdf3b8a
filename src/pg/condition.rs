//! A condition that an operator wrote, made safe to stand inside our statements.
//!
//! It is enclosed in parentheses of its own lines. What could escape from them is refused: a
//! parenthesis too many, a text or comment that does not end, a semicolon, a `$1`. Whether it is
//! valid SQL only the server can say.

use std::fmt;
use std::str::FromStr;

use super::lexer::{Lexer, Token};

/// An SQL condition over a table's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    text: String,
    functions: Vec<FunctionName>,
}

/// An SQL expression over a table's columns; what is true of the text of a condition is true of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression(Condition);

impl Expression {
    /// As operators wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The functions it calls, each once.
    #[must_use]
    pub fn functions(&self) -> &[FunctionName] {
        self.0.functions()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Expression {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        text.parse().map(Self)
    }
}

/// A function as a condition names it, by true names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionName {
    /// Its schema, where the condition says it.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
}

/// Why a text is not a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// Nothing but white space and comments.
    #[error("it is empty")]
    Empty,
    /// A second statement.
    #[error("it holds a semicolon")]
    Semicolon,
    /// `$1`
    #[error("it holds a parameter such as $1")]
    Parameter,
    /// `)` without its `(`.
    #[error("it closes a parenthesis that it has not opened")]
    Closes,
    /// `(`, a quote or a comment without its end; or a backslash before a quote, which ends the
    /// text on some servers and not on others.
    #[error("a parenthesis, quote or comment in it is not closed (write \\' only in E'…')")]
    Open,
}

impl Condition {
    /// This one, where there is one, and none of the others; `None`: all rows.
    #[must_use]
    pub fn without<'a>(own: Option<&Self>, others: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let others: Vec<&Self> = others.collect();
        if others.is_empty() {
            return own.cloned();
        }
        let not = others.iter().map(|other| format!("{other} IS NOT TRUE"));
        let parts: Vec<String> = own.map(ToString::to_string).into_iter().chain(not).collect();
        let of_all = own.into_iter().chain(others).flat_map(|one| one.functions.iter().cloned());
        let mut functions: Vec<FunctionName> = of_all.collect();
        functions.sort();
        functions.dedup();
        Some(Self { text: parts.join(" AND "), functions })
    }

    /// As operators wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The functions it calls, each once.
    #[must_use]
    pub fn functions(&self) -> &[FunctionName] {
        &self.functions
    }
}

/// In parentheses; the closing one on a line of its own, where no comment of ours or theirs reaches
/// it.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(\n{}\n)", self.text)
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let text = text.trim();
        let enclosed = format!("{text}\n)");
        let tokens: Vec<Token<'_>> =
            Lexer::new(&enclosed).filter(|token| *token != Token::Space).collect();
        check(&tokens)?;
        let mut functions: Vec<FunctionName> =
            (0..tokens.len()).filter_map(|at| called(&tokens, at)).collect();
        functions.sort();
        functions.dedup();
        Ok(Self { text: text.to_owned(), functions })
    }
}

/// The last token must be our own parenthesis, and it must close what we open before the first.
fn check(tokens: &[Token<'_>]) -> Result<(), ConditionError> {
    let Some((Token::Other(")"), inner)) = tokens.split_last() else {
        return Err(ConditionError::Open);
    };
    if inner.is_empty() {
        return Err(ConditionError::Empty);
    }
    let mut depth = 0_u32;
    for token in inner {
        match token {
            Token::Other(";") => return Err(ConditionError::Semicolon),
            Token::Parameter(_) => return Err(ConditionError::Parameter),
            Token::Other("(") => depth += 1,
            Token::Other(")") => depth = depth.checked_sub(1).ok_or(ConditionError::Closes)?,
            _ => {}
        }
    }
    if depth == 0 { Ok(()) } else { Err(ConditionError::Open) }
}

/// Key words that a parenthesis may follow, reserved: no function has their names.
const NO_FUNCTIONS: [&str; 8] = ["all", "and", "any", "array", "in", "not", "or", "some"];

/// The function that a name at this place calls: a parenthesis follows it. Further words look alike, as `EXISTS`;
/// no function is found by their names.
fn called(tokens: &[Token<'_>], at: usize) -> Option<FunctionName> {
    let name = true_name(tokens[at])?;
    let is_key_word = matches!(tokens[at], Token::Word(_)) && NO_FUNCTIONS.contains(&name.as_str());
    if is_key_word || tokens.get(at + 1) != Some(&Token::Other("(")) {
        return None;
    }
    let schema = match at.checked_sub(2).map(|start| &tokens[start..at]) {
        Some([schema, Token::Other(".")]) => true_name(*schema),
        _ => None,
    };
    Some(FunctionName { schema, name })
}

fn true_name(token: Token<'_>) -> Option<String> {
    match token {
        Token::Word(word) => Some(word.to_ascii_lowercase()),
        Token::Quoted(quoted) => Some(quoted[1..quoted.len() - 1].replace("\"\"", "\"")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_stay_inside_their_parentheses() {
        for text in [
            "status IN ('completed', 'failed')",
            "a = 1 OR b = 2",
            "note = 'a;b)' AND \"odd)\" = E'it\\'s'",
            "a = 1 -- not b)",
            "a /* ) /* nested */ */ = 1",
            "a ~ '^\\d+$'",
            "t = $$ ) ; $$",
        ] {
            let condition: Condition = text.parse().unwrap();
            assert_eq!(condition.to_string(), format!("(\n{text}\n)"));
        }
    }

    #[test]
    fn what_could_escape_is_refused() {
        for (text, error) in [
            ("", ConditionError::Empty),
            (" -- nothing", ConditionError::Empty),
            ("a = 1; DROP TABLE x", ConditionError::Semicolon),
            ("a = 1) OR (b = 2", ConditionError::Closes),
            ("(a = 1", ConditionError::Open),
            ("a = 'x", ConditionError::Open),
            ("a = 'x\\' OR b = '", ConditionError::Open),
            ("\"a", ConditionError::Open),
            ("a /* /* */", ConditionError::Open),
            ("t = $$ )", ConditionError::Open),
            ("a = $1", ConditionError::Parameter),
        ] {
            assert_eq!(text.parse::<Condition>(), Err(error), "{text}");
        }
    }

    #[test]
    fn it_knows_the_functions_it_calls() {
        let condition: Condition =
            "Lower(a) = 'f(x)' AND app.\"Is \"\"Done\"\"\" (b) AND lower(c) IN ('x')"
                .parse()
                .unwrap();
        let names: Vec<_> =
            condition.functions().iter().map(|f| (f.schema.as_deref(), f.name.as_str())).collect();
        assert_eq!(names, [(None, "lower"), (Some("app"), "Is \"Done\"")]);
    }
}
