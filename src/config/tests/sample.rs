//! `config/pgtend.toml` is complete, true, and loads.

use std::collections::BTreeSet;

use super::super::keys::{self, KEYS, Node, Otherwise};
use super::super::path::KeyPath;
use super::{World, loads};

const SAMPLE: &str = include_str!("../../../config/pgtend.toml");

/// The sample with every key set. What stands right behind a `#` is a setting, prose has a space.
pub(super) fn uncommented(sample: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with([' ', '#']) => format!("{setting}\n"),
        _ => format!("{line}\n"),
    };
    sample.lines().map(line).collect()
}

fn written(path: &KeyPath, table: &toml::Table, found: &mut Vec<(KeyPath, toml::Value)>) {
    for (name, value) in table {
        let path = path.join(name);
        match (keys::node(&path), value) {
            (Node::Key(_), value) => found.push((path, value.clone())),
            (_, toml::Value::Table(inner)) => written(&path, inner, found),
            _ => panic!("{path} is in the sample and unknown"),
        }
    }
}

#[test]
fn the_sample_loads_as_it_is() {
    let loaded = loads(SAMPLE);
    assert!(loaded.config.partitions.is_some() && loaded.config.slow_queries.is_some());
}

#[test]
fn the_sample_loads_with_every_key_set() {
    let directory = World::new(&[("url", "postgres://pgtend@localhost/app\n")]);
    let secret = directory.path("url");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&secret, mode).unwrap();
    // The URL is one thing with two keys, of which only one may be set.
    let text = uncommented(SAMPLE)
        .lines()
        .filter(|line| !line.starts_with("url = "))
        .map(|line| match line.split_once(" = ") {
            Some(("url_file", _)) => format!("url_file = {secret:?}\n"),
            _ => format!("{line}\n"),
        })
        .collect::<String>();
    loads(&text);
}

#[test]
fn the_sample_has_every_key_with_its_default() {
    let table: toml::Table = uncommented(SAMPLE).parse().unwrap();
    let mut found = Vec::new();
    written(&KeyPath::of(""), &table, &mut found);
    let known: BTreeSet<_> = KEYS.iter().map(|key| key.path).collect();
    let sampled: BTreeSet<_> =
        found.iter().filter_map(|(path, _)| keys::key(path)).map(|key| key.path).collect();
    assert_eq!(known.difference(&sampled).collect::<Vec<_>>(), Vec::<&&str>::new());
    for (path, value) in found {
        if let Some(Otherwise::Default(text)) = keys::key(&path).map(|key| key.otherwise)
            && SAMPLE.contains(&format!("\n#{} = ", path.last()))
        {
            let default: toml::Table = format!("x = {text}").parse().unwrap();
            assert_eq!(value, default["x"], "{path} has another default");
        }
    }
}
