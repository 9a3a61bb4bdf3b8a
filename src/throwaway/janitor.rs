//! Removes a directory whose owner dies while it is being filled: before there is a server, and a
//! guard that looks after both.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};

use super::account::Account;

const JANITOR: &str = include_str!("janitor.sh");

/// Stands by until dismissed. Dropped instead, or left by a killed process, it removes the directory.
pub struct Janitor(Child);

impl Janitor {
    /// Watches over a directory of this account.
    pub fn of(account: Account, directory: &Path) -> io::Result<Self> {
        let janitor = account
            .command(Path::new("/bin/sh"), Path::new("/"))
            .args(["-c", JANITOR, "pgtend-janitor"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C is for the owner.
            .process_group(0)
            .spawn()?;
        Ok(Self(janitor))
    }

    /// The directory is in good hands.
    pub fn dismiss(mut self) -> io::Result<()> {
        if let Some(mut pipe) = self.0.stdin.take() {
            pipe.write_all(b"done\n")?;
        }
        self.0.wait().map(|_| ())
    }
}
