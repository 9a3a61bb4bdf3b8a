//! From an event's fields to the text of a line, within its limits.

use serde_json::{Map, Value};
use tracing::Level;

use super::instance;

/// The longest string in a line. Server messages and statements are the long ones; 4 KiB tell
/// what is the matter, and leave room for the rest of the line.
pub(super) const STRING_BYTES_MAX: usize = 4 * 1024;

/// The longest line, its newline included. Container runtimes split lines at 16 KiB, journald at
/// 48 KiB; half of the smaller leaves room for what they wrap around it.
pub(super) const LINE_BYTES_MAX: usize = 8 * 1024;

/// What a line is never without, however long its other fields are.
const KEPT: [&str; 7] = ["ts", "level", "event", "service", "version", "instance", "truncated"];

/// Puts a line together: head, context, the event's own fields. As a map it cannot hold a key
/// twice; where the context and the event say the same, the event wins.
pub(super) fn assemble(
    ts: String,
    level: Level,
    context: Map<String, Value>,
    mut fields: Map<String, Value>,
) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("ts".into(), ts.into());
    line.insert("level".into(), level.as_str().to_lowercase().into());
    for key in ["msg", "event"] {
        line.insert(key.into(), fields.shift_remove(key).unwrap_or_default());
    }
    line.insert("service".into(), "pgtend".into());
    line.insert("version".into(), env!("CARGO_PKG_VERSION").into());
    line.insert("instance".into(), instance().into());
    line.extend(context);
    line.extend(fields);
    let mut truncated = false;
    for value in line.values_mut() {
        truncated |= cut_strings(value);
    }
    if truncated {
        line.insert("truncated".into(), true.into());
    }
    line
}

/// The line as JSON, with its newline, in [`LINE_BYTES_MAX`].
pub(super) fn json(mut line: Map<String, Value>) -> String {
    let mut text = Value::Object(line.clone()).to_string();
    while text.len() >= LINE_BYTES_MAX {
        shorten_longest(&mut line);
        line.insert("truncated".into(), true.into());
        text = Value::Object(line.clone()).to_string();
    }
    text.push('\n');
    text
}

/// Halves the value that takes the most room, or drops it where there is nothing to halve.
fn shorten_longest(line: &mut Map<String, Value>) {
    let longest = line
        .iter()
        .filter(|(key, _)| !KEPT.contains(&key.as_str()))
        .max_by_key(|(_, value)| value.to_string().len())
        .map(|(key, _)| key.clone());
    let Some(key) = longest else { return };
    match line.get_mut(&key) {
        Some(Value::String(text)) if text.len() > 64 => {
            let half = text.len() / 2;
            cut(text, half);
        }
        Some(Value::Array(items)) => items.truncate(items.len() / 2),
        _ => {
            line.shift_remove(&key);
        }
    }
}

/// Cuts every string in the value to [`STRING_BYTES_MAX`]; says whether there was one to cut.
fn cut_strings(value: &mut Value) -> bool {
    let mut any = false;
    match value {
        Value::String(text) => any = cut(text, STRING_BYTES_MAX),
        Value::Array(items) => items.iter_mut().for_each(|item| any |= cut_strings(item)),
        Value::Object(fields) => fields.values_mut().for_each(|field| any |= cut_strings(field)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    any
}

/// Cuts a string to `bytes_max` between two characters, and says so with an ellipsis.
fn cut(text: &mut String, bytes_max: usize) -> bool {
    const ELLIPSIS: char = '…';
    if text.len() <= bytes_max {
        return false;
    }
    text.truncate(text.floor_char_boundary(bytes_max.saturating_sub(ELLIPSIS.len_utf8())));
    text.push(ELLIPSIS);
    true
}
