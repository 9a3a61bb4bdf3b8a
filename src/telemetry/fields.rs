//! Field types that several events share.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::pg::fault::{Blocker, Class, Fault, Kind};

/// What a job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waiting for its next slot.
    Idle,
    /// In a run.
    Running,
    /// Paused by a person.
    Paused,
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A fault as log fields; absent ones are dropped with all nulls. Its `detail` is left out: it can hold row contents.
#[derive(Serialize)]
struct ErrorFields<'a> {
    #[serde(rename = "error.type")]
    kind: Kind,
    #[serde(rename = "db.response.status_code")]
    sqlstate: Option<&'a str>,
    #[serde(rename = "error.message")]
    message: &'a str,
    #[serde(rename = "error.hint")]
    hint: Option<&'a str>,
    retryable: bool,
    blockers: Option<&'a [Blocker]>,
}

/// For `#[serde(flatten, serialize_with = …)]` on a [`Fault`].
pub(super) fn error_fields<S: Serializer>(fault: &Fault, serializer: S) -> Result<S::Ok, S::Error> {
    ErrorFields {
        kind: fault.kind,
        sqlstate: fault.sqlstate.as_deref(),
        message: &fault.message,
        hint: fault.hint.as_deref(),
        retryable: fault.class() == Class::Retry,
        blockers: (!fault.blockers.is_empty()).then_some(&fault.blockers),
    }
    .serialize(serializer)
}

/// For `#[serde(flatten, serialize_with = …)]` on an optional [`Fault`].
#[expect(clippy::ref_option, reason = "the shape serde wants")]
pub(super) fn optional_error_fields<S: Serializer>(
    fault: &Option<Fault>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match fault {
        Some(fault) => error_fields(fault, serializer),
        None => serializer.serialize_none(),
    }
}

/// A number with at most three decimals; what is no number (a rate over no time) counts as 0, for
/// JSON has no word for it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
pub(super) fn decimals<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let rounded = (value * 1e3).round() / 1e3;
    serializer.serialize_f64(if rounded.is_finite() { rounded } else { 0.0 })
}

/// [`decimals`] for a value that may be absent.
#[expect(clippy::ref_option, reason = "the shape serde wants")]
pub(super) fn optional_decimals<S: Serializer>(
    value: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => decimals(value, serializer),
        None => serializer.serialize_none(),
    }
}

/// A 64-bit id as a string: readers of JSON round large numbers.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
pub(super) fn id<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
