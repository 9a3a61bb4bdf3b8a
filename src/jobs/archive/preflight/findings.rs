//! What was found, and the cure of what is refused.

use crate::jobs::archive::refusal::Refusal;
use crate::pg::ident::Ident;

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Reasons not to touch the table; with one of them nothing moves.
    pub refusals: Vec<Refusal>,
    /// Worth knowing; rows move all the same.
    pub warnings: Vec<String>,
    /// Clauses of the `ALTER TABLE` by which the archive adopts what it lacks.
    pub adopts: Vec<String>,
}

impl Findings {
    pub(in crate::jobs::archive) fn refuse(
        &mut self,
        why: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.refusals.push(Refusal::new(why, cure));
    }
}

pub(super) fn grant(what: &str, user: &Ident, found: &mut Findings) {
    let (privileges, on) = what.split_once(" ON ").unwrap_or((what, ""));
    found.refusals.push(Refusal::permission(
        format!("{user} lacks {privileges} on {}", on.strip_prefix("SCHEMA ").unwrap_or(on)),
        format!("GRANT {what} TO {user}"),
    ));
}
