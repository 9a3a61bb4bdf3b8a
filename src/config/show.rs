//! `config show`: the effective configuration as TOML that loads again, each value with its origin.

use std::fmt::Write as _;

use super::Loaded;
use super::keys::keys_of;
use super::secret::origin;
use super::value::ValueKind;

/// The effective settings, every value with its origin behind it, secrets masked.
#[must_use]
pub fn show(loaded: &Loaded) -> String {
    let settings = &loaded.settings;
    let mut text = String::new();
    for (section, instance) in settings.instances() {
        let end = if text.is_empty() { "" } else { "\n" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{end}[{instance}]");
        let is_set = |name: &str| settings.setting(&instance.join(name)).is_some();
        if section.path == "database" && !is_set("url") && !is_set("url_file") {
            let _ = writeln!(text, "# url is taken from {}", origin(&loaded.config.database.url));
        }
        for key in keys_of(section.path) {
            if let Some(setting) = settings.setting(&instance.join(key.name())) {
                let (value, place) = (literal(&setting.value), setting.place.origin());
                let place: String = place.chars().filter(|c| !c.is_control()).collect();
                let _ = writeln!(text, "{} = {value}  # {place}", key.name());
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
