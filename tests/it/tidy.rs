//! The house rules that no compiler knows. Each failure names the file, the line and the rule.

use std::fs;
use std::path::{Path, PathBuf};

use pgtend::job::JobName;

/// The floors of the house, lowest first. Code may import from its own floor and from those below.
/// The longest prefix counts: `pg::ident` lives lower than `pg`.
const FLOORS: &[&[&str]] = &[
    &[
        "time",
        "config::checked",
        "pg::condition",
        "pg::ident",
        "pg::lexer",
        "pg::partition_name",
        "pg::range",
        "pg::step",
        "pg::version",
    ],
    &["job", "telemetry", "pg", "config", "throwaway", "shutdown"],
    &["jobs"],
    &["scheduler", "http"],
    &["cli", "main", "lib"],
];

/// What decides, and what the lowest floor is made of: facts in, decisions out.
const PURE: &[&str] = &[
    "src/time/",
    "src/config/checked",
    "src/pg/condition",
    "src/pg/ident",
    "src/pg/lexer",
    "src/pg/partition_name",
    "src/pg/range",
    "src/pg/step",
    "src/pg/version",
    "src/job/pace/size",
    "src/job/pace/throttle",
    "src/jobs/archive/hand_over/facts",
];
const PURE_NAMES: &[&str] = &["plan", "draft", "action", "due"];
/// The one file there that reads a clock.
const IMPURE: &[&str] = &["src/time/clock.rs"];
const IMPURE_WORDS: &[&str] = &[
    "async ",
    ".await",
    "sqlx::",
    "tokio::",
    "tracing::",
    "std::env",
    "std::fs",
    "std::net",
    "clock::",
    "Utc::now",
    "Instant::now",
    "SystemTime::now",
];

const LINES_MAX: usize = 400;
/// Longer files, with the length they may not exceed. Entries shrink or go; none is added lightly.
const LONGER: &[(&str, usize)] = &[];

#[test]
fn imports_go_down_only_and_jobs_never_meet() {
    let mut wrong = Vec::new();
    for file in sources("src") {
        let here = module(&file.path);
        for (number, import) in imports(&file.text) {
            let upward = match (floor(&here), floor(&import)) {
                (Some(from), Some(to)) => to > from,
                (None, _) => true,
                (_, None) => false, // a macro or a name at the crate's root
            };
            let across = job_of(&here).zip(job_of(&import)).is_some_and(|(a, b)| a != b);
            if upward || across {
                wrong.push(format!("{}:{number}: {here} may not use {import}", file.path));
            }
        }
    }
    assert_none(
        &wrong,
        "see \"Rooms and floors\": imports go downward, jobs never import each other",
    );
}

#[test]
fn deciding_is_pure() {
    let is_pure = |path: &str| {
        let listed = PURE.iter().any(|start| path.starts_with(start)) && !IMPURE.contains(&path);
        let named = path.starts_with("src/jobs/") || path.starts_with("src/scheduler/");
        listed
            || named
                && PURE_NAMES.iter().any(|name| path.split(['/', '.']).any(|part| part == *name))
    };
    let wrong =
        find_in(sources("src").into_iter().filter(|file| is_pure(&file.path)), IMPURE_WORDS);
    assert_none(&wrong, "this file decides: facts and `now` come in as arguments");
}

#[test]
fn files_stay_short() {
    let mut wrong = Vec::new();
    for file in sources("src").into_iter().chain(sources("tests")) {
        let exception = LONGER.iter().find(|(path, _)| *path == file.path);
        let max = exception.map_or(LINES_MAX, |(_, max)| *max);
        let lines = file.text.lines().count();
        if lines > max {
            wrong.push(format!("{}: {lines} lines, at most {max}", file.path));
        } else if exception.is_some() && lines <= LINES_MAX {
            wrong.push(format!("{}: {lines} lines, needs no exception any more", file.path));
        }
    }
    assert_none(&wrong, "split it by duty");
}

#[test]
fn nothing_is_left_lying_about() {
    // Spelt in two halves, or this file would be found.
    let words =
        [["FIX", "ME"], ["XX", "X:"], ["to", "do!("], ["unimplement", "ed!("], ["db", "g!("]];
    let words = words.map(|halves| halves.concat());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let wrong = find_in(sources("src").into_iter().chain(sources("tests")), &words);
    assert_none(&wrong, "finish it, or file an issue");
}

#[test]
fn nothing_names_the_workplace_or_a_registrys_host() {
    let words = [
        ["/wo", "rk/"],
        ["npm", "js."],
        ["py", "pi.org"],
        ["pythonho", "sted"],
        ["deb.de", "bian"],
        ["static.cra", "tes.io"],
    ];
    let words = words.map(|halves| halves.concat());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let wrong = find_in(text_files(Path::new("")), &words);
    assert_none(&wrong, "packages are named, their hosts are the client's business");
}

#[test]
fn every_job_is_complete() {
    let mut missing = Vec::new();
    let sample = read("config/pgtend.toml");
    for job in JobName::ALL {
        let folder = format!("src/jobs/{job}/mod.rs");
        let file = format!("src/jobs/{job}.rs");
        if read(&folder).is_empty() && read(&file).is_empty() {
            missing.push(format!("{folder} or {file}"));
        }
        for path in [format!("docs/jobs/{job}.md"), format!("tests/it/{job}.rs")] {
            if read(&path).is_empty() {
                missing.push(path);
            }
        }
        let section = format!("[{job}]");
        if !sample.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(&section)) {
            missing.push(format!("config/pgtend.toml: a section {section}"));
        }
    }
    assert_none(
        &missing,
        "a job has code, a page, a test file and a section of the sample, all of its name",
    );
}

struct Source {
    /// Relative to the repository, with `/`.
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file's text, empty if there is none.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

fn sources(below: &str) -> Vec<Source> {
    let mut files = text_files(Path::new(below));
    files.retain(|file| Path::new(&file.path).extension().is_some_and(|ending| ending == "rs"));
    assert!(!files.is_empty(), "no sources below {below}");
    files
}

/// Every text file below a directory, but for what git and cargo keep.
fn text_files(below: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> = vec![below.into()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(root().join(&dir)).expect("a directory") {
            let entry = entry.expect("an entry");
            let path = dir.join(entry.file_name());
            if [".git", "target"].iter().any(|skipped| path == Path::new(skipped)) {
                continue;
            }
            if entry.file_type().expect("a type").is_dir() {
                pending.push(path);
            } else if let Ok(text) = fs::read_to_string(entry.path()) {
                found.push(Source { path: path.to_str().expect("UTF-8").to_owned(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// `pg::ident` for `src/pg/ident.rs`, `pg` for `src/pg/mod.rs`.
fn module(path: &str) -> String {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    inner.trim_end_matches("/mod").replace('/', "::")
}

fn floor(module: &str) -> Option<usize> {
    let lives_in = |room: &&&str| {
        module.strip_prefix(**room).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let rooms = FLOORS
        .iter()
        .enumerate()
        .flat_map(|(floor, rooms)| rooms.iter().map(move |room| (floor, room)));
    rooms
        .filter(|(_, room)| lives_in(room))
        .max_by_key(|(_, room)| room.len())
        .map(|(floor, _)| floor)
}

fn job_of(module: &str) -> Option<&str> {
    module.strip_prefix("jobs::")?.split("::").next()
}

/// Every path from the crate's root in the code, with its line: `crate::pg::{ident, step::Step}` is two.
fn imports(text: &str) -> Vec<(usize, String)> {
    let code: String = text.lines().map(|line| without_comment(line).to_owned() + "\n").collect();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let number = code[..at].matches('\n').count() + 1;
        let rest = &code[at + "crate::".len()..];
        found.extend(expand("", rest).into_iter().map(|path| (number, path)));
    }
    found
}

/// The paths that begin here, braces multiplied out.
fn expand(prefix: &str, text: &str) -> Vec<String> {
    let end =
        text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let path = format!("{prefix}{}", &text[..end]);
    let Some(group) =
        text[end..].strip_prefix('{').filter(|_| path.is_empty() || path.ends_with("::"))
    else {
        return vec![path.trim_end_matches(':').to_owned()];
    };
    let (mut depth, mut start, mut paths) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            ',' | '}' if depth == 0 => {
                let item = group[start..at].trim();
                if !item.is_empty() {
                    paths.extend(expand(&path, item));
                }
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    paths
}

fn find_in(files: impl IntoIterator<Item = Source>, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in (1..).zip(file.text.lines()) {
            let line = if words == IMPURE_WORDS { without_comment(line) } else { line };
            for word in words.iter().filter(|word| line.contains(**word)) {
                found.push(format!("{}:{number}: {word}", file.path));
            }
        }
    }
    found
}

/// Comments may speak of anything.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") { "" } else { line }
}

#[track_caller]
fn assert_none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn imports_are_read_with_their_groups() {
    let text = "// crate::cli\nuse crate::pg::{ident::{Ident, TableName}, step::Step};\nlet x = crate::time::clock::wall();\n";
    let found: Vec<String> = imports(text).into_iter().map(|(_, path)| path).collect();
    assert_eq!(
        found,
        ["pg::ident::Ident", "pg::ident::TableName", "pg::step::Step", "time::clock::wall"]
    );
    assert_eq!(floor("pg::ident::Ident"), Some(0));
    assert_eq!(floor("pg::session"), Some(1));
    assert_eq!(floor("job::run"), Some(1));
    assert_eq!(floor("jobs::archive::plan"), Some(2));
}
