//! Where a setting stands: `archive.tables."public.ml_jobs".into`.

use std::fmt;

/// The names from the outermost section to the key. Names of tables are in their normal form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(Vec<String>);

impl KeyPath {
    /// The path of a text whose names hold no dot themselves.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    /// One level deeper.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let mut names = self.0.clone();
        names.push(name.to_owned());
        Self(names)
    }

    /// The section it stands in.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }

    /// The innermost name; empty for the root.
    #[must_use]
    pub fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// All names, outermost first.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether it is `other` or stands inside it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Whether it is an instance of a pattern of the registry, where `*` stands for any one name.
    #[must_use]
    pub fn fits(&self, pattern: &str) -> bool {
        let mut names = self.0.iter();
        pattern.split('.').all(|want| names.next().is_some_and(|name| want == "*" || want == name))
            && names.next().is_none()
    }

    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        let mut name = "PGTEND".to_owned();
        for part in self.names() {
            name.push_str("__");
            name.push_str(&folded(part));
        }
        name
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(f, "{dot}{}", toml_key(name))?;
        }
        Ok(())
    }
}

/// A name in capitals, with one underscore for any run of other characters: two would end it.
pub(super) fn folded(name: &str) -> String {
    let capitals = name.to_uppercase();
    let words = capitals.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

/// A name as TOML writes a key: bare where it may be, else quoted in the form that reads best.
#[must_use]
pub fn toml_key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let plain = !name.chars().any(char::is_control);
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else if plain && !name.contains('\'') && name.contains(['"', '\\']) {
        format!("'{name}'")
    } else {
        // TOML's basic strings escape as JSON does.
        serde_json::Value::from(name).to_string().replace('\u{7f}', "\\u007f")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_print_as_toml_writes_them() {
        let tables = KeyPath::of("archive.tables");
        for (name, text) in [
            ("public.ml_jobs", r#"archive.tables."public.ml_jobs""#),
            (r#""Odd.Schema"."Order""#, r#"archive.tables.'"Odd.Schema"."Order"'"#),
            (r#"a."it's""#, r#"archive.tables."a.\"it's\"""#),
        ] {
            assert_eq!(tables.join(name).to_string(), text);
        }
    }

    #[test]
    fn a_star_stands_for_one_name() {
        let path = KeyPath::of("archive.tables").join("public.ml_jobs").join("into");
        assert!(path.fits("archive.tables.*.into"));
        assert!(!path.fits("archive.tables.*"));
        assert!(!path.parent().fits("archive.tables.*.into"));
    }

    proptest! {
        #[test]
        fn every_name_is_read_back_by_toml(name in "\\PC*|[\\x00-\\x7f]*") {
            let text = format!("{} = 1", toml_key(&name));
            let table: toml::Table = text.parse().unwrap();
            prop_assert_eq!(table.keys().next().unwrap(), &name);
        }
    }
}
