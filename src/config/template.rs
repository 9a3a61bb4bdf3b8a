//! Templates of partition names.

/// The names that a template of partition names may hold in braces.
pub(super) const PLACEHOLDERS: [&str; 6] = ["table", "year", "quarter", "month", "week", "day"];

/// Checks a template of partition names: known placeholders, closed braces.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(text: &str) -> Result<(), String> {
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
    fn templates_know_their_placeholders() {
        for text in ["{table}_p{year}_{month}", "fixed"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in ["{tabel}", "{table", "table}", "{}"] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
