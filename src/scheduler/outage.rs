//! When the server is away, a standby, or its clock and ours disagree: said once, then rarely.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::pg::fault::{Fault, Kind};
use crate::pg::probe::ServerFacts;
use crate::telemetry::{self, Event};
use crate::time::clock;

/// The first pause between two looks at a server that is away; it doubles.
const FIRST: Duration = Duration::from_secs(1);
/// The longest: a promoted standby is served within this.
const LONGEST: Duration = Duration::from_secs(30);
/// Clocks further apart than this are worth a warning.
pub const OFFSET_LIMIT_MS: u64 = 2_000;

/// The state of an outage, if there is one.
#[derive(Debug, Default)]
pub struct Outage {
    since: Option<Instant>,
    tries: u32,
    clock_is_off: bool,
}

impl Outage {
    /// Another look failed: says so, and how long to wait.
    pub fn goes_on(&mut self, address: &str, fault: Fault) -> Duration {
        self.since.get_or_insert_with(clock::monotonic);
        let pause = (FIRST * 2_u32.saturating_pow(self.tries.min(5))).min(LONGEST);
        self.tries += 1;
        let next_try_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let address = address.to_owned();
        telemetry::emit(match fault.kind {
            Kind::Standby => Event::DatabaseStandby { address, next_try_ms },
            _ => Event::DatabaseUnreachable { address, tries: self.tries, next_try_ms, fault },
        });
        pause
    }

    /// A look succeeded.
    pub fn over(&mut self, facts: &ServerFacts) {
        if let Some(since) = self.since.take() {
            self.tries = 0;
            connected(facts, Some(clock::millis_since(since)));
        }
    }

    /// Says once when this host's clock and the server's drift apart. The server's decides.
    pub fn compare_clocks(&mut self, server_now: DateTime<Utc>) {
        let offset_ms = (clock::wall() - server_now).num_milliseconds();
        let off = offset_ms.unsigned_abs() > OFFSET_LIMIT_MS;
        if off && !self.clock_is_off {
            telemetry::emit(Event::ClockOffset { offset_ms, limit_ms: OFFSET_LIMIT_MS });
        }
        self.clock_is_off = off;
    }
}

/// Says that the server is there.
pub fn connected(facts: &ServerFacts, outage_ms: Option<u64>) {
    telemetry::emit(Event::DatabaseConnected {
        database: facts.database.clone(),
        address: facts.address.clone(),
        user: facts.user.clone(),
        server_version: facts.version.to_string(),
        outage_ms,
    });
}
