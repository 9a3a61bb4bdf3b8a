//! The database's URL: checked without ever being printed, masked wherever it is shown.

use std::net::IpAddr;

use ::url::Url;

use super::near::{nearest, one_of};

/// What a message tells to write.
pub(super) const ACCEPTED: &str = "postgres://user@host:5432/database, with special characters of \
     user and password percent-encoded: @ is %40, / is %2F, # is %23, ? is %3F";

/// The query parameters the driver acts on. It ignores others with a log line that nobody reads.
const PARAMETERS: [&str; 11] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "options",
];

/// What people write for other drivers, and what to do instead.
const FOREIGN: &[(&str, &str)] = &[
    ("target_session_attrs", "pgtend itself refuses a standby; remove it"),
    ("load_balance_hosts", "pgtend connects to one server; remove it"),
    ("connect_timeout", "write database.connect_timeout instead"),
    ("application_name", "pgtend sets it to pgtend/JOB; remove it"),
    ("statement-cache-capacity", "pgtend sets it; remove it"),
    ("service", "service files are not read; write its settings into the URL"),
    ("ssl", "write sslmode=require, or better sslmode=verify-full"),
    ("currentSchema", "pgtend names every schema; remove it"),
    ("search_path", "pgtend names every schema; remove it"),
];

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Checks a URL. The error is a whole sentence and holds nothing of the URL but names of parameters.
///
/// # Errors
/// No PostgreSQL URL, a character that splits it in the wrong place, a parameter that would be
/// ignored.
pub(super) fn check(text: &str) -> Result<(), String> {
    let url = Url::parse(text)
        .map_err(|error| format!("the value is not a URL ({error}); write {ACCEPTED}"))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") || !text.contains("://") {
        return Err(format!("the value does not begin with postgres://; write {ACCEPTED}"));
    }
    let after_host = text
        .split_once("://")
        .map_or("", |(_, rest)| rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]));
    if after_host.contains(['@', '#']) {
        return Err(format!(
            "the value has a bare @ or # after the host, so a part of the password may have been \
             taken for the host; write {ACCEPTED}"
        ));
    }
    if url.host_str().is_some_and(|host| host.contains(',')) {
        return Err(
            "the value names several hosts; write one, pgtend connects to one server".to_owned()
        );
    }
    let host = url.host_str().unwrap_or_default();
    let parts = [url.username(), url.password().unwrap_or_default(), host, url.path()];
    if !parts.iter().all(|part| decodes(part)) {
        let message = "the value is no text once its %-codes are decoded; write % itself as %25";
        return Err(message.to_owned());
    }
    url.query_pairs().try_for_each(|(name, value)| parameter(&name, &value))
}

/// Whether a part is UTF-8 once it is percent-decoded, as the driver wants it.
fn decodes(part: &str) -> bool {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).is_ok()
}

fn parameter(name: &str, value: &str) -> Result<(), String> {
    if let Some((_, instead)) = FOREIGN.iter().find(|(foreign, _)| *foreign == name) {
        return Err(format!("the URL's parameter {name} would be ignored; {instead}"));
    }
    if name.starts_with("keepalives") || name == "tcp_user_timeout" {
        return Err(format!(
            "the URL's parameter {name} would be ignored; pgtend sets keepalives itself, remove it"
        ));
    }
    let known = PARAMETERS.contains(&name) || (name.starts_with("options[") && name.ends_with(']'));
    if !known {
        let hint = match nearest(name, PARAMETERS) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("read are {}", PARAMETERS.join(", ")),
        };
        return Err(format!("the URL's parameter {name} would be ignored; {hint}"));
    }
    let fits = match name {
        "sslmode" => SSL_MODES.contains(&value),
        "port" => value.parse::<u16>().is_ok(),
        "hostaddr" => value.parse::<IpAddr>().is_ok(),
        _ => true,
    };
    let accepted = match name {
        "sslmode" => one_of(&SSL_MODES.map(str::to_owned)),
        "port" => "a number from 1 to 65535".to_owned(),
        _ => "an IP address".to_owned(),
    };
    if fits {
        Ok(())
    } else {
        Err(format!("the URL's parameter {name} is wrong; write {accepted}"))
    }
}

/// The text with the password of every URL in it replaced by `***`; any text will do. Where it
/// cannot be told what is password and what is not, more is hidden rather than less.
#[must_use]
pub fn masked(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return if names_secret(text) { "***".to_owned() } else { text.to_owned() };
    };
    // The last @, as an unencoded one may stand in the password.
    let (login, server) =
        rest.rsplit_once('@').map_or(("", rest), |(login, server)| (login, server));
    let login = match login.split_once(':') {
        Some((user, _)) => format!("{user}:***@"),
        None if login.is_empty() => String::new(),
        None => format!("{login}@"),
    };
    let server = match server.split_once('?') {
        Some((server, query)) => format!("{server}?{}", masked_query(query)),
        None => server.to_owned(),
    };
    format!("{scheme}://{login}{server}")
}

fn masked_query(query: &str) -> String {
    let mask = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if names_secret(name) => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    query.split('&').map(mask).collect::<Vec<_>>().join("&")
}

/// Whether a parameter's name, or a text of `name=value` pairs, speaks of a password.
fn names_secret(text: &str) -> bool {
    let plain = ::url::form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.to_lowercase());
    plain.into_iter().any(|name| name.contains("password") || name.contains("secret"))
        || text.to_lowercase().contains("password=")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlx::postgres::PgConnectOptions;

    use super::*;

    #[test]
    fn what_passes_is_what_the_driver_understands() {
        for (text, host) in [
            ("postgres://app@localhost/app", "localhost"),
            (
                "postgresql://app:p%40ss@db.example.org:6432/app?sslmode=verify-full",
                "db.example.org",
            ),
            ("postgres://app@[::1]:5432/app", "[::1]"),
            ("postgres://localhost/app?user=app&hostaddr=10.0.0.1", "10.0.0.1"),
            ("postgres://localhost?options=-c%20search_path%3D&options[jit]=off", "localhost"),
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
            assert_eq!(text.parse::<PgConnectOptions>().unwrap().get_host(), host);
        }
        for text in ["postgres:///app?host=/run/postgresql", "postgres://app@%2Frun%2Fpg/app"] {
            assert_eq!(check(text), Ok(()), "{text}");
            assert!(text.parse::<PgConnectOptions>().unwrap().get_socket().is_some());
        }
    }

    proptest! {
        /// A password with any characters, encoded or not, is taken for the password or refused; it
        /// is never told.
        #[test]
        fn no_password_is_told_or_taken_for_something_else(password in "[ -~]{8,20}") {
            let text = format!("postgres://app:{password}@localhost/app");
            prop_assert!(!masked(&text).contains(&password));
            if let Err(message) = check(&text) {
                prop_assert!(!message.contains(&password));
            } else {
                let options: PgConnectOptions = text.parse().unwrap();
                prop_assert_eq!(options.get_host(), "localhost");
                prop_assert_eq!(options.get_username(), "app");
            }
        }
    }
}
