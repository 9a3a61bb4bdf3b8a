//! The section of the configuration, with what a person should know as comments. Pure.

use std::fmt::Write;

use super::translate::{Ours, Told};
use crate::pg::catalog::partman::Home;
use crate::pg::ident::{literal, quoted};
use crate::time::extent::Extent;

/// What comes before the tables.
pub const HEAD: &str = "[partitions]\nschedule = \"17 * * * *\"\n";

/// All tables of one `part_config`.
#[must_use]
pub fn section(home: &Home, told: &[Told]) -> String {
    let schema = quoted(&home.schema);
    let version =
        home.version.as_ref().map_or(String::new(), |version| format!(", version {version}"));
    let ours: Vec<String> = told
        .iter()
        .filter_map(|told| match told {
            Told::Ours(ours) => Some(literal(&ours.parent_table)),
            Told::Left { .. } => None,
        })
        .collect();
    let mut text = format!("\n# What {schema}.part_config says (pg_partman{version}).\n");
    if ours.is_empty() {
        text.push_str("# Nothing of it can be taken over.\n");
    } else {
        let _ = write!(
            text,
            "# Look it over, then `pgtend plan partitions`. Before the first run take these tables out of \
             its maintenance:\n\
             #   UPDATE {schema}.part_config SET automatic_maintenance = 'off'\n\
             #   WHERE parent_table IN ({});\n",
            ours.join(", ")
        );
    }
    for told in told {
        match told {
            Told::Ours(ours) => text.push_str(&table(ours)),
            Told::Left { parent_table, reason } => {
                // Writing to a string cannot fail.
                let _ = write!(
                    text,
                    "\n# Left to pg_partman: {}: {}\n",
                    line(parent_table),
                    line(reason)
                );
            }
        }
    }
    text
}

fn table(ours: &Ours) -> String {
    let config = &ours.config;
    let mut text = format!("\n[partitions.tables.{}]\n", toml_string(&ours.name.to_string()));
    let mut set = |key: &str, value: String| {
        let _ = writeln!(text, "{key} = {value}");
    };
    if let Some(code) = config.key {
        set("key", toml_string(code.word()));
    }
    let extent = |extent: Extent| match extent.period() {
        Some(period) => toml_string(&period.to_string()),
        None => extent.to_string(),
    };
    set("interval", extent(config.interval));
    set("premake", extent(config.premake));
    if ours.zone_is_known {
        set("timezone", toml_string(config.timezone.name()));
    }
    if let Some(name) = &config.name {
        set("name", toml_string(&name.to_string()));
    }
    if let Some((retention, drops)) = ours.retention {
        set("retention", toml_string(&retention.to_string()));
        if drops {
            set("on_expiry", "\"drop\"  # after its quarantine of 7 days".to_owned());
        } else {
            set("on_expiry", "\"detach\"".to_owned());
        }
    }
    for note in &ours.notes {
        let _ = writeln!(text, "# {}", line(note));
    }
    text
}

/// A basic string of TOML.
fn toml_string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Names may hold anything, also the end of a line.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
