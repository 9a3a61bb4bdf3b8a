//! Configurations as files and variables, and what becomes of them.

use std::path::PathBuf;

use super::{Loaded, Problems, load};

mod env;
mod layers;
mod meaning;
mod registry;
mod rules;
mod sample;
mod secrets;
mod wrong;

/// The least that loads.
const LEAST: &str = "[database]\nurl = \"postgres://pgtend@localhost/app\"\n";

/// A directory of files to load `pgtend.toml` from.
struct World {
    directory: tempfile::TempDir,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn load(&self, env: &[(&str, &str)]) -> Result<Loaded, Problems> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(Some(&self.path("pgtend.toml")), env)
    }

    /// The text without the directory, which is another one each time.
    fn relative(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.directory.path().display()), "")
    }

    /// What is wrong, as it is printed.
    fn problems(&self, env: &[(&str, &str)]) -> String {
        match self.load(env) {
            Ok(_) => "nothing is wrong".to_owned(),
            Err(problems) => self.relative(&problems.to_string()),
        }
    }

    fn show(&self, env: &[(&str, &str)]) -> String {
        let loaded = self.load(env).unwrap_or_else(|problems| panic!("{problems}"));
        self.relative(&super::show(&loaded))
    }
}

fn loads(text: &str) -> Loaded {
    World::new(&[("pgtend.toml", text)]).load(&[]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(text: &str) -> String {
    World::new(&[("pgtend.toml", text)]).problems(&[])
}
