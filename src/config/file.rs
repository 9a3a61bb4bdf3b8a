//! One file, alone: read, parsed with positions, and every key held against the registry.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::keys::{self, Node};
use super::layer::Layer;
use super::path::KeyPath;
use super::problem::{Place, Problems};
use super::strange;
use super::value::ValueKind;
use crate::config::checked::RuleName;
use crate::pg::ident::TableName;

/// The file and the `*.toml` of `conf.d` beside it, sorted by name.
pub(super) fn files(path: &Path, problems: &mut Problems) -> Vec<PathBuf> {
    let directory = path.with_file_name("conf.d");
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let mut more: Vec<PathBuf> = match entries {
        Ok(entries) => entries.iter().map(std::fs::DirEntry::path).collect(),
        Err(error) => {
            let place = Place::whole(1, &directory);
            problems.add(place, None, format!("the directory cannot be read: {error}"));
            Vec::new()
        }
    };
    let hidden =
        |file: &PathBuf| file.file_name().is_none_or(|name| name.as_encoded_bytes()[0] == b'.');
    more.retain(|file| file.extension().is_some_and(|end| end == "toml") && !hidden(file));
    more.sort();
    more.insert(0, path.to_owned());
    more
}

/// Reads one file. Nothing is returned if it is no TOML: then what it sets is unknown.
pub(super) fn read(rank: usize, path: &Path, problems: &mut Problems) -> Option<Layer> {
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes),
        Err(error) => {
            problems.add(Place::whole(rank, path), None, unreadable(&error));
            return None;
        }
    };
    let name = path.display().to_string().into();
    match text {
        Ok(text) => File::new(rank, name, &text).layer(problems),
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let text = String::from_utf8_lossy(good);
            let file = File::new(rank, name, &text);
            let message = "the file is not UTF-8 here; save it as UTF-8";
            problems.add(file.place(text.len()), None, message);
            None
        }
    }
}

fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => {
            "there is no such file; name another with --config or PGTEND_CONFIG".to_owned()
        }
        ErrorKind::IsADirectory => "this is a directory; name a file".to_owned(),
        ErrorKind::PermissionDenied => {
            "the file may not be read by this user; give it read permission".to_owned()
        }
        _ => format!("the file cannot be read: {error}"),
    }
}

struct File<'a> {
    rank: usize,
    name: Arc<str>,
    text: &'a str,
    /// Where each line but the first starts.
    lines: Vec<usize>,
}

impl<'a> File<'a> {
    fn new(rank: usize, name: Arc<str>, text: &'a str) -> Self {
        let lines = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        Self { rank, name, text, lines }
    }

    fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|&start| start <= offset) + 1;
        let line_start = if line == 1 { 0 } else { self.lines[line - 2] };
        let column = self.text[line_start..offset].chars().count() + 1;
        Place::File { rank: self.rank, file: self.name.clone(), at: Some((line, column)) }
    }

    fn layer(&self, problems: &mut Problems) -> Option<Layer> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            let mut layer = Layer::default();
            self.section(&KeyPath::of(""), root.get_ref(), &mut layer, problems);
            return Some(layer);
        }
        for error in errors {
            let place = self.place(error.span().map_or(0, |span| span.start));
            problems.add(place, None, strange::syntax(error.message()));
        }
        None
    }

    fn section(
        &self,
        at: &KeyPath,
        table: &DeTable<'_>,
        layer: &mut Layer,
        problems: &mut Problems,
    ) {
        for (name, value) in table {
            let path = at.join(name.get_ref());
            let place = self.place(name.span().start);
            match (keys::node(&path), value.get_ref()) {
                (Node::Key(key), value_inside) => {
                    let place = self.place(value.span().start);
                    match value_of(value_inside) {
                        Ok(value) => layer.set(key, path, value, place, problems),
                        Err(what) => {
                            layer.broken.push(path.clone());
                            let accepted = key.form.accepted();
                            problems.add(place, Some(path), format!("{what}; write {accepted}"));
                        }
                    }
                }
                (Node::Section, DeValue::Table(inner)) => {
                    layer.sections.entry(path.clone()).or_insert(place);
                    self.section(&path, inner, layer, problems);
                }
                (Node::Tables, DeValue::Table(inner)) => {
                    self.tables(&path, inner, layer, problems);
                }
                (Node::Names, DeValue::Table(inner)) => self.names(&path, inner, layer, problems),
                (Node::Section | Node::Tables | Node::Names, other) => {
                    layer.broken.push(path.clone());
                    problems.add(place, Some(path.clone()), strange::no_section(&path, other));
                }
                (Node::Unknown, other) => {
                    let is_table = matches!(other, DeValue::Table(_));
                    let stranger = strange::in_file(&path, is_table);
                    layer.broken.extend(stranger.meant);
                    problems.add(place, Some(path), stranger.message);
                }
            }
        }
    }

    /// The rules of a table.
    fn names(&self, at: &KeyPath, rules: &DeTable<'_>, layer: &mut Layer, problems: &mut Problems) {
        for (name, value) in rules {
            let (path, place) = (at.join(name.get_ref()), self.place(name.span().start));
            let wrong = match (value.get_ref(), name.get_ref().parse::<RuleName>()) {
                (DeValue::Table(inner), Ok(_)) => {
                    layer.sections.entry(path.clone()).or_insert(place);
                    self.section(&path, inner, layer, problems);
                    continue;
                }
                (DeValue::Table(_), Err(error)) => {
                    format!("{error}; write [{}]", at.join("failed"))
                }
                (other, _) => strange::no_section(&path, other),
            };
            layer.broken.push(at.clone());
            problems.add(place, Some(path), wrong);
        }
    }

    /// The tables of a job: their names are brought to their normal form.
    fn tables(
        &self,
        at: &KeyPath,
        tables: &DeTable<'_>,
        layer: &mut Layer,
        problems: &mut Problems,
    ) {
        let mut entries: Vec<_> = tables.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut seen: Vec<(TableName, Place)> = Vec::new();
        for (name, value) in entries {
            let place = self.place(name.span().start);
            let written = at.join(name.get_ref());
            let DeValue::Table(inner) = value.get_ref() else {
                layer.broken.push(at.clone());
                let message = strange::no_section(&written, value.get_ref());
                problems.add(place, Some(written), message);
                continue;
            };
            if let Some(message) = strange::unquoted_table(at, name.get_ref(), inner) {
                layer.broken.push(at.clone());
                problems.add(place, Some(written), message);
                continue;
            }
            let table = match name.get_ref().parse::<TableName>() {
                Ok(table) => table,
                Err(error) => {
                    layer.broken.push(at.clone());
                    let message = strange::table_name(at, name.get_ref(), &error);
                    problems.add(place, Some(written), message);
                    continue;
                }
            };
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == table) {
                let message = format!("this is the table of {first} again; keep one of them");
                problems.add(place, Some(written), message);
                continue;
            }
            seen.push((table.clone(), place.clone()));
            let path = at.join(&table.to_string());
            layer.sections.entry(path.clone()).or_insert(place);
            self.section(&path, inner, layer, problems);
        }
    }
}

/// A TOML value without its positions.
///
/// # Errors
/// What it is, if no setting can have such a value.
pub(super) fn value_of(value: &DeValue<'_>) -> Result<ValueKind, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string().into()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Into::into)
            .map_err(|_| format!("{number} is too large")),
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .map(Into::into)
            .map_err(|_| format!("{} is not a number", number.as_str())),
        DeValue::Boolean(flag) => Ok((*flag).into()),
        DeValue::Datetime(_) => Err("this is a date".to_owned()),
        DeValue::Array(items) => {
            let items: Result<Vec<_>, _> =
                items.iter().map(|item| value_of(item.get_ref())).collect();
            Ok(ValueKind::Array(items?.into_iter().map(Into::into).collect()))
        }
        DeValue::Table(_) => Err("this is a table".to_owned()),
    }
}
