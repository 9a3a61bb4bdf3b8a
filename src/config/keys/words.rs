//! The words of every choice, and what each means.

use crate::config::checked::{
    Catchup, EpochUnit, Level, LogFormat, OnExpiry, Order, Pace, Pooler, Rotation,
};
use crate::config::value::Word;

impl Word for OnExpiry {
    const ALL: &'static [(&'static str, Self)] =
        &[("detach", Self::Detach), ("drop", Self::Drop), ("drop_at_once", Self::DropAtOnce)];
    const LATER: &'static [(&'static str, &'static str)] =
        &[("export_then_drop", "has no cold storage")];
}

/// The words of `key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum KeyWord {
    Epoch(EpochUnit),
    UuidV7,
    Snowflake,
}

impl Word for KeyWord {
    const ALL: &'static [(&'static str, Self)] = &[
        ("epoch_s", Self::Epoch(EpochUnit::Seconds)),
        ("epoch_ms", Self::Epoch(EpochUnit::Milliseconds)),
        ("epoch_us", Self::Epoch(EpochUnit::Microseconds)),
        ("epoch_ns", Self::Epoch(EpochUnit::Nanoseconds)),
        ("uuidv7", Self::UuidV7),
        ("snowflake", Self::Snowflake),
    ];
}

impl Word for Pooler {
    const ALL: &'static [(&'static str, Self)] =
        &[("none", Self::None), ("session", Self::Session)];
    const LATER: &'static [(&'static str, &'static str)] =
        &[("transaction", "does not work through a pooler in transaction mode")];
}

impl Word for Pace {
    const ALL: &'static [(&'static str, Self)] = &[("gentle", Self::Gentle), ("full", Self::Full)];
}

impl Word for Order {
    const ALL: &'static [(&'static str, Self)] =
        &[("fastest", Self::Fastest), ("oldest", Self::Oldest), ("key", Self::Key)];
}

impl Word for Level {
    const ALL: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

impl Word for LogFormat {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("pretty", Self::Pretty), ("json", Self::Json)];
}

impl Word for Rotation {
    const ALL: &'static [(&'static str, Self)] =
        &[("hourly", Self::Hourly), ("daily", Self::Daily), ("never", Self::Never)];
}

impl Word for Catchup {
    const ALL: &'static [(&'static str, Self)] =
        &[("latest", Self::Latest), ("none", Self::None), ("all", Self::All)];
}
