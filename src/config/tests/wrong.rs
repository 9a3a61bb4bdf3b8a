//! Wrong configurations, and every message they get: one file each in `wrong/`.

use std::path::Path;

use super::problems;

/// The messages of all files, each below the file it is about.
#[test]
fn every_wrong_configuration_gets_messages_to_act_on() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests/wrong");
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 30);
    let report: String = files
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy();
            let text = std::fs::read_to_string(path).unwrap();
            let messages = problems(&text);
            assert_ne!(messages, "nothing is wrong", "{name}");
            assert!(!messages.contains("canary"), "{name} tells a secret: {messages}");
            format!("## {name}\n{text}\n{messages}\n\n")
        })
        .collect();
    insta::assert_snapshot!(report);
}
