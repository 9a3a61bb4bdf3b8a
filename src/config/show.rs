//! `config show`: the effective configuration as TOML that loads again, each value with its origin.

use std::fmt::Write as _;

use super::Loaded;
use super::keys::keys_of;
use super::value::ValueKind;

/// The effective settings, every value with its origin behind it, secrets masked.
#[must_use]
pub fn show(loaded: &Loaded) -> String {
    let mut text = String::new();
    for (section, instance) in loaded.settings.instances() {
        let end = if text.is_empty() { "" } else { "\n" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{end}[{instance}]");
        for key in keys_of(section.path) {
            if let Some(setting) = loaded.settings.setting(&instance.join(key.name())) {
                let (value, origin) = (literal(&setting.value), setting.place.origin());
                let _ = writeln!(text, "{} = {value}  # {}", key.name(), origin.replace('\n', " "));
            }
        }
    }
    text
}

/// A value as TOML writes it.
pub(super) fn literal(value: &ValueKind) -> String {
    match value {
        // TOML's basic strings escape as JSON does, but for DEL.
        ValueKind::String(text) => {
            serde_json::Value::from(text.as_str()).to_string().replace('\u{7f}', "\\u007f")
        }
        ValueKind::Float(number) => toml::Value::from(*number).to_string(),
        ValueKind::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| literal(&item.kind)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}
