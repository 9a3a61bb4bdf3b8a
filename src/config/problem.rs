//! What is wrong with a configuration, and where: all of it at once.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::path::KeyPath;

/// Where a value comes from. Ordered as the layers are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nowhere in particular: what is missing everywhere.
    Nowhere,
    /// pgtend itself; with the rule, where the value follows from another.
    Default(Option<&'static str>),
    /// A file.
    File {
        /// Its rank among the files: a later one overrides.
        rank: usize,
        /// Its path as it was given.
        file: Arc<str>,
        /// Line and column, from 1; absent where the file as a whole is meant.
        at: Option<(usize, usize)>,
    },
    /// An environment variable.
    Variable(String),
}

impl Place {
    /// A file as a whole.
    #[must_use]
    pub fn whole(rank: usize, file: &Path) -> Self {
        Self::File { rank, file: file.display().to_string().into(), at: None }
    }

    /// The origin for `config show`: without the column.
    #[must_use]
    pub fn origin(&self) -> String {
        match self {
            Self::Nowhere => "nowhere".to_owned(),
            Self::Default(None) => "default".to_owned(),
            Self::Default(Some(rule)) => format!("default: {rule}"),
            Self::File { file, at: Some((line, _)), .. } => format!("{file}:{line}"),
            Self::File { file, .. } => file.to_string(),
            Self::Variable(name) => format!("environment variable {name}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("configuration"),
            Self::Default(_) => f.write_str("default"),
            Self::File { file, at: Some((line, column)), .. } => {
                write!(f, "{file}:{line}:{column}")
            }
            Self::File { file, .. } => f.write_str(file),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The setting; absent where the text as a whole is wrong.
    pub path: Option<KeyPath>,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match (&self.path, &self.place) {
            (None, _) => {}
            // A variable's name is a path already.
            (Some(path), Place::Variable(name)) if *name == path.variable() => {}
            (Some(path), _) => write!(f, "{path}: ")?,
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong, in the order of the layers, one per line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes one more.
    pub fn add(&mut self, place: Place, path: Option<KeyPath>, message: impl Into<String>) {
        self.0.push(Problem { place, path, message: message.into() });
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Sorted by place, each once.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0.sort();
        self.0.dedup();
        self
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
