//! The sentences for what the registry does not know: what was probably meant.

use toml::de::{DeTable, DeValue};

use super::keys::{self, KEYS, later};
use super::near::nearest;
use super::path::{KeyPath, toml_key};
use crate::pg::ident::{Ident, NameError};

/// An unknown name.
pub(super) struct Stranger {
    /// What to say.
    pub(super) message: String,
    /// The setting that was probably meant: it is no use to call it missing too.
    pub(super) meant: Option<KeyPath>,
}

/// The sentence for a name in a file that is neither key nor section.
pub(super) fn in_file(path: &KeyPath, is_table: bool) -> Stranger {
    let thing = if path.names().len() == 1 { "the section" } else { "the key" };
    let section = path.parent();
    if let Some(message) = later::sentence(path, thing) {
        return Stranger { message, meant: None };
    }
    let known = keys::children(&section);
    let top = section.names().is_empty();
    if top && !is_table {
        let message = "a key stands in a section; move it below its [section]".to_owned();
        return Stranger { message, meant: None };
    }
    if let Some(name) = nearest(path.last(), known.iter().copied()) {
        let message = if top {
            format!("there is no such section; did you mean [{name}]?")
        } else {
            format!("there is no such key; did you mean {name}?")
        };
        return Stranger { message, meant: Some(section.join(name)) };
    }
    let message = match home_of(path.last()) {
        _ if top => format!("there is no such section; there are {}", known.join(", ")),
        Some(home) => format!("there is no such key here; {} stands in [{home}]", path.last()),
        None => format!("there is no such key; [{section}] knows {}", known.join(", ")),
    };
    Stranger { message, meant: None }
}

/// The one section that has a key of this name.
fn home_of(name: &str) -> Option<&'static str> {
    let mut homes = KEYS.iter().filter(|key| key.name() == name).map(keys::Key::section);
    let first = homes.next().filter(|home| !home.contains('*'));
    if homes.next().is_none() { first } else { None }
}

/// The sentence for `[archive.tables.public.ml_jobs]`: the dots were meant as SQL's, and TOML took
/// them for its own.
pub(super) fn unquoted_table(
    tables: &KeyPath,
    schema: &str,
    inner: &DeTable<'_>,
) -> Option<String> {
    let known = tables.join(schema);
    // A table of that name with a section of its own, such as `rules`, whose values are sections too.
    let is_section = |name: &str, value: &DeValue<'_>| {
        let known = !matches!(keys::node(&known.join(name)), keys::Node::Unknown);
        let holds_sections = |inner: &DeTable<'_>| inner.values().all(|it| it.get_ref().is_table());
        known && (schema.contains('.') || value.as_table().is_some_and(holds_sections))
    };
    let (table, _) = inner.iter().find(|(name, value)| {
        value.get_ref().is_table() && !is_section(name.get_ref(), value.get_ref())
    })?;
    let names = [schema, table.get_ref()].map(quote_as_needed);
    let header = tables.join(&names.join("."));
    Some(format!("TOML splits names at dots; quote the table's name: [{header}]"))
}

/// The sentence for a key under `tables` that names no table.
pub(super) fn table_name(tables: &KeyPath, name: &str, error: &NameError) -> String {
    let cure = match error {
        NameError::NeedsQuotes(_) => {
            let quoted: Vec<_> = name.split('.').map(quote_as_needed).collect();
            format!("[{}]", tables.join(&quoted.join(".")))
        }
        _ => format!("[{tables}.{}]", toml_key("schema.table")),
    };
    format!("{error}; write for example {cure}")
}

fn quote_as_needed(part: &str) -> String {
    match part.parse::<Ident>() {
        Ok(_) => part.to_owned(),
        Err(_) => format!("\"{}\"", part.replace('"', "\"\"")),
    }
}

/// The sentence for a value where a section should be.
pub(super) fn no_section(path: &KeyPath, value: &DeValue<'_>) -> String {
    match value {
        DeValue::Array(_) => format!("this is a list; write one [{path}], in single brackets"),
        other => format!("this is a single {}, not a section; write [{path}]", other.type_str()),
    }
}

/// The sentence for what the TOML parser says.
pub(super) fn syntax(message: &str) -> String {
    if message == "duplicate key" {
        return "this is set twice; keep one of them".to_owned();
    }
    format!("this is not TOML: {message}")
}
