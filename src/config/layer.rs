//! One layer of settings: a file's, or the environment's.

use std::collections::BTreeMap;

use ::config::{ConfigError, Map, Source, Value};
use secrecy::SecretString;

use super::keys::Key;
use super::path::KeyPath;
use super::problem::{Place, Problems};
use super::url;
use super::value::ValueKind;

/// One value that a layer sets.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// Which setting.
    pub(super) path: KeyPath,
    /// Its value; masked if it is a secret.
    pub(super) value: ValueKind,
    /// Where it is written.
    pub(super) place: Place,
    /// The value of a secret.
    pub(super) secret: Option<SecretString>,
}

/// What one file, or the environment, says. Holds only values that passed their check.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    /// The values.
    pub(super) leaves: Vec<Leaf>,
    /// The sections that are written, each with its first place.
    pub(super) sections: BTreeMap<KeyPath, Place>,
    /// What is written and wrong: nothing more is to be said about these.
    pub(super) broken: Vec<KeyPath>,
}

impl Layer {
    /// Takes a value if it has its key's form, and notes the problem otherwise.
    pub(super) fn set(
        &mut self,
        key: &Key,
        path: KeyPath,
        value: ValueKind,
        place: Place,
        problems: &mut Problems,
    ) {
        self.sections.entry(path.parent()).or_insert_with(|| place.clone());
        if let Err(message) = key.form.check(&value) {
            self.broken.push(path.clone());
            problems.add(place, Some(path), message);
            return;
        }
        let (value, secret) = match value {
            ValueKind::String(text) if key.form.is_secret() => {
                (url::masked(&text).into(), Some(SecretString::from(text)))
            }
            other => (other, None),
        };
        self.leaves.push(Leaf { path, value, place, secret });
    }

    /// Whether it sets this key.
    pub(super) fn has(&self, path: &KeyPath) -> bool {
        self.leaves.iter().any(|leaf| leaf.path == *path)
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let mut root = Map::new();
        for leaf in &self.leaves {
            let value = Value::new(Some(&leaf.place.to_string()), leaf.value.clone());
            insert(&mut root, leaf.path.names(), value);
        }
        Ok(root)
    }
}

/// Inserts a value at a path of tables, which are made on the way.
fn insert(table: &mut Map<String, Value>, names: &[String], value: Value) {
    match names {
        [] => {}
        [name] => {
            table.insert(name.clone(), value);
        }
        [name, rest @ ..] => {
            let inner =
                table.entry(name.clone()).or_insert_with(|| Map::<String, Value>::new().into());
            if let ValueKind::Table(inner) = &mut inner.kind {
                insert(inner, rest, value);
            }
        }
    }
}
