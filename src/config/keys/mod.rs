//! The one list of keys: what may be written, in which form, with which default.
//!
//! Unknown keys, type checks, names of environment variables, defaults, `config show`, the JSON
//! Schema and the completeness of the sample all follow from it. To add a key, add it to [`list`]
//! and give it a meaning in `checked`.

mod form;
pub(super) mod later;
mod list;
mod words;

pub(super) use form::{Form, choice};
pub(super) use list::{KEYS, SECTIONS};
pub(super) use words::KeyWord;

use super::path::KeyPath;
use super::value::{Read, ValueKind};

/// One key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// From the outermost section to the key; `*` stands for a name of the user's.
    pub(super) path: &'static str,
    /// What its value may be.
    pub(super) form: Form,
    /// What holds if it is not written.
    pub(super) otherwise: Otherwise,
    /// What it means, in one line.
    pub(super) doc: &'static str,
}

/// What holds if a key is not written. Texts are values as TOML writes them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Otherwise {
    /// Nothing can be assumed; an example.
    Required(&'static str),
    /// This value.
    Default(&'static str),
    /// A value that follows from other settings: the rule in words, and as a function of all
    /// settings and the section in question.
    Derived(&'static str, fn(&dyn Values, &KeyPath) -> Option<ValueKind>),
    /// Nothing; an example of what may be written, and what absence means.
    Absent(&'static str, &'static str),
}

/// The settings that a value may follow from.
pub(super) trait Values {
    /// The value at this path, if it is set, right, or has a default.
    fn value(&self, path: &KeyPath) -> Option<&ValueKind>;
}

impl dyn Values + '_ {
    /// The same, read.
    pub(super) fn get<T: Read>(&self, path: &KeyPath) -> Option<T> {
        self.value(path).and_then(|value| T::read(value).ok())
    }

    /// The same, as it is written.
    pub(super) fn text(&self, path: &str) -> Option<ValueKind> {
        self.value(&KeyPath::of(path)).cloned()
    }
}

/// A section: a table of keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    /// As in [`Key::path`].
    pub(super) path: &'static str,
    /// Whether it counts though nobody has written it.
    pub(super) holds: Holds,
    /// What it is, in one line.
    pub(super) doc: &'static str,
}

/// When a section's defaults hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Always.
    Always,
    /// If it is written.
    IfWritten,
    /// If this section is written.
    With(&'static str),
}

/// What stands at a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    /// A value.
    Key(&'static Key),
    /// A table of keys and sections.
    Section,
    /// A table whose keys are names of tables of the database.
    Tables,
    /// A table whose keys are names of the user's own.
    Names,
    /// Nothing known.
    Unknown,
}

/// What the registry has at a path.
pub(super) fn node(path: &KeyPath) -> Node {
    if let Some(key) = key(path) {
        return Node::Key(key);
    }
    match children(path).first() {
        None => Node::Unknown,
        Some(&"*") if path.last() == "tables" => Node::Tables,
        Some(&"*") => Node::Names,
        Some(_) => Node::Section,
    }
}

/// The key whose instance the path is.
pub(super) fn key(path: &KeyPath) -> Option<&'static Key> {
    KEYS.iter().find(|key| path.fits(key.path))
}

/// The names known right below a path, in the order of the registry.
pub(super) fn children(path: &KeyPath) -> Vec<&'static str> {
    let depth = path.names().len();
    let mut children = Vec::new();
    for key in KEYS.iter() {
        let names: Vec<&'static str> = key.path.split('.').collect();
        if names.len() > depth
            && (depth == 0 || path.fits(&names[..depth].join(".")))
            && !children.contains(&names[depth])
        {
            children.push(names[depth]);
        }
    }
    children
}

/// The section's keys.
pub(super) fn keys_of(section: &'static str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section() == section)
}

impl Key {
    /// The name without its sections.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The path of its section.
    pub(super) fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }
}
