//! The written pages: what they point at exists, and what they show is accepted.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page, relative to the repository.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for dir in ["", "docs", "docs/jobs"] {
        for entry in fs::read_dir(root().join(dir)).expect("a directory") {
            let path = Path::new(dir).join(entry.expect("an entry").file_name());
            if path.extension().is_some_and(|ending| ending == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

#[test]
fn links_lead_to_files() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).expect("a page");
        let here = page.parent().expect("a file's directory");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let path = target.0.split('#').next().expect("at least one part");
            let is_file = !path.is_empty() && !path.contains("://");
            if is_file && !root().join(here).join(path).exists() {
                broken.push(format!("{}: {path}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n  {}", broken.join("\n  "));
}

/// A case is proved by a test that exists; what a cell puts in quotes is a hazard in a table of them.
#[test]
fn the_cases_name_tests() {
    let mut tests = String::new();
    let mut pending: Vec<_> =
        ["tests/it", "src/jobs", "src/job"].map(|dir| root().join(dir)).into();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(
                fs::read_dir(&path).expect("a directory").map(|e| e.expect("an entry").path()),
            );
        } else {
            tests.push_str(&fs::read_to_string(&path).unwrap_or_default());
        }
    }
    for page in ["docs/partition-cases.md", "docs/archive-cases.md"] {
        let cases = fs::read_to_string(root().join(page)).expect("the page");
        let named = cases.split('`').skip(1).step_by(2);
        let is_test = |name: &&str| {
            name.len() > 11 && name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase())
        };
        let functions = named.filter(is_test).map(|name| format!("fn {name}("));
        let cells = cases.lines().filter(|line| line.contains("`refusals.rs`"));
        let hazards = cells.flat_map(|cell| cell.split('"').skip(1).step_by(2));
        let missing: Vec<String> = functions
            .chain(hazards.map(|hazard| format!("\"{hazard}\",")))
            .filter(|name| !tests.contains(name))
            .collect();
        assert!(missing.is_empty(), "{page}: no such tests: {missing:?}");
    }
}

#[test]
fn the_readmes_configuration_is_accepted() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let (_, from) = readme.split_once("```toml\n").expect("a configuration");
    let (example, _) = from.split_once("```").expect("its end");
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("pgtend.toml");
    fs::write(&file, example).expect("write");
    let loaded = pgtend::config::load(Some(&file), std::iter::empty());
    let config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
    assert_eq!(pgtend::jobs::AnyJob::configured(&config).len(), 4, "it shows every job");
}
