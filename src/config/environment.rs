//! The environment: `PGTEND__SECTION__KEY` as the last layer, and what pgtend reads besides.

use std::collections::BTreeMap;

use super::keys::{KEYS, Key, later};
use super::layer::Layer;
use super::near::nearest;
use super::path::{KeyPath, folded, toml_key};
use super::problem::{Place, Problems};

/// The environment that a configuration is loaded from: an empty value counts as not set.
#[derive(Clone)]
pub(super) struct Environment(BTreeMap<String, String>);

/// Names that pgtend reads otherwise: the file's path, and settings of tests and of the throwaway
/// server.
const OTHERS: [&str; 3] = ["PGTEND_CONFIG", "PGTEND_TEST_", "PGTEND_POSTGRES_"];

impl Environment {
    /// Takes the variables that have a value.
    pub(super) fn new(variables: impl Iterator<Item = (String, String)>) -> Self {
        Self(variables.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// A variable's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What it sets. `below` are the files' layers: their tables can be reached, none can be made.
    pub(super) fn layer(&self, below: &[Layer], problems: &mut Problems) -> Layer {
        let names = Names::new(below);
        let mut layer = Layer::default();
        for (name, text) in &self.0 {
            let place = || Place::Variable(name.clone());
            match names.0.get(name).map(Vec::as_slice) {
                Some([(key, path)]) => {
                    layer.set(key, path.clone(), key.form.of_text(text), place(), problems);
                }
                Some(several) => {
                    let tables: Vec<_> =
                        several.iter().map(|(_, path)| path.parent().to_string()).collect();
                    let tables = tables.join(" and ");
                    problems.add(
                        place(),
                        None,
                        format!("this could mean {tables}; set it in a file"),
                    );
                }
                None => {
                    if let Some(message) = names.complaint(name, text) {
                        problems.add(place(), None, message);
                    }
                }
            }
        }
        layer
    }
}

/// Every variable that means something here. More than one path, where names of tables differ only
/// in case or punctuation.
struct Names(BTreeMap<String, Vec<(&'static Key, KeyPath)>>);

impl Names {
    fn new(below: &[Layer]) -> Self {
        let mut names: BTreeMap<String, Vec<(&'static Key, KeyPath)>> = BTreeMap::new();
        for key in KEYS.iter() {
            for path in instances(key, below) {
                let paths = names.entry(path.variable()).or_default();
                if !paths.iter().any(|(_, known)| *known == path) {
                    paths.push((key, path));
                }
            }
        }
        Self(names)
    }

    /// What is wrong with a variable that means nothing, if it looks as if it was meant for pgtend.
    fn complaint(&self, name: &str, text: &str) -> Option<String> {
        if !name.to_uppercase().starts_with("PGTEND") {
            // A misspelt prefix is told only by a rest that is exactly right.
            let (prefix, rest) = name.split_once("__")?;
            let meant = format!("PGTEND__{rest}");
            let slipped = nearest(prefix, ["PGTEND"]).is_some();
            return (slipped && self.0.contains_key(&meant)).then(|| did_you_mean(&meant));
        }
        if OTHERS.iter().any(|other| name.starts_with(other)) || is_service_link(name, text) {
            return None;
        }
        let path =
            KeyPath::of(&name.to_lowercase().split("__").skip(1).collect::<Vec<_>>().join("."));
        let known_stranger = std::iter::successors(Some(path.clone()), |path| Some(path.parent()))
            .take_while(|path| !path.names().is_empty())
            .find_map(|path| later::sentence(&path, "the variable"));
        Some(
            known_stranger
                // Last, and only for what was meant for us: with hundreds of tables it takes a while.
                .or_else(|| nearest(name, self.0.keys().map(String::as_str)).map(did_you_mean))
                .or_else(|| self.no_such_table(&path))
                .unwrap_or_else(|| {
                    "there is no such variable; write PGTEND__SECTION__KEY, as in \
                     PGTEND__DATABASE__URL"
                        .to_owned()
                }),
        )
    }

    /// The sentence for a key that is right, of a table that no file has.
    fn no_such_table(&self, path: &KeyPath) -> Option<String> {
        let [job, tables, table, key] = path.names() else { return None };
        let pattern = format!("{job}.{tables}.*.{key}");
        KEYS.iter().find(|known| known.path == pattern)?;
        let example = KeyPath::of(&format!("{job}.{tables}"));
        let known: Vec<_> = self.0.values().flatten().map(|(_, path)| path.clone()).collect();
        let known: Vec<_> = known
            .iter()
            .filter(|path| path.fits(&pattern))
            .map(|path| folded(&path.names()[2]))
            .collect();
        let known = if known.is_empty() { "no table".to_owned() } else { known.join(", ") };
        Some(format!(
            "no file has a table whose name folds to {}, and a variable cannot make one (there is \
             {known}); write [{example}.{}] into a file",
            table.to_uppercase(),
            toml_key("schema.table"),
        ))
    }
}

fn did_you_mean(name: &str) -> String {
    format!("there is no such variable; did you mean {name}?")
}

/// The paths a key has here: one, or one for each table that a file has.
fn instances(key: &Key, below: &[Layer]) -> Vec<KeyPath> {
    if !key.path.contains('*') {
        return vec![KeyPath::of(key.path)];
    }
    let sections = below.iter().flat_map(|layer| layer.sections.keys());
    sections.filter(|path| path.fits(key.section())).map(|path| path.join(key.name())).collect()
}

/// Kubernetes puts variables for every service into every pod of a namespace: for a service called
/// pgtend, `PGTEND_PORT=tcp://…` and the like. They are not meant for us.
fn is_service_link(name: &str, text: &str) -> bool {
    if name.contains("__") {
        return false;
    }
    let numbered = |(_, rest): (&str, &str)| rest.starts_with(|c: char| c.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.split_once("_PORT_").is_some_and(numbered)
        || (name.ends_with("_PORT") && text.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_may_talk_about_a_service_of_our_name() {
        for (name, text) in [
            ("PGTEND_SERVICE_HOST", "10.0.0.1"),
            ("PGTEND_SERVICE_PORT", "9743"),
            ("PGTEND_SERVICE_PORT_HTTP", "9743"),
            ("PGTEND_PORT", "tcp://10.0.0.1:9743"),
            ("PGTEND_PORT_9743_TCP", "tcp://10.0.0.1:9743"),
            ("PGTEND_PORT_9743_TCP_ADDR", "10.0.0.1"),
            ("PGTEND_METRICS_SERVICE_HOST", "10.0.0.1"),
        ] {
            assert!(is_service_link(name, text), "{name}");
        }
        assert!(!is_service_link("PGTEND_DATABASE_PORT", "5432"));
        assert!(!is_service_link("PGTEND_DATABASE_URL", "postgres://localhost/app"));
        assert!(!is_service_link("PGTEND__HTTP_PORT", "9743"));
    }

    #[test]
    fn names_of_tables_fold_into_names_of_variables() {
        for (table, name) in [
            ("public.ml_jobs", "PUBLIC_ML_JOBS"),
            ("\"Odd.Schema\".\"Order\"", "ODD_SCHEMA_ORDER"),
            ("public.a__b", "PUBLIC_A_B"),
        ] {
            assert_eq!(folded(table), name);
        }
    }
}
