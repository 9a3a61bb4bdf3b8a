//! The canary in the URL's password must not sing, whatever the text.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use secrecy::ExposeSecret as _;

use super::{LEAST, World};
use crate::config::{masked, secret, show};

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A directory whose `pgtend.toml` names the file `url` as `url_file`.
fn with_file(content: &str, mode: u32) -> World {
    let world = World::new(&[("url", content)]);
    let text = format!("[database]\nurl_file = {:?}\n", world.path("url"));
    std::fs::write(world.path("pgtend.toml"), text).unwrap();
    chmod(&world.path("url"), mode);
    world
}

const URLS: &[(&str, &str)] = &[
    ("postgres://app:canary@localhost/app", "postgres://app:***@localhost/app"),
    ("postgres://app:can:ary@localhost/app", "postgres://app:***@localhost/app"),
    ("postgres://app:c@canary@localhost/app", "postgres://app:***@localhost/app"),
    ("postgres://:canary@localhost/app", "postgres://:***@localhost/app"),
    ("postgres://localhost/app?password=canary", "postgres://localhost/app?password=***"),
    (
        "postgres://localhost/app?sslmode=require&p%61ssword=canary",
        "postgres://localhost/app?sslmode=require&p%61ssword=***",
    ),
    ("postgres://app@localhost/app", "postgres://app@localhost/app"),
];

#[test]
fn passwords_are_masked_in_every_place_of_a_url() {
    for (url, safe) in URLS {
        assert_eq!(masked(url), *safe);
    }
    for text in
        ["password=canary host=x", "postgres://u:p/canary@h/d", "x://a:can/ary@b?c=canary@d"]
    {
        assert!(!masked(text).contains("canary"), "{text}");
    }
}

#[test]
fn a_loaded_configuration_never_tells_its_password() {
    for (url, safe) in URLS {
        let world = World::new(&[("pgtend.toml", &format!("[database]\nurl = {url:?}\n"))]);
        let loaded = world.load(&[]).unwrap();
        let texts = [format!("{loaded:?}"), format!("{loaded:#?}"), show(&loaded)];
        for text in &texts {
            assert!(!text.contains("canary"), "{text}");
        }
        assert!(texts[2].contains(safe));
        let read = secret::read(&loaded.config.database.url).unwrap().unwrap();
        assert_eq!(read.expose_secret(), *url);
    }
}

#[test]
fn no_wrong_url_is_repeated_wherever_it_stands() {
    let wrong = [
        "postgres://app:canary@localhost:port/app",
        "postgres://app:canary@/a@b",
        "postgres://app:can#canary@localhost/app",
        "postgres://app:canary@localhost/app?service=x",
        "postgres://app:x@localhost/app?sslmode=canary",
        "postgres://app:x@localhost/app?port=canary",
        "postgres:app:canary@localhost",
        "app:canary@localhost/app",
        "host=localhost password=canary",
        "canary",
    ];
    for url in wrong {
        let text = format!("[database]\nurl = {url:?}\n");
        let by_file = World::new(&[("pgtend.toml", &text)]).problems(&[]);
        let empty = World::new(&[("pgtend.toml", "")]);
        let by_variable = empty.problems(&[("PGTEND__DATABASE__URL", url)]);
        let by_common = empty.problems(&[("DATABASE_URL", url)]);
        let by_secret = with_file(url, 0o600).problems(&[]);
        for messages in [by_file, by_variable, by_common, by_secret] {
            assert_ne!(messages, "nothing is wrong", "{url}");
            assert!(!messages.contains("canary"), "{messages}");
        }
    }
}

#[test]
fn what_is_no_toml_is_not_repeated() {
    for text in [
        "[database]\nurl = \"postgres://app:canary@localhost/app\n",
        "[database]\nurl = postgres://app:canary@localhost/app\n",
        "[database]\nurl = \"postgres://app:can\\qary@localhost/app\" canary\n",
        "[database]\nurl = \"canary\"\nurl = \"canary\"\n",
        "[database]\nurl = [\"canary\"]\n",
        "[database]\nurl = { password = \"canary\" }\n",
        "[database]\n\"url\" \"canary\"\n",
    ] {
        let messages = World::new(&[("pgtend.toml", text)]).problems(&[]);
        assert_ne!(messages, "nothing is wrong");
        assert!(!messages.contains("canary"), "{messages}");
    }
}

#[test]
fn a_url_under_any_key_is_masked_in_what_is_said_about_it() {
    let url = "postgres://app:canary@localhost/app";
    let world = World::new(&[("pgtend.toml", LEAST)]);
    for key in super::super::keys::KEYS.iter().filter(|key| !key.path.contains('*')) {
        let variable = format!("PGTEND__{}", key.path.to_uppercase().replace('.', "__"));
        let messages = world.problems(&[(&variable, url)]);
        assert!(!messages.contains("canary"), "{}: {messages}", key.path);
    }
}

#[test]
fn a_secret_file_is_read_anew_and_loses_one_newline() {
    let world = with_file("postgres://app:one@localhost/app\n", 0o640);
    let source = world.load(&[]).unwrap().config.database.url;
    let read = || secret::read(&source).unwrap().unwrap().expose_secret().to_owned();
    assert_eq!(read(), "postgres://app:one@localhost/app");
    std::fs::write(world.path("url"), "postgres://app:two@localhost/app").unwrap();
    assert_eq!(read(), "postgres://app:two@localhost/app");
    std::fs::write(world.path("url"), "no url, but a canary").unwrap();
    let error = secret::read(&source).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[test]
fn a_secret_file_that_tells_all_or_nothing_is_refused() {
    for (content, mode) in
        [("postgres://app:canary@localhost/app", 0o644), ("\n", 0o600), ("canary", 0o600)]
    {
        let messages = with_file(content, mode).problems(&[]);
        assert!(messages.contains("database.url_file: url: "), "{messages}");
        assert!(!messages.contains("canary"), "{messages}");
    }
}

#[test]
fn a_systemd_credential_comes_before_the_common_variable() {
    let world = World::new(&[
        ("pgtend.toml", ""),
        ("credentials/database_url", "postgres://credential@localhost/app"),
    ]);
    chmod(&world.path("credentials/database_url"), 0o440);
    let directory = world.path("credentials").display().to_string();
    let env = [
        ("CREDENTIALS_DIRECTORY", directory.as_str()),
        ("DATABASE_URL", "postgres://x@localhost/x"),
    ];
    let loaded = world.load(&env).unwrap();
    let url = secret::read(&loaded.config.database.url).unwrap().unwrap();
    assert_eq!(url.expose_secret(), "postgres://credential@localhost/app");
}
