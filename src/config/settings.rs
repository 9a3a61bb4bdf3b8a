//! All layers as one: the effective value of every key, with its origin.

use std::collections::{BTreeMap, BTreeSet};

use ::config::Value;

use super::file;
use super::keys::{Holds, Key, Otherwise, SECTIONS, Section, Values, keys_of};
use super::layer::{Layer, Leaf};
use super::path::KeyPath;
use super::problem::Place;
use super::value::{Read, ValueKind};

/// The effective settings. Secrets in them are masked.
#[derive(Debug, Clone)]
pub struct Settings {
    leaves: BTreeMap<KeyPath, Setting>,
    sections: BTreeMap<KeyPath, Place>,
    broken: Vec<KeyPath>,
}

/// One effective value.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// The value.
    pub(super) value: ValueKind,
    /// Where it comes from.
    pub(super) place: Place,
}

impl Settings {
    /// Lays the layers over each other and over the defaults, later ones on top.
    ///
    /// # Errors
    /// Where the layering itself fails, which would be a bug.
    pub(super) fn merge(layers: &[Layer]) -> Result<Self, ::config::ConfigError> {
        let mut sections: BTreeMap<KeyPath, Place> = BTreeMap::new();
        for (path, place) in layers.iter().flat_map(|layer| &layer.sections) {
            sections.entry(path.clone()).or_insert_with(|| place.clone());
        }
        let mut all = vec![defaults(&sections)];
        all.extend_from_slice(layers);
        let places: BTreeMap<String, Place> = all
            .iter()
            .flat_map(|layer| &layer.leaves)
            .map(|leaf| (leaf.place.to_string(), leaf.place.clone()))
            .collect();
        let merged = ::config::Config::builder().add_source(all).build()?;
        let broken = layers.iter().flat_map(|layer| layer.broken.clone()).collect();
        let mut settings = Self { leaves: BTreeMap::new(), sections, broken };
        settings.flatten(&KeyPath::of(""), &merged.cache, &places);
        settings.leaves.retain(|path, _| !settings.broken.contains(path));
        settings.derive();
        Ok(settings)
    }

    fn flatten(&mut self, path: &KeyPath, value: &Value, places: &BTreeMap<String, Place>) {
        if let ValueKind::Table(table) = &value.kind {
            for (name, inner) in table {
                self.flatten(&path.join(name), inner, places);
            }
        } else if let Some(place) = value.origin().and_then(|origin| places.get(origin)) {
            let setting = Setting { value: value.kind.clone(), place: place.clone() };
            self.leaves.insert(path.clone(), setting);
        }
    }

    /// Adds what follows from other settings, in the order of the registry.
    fn derive(&mut self) {
        for (section, instance) in self.instances() {
            for key in keys_of(section.path) {
                let path = instance.join(key.name());
                let Otherwise::Derived(rule, derive) = key.otherwise else { continue };
                if self.leaves.contains_key(&path) || self.is_broken(&path) {
                    continue;
                }
                if let Some(value) = derive(self, &instance) {
                    let place = Place::Default(Some(rule));
                    self.leaves.insert(path, Setting { value, place });
                }
            }
        }
    }

    /// Every section that holds here, in the order of the registry, then by name.
    pub(super) fn instances(&self) -> Vec<(&'static Section, KeyPath)> {
        instances(&self.sections)
    }

    /// A value, if it is set, right, or has a default.
    pub(super) fn get<T: Read>(&self, path: &KeyPath) -> Option<T> {
        (self as &dyn Values).get(path)
    }

    /// A setting.
    pub(super) fn setting(&self, path: &KeyPath) -> Option<&Setting> {
        self.leaves.get(path)
    }

    /// Where a section is first written.
    pub(super) fn section(&self, path: &KeyPath) -> Option<&Place> {
        self.sections.get(path)
    }

    /// Whether something at or inside this path has been called wrong already.
    pub(super) fn is_broken(&self, path: &KeyPath) -> bool {
        self.broken.iter().any(|broken| broken.is_within(path) || path.is_within(broken))
    }

    /// The paths whose values differ. Secrets are masked here, so theirs may differ unseen.
    pub(super) fn changed_since(&self, before: &Self) -> BTreeSet<String> {
        let value = |settings: &Self, path| settings.setting(path).map(|it| it.value.clone());
        let paths = self.leaves.keys().chain(before.leaves.keys());
        paths
            .filter(|path| value(self, path) != value(before, path))
            .map(ToString::to_string)
            .collect()
    }
}

impl Values for Settings {
    fn value(&self, path: &KeyPath) -> Option<&ValueKind> {
        self.leaves.get(path).map(|setting| &setting.value)
    }
}

fn instances(written: &BTreeMap<KeyPath, Place>) -> Vec<(&'static Section, KeyPath)> {
    let mut found = Vec::new();
    for section in SECTIONS {
        match section.holds {
            Holds::IfWritten => {
                let fitting = written.keys().filter(|path| path.fits(section.path));
                found.extend(fitting.map(|path| (section, path.clone())));
            }
            Holds::With(outer) if !written.contains_key(&KeyPath::of(outer)) => {}
            Holds::With(_) | Holds::Always => found.push((section, KeyPath::of(section.path))),
        }
    }
    found
}

/// The defaults of every section that holds, as the lowest layer.
fn defaults(written: &BTreeMap<KeyPath, Place>) -> Layer {
    let mut layer = Layer::default();
    for (section, instance) in instances(written) {
        layer.leaves.extend(keys_of(section.path).filter_map(|key| default(key, &instance)));
    }
    layer
}

fn default(key: &Key, section: &KeyPath) -> Option<Leaf> {
    let Otherwise::Default(text) = key.otherwise else { return None };
    let value = toml::de::DeValue::parse(text).ok()?;
    Some(Leaf {
        path: section.join(key.name()),
        value: file::value_of(value.get_ref()).ok()?,
        place: Place::Default(None),
        secret: None,
    })
}
