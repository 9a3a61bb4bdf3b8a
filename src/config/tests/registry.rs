//! The registry is consistent in itself.

use toml::de::DeValue;

use super::super::file::value_of;
use super::super::keys::{KEYS, Otherwise, SECTIONS};
use super::super::schema;

#[test]
fn every_default_and_example_has_the_form_of_its_key() {
    for key in KEYS.iter() {
        let (Otherwise::Required(text) | Otherwise::Default(text) | Otherwise::Absent(text, _)) =
            key.otherwise
        else {
            continue;
        };
        let value = value_of(DeValue::parse(text).unwrap().get_ref()).unwrap();
        assert_eq!(key.form.check(&value), Ok(()), "{}", key.path);
    }
}

#[test]
fn every_key_stands_once_in_a_known_section() {
    for (index, key) in KEYS.iter().enumerate() {
        assert!(SECTIONS.iter().any(|section| section.path == key.section()), "{}", key.path);
        assert!(!KEYS[..index].iter().any(|other| other.path == key.path), "{}", key.path);
    }
}

#[test]
fn the_schema_takes_what_pgtend_takes() {
    let schema = schema();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let json = |text: &str| serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
    let sample = include_str!("../../../config/pgtend.toml");
    for text in [super::LEAST, sample, &super::sample::uncommented(sample)] {
        let errors: Vec<_> = validator.iter_errors(&json(text)).map(|e| e.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
    for text in ["[http]", "[analyze]", "[archive]\nschedule = '* * * * *'\ntables = {}", "a = 1"] {
        assert!(!validator.is_valid(&json(text)), "{text}");
    }
}
