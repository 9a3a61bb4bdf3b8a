//! Why there is no connection, in words of what to do.

use std::io::ErrorKind;

use sqlx::postgres::PgConnectOptions;

use super::fault::{Fault, Kind};

const UP: &str = "is the server up, and are host and port right? (database.url, PGHOST, PGPORT)";
const TLS: &str = "check sslmode and sslrootcert in database.url against the server's ssl";
const PARAMETER: &str = "a pooler refuses the parameter: remove it from the URL or PGOPTIONS, or \
                         connect to the server itself";

/// The server, as messages name it: `host:port`, or the socket's directory.
pub(super) fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("{}:{}", socket.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// Nobody said anything in time.
pub(super) fn silent(options: &PgConnectOptions) -> Fault {
    Fault::new(Kind::Unreachable, "connect to", "no answer").on(address(options)).with_hint(UP)
}

/// Somebody said no.
pub(super) fn explain(error: &sqlx::Error, options: &PgConnectOptions) -> Fault {
    let fault = Fault::from_sqlx("connect to", error).on(address(options));
    let (kind, hint) = match error {
        sqlx::Error::Tls(_) => (fault.kind, TLS),
        // The TLS library's own refusals arrive as errors of the socket, and so does a file that
        // the URL names.
        sqlx::Error::Io(_) if fault.message.contains("certificate") => (fault.kind, TLS),
        sqlx::Error::Io(io) if is_about_a_file(io.kind(), options) => (Kind::Configuration, TLS),
        // What answers does not speak our protocol.
        sqlx::Error::Protocol(_) => (Kind::Unreachable, UP),
        // A pooler's refusal comes as a broken connection, which would look like something that
        // passes.
        _ if fault.message.contains("unsupported startup parameter") => {
            (Kind::Configuration, PARAMETER)
        }
        _ => (fault.kind, hint(fault.kind, options)),
    };
    Fault { kind, ..fault }.with_hint(hint)
}

/// A socket that is missing is a server that is not up; over TCP only a certificate can be.
fn is_about_a_file(kind: ErrorKind, options: &PgConnectOptions) -> bool {
    let is_tcp = options.get_socket().is_none() && !options.get_host().starts_with('/');
    is_tcp && matches!(kind, ErrorKind::NotFound | ErrorKind::PermissionDenied)
}

fn hint(kind: Kind, options: &PgConnectOptions) -> &'static str {
    match kind {
        Kind::Unreachable => UP,
        // What the driver falls back to where neither URL nor environment names a role.
        Kind::Permission if options.get_username() == "anonymous" => {
            "name the role: postgres://ROLE@host/database, or PGUSER"
        }
        Kind::Permission => "check role, password and pg_hba.conf",
        Kind::Configuration => "check the database's name in database.url or PGDATABASE",
        _ => "see the server's log",
    }
}
