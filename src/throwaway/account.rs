//! Who a throwaway server runs as. PostgreSQL refuses to run as root.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs, io};

use tempfile::TempDir;

/// A socket's path has room for about 100 bytes, and ours ends in `/pgtend-XXXXXX/.s.PGSQL.NNNNN`.
const BASE_BYTES_MAX: usize = 60;

/// The uid and gid of the unprivileged account; `None`: simply who we are.
#[derive(Debug, Clone, Copy)]
pub struct Account(Option<(u32, u32)>);

impl Account {
    /// A new directory of its own, and the account that owns it: `nobody` if we are root.
    pub fn with_directory() -> io::Result<(Self, TempDir)> {
        let dir = new_directory(&env::temp_dir())?;
        if fs::metadata(dir.path())?.uid() != 0 {
            return Ok((Self(None), dir));
        }
        // Root's TMPDIR may be root's alone.
        let dir = new_directory(Path::new("/tmp"))?;
        let (uid, gid) = nobody();
        chown(dir.path(), Some(uid), Some(gid))?;
        Ok((Self(Some((uid, gid))), dir))
    }

    /// A command run by this account in `dir`, with nothing of our environment: `PGPORT`, `TZ` and
    /// their like would change what it does.
    pub fn command(self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        command.current_dir(dir).stdin(Stdio::null());
        if let Self(Some((uid, gid))) = self {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Whether this account can run the program, which may lie below a directory closed to it.
    pub fn can_run(self, program: &Path, dir: &Path) -> bool {
        let ran = self.command(program, dir).arg("--version").stdout(Stdio::null()).status();
        ran.is_ok_and(|status| status.success())
    }

    /// Hands it a file or a directory.
    pub fn give(self, path: &Path) -> io::Result<()> {
        self.0.map_or(Ok(()), |(uid, gid)| chown(path, Some(uid), Some(gid)))
    }
}

fn new_directory(base: &Path) -> io::Result<TempDir> {
    let base = if base.as_os_str().len() > BASE_BYTES_MAX { Path::new("/tmp") } else { base };
    // Whoever reaches the socket in it is superuser.
    let closed = fs::Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("pgtend-").permissions(closed).tempdir_in(base)
}

/// The account that every Unix has for those who own nothing. `initdb` wants it to have a name.
fn nobody() -> (u32, u32) {
    const CUSTOMARY: (u32, u32) = (65534, 65534);
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = accounts.lines().find_map(|line| {
        let mut fields = line.strip_prefix("nobody:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    ids.unwrap_or(CUSTOMARY)
}
