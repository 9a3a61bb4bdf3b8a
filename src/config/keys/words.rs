//! The words of every choice, and what each means.

use crate::config::checked::{Catchup, Level, LogFormat, OnExpiry, Pooler, Rotation};
use crate::config::value::Word;

impl Word for OnExpiry {
    const ALL: &'static [(&'static str, Self)] = &[("detach", Self::Detach), ("drop", Self::Drop)];
    const LATER: &'static [(&'static str, &'static str)] =
        &[("export_then_drop", "has no cold storage")];
}

impl Word for Pooler {
    const ALL: &'static [(&'static str, Self)] =
        &[("none", Self::None), ("session", Self::Session)];
    const LATER: &'static [(&'static str, &'static str)] =
        &[("transaction", "does not work through a pooler in transaction mode")];
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
