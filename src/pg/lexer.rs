//! Just enough of SQL's lexical rules to tell literals, names and comments from the rest.

/// A piece of a statement. Comments come as [`Token::Space`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// White space or a comment.
    Space,
    /// A keyword or a name without quotes.
    Word(&'a str),
    /// A name in double quotes, with them.
    Quoted(&'a str),
    /// `$1`
    Parameter(&'a str),
    /// A string, bit string or number, or what could be part of one. Its text is not kept.
    Literal,
    /// Any other single character.
    Other(&'a str),
}

/// The longest name PostgreSQL knows, in bytes. More between double quotes is somebody's string.
const NAME_MAX: usize = 63;
/// `$65535` is the last parameter; more digits are a literal.
const PARAMETER_DIGITS_MAX: usize = 5;

/// The tokens of a text; together they cover it.
pub struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    /// Begins at the start of `sql`, which may be truncated or no SQL at all.
    #[must_use]
    pub fn new(sql: &'a str) -> Self {
        Self { rest: sql }
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let (token, length) = first_token(self.rest, self.rest.chars().next()?);
        self.rest = &self.rest[length..];
        Some(token)
    }
}

/// The token `sql` begins with, and its length in bytes. Every end lies behind an ASCII character,
/// behind a whole run of word characters, or at the end of the text: always between characters.
fn first_token(sql: &str, first: char) -> (Token<'_>, usize) {
    let second = sql.as_bytes().get(1).copied().unwrap_or(0);
    match first {
        ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => (Token::Space, 1),
        '-' if second == b'-' => (Token::Space, sql.find(['\n', '\r']).unwrap_or(sql.len())),
        '/' if second == b'*' => (Token::Space, comment_length(sql)),
        '\'' => (Token::Literal, string_length(sql, 1, Backslash::Unknown)),
        '"' => quoted(sql),
        '$' => dollar(sql, second),
        '.' if second.is_ascii_digit() => (Token::Literal, number_length(sql)),
        _ if first.is_ascii_digit() => (Token::Literal, number_length(sql)),
        _ if is_word(first) => word(sql),
        _ => {
            let length = first.len_utf8();
            (Token::Other(&sql[..length]), length)
        }
    }
}

/// Whether a name may begin with it. Digits and `$` may follow.
fn is_word(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_' || !character.is_ascii()
}

fn word(sql: &str) -> (Token<'_>, usize) {
    let length =
        sql.find(|c: char| !(is_word(c) || c.is_ascii_digit() || c == '$')).unwrap_or(sql.len());
    let (word, after) = sql.split_at(length);
    let backslash = match word {
        "e" | "E" => Backslash::Escapes,
        _ => Backslash::Unknown,
    };
    match word {
        "e" | "E" | "b" | "B" | "x" | "X" | "n" | "N" if after.starts_with('\'') => {
            (Token::Literal, string_length(sql, 2, backslash))
        }
        "u" | "U" if after.starts_with("&'") => (Token::Literal, string_length(sql, 3, backslash)),
        _ => (Token::Word(word), length),
    }
}

/// What a backslash means in a string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    /// It escapes the next character: `E'…'`.
    Escapes,
    /// That depends on `standard_conforming_strings` and, in the continuation of a string, on how
    /// the first part began.
    Unknown,
}

/// The length of a string whose body begins at `body`. Where a backslash makes it uncertain which
/// quote is the last, the string reaches to the end of the text.
fn string_length(sql: &str, body: usize, backslash: Backslash) -> usize {
    let mut escaped = false;
    let mut bytes = sql.bytes().enumerate().skip(body).peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => escaped = !escaped,
            b'\'' if escaped && backslash == Backslash::Unknown => return sql.len(),
            b'\'' if !escaped => match bytes.peek() {
                Some((_, b'\'')) => _ = bytes.next(),
                _ => return at + 1,
            },
            _ => escaped = false,
        }
    }
    sql.len()
}

/// Comments nest; an open one reaches to the end.
fn comment_length(sql: &str) -> usize {
    let bytes = sql.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" if depth == 1 => return at + 2,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    sql.len()
}

/// A name, unless it is open or too long to be one.
fn quoted(sql: &str) -> (Token<'_>, usize) {
    let mut at = 1;
    while let Some(found) = sql[at..].find('"') {
        at += found + 1;
        if !sql[at..].starts_with('"') {
            let is_name = at - 2 <= NAME_MAX;
            return (if is_name { Token::Quoted(&sql[..at]) } else { Token::Literal }, at);
        }
        at += 1;
    }
    (Token::Literal, sql.len())
}

/// A parameter, a dollar-quoted string, or just the sign.
fn dollar(sql: &str, second: u8) -> (Token<'_>, usize) {
    if second.is_ascii_digit() {
        let end = sql[1..].find(|c: char| !c.is_ascii_digit()).map_or(sql.len(), |n| n + 1);
        let is_parameter = end - 1 <= PARAMETER_DIGITS_MAX;
        return (if is_parameter { Token::Parameter(&sql[..end]) } else { Token::Literal }, end);
    }
    let is_tag = |c: char| is_word(c) || c.is_ascii_digit();
    match sql[1..].find(|c| !is_tag(c)) {
        Some(tag) if sql[1 + tag..].starts_with('$') => {
            let (delimiter, body) = sql.split_at(tag + 2);
            let end = body.find(delimiter).map_or(sql.len(), |at| at + 2 * delimiter.len());
            (Token::Literal, end)
        }
        _ => (Token::Other("$"), 1),
    }
}

/// Takes more than a number's own characters (`0x1f`, `1_000`, `1e-10`, `1abc`): what touches a
/// number is masked with it.
fn number_length(sql: &str) -> usize {
    let bytes = sql.as_bytes();
    let digit_at = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let sign =
            matches!(byte, b'+' | b'-') && matches!(bytes[at - 1], b'e' | b'E') && digit_at(at + 1);
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.') || sign) {
            break;
        }
        at += 1;
    }
    at
}
