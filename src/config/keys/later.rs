//! Names that are no typos: what this version does not have yet, and what stands elsewhere.

use super::super::path::KeyPath;

/// What a later version will have.
const LATER: &[(&str, &str)] = &[
    ("http", "has no HTTP pages"),
    ("indexes", "has no job `indexes`"),
    ("health", "has no job `health`"),
    ("storage", "has no cold storage"),
    ("archive.tables.*.export", "has no cold storage"),
    ("database.replica_url", "does not read from a replica"),
];

/// Where people look for a thing that stands elsewhere.
const ELSEWHERE: &[(&str, &str)] = &[
    ("database.host", "write it into database.url"),
    ("database.port", "write it into database.url"),
    ("database.user", "write it into database.url"),
    ("database.username", "write it into database.url"),
    ("database.dbname", "write it into database.url"),
    ("database.name", "write it into database.url"),
    ("database.database", "write it into database.url"),
    ("database.sslmode", "write it into database.url, as postgres://…/app?sslmode=verify-full"),
    (
        "database.password",
        "write it into database.url, or better: keep the whole URL in a file and name that file in \
         database.url_file",
    ),
    (
        "archive.tables.*.retention",
        "rows move to the archive by their age, older_than; they leave it by archive_retention",
    ),
    ("archive.tables.*.condition", "the condition is called where"),
    ("archive.tables.*.rules.*.condition", "the condition is called where"),
];

/// The sentence for a known stranger at this path, which is written as `thing`: "the key", say.
pub(in crate::config) fn sentence(path: &KeyPath, thing: &str) -> Option<String> {
    let find = |list: &[(&str, &'static str)]| {
        list.iter().find(|(pattern, _)| path.fits(pattern)).map(|(_, words)| *words)
    };
    find(LATER)
        .map(|what| format!("{}; remove {thing}", not_yet(what)))
        .or_else(|| find(ELSEWHERE).map(|words| format!("there is no such key; {words}")))
}

/// `pgtend 0.1.0 has no job … yet`.
pub(in crate::config) fn not_yet(what: &str) -> String {
    format!("pgtend {} {what} yet", env!("CARGO_PKG_VERSION"))
}
