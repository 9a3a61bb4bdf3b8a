//! Whether to go on: what the server shows, held against the limits.
//!
//! Nothing overrides a limit, and the first that is passed is named. What has passed its limit must
//! come well below it before work goes on, or every batch would have its own wait.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::config::checked::{Limits, Size};
use crate::pg::catalog::pressure::{Pressure, Replica, Sight, Slot, Wants};
use crate::pg::ident::Ident;
use crate::time::duration;

/// Below this share of its limit a sign that was red is green again.
const RELEASE: f64 = 0.75;
/// A replica that has said nothing for this long is gone, whatever the server still lists: it is sent
/// nothing that it answers, and must not stop us for ever. A live one speaks up every 10 s.
const SILENT_MAX: Duration = Duration::from_mins(2);
/// WAL per second is an average over at least this.
const RATE_SPAN: Duration = Duration::from_secs(1);
/// A slot is in danger when it has less than this left of `max_slot_wal_keep_size`: some seconds of
/// WAL at full pace.
const SLOT_LEFT_MIN: u64 = 256 << 20;

/// Why work stops.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are what is seen, and the limit it is held against")]
pub enum Cause {
    /// A replica has too much WAL to replay.
    ReplicaWal { replica: String, wal: Size, limit: Size },
    /// A replica's last change is too old.
    ReplicaLag { replica: String, lag: Duration, limit: Duration },
    /// A slot retains too much.
    SlotWal { slot: String, wal: Size, limit: Size },
    /// A slot is about to be invalidated.
    SlotInDanger { slot: String, left: Size },
    /// Too much WAL waits to be archived.
    ArchiverWal { wal: Size, limit: Size },
    /// The server writes too much WAL.
    WalPerSecond { wal: Size, limit: Size },
    /// Too many sessions are active.
    ActiveSessions { active: u64, limit: u64 },
    /// Checkpoints are forced too often.
    CheckpointGap { gap: Duration, limit: Duration },
}

impl Cause {
    /// The word in logs and notes; as the key that has the limit.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::ReplicaWal { .. } => "replica_wal",
            Self::ReplicaLag { .. } => "replica_lag",
            Self::SlotWal { .. } => "slot_wal",
            Self::SlotInDanger { .. } => "slot_in_danger",
            Self::ArchiverWal { .. } => "archiver_wal",
            Self::WalPerSecond { .. } => "wal_per_second",
            Self::ActiveSessions { .. } => "active_sessions",
            Self::CheckpointGap { .. } => "checkpoint_gap",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReplicaWal { replica, wal, limit } => {
                write!(f, "replica {replica} has {wal} of WAL to replay, limit {limit}")
            }
            Self::ReplicaLag { replica, lag, limit } => write!(
                f,
                "replica {replica} is {} behind, limit {}",
                duration::format(*lag),
                duration::format(*limit)
            ),
            Self::SlotWal { slot, wal, limit } => {
                write!(f, "replication slot {slot} retains {wal} of WAL, limit {limit}")
            }
            Self::SlotInDanger { slot, left } => write!(
                f,
                "replication slot {slot} is lost after {left} more of WAL (max_slot_wal_keep_size)"
            ),
            Self::ArchiverWal { wal, limit } => {
                write!(f, "{wal} of WAL waits to be archived, limit {limit}")
            }
            Self::WalPerSecond { wal, limit } => {
                write!(f, "the server writes {wal} of WAL per second, limit {limit}")
            }
            Self::ActiveSessions { active, limit } => {
                write!(f, "{active} sessions are active, limit {limit}")
            }
            Self::CheckpointGap { gap, limit } => write!(
                f,
                "checkpoints are forced every {}, limit {} (raise max_wal_size)",
                duration::format(*gap),
                duration::format(*limit)
            ),
        }
    }
}

/// What the server does not show to our role, where a limit needs it: one sentence for the plan.
#[must_use]
pub fn blind_spots(limits: &Limits, sight: Sight, role: &Ident) -> Option<String> {
    let replicas = limits.replica_lag.is_some() || limits.replica_wal.is_some();
    let replicas = (replicas && sight.replicas > 0).then_some("how far replicas are behind");
    let sessions = limits.active_sessions.map(|_| "which sessions are active");
    let hidden: Vec<&str> = [replicas, sessions].into_iter().flatten().collect();
    (!sight.is_clear && !hidden.is_empty()).then(|| {
        format!(
            "the server does not show {role} {}, so nothing waits for it; GRANT pg_read_all_stats TO \
             {role}",
            hidden.join(" and ")
        )
    })
}

/// The limits, with what must be remembered from look to look. Times are since any fixed moment.
#[derive(Debug, Clone)]
pub struct Brake {
    limits: Limits,
    /// Positions in the WAL, oldest first: one at least [`RATE_SPAN`] old, and all younger ones.
    written: VecDeque<(Duration, u64)>,
    /// The number of forced checkpoints, and when the last two were seen.
    forced: Option<u64>,
    forced_at: [Option<Duration>; 2],
    archiver_wal: Option<u64>,
    red: Option<&'static str>,
}

impl Brake {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            written: VecDeque::new(),
            forced: None,
            forced_at: [None; 2],
            archiver_wal: None,
            red: None,
        }
    }

    /// What must be looked at for these limits; `None`: nothing.
    #[must_use]
    pub fn wants(&self) -> Option<Wants> {
        let limits = &self.limits;
        (*limits != Limits::default()).then(|| Wants {
            sessions: limits.active_sessions.is_some(),
            archiver: limits.archiver_wal.is_some(),
            checkpoints: limits.checkpoint_gap.is_some(),
        })
    }

    /// Takes in what was seen at a moment; the first limit that is passed, if any.
    pub fn judge(&mut self, seen: &Pressure, at: Duration) -> Option<Cause> {
        self.remember(seen, at);
        let cause = self
            .replicas(&seen.replicas)
            .or_else(|| self.slots(&seen.slots))
            .or_else(|| self.archiver())
            .or_else(|| self.rate())
            .or_else(|| self.sessions(seen.active_sessions))
            .or_else(|| self.checkpoints(at));
        self.red = cause.as_ref().map(Cause::word);
        cause
    }

    fn remember(&mut self, seen: &Pressure, at: Duration) {
        self.written.push_back((at, seen.wal));
        while self.written.get(1).is_some_and(|(old, _)| at.saturating_sub(*old) >= RATE_SPAN) {
            self.written.pop_front();
        }
        if seen.archiver_wal.is_some() {
            self.archiver_wal = seen.archiver_wal;
        }
        if let Some(count) = seen.forced_checkpoints {
            if self.forced.is_some_and(|before| count > before) {
                self.forced_at = [self.forced_at[1], Some(at)];
            }
            self.forced = Some(count);
        }
    }

    /// The limit as it is, or what it takes to be green again.
    fn limit(&self, word: &'static str, limit: u64) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a limit need not be exact"
        )]
        let release = (limit as f64 * RELEASE) as u64;
        if self.red == Some(word) { release } else { limit }
    }

    /// The slowest counts.
    fn replicas(&self, replicas: &[Replica]) -> Option<Cause> {
        let named = &self.limits.replicas;
        let counts = |replica: &&Replica| {
            replica.silent <= SILENT_MAX && (named.is_empty() || named.contains(&replica.name))
        };
        let by_wal = replicas.iter().filter(counts).max_by_key(|replica| replica.wal)?;
        let by_lag = replicas.iter().filter(counts).max_by_key(|replica| replica.behind())?;
        let wal =
            self.limits.replica_wal.filter(|limit| by_wal.wal > self.limit("replica_wal", limit.0));
        if let Some(limit) = wal {
            let (replica, wal) = (by_wal.name.clone(), Size(by_wal.wal));
            return Some(Cause::ReplicaWal { replica, wal, limit });
        }
        let lag = by_lag.behind();
        let limit = self
            .limits
            .replica_lag
            .filter(|limit| millis(lag) > self.limit("replica_lag", millis(*limit)))?;
        Some(Cause::ReplicaLag { replica: by_lag.name.clone(), lag, limit })
    }

    fn slots(&self, slots: &[Slot]) -> Option<Cause> {
        let limit = self.limits.slot_wal?;
        let in_danger =
            slots.iter().find(|slot| slot.left.is_some_and(|left| left < SLOT_LEFT_MIN));
        if let Some(Slot { name, left: Some(left), .. }) = in_danger {
            return Some(Cause::SlotInDanger { slot: name.clone(), left: Size(*left) });
        }
        let worst = slots.iter().max_by_key(|slot| slot.wal)?;
        (worst.wal > self.limit("slot_wal", limit.0)).then(|| Cause::SlotWal {
            slot: worst.name.clone(),
            wal: Size(worst.wal),
            limit,
        })
    }

    fn archiver(&self) -> Option<Cause> {
        let (wal, limit) = (self.archiver_wal?, self.limits.archiver_wal?);
        (wal > self.limit("archiver_wal", limit.0))
            .then_some(Cause::ArchiverWal { wal: Size(wal), limit })
    }

    fn rate(&self) -> Option<Cause> {
        let limit = self.limits.wal_per_second?;
        let ((from, first), (to, last)) = (self.written.front()?, self.written.back()?);
        let span = to.saturating_sub(*from);
        if span < RATE_SPAN {
            return None;
        }
        let wal = last.saturating_sub(*first).saturating_mul(1000) / millis(span).max(1);
        (wal > self.limit("wal_per_second", limit.0))
            .then_some(Cause::WalPerSecond { wal: Size(wal), limit })
    }

    fn sessions(&self, active: Option<u64>) -> Option<Cause> {
        let (active, limit) = (active?, self.limits.active_sessions?);
        (active > self.limit("active_sessions", limit))
            .then_some(Cause::ActiveSessions { active, limit })
    }

    fn checkpoints(&self, at: Duration) -> Option<Cause> {
        let limit = self.limits.checkpoint_gap?;
        let [Some(before), Some(last)] = self.forced_at else { return None };
        let gap = last.saturating_sub(before);
        (gap < limit && at.saturating_sub(last) < limit)
            .then_some(Cause::CheckpointGap { gap, limit })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
