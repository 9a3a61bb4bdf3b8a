//! Light checks of texts that end up in SQL: only slips that can be told without the server.

/// The names that a template of partition names may hold in braces.
pub(super) const PLACEHOLDERS: [&str; 6] = ["table", "year", "quarter", "month", "week", "day"];

/// Checks a condition: closed quotes and parentheses, no comment, one statement.
///
/// # Errors
/// What is wrong with it.
pub(super) fn condition(text: &str) -> Result<(), String> {
    let mut quote = None;
    let mut depth = 0_u32;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, ';') => return Err("it holds a semicolon".to_owned()),
            (None, '-') if chars.peek() == Some(&'-') => {
                return Err("it holds a comment".to_owned());
            }
            (None, '/') if chars.peek() == Some(&'*') => {
                return Err("it holds a comment".to_owned());
            }
            (None, '(') => depth += 1,
            (None, ')') => {
                depth = depth.checked_sub(1).ok_or("a parenthesis closes that was not opened")?;
            }
            (None, _) => {}
        }
    }
    match (quote, depth) {
        (Some(quote), _) => Err(format!("a {quote} is not closed")),
        (None, 0) => Ok(()),
        (None, _) => Err("a parenthesis is not closed".to_owned()),
    }
}

/// Checks a template of partition names: known placeholders, closed braces.
///
/// # Errors
/// What is wrong with it.
pub(super) fn template(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let inner = rest[at..].strip_prefix('{').ok_or("a } stands without its {")?;
        let end = inner.find('}').ok_or("a { is not closed")?;
        let name = &inner[..end];
        if !PLACEHOLDERS.contains(&name) {
            return Err(format!("{{{name}}} is not known"));
        }
        rest = &inner[end + 1..];
    }
    Ok(())
}

/// The placeholders as a message lists them.
pub(super) fn placeholders_shown() -> Vec<String> {
    PLACEHOLDERS.iter().map(|name| format!("{{{name}}}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_judged_only_by_what_needs_no_server() {
        for text in
            ["status IN ('done', 'failed')", "note = ';'", "\"a;b\" = 'it''s (not)'", "a-b>0"]
        {
            assert_eq!(condition(text), Ok(()), "{text}");
        }
        for text in ["a = 1; DROP TABLE x", "a = 'x", "(a", "a)", "a -- b", "a /* b */"] {
            assert!(condition(text).is_err(), "{text}");
        }
    }

    #[test]
    fn templates_know_their_placeholders() {
        for text in ["{table}_p{year}_{month}", "fixed"] {
            assert_eq!(template(text), Ok(()), "{text}");
        }
        for text in ["{tabel}", "{table", "table}", "{}"] {
            assert!(template(text).is_err(), "{text}");
        }
    }
}
