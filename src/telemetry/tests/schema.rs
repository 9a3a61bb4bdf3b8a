//! Every event against `docs/log.schema.json`, and both against the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::*;
use crate::telemetry::examples::CANARY;

type Words = BTreeSet<String>;

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/log.schema.json")).unwrap()
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Words {
    words.into_iter().map(str::to_owned).collect()
}

/// The words in the source: `rename` at the indentation of a variant.
fn in_source() -> Words {
    words(
        include_str!("../event.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("    #[serde(rename = \"")?.strip_suffix("\")]")),
    )
}

fn lines_of_examples() -> String {
    captured(JSON, Level::Trace, || {
        Event::examples().into_iter().for_each(emit);
        run_span(&run_fields()).in_scope(|| Event::examples().into_iter().for_each(emit));
    })
}

#[test]
fn source_schema_page_and_examples_name_the_same_events() {
    let schema = schema();
    let branches = schema["oneOf"].as_array().unwrap();
    let in_schema = words(
        branches
            .iter()
            .map(|branch| branch["$ref"].as_str().unwrap().trim_start_matches("#/$defs/")),
    );
    let lines = parsed(&lines_of_examples());
    let in_examples = words(lines.iter().map(|line| line["event"].as_str().unwrap()));
    let page = include_str!("../../../docs/logging.md");
    let (_, table) = page.split_once("## Events").unwrap();
    let on_page = words(table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()));
    assert_eq!(in_source(), in_schema);
    assert_eq!(in_source(), in_examples);
    assert_eq!(in_source(), on_page);
}

#[test]
fn every_line_obeys_the_schema() {
    let validator = jsonschema::options().should_validate_formats(true).build(&schema()).unwrap();
    let text = lines_of_examples();
    for line in text.lines() {
        let value = serde_json::from_str(line).unwrap();
        let problems: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(problems.is_empty(), "{line}\n{problems:#?}");
        let _: UniqueKeys = serde_json::from_str(line).expect(line);
    }
    assert!(!text.contains(CANARY));
}

#[test]
fn the_schema_refuses_what_no_event_has() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let line = parsed(&captured(JSON, Level::Info, || {
        emit(Event::JobPaused { job: "archive", by: None });
    }));
    assert!(validator.is_valid(&line[0]));
    for (key, value) in [
        ("surprise", Value::from(1)),
        ("event", "job.unheard_of".into()),
        ("rows", Value::from(1)),
        ("run_id", "7".into()),
        ("by", Value::Null),
    ] {
        let mut wrong = line[0].clone();
        wrong[key] = value;
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

/// Neither too many properties nor too few are required: what all examples have is required, what
/// some have is known, and nothing else is.
#[test]
fn the_schema_promises_exactly_what_events_hold() {
    let schema = schema();
    let mut seen: BTreeMap<String, (Words, Words)> = BTreeMap::new();
    for event in Event::examples() {
        let fields = event.fields();
        let keys = words(fields.keys().map(String::as_str).filter(|&key| key != "msg"));
        let name = fields["event"].as_str().unwrap().to_owned();
        let (all, always) = seen.entry(name).or_insert_with(|| (keys.clone(), keys.clone()));
        all.extend(keys.iter().cloned());
        always.retain(|key| keys.contains(key));
    }
    for (name, seen) in seen {
        assert_eq!(seen, promised(&schema, &name), "{name}: (known, required)");
    }
}

/// The properties and the required ones of a definition, with those it refers to.
fn promised(schema: &Value, name: &str) -> (Words, Words) {
    let definition = &schema["$defs"][name];
    let keys = definition["properties"].as_object().unwrap().keys();
    let mut known = words(keys.map(String::as_str));
    let mut required =
        words(definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
    let refers = |value: &Value| Some(value["$ref"].as_str()?.strip_prefix("#/$defs/")?.to_owned());
    if let Some(other) = refers(definition) {
        let (more_known, more_required) = promised(schema, &other);
        known.extend(more_known);
        required.extend(more_required);
    }
    for other in definition["anyOf"].as_array().into_iter().flatten().filter_map(refers) {
        known.extend(promised(schema, &other).0);
    }
    (known, required)
}

/// JSON in which no object has a key twice; most parsers keep the last one and say nothing.
struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated keys")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some((key, Self)) = map.next_entry::<String, Self>()? {
            if !keys.insert(key.clone()) {
                return Err(A::Error::custom(format!("{key} comes twice")));
            }
        }
        Ok(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }
}

#[test]
fn a_repeated_key_would_be_found() {
    assert!(serde_json::from_str::<UniqueKeys>(r#"{"a": [{"b": 1, "c": true}]}"#).is_ok());
    assert!(serde_json::from_str::<UniqueKeys>(r#"{"a": [{"b": 1, "b": 2}]}"#).is_err());
}
