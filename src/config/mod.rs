//! Configuration: text to meaning, in two passes.
//!
//! 1. Each file alone, and the environment, are held against the registry in [`keys`]: unknown
//!    names, wrong forms. All problems are collected, each with its line or variable.
//! 2. What is right is layered by the `config` crate (defaults, file, `conf.d/*.toml`,
//!    environment), each value keeping its origin; then [`rules`] look across keys, and [`meaning`]
//!    makes [`checked::Config`] of it.
//!
//! Secrets leave this module only inside a `SecretString`; the settings hold them masked.

mod archive_rules;
pub mod checked;
mod environment;
mod file;
mod keys;
mod layer;
mod meaning;
mod near;
mod partition_rules;
mod path;
mod problem;
mod ruled;
mod rules;
mod schema;
pub mod secret;
mod section;
mod settings;
mod show;
mod strange;
mod url;
mod value;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use problem::{Place, Problem, Problems};
pub use schema::schema;
pub use settings::Settings;
pub use show::show;
pub use url::masked;

use environment::Environment;

/// A configuration that is right.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it means.
    pub config: checked::Config,
    /// The effective values with their origins, secrets masked.
    pub settings: Settings,
    /// The files it was read from, the later ones overriding.
    pub files: Vec<PathBuf>,
}

impl Loaded {
    /// The keys whose effective values differ from those of `before`; `database.url` also where only
    /// its password does, or where it stands outside of the settings.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> Vec<String> {
        let mut changed = self.settings.changed_since(&before.settings);
        if !secret::is_same(&self.config.database.url, &before.config.database.url) {
            changed.insert("database.url".to_owned());
        }
        changed.into_iter().collect()
    }
}

/// Where the configuration is looked for if neither `--config` nor `PGTEND_CONFIG` says.
const FILES: [&str; 2] = ["/etc/pgtend/pgtend.toml", "config/pgtend.toml"];

/// The file to load: `said` on the command line, else named by `PGTEND_CONFIG`, else the first that
/// exists of the usual two. Nothing, if there is none: then the environment has to say it all.
///
/// A file that was named is returned even if it does not exist, for [`load`] to complain.
#[must_use]
pub fn find_file(said: Option<&Path>) -> Option<PathBuf> {
    let named = || std::env::var_os("PGTEND_CONFIG").filter(|name| !name.is_empty());
    // A file that cannot be looked at counts as there: `load` tells why.
    let usual = || FILES.iter().map(PathBuf::from).find(|file| file.try_exists().unwrap_or(true));
    said.map(Path::to_owned).or_else(|| named().map(PathBuf::from)).or_else(usual)
}

/// The variables of this process; bytes that are no text are replaced.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    let text = |bytes: std::ffi::OsString| bytes.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// Loads the file, the files of `conf.d` beside it, and the environment.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(
    path: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded, Problems> {
    let mut problems = Problems::default();
    let env = Environment::new(env);
    let files = path.map_or_else(Vec::new, |path| file::files(path, &mut problems));
    let read: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(rank, path)| file::read(rank, path, &mut problems))
        .collect();
    let all_read = read.iter().all(Option::is_some);
    let mut layers: Vec<_> = read.into_iter().flatten().collect();
    layers.push(env.layer(&layers, &mut problems));
    secret::settle(&mut layers, &mut problems);
    let settings = match Settings::merge(&layers) {
        Ok(settings) => settings,
        Err(error) => {
            problems.add(Place::Nowhere, None, format!("the layers cannot be joined: {error}"));
            return Err(problems);
        }
    };
    // What an unreadable file sets is unknown, so nothing can be called missing.
    if !all_read {
        return Err(problems.sorted());
    }
    rules::check(&settings, &mut problems);
    let url = secret::source(&settings, &layers, &env, &files, &mut problems);
    match meaning::config(&settings, url) {
        Ok(config) if problems.is_empty() => Ok(Loaded { config, settings, files }),
        Err(section::Unread(path)) if problems.is_empty() => {
            let message = "passed its check and cannot be read: this is a bug of pgtend";
            problems.add(Place::Nowhere, Some(path), message);
            Err(problems)
        }
        _ => Err(problems.sorted()),
    }
}
