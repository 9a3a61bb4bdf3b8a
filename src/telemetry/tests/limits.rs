//! However long its fields are, a line stays JSON, and small.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::telemetry::format::{LINE_BYTES_MAX, STRING_BYTES_MAX, assemble, json as line_of};

/// The line of these fields, checked against every limit.
fn checked_line(fields: Map<String, Value>) -> Value {
    let map =
        assemble("2025-01-01T02:30:00.000000Z".into(), tracing::Level::INFO, Map::new(), fields);
    let text = line_of(map);
    assert!(text.len() <= LINE_BYTES_MAX, "{} bytes", text.len());
    assert!(text.ends_with("}\n") && !text.trim_end().contains('\n'));
    let line: Value = serde_json::from_str(&text).unwrap();
    for value in line.as_object().unwrap().values() {
        assert!(value.as_str().is_none_or(|text| text.len() <= STRING_BYTES_MAX));
    }
    line
}

fn fields(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_long_string_is_cut_between_characters() {
    for (text, kept) in [
        ("a".repeat(STRING_BYTES_MAX), STRING_BYTES_MAX),
        ("ü".repeat(STRING_BYTES_MAX), STRING_BYTES_MAX - 1),
        ("x".to_owned() + &"🦀".repeat(STRING_BYTES_MAX), STRING_BYTES_MAX - 4 + 1),
    ] {
        let line = checked_line(fields(json!({"msg": "m", "event": "e", "note": text})));
        let note = line["note"].as_str().unwrap();
        assert_eq!(note.ends_with('…'), text.len() > STRING_BYTES_MAX);
        assert_eq!(line.get("truncated").is_some(), text.len() > STRING_BYTES_MAX);
        assert!(note.len() >= kept - 4 && text.starts_with(note.trim_end_matches('…')));
    }
}

#[test]
fn a_line_that_fits_is_whole() {
    let line = checked_line(fields(json!({"msg": "m", "event": "e", "list": ["a", "b"]})));
    assert_eq!(line["list"], json!(["a", "b"]));
    assert_eq!(line.get("truncated"), None);
}

#[test]
fn huge_events_keep_what_tells_them_apart() {
    // Control characters become six bytes each in JSON.
    for filling in ["🦀", "\u{1}", "\""] {
        for event in Event::examples() {
            let mut fields = event.fields();
            for (_, value) in fields.iter_mut().filter(|(key, _)| *key != "event") {
                inflate(value, filling);
            }
            let line = checked_line(fields.clone());
            assert_eq!(line["event"], fields["event"]);
            let kept: Vec<_> = line.as_object().unwrap().keys().collect();
            assert!(fields.keys().all(|key| kept.contains(&key)), "{line}");
            assert_eq!(line["truncated"], true);
        }
    }
}

fn inflate(value: &mut Value, filling: &str) {
    match value {
        Value::String(text) => *text = filling.repeat(5000),
        Value::Array(items) => *items = vec![filling.repeat(5000).into(); 5],
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_fields_make_a_line(
        fields in prop::collection::btree_map("[a-z_.]{1,20}", any_json(), 0..40)
    ) {
        checked_line(fields.into_iter().collect());
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (".{0,40}", 1..200usize).prop_map(|(text, times)| text.repeat(times).into()),
    ];
    leaf.prop_recursive(3, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,8}", inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
