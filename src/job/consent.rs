//! What a policy newly destroys is asked about once.

use std::fmt;

use super::JobName;
use crate::pg::fault::{Fault, Kind};

/// The question: what the policy of this object `would` do, and what is `known` of it so far.
#[must_use]
pub fn question(
    doing: &'static str,
    object: impl fmt::Display,
    job: JobName,
    (would, known): (&str, &str),
) -> Fault {
    Fault::new(Kind::Refused, doing, format!("the policy is new and would {would}; {known}"))
        .on(object)
        .with_hint(format!("if that is meant: pgtend once {job} --confirm"))
}

/// Why an agreement goes on record.
#[must_use]
pub fn why(is_confirmed: bool) -> &'static str {
    if is_confirmed {
        "the policy is confirmed"
    } else {
        "the policy expires nothing that was not agreed before"
    }
}
