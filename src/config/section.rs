//! One section of the settings, and the one behind it that says what it does not.

use std::collections::BTreeMap;

use super::path::KeyPath;
use super::settings::Settings;
use super::value::Read;
use crate::pg::ident::TableName;

/// A setting that is needed and cannot be read: a problem has been noted about it before.
pub(super) struct Unread(pub(super) KeyPath);

/// One section of the settings.
pub(super) struct Section<'a> {
    pub(super) settings: &'a Settings,
    pub(super) path: KeyPath,
    /// The section that says what this one does not.
    pub(super) outer: Option<KeyPath>,
}

impl<'a> Section<'a> {
    /// One that stands alone.
    pub(super) fn of(settings: &'a Settings, path: KeyPath) -> Self {
        Self { settings, path, outer: None }
    }

    /// Where this is said. What is wrong is said all the same.
    pub(super) fn at(&self, name: &str) -> KeyPath {
        let own = self.path.join(name);
        let is_said = self.settings.setting(&own).is_some() || self.settings.is_broken(&own);
        match &self.outer {
            Some(outer) if !is_said => outer.join(name),
            _ => own,
        }
    }

    /// A setting that may be absent.
    pub(super) fn get<T: Read>(&self, name: &str) -> Option<T> {
        self.settings.get(&self.at(name))
    }

    /// What the section itself says.
    pub(super) fn own<T: Read>(&self, name: &str) -> Option<T> {
        self.settings.get(&self.path.join(name))
    }

    /// A setting that has a default, or whose absence is a problem.
    pub(super) fn need<T: Read>(&self, name: &str) -> Result<T, Unread> {
        self.get(name).ok_or_else(|| Unread(self.path.join(name)))
    }

    pub(super) fn inner(&self, name: &str) -> Self {
        Self::of(self.settings, self.path.join(name))
    }

    pub(super) fn if_written<T>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, Unread>,
    ) -> Result<Option<T>, Unread> {
        self.settings.section(&self.path).map(|_| read(self)).transpose()
    }

    /// The sections inside the section of this name, each called as its user likes.
    pub(super) fn each(&self, name: &str) -> impl Iterator<Item = KeyPath> {
        let parent = self.path.join(name);
        let instances = self.settings.instances().into_iter().map(|(_, path)| path);
        instances.filter(move |path| path.parent() == parent)
    }

    /// The tables of a job, each with its section.
    pub(super) fn tables<T>(
        &self,
        read: impl Fn(&Section<'_>) -> Result<T, Unread>,
    ) -> Result<BTreeMap<TableName, T>, Unread> {
        self.each("tables")
            .map(|path| {
                let name = path.last().parse().map_err(|_| Unread(path.clone()))?;
                Ok((name, read(&Self::of(self.settings, path))?))
            })
            .collect()
    }
}
