//! Reading the connection's URL, again at each reconnect.

use secrecy::SecretString;

use super::checked::UrlSource;
use crate::pg::fault::{Fault, Kind};

/// The URL, or none where libpq's variables say it all.
///
/// # Errors
/// `Configuration` where the file cannot be read.
pub fn read(source: &UrlSource) -> Result<Option<SecretString>, Fault> {
    match source {
        UrlSource::Text(url) => Ok(Some(url.clone())),
        UrlSource::Libpq => Ok(None),
        UrlSource::File(path) => std::fs::read_to_string(path)
            .map(|text| Some(SecretString::from(text.trim_end_matches('\n').to_owned())))
            .map_err(|error| {
                Fault::new(Kind::Configuration, "read the database URL from", error.to_string())
                    .on(path.display())
            }),
    }
}
