//! Names of PostgreSQL objects: parsed once, quoted in one place.
//!
//! A name is kept as its true bytes and printed as SQL would write it: bare where SQL allows it,
//! double-quoted otherwise. What is printed in a log line can be pasted into psql and into the
//! configuration.

use std::fmt;
use std::str::FromStr;

/// The longest identifier the server keeps, in bytes (NAMEDATALEN − 1); it cuts longer ones silently.
pub const IDENT_BYTES_MAX: usize = 63;

/// One identifier: 1 to 63 bytes, no NUL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ident(String);

/// Why a text is not an identifier or a table name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing between the dots, or an empty text.
    #[error("a name part is empty")]
    Empty,
    /// Longer than the server keeps.
    #[error("\"{0}\" is {1} bytes long; PostgreSQL keeps {IDENT_BYTES_MAX}")]
    TooLong(String, usize),
    /// PostgreSQL text cannot hold a NUL.
    #[error("a name cannot contain a NUL character")]
    Nul,
    /// A quote that does not end, or text right after one.
    #[error("a double quote is not closed, or stands inside a bare name")]
    Quote,
    /// A bare part that SQL would not accept without quotes.
    #[error("\"{0}\" needs double quotes here, as in SQL: \"\\\"{0}\\\"\"")]
    NeedsQuotes(String),
    /// More than `schema.table`.
    #[error("more than two parts; write schema.table, and quote a part that contains a dot")]
    TooManyParts,
}

impl Ident {
    /// Takes the true name, unquoted.
    ///
    /// # Errors
    /// Empty, over 63 bytes, or with a NUL.
    pub fn new(name: impl Into<String>) -> Result<Self, NameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.contains('\0') {
            return Err(NameError::Nul);
        }
        if name.len() > IDENT_BYTES_MAX {
            let length = name.len();
            return Err(NameError::TooLong(name, length));
        }
        Ok(Self(name))
    }

    /// The true name, for comparison and for use as a bound value; never for building SQL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_bare(&self.0) {
            f.write_str(&self.0)
        } else {
            write!(f, "\"{}\"", self.0.replace('"', "\"\""))
        }
    }
}

impl FromStr for Ident {
    type Err = NameError;

    /// Parses one identifier as SQL writes it.
    fn from_str(text: &str) -> Result<Self, NameError> {
        match <[Part; 1]>::try_from(split(text)?) {
            Ok([part]) => part.into_ident(),
            Err(_) => Err(NameError::TooManyParts),
        }
    }
}

/// A table's name with its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema; `public` where the configuration names none.
    pub schema: Ident,
    /// The table.
    pub table: Ident,
}

impl TableName {
    /// Both parts by their true names.
    ///
    /// # Errors
    /// Where either is not an identifier.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Result<Self, NameError> {
        Ok(Self { schema: Ident::new(schema)?, table: Ident::new(table)? })
    }

    /// Another table in the same schema.
    #[must_use]
    pub fn sibling(&self, table: Ident) -> Self {
        Self { schema: self.schema.clone(), table }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

impl FromStr for TableName {
    type Err = NameError;

    /// Parses `table` or `schema.table`, each part quoted where SQL would quote it. Bare parts fold
    /// to lower case, as in SQL.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = split(text)?.into_iter();
        match (parts.next(), parts.next(), parts.next()) {
            (Some(table), None, None) => {
                Ok(Self { schema: Ident("public".to_owned()), table: table.into_ident()? })
            }
            (Some(schema), Some(table), None) => {
                Ok(Self { schema: schema.into_ident()?, table: table.into_ident()? })
            }
            _ => Err(NameError::TooManyParts),
        }
    }
}

/// A name that the server gave, as SQL writes it.
#[must_use]
pub fn quoted(name: &str) -> String {
    Ident::new(name).map_or_else(|_| name.to_owned(), |ident| ident.to_string())
}

/// A text as an SQL string literal: single quotes doubled, and the `E''` form where a backslash
/// would otherwise depend on `standard_conforming_strings`.
#[must_use]
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

struct Part {
    text: String,
    quoted: bool,
}

impl Part {
    fn into_ident(self) -> Result<Ident, NameError> {
        if self.quoted {
            return Ident::new(self.text);
        }
        let folded = self.text.to_ascii_lowercase();
        let mut chars = folded.chars();
        let starts = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
        if folded.is_empty() {
            Err(NameError::Empty)
        } else if starts && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            Ident::new(folded)
        } else {
            Err(NameError::NeedsQuotes(self.text))
        }
    }
}

/// Splits at the dots outside quotes.
fn split(text: &str) -> Result<Vec<Part>, NameError> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = if let Some(inner) = rest.strip_prefix('"') {
            take_quoted(inner)?
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            if rest[..end].contains('"') {
                return Err(NameError::Quote);
            }
            (Part { text: rest[..end].to_owned(), quoted: false }, &rest[end..])
        };
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(parts),
            None => return Err(NameError::Quote),
        }
    }
}

/// Takes up to the closing quote; `""` inside stands for one quote.
fn take_quoted(inner: &str) -> Result<(Part, &str), NameError> {
    let mut text = String::new();
    let mut chars = inner.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            text.push(c);
        } else if chars.peek().is_some_and(|&(_, next)| next == '"') {
            text.push('"');
            chars.next();
        } else {
            return Ok((Part { text, quoted: true }, &inner[at + 1..]));
        }
    }
    Err(NameError::Quote)
}

fn is_bare(name: &str) -> bool {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    starts
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && RESERVED.binary_search(&name).is_err()
}

/// Every keyword that `quote_ident` quotes on some of PostgreSQL 13 to 18: `SELECT word FROM
/// pg_get_keywords() WHERE catcode <> 'U'`, united over the versions, sorted.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization",
    "between", "bigint", "binary", "bit", "boolean", "both", "case", "cast", "char", "character",
    "check", "coalesce", "collate", "collation", "column", "concurrently", "constraint", "create",
    "cross", "current_catalog", "current_date", "current_role", "current_schema", "current_time",
    "current_timestamp", "current_user", "dec", "decimal", "default", "deferrable", "desc",
    "distinct", "do", "else", "end", "except", "exists", "extract", "false", "fetch", "float",
    "for", "foreign", "freeze", "from", "full", "grant", "greatest", "group", "grouping", "having",
    "ilike", "in", "initially", "inner", "inout", "int", "integer", "intersect", "interval", "into",
    "is", "isnull", "join", "json", "json_array", "json_arrayagg", "json_exists", "json_object",
    "json_objectagg", "json_query", "json_scalar", "json_serialize", "json_table", "json_value",
    "lateral", "leading", "least", "left", "like", "limit", "localtime", "localtimestamp",
    "merge_action", "national", "natural", "nchar", "none", "normalize", "not", "notnull", "null",
    "nullif", "numeric", "offset", "on", "only", "or", "order", "out", "outer", "overlaps",
    "overlay", "placing", "position", "precision", "primary", "real", "references", "returning",
    "right", "row", "select", "session_user", "setof", "similar", "smallint", "some", "substring",
    "symmetric", "system_user", "table", "tablesample", "then", "time", "timestamp", "to",
    "trailing", "treat", "trim", "true", "union", "unique", "user", "using", "values", "varchar",
    "variadic", "verbose", "when", "where", "window", "with", "xmlattributes", "xmlconcat",
    "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot",
    "xmlserialize", "xmltable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_sorted_for_the_search() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn names_print_as_sql_writes_them() {
        for (true_name, sql) in [
            ("ml_jobs", "ml_jobs"),
            ("order", "\"order\""),
            ("Odd", "\"Odd\""),
            ("a.b", "\"a.b\""),
            ("sa\"y", "\"sa\"\"y\""),
            ("naïve", "\"naïve\""),
            ("1st", "\"1st\""),
        ] {
            let ident = Ident::new(true_name).unwrap();
            assert_eq!(ident.to_string(), sql);
            assert_eq!(sql.parse::<Ident>().unwrap(), ident);
        }
    }

    #[test]
    fn tables_parse_as_sql_names_them() {
        let table = |s: &str| s.parse::<TableName>().map(|t| (t.schema.0, t.table.0));
        assert_eq!(table("Jobs"), Ok(("public".into(), "jobs".into())));
        assert_eq!(table("app.\"Odd.Name\""), Ok(("app".into(), "Odd.Name".into())));
        assert_eq!(table("\"Odd.Schema\".\"Order\""), Ok(("Odd.Schema".into(), "Order".into())));
        assert_eq!(table("a.b.c"), Err(NameError::TooManyParts));
        assert_eq!(table("a..b"), Err(NameError::TooManyParts));
        assert_eq!(table("a."), Err(NameError::Empty));
        assert_eq!(table("\"open"), Err(NameError::Quote));
        assert_eq!(table("my-table"), Err(NameError::NeedsQuotes("my-table".into())));
        assert!(matches!(table(&"x".repeat(64)), Err(NameError::TooLong(_, 64))));
    }

    #[test]
    fn literals_cannot_be_escaped_from() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
    }
}
