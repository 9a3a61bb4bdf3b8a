//! The database's URL: which of its sources holds, and reading it at each connect.

use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::checked::UrlSource;
use super::environment::Environment;
use super::layer::Layer;
use super::path::KeyPath;
use super::problem::{Place, Problems};
use super::settings::Settings;
use super::url;
use crate::pg::fault::{Fault, Kind};

/// A URL is far shorter; more is the wrong file.
const BYTES_MAX: u64 = 64 * 1024;

/// Why a URL cannot be read from its file. Holds nothing of the file's content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct SecretError {
    file: PathBuf,
    why: String,
}

impl From<SecretError> for Fault {
    fn from(error: SecretError) -> Self {
        Self::new(Kind::Configuration, "read the database URL", error.to_string())
    }
}

/// The URL, or nothing where libpq's variables say it all. Files are read anew.
///
/// # Errors
/// The file is missing, readable by everyone, or holds no PostgreSQL URL.
pub fn read(source: &UrlSource) -> Result<Option<SecretString>, SecretError> {
    match source {
        UrlSource::Text(url) => Ok(Some(url.clone())),
        UrlSource::File(path) => {
            read_file(path).map(Some).map_err(|why| SecretError { file: path.clone(), why })
        }
        UrlSource::Libpq => Ok(None),
    }
}

/// Whether two sources are the same. The content of a file is read anew anyway.
pub(super) fn is_same(one: &UrlSource, other: &UrlSource) -> bool {
    match (one, other) {
        (UrlSource::Text(one), UrlSource::Text(other)) => {
            one.expose_secret() == other.expose_secret()
        }
        (UrlSource::File(one), UrlSource::File(other)) => one == other,
        (UrlSource::Libpq, UrlSource::Libpq) => true,
        _ => false,
    }
}

/// Where the URL comes from if it is no setting, for `config show`.
pub(super) fn origin(source: &UrlSource) -> String {
    match source {
        UrlSource::Text(text) => {
            format!("DATABASE_URL: {}", url::masked(text.expose_secret()))
        }
        UrlSource::File(path) => format!("the systemd credential {}", path.display()),
        UrlSource::Libpq => "libpq's PG* variables".to_owned(),
    }
}

fn read_file(path: &Path) -> Result<SecretString, String> {
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => "there is no such file; write it, or name another".to_owned(),
        ErrorKind::PermissionDenied => {
            "this user may not read it; give it to this user's group, and chmod it to 640"
                .to_owned()
        }
        _ => format!("cannot be opened: {error}"),
    })?;
    let facts = file.metadata().map_err(|error| format!("cannot be looked at: {error}"))?;
    if facts.is_dir() {
        return Err("is a directory; name a file".to_owned());
    }
    if facts.permissions().mode() & 0o004 != 0 {
        return Err("may be read by every user of this machine; chmod it to 600 or 640 (a \
                    Kubernetes secret: defaultMode: 0440 with an fsGroup)"
            .to_owned());
    }
    let mut text = String::new();
    file.take(BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be read as text: {error}"))?;
    let url = text.strip_suffix('\n').unwrap_or(&text);
    let url = url.strip_suffix('\r').unwrap_or(url);
    if url.is_empty() {
        return Err(format!("is empty; write {}", url::ACCEPTED));
    }
    url::check(url)?;
    Ok(SecretString::from(url))
}

/// `url` and `url_file` are two ways to say one thing: those of the last layer that says it hold.
pub(super) fn settle(layers: &mut [Layer], problems: &mut Problems) {
    let [url, file] = paths();
    for layer in layers.iter() {
        if layer.has(&url) && layer.has(&file) {
            let place = layer.leaves.iter().find(|leaf| leaf.path == file).map(|leaf| &leaf.place);
            let message = "the URL is given twice, here and as database.url; keep one of them";
            problems.add(place.unwrap_or(&Place::Nowhere).clone(), Some(file.clone()), message);
        }
    }
    let Some(last) = layers.iter().rposition(|layer| layer.has(&url) || layer.has(&file)) else {
        return;
    };
    for layer in &mut layers[..last] {
        layer.leaves.retain(|leaf| leaf.path != url && leaf.path != file);
    }
}

fn paths() -> [KeyPath; 2] {
    ["database.url", "database.url_file"].map(KeyPath::of)
}

/// The libpq variables that name a server, a database or a user.
const LIBPQ: [&str; 5] = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER"];

/// Decides which source holds, and reads it once, so that a wrong one is told now.
pub(super) fn source(
    settings: &Settings,
    layers: &[Layer],
    env: &Environment,
    files: &[PathBuf],
    problems: &mut Problems,
) -> Option<UrlSource> {
    let [url, file] = paths();
    if settings.is_broken(&url) || settings.is_broken(&file) {
        return None;
    }
    if settings.setting(&url).is_some() {
        let leaves = layers.iter().rev().flat_map(|layer| &layer.leaves);
        return leaves
            .filter(|leaf| leaf.path == url)
            .find_map(|leaf| leaf.secret.clone())
            .map(UrlSource::Text);
    }
    if let Some(setting) = settings.setting(&file) {
        let source = UrlSource::File(settings.get(&file)?);
        return readable(source, setting.place.clone(), Some(file), problems);
    }
    let credential =
        env.get("CREDENTIALS_DIRECTORY").map(|dir| Path::new(dir).join("database_url"));
    if let Some(path) = credential.filter(|path| path.exists()) {
        let place = Place::Variable("CREDENTIALS_DIRECTORY".to_owned());
        return readable(UrlSource::File(path), place, None, problems);
    }
    if let Some(text) = env.get("DATABASE_URL") {
        return match url::check(text) {
            Ok(()) => Some(UrlSource::Text(SecretString::from(text))),
            Err(why) => {
                problems.add(Place::Variable("DATABASE_URL".to_owned()), None, why);
                None
            }
        };
    }
    if env.get("PGSERVICE").is_some() {
        let message =
            "service files are not read; set PGHOST, PGDATABASE and PGUSER, or DATABASE_URL";
        problems.add(Place::Variable("PGSERVICE".to_owned()), None, message);
        return None;
    }
    if LIBPQ.iter().any(|name| env.get(name).is_some()) {
        return Some(UrlSource::Libpq);
    }
    let section = settings.section(&url.parent()).cloned();
    let main = files.first().map(|file| Place::whole(0, file));
    let place = section.or(main).unwrap_or(Place::Nowhere);
    let message = "nothing says where the database is; write url or url_file, or set DATABASE_URL \
                   or libpq's PGHOST, PGDATABASE and PGUSER";
    problems.add(place, Some(url), message);
    None
}

fn readable(
    source: UrlSource,
    place: Place,
    path: Option<KeyPath>,
    problems: &mut Problems,
) -> Option<UrlSource> {
    match read(&source) {
        Ok(_) => Some(source),
        Err(error) => {
            problems.add(place, path, error.to_string());
            None
        }
    }
}
