//! Where PostgreSQL's programs are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use super::account::Account;
use crate::pg::fault::{Fault, Kind};
use crate::pg::version::{MAJOR_MAX, MAJOR_MIN};

/// A `bin` directory with `initdb` and `postgres` of one major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The directory itself, absolute and without symbolic links.
    pub bin: PathBuf,
    /// What its `postgres` says it is, for example 18.
    pub major: u32,
}

impl Binaries {
    /// Finds a server of this major version, or the newest supported one.
    ///
    /// The first of these that fits: `$PGTEND_POSTGRES_BIN`; `target/postgres/MAJOR/bin` below the
    /// current directory, where `make postgres` puts them; `/usr/lib/postgresql/MAJOR/bin`, where
    /// Debian does; the directory of the first `initdb` on `PATH`.
    ///
    /// # Errors
    /// None fits. The message lists what was looked at, and how to get one.
    pub fn discover(major: Option<u32>) -> Result<Self, Fault> {
        let mut looked_at = Vec::new();
        for candidate in candidates(major) {
            match Self::at(&candidate) {
                Ok(found) if major.is_none_or(|wanted| wanted == found.major) => return Ok(found),
                Ok(other) => {
                    looked_at.push(format!("{} (is version {})", candidate.display(), other.major));
                }
                Err(reason) => looked_at.push(format!("{} ({reason})", candidate.display())),
            }
        }
        let wanted = major.unwrap_or(MAJOR_MAX);
        let message = format!("not in {}", looked_at.join(", "));
        Err(Fault::new(Kind::Configuration, "find the programs of PostgreSQL", message)
            .on(wanted)
            .with_hint(format!(
                "fetch them with `make postgres` in pgtend's source directory, or install them \
                 (Debian: apt-get install postgresql-{wanted}), or set PGTEND_POSTGRES_BIN to a \
                 directory that holds initdb and postgres"
            )))
    }

    /// The programs in this directory.
    ///
    /// # Errors
    /// In a few words why it cannot be used: there is no `initdb`, or `postgres` does not run.
    pub fn at(bin: &Path) -> Result<Self, String> {
        // Debian's PATH holds links to single programs; the others are beside the real one.
        let initdb = fs::canonicalize(bin.join("initdb")).map_err(|_| "no initdb".to_owned())?;
        let bin = initdb.parent().ok_or("no directory")?.to_path_buf();
        let version = Command::new(bin.join("postgres"))
            .arg("--version")
            .output()
            .map_err(|error| format!("postgres does not run: {error}"))?;
        let text = String::from_utf8_lossy(&version.stdout).into_owned();
        match parse_major(&text) {
            Some(major) => Ok(Self { bin, major }),
            None => Err(format!("postgres --version printed {:?}", text.trim())),
        }
    }

    /// Copies the installation these programs belong to into `home`: `bin`, `lib` and `share` stay
    /// beside each other, because the programs look for the others from where they are.
    /// The account owns the directories, or it could not remove them.
    pub(super) fn copy_to(&self, home: &Path, owner: Account) -> io::Result<Self> {
        let root = self.bin.parent().unwrap_or(&self.bin);
        for part in ["bin", "lib", "share"] {
            copy_tree(&root.join(part), &home.join(part), owner)?;
        }
        owner.give(home)?;
        Ok(Self { bin: home.join("bin"), major: self.major })
    }
}

fn candidates(major: Option<u32>) -> Vec<PathBuf> {
    let majors = major.map_or(MAJOR_MIN..=MAJOR_MAX, |one| one..=one);
    let mut found: Vec<PathBuf> =
        env::var_os("PGTEND_POSTGRES_BIN").map(PathBuf::from).into_iter().collect();
    for major in majors.rev() {
        found.push(format!("target/postgres/{major}/bin").into());
        found.push(format!("/usr/lib/postgresql/{major}/bin").into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    found.extend(env::split_paths(&path).filter(|dir| dir.join("initdb").is_file()).take(1));
    found
}

/// 18 from `postgres (PostgreSQL) 18.4 (Debian 18.4-1)`, and from `… 19beta1`.
fn parse_major(version: &str) -> Option<u32> {
    let (_, number) = version.split_once("(PostgreSQL) ")?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Hard links where the file system allows it, as 60 MB a server would be felt.
fn copy_tree(from: &Path, to: &Path, owner: Account) -> io::Result<()> {
    fs::create_dir_all(to)?;
    owner.give(to)?;
    for entry in fs::read_dir(from)? {
        let (source, target) = {
            let entry = entry?;
            (entry.path(), to.join(entry.file_name()))
        };
        if source.is_dir() {
            copy_tree(&source, &target, owner)?;
        } else {
            let real = fs::canonicalize(&source)?;
            fs::hard_link(&real, &target).or_else(|_| fs::copy(&real, &target).map(|_| ()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_postgres_prints() {
        assert_eq!(parse_major("postgres (PostgreSQL) 13.23\n"), Some(13));
        assert_eq!(parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(parse_major(""), None);
    }

    #[test]
    fn a_missing_version_says_where_it_was_looked_for_and_how_to_get_it() {
        let fault = Binaries::discover(Some(9)).unwrap_err().to_string();
        for part in [
            "PostgreSQL 9: not in",
            "target/postgres/9/bin (no initdb)",
            "make postgres",
            "postgresql-9",
        ] {
            assert!(fault.contains(part), "{part:?} is not in: {fault}");
        }
    }
}
