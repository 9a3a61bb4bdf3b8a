//! `config schema`: the registry as a JSON Schema, for editors that complete and check TOML.

use serde_json::{Map, Value, json};

use super::keys::{self, Form, Key, Otherwise, SECTIONS};
use super::path::KeyPath;

/// The JSON Schema (draft 2020-12) of a configuration file.
///
/// A file may lack what another layer adds, so it requires only what a section cannot do without.
#[must_use]
pub fn schema() -> Value {
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("pgtend {}", env!("CARGO_PKG_VERSION")),
        "description": "Configuration of pgtend. A job runs if and only if its section is there.",
    });
    merge(&mut root, object(&KeyPath::of("")));
    root
}

/// The schema of what may stand in a section.
fn object(at: &KeyPath) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for name in keys::children(at) {
        let path = at.join(name);
        match keys::key(&path) {
            Some(key) => {
                properties.insert(name.to_owned(), leaf(key));
                if matches!(key.otherwise, Otherwise::Required(_)) {
                    required.push(name);
                }
            }
            None => {
                properties.insert(name.to_owned(), section(&path));
            }
        }
    }
    let mut schema =
        json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn section(path: &KeyPath) -> Value {
    let doc_of = |path: &KeyPath| {
        SECTIONS.iter().find(|section| path.fits(section.path)).map(|section| section.doc)
    };
    let mut schema = if keys::children(path) == ["*"] {
        let entry = path.join("*");
        let mut inner = object(&entry);
        inner["description"] = json!(doc_of(&entry));
        let names = if path.last() == "tables" {
            "Tables, named as SQL names them: schema.table."
        } else {
            "Named as you like: letters, digits, _ and -."
        };
        json!({
            "type": "object",
            "description": names,
            "minProperties": 1,
            "additionalProperties": inner,
        })
    } else {
        object(path)
    };
    if let Some(doc) = doc_of(path) {
        schema["description"] = json!(doc);
    }
    schema
}

fn leaf(key: &Key) -> Value {
    let mut schema = json!({"description": key.doc});
    merge(&mut schema, form(key.form));
    match key.otherwise {
        Otherwise::Default(text) => schema["default"] = value(text),
        Otherwise::Required(text) => schema["examples"] = json!([value(text)]),
        Otherwise::Absent(text, absence) => {
            schema["examples"] = json!([value(text)]);
            schema["description"] = json!(format!("{} Absent: {absence}.", key.doc));
        }
        Otherwise::Derived(rule, _) => {
            schema["description"] = json!(format!("{} Absent: {rule}.", key.doc));
        }
    }
    schema
}

fn form(form: Form) -> Value {
    match form {
        Form::Bool => json!({"type": "boolean"}),
        Form::Count { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Form::Fraction => json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
        Form::Duration { .. } => json!({
            "type": "string",
            "pattern": r"^\s*(\d+\s*(d|h|m|s|ms)\s*)+$",
        }),
        Form::Size => json!({"type": "string", "pattern": r"^\s*\d+\s*([KMGT]i)?B\s*$"}),
        Form::Words(choice) => json!({"enum": (choice.words)()}),
        Form::Url => json!({"type": "string", "pattern": "^postgres(ql)?://"}),
        Form::Idents | Form::Tables | Form::Texts => {
            json!({"type": "array", "items": {"type": "string"}})
        }
        Form::Interval | Form::Extent => json!({"anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "integer", "minimum": 1},
        ]}),
        Form::Instant => json!({"anyOf": [
            {"type": "string", "minLength": 1},
            {"type": "integer", "minimum": 0},
        ]}),
        Form::Date => json!({"type": "string", "format": "date"}),
        Form::Hours => {
            json!({"type": "string", "pattern": r"^\s*\d{1,2}:\d\d\s*-\s*\d{1,2}:\d\d\s*$"})
        }
        Form::Period
        | Form::Cron
        | Form::Zone
        | Form::Ident
        | Form::Table
        | Form::Path
        | Form::Condition
        | Form::Expression
        | Form::Template => json!({"type": "string", "minLength": 1}),
    }
}

/// A TOML literal of the registry as JSON. The literals are booleans, numbers, texts and lists, which
/// both write the same way.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}
