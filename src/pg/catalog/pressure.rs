//! What tells whether the server can take more work: replicas, slots, the archiver, sessions.

use std::time::Duration;

use serde::Deserialize;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::pg::fault::Fault;
use crate::pg::version::Version;

/// What is asked for beside replicas and slots. Up to 14 the server reads a file for the last two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// How many sessions of others are active.
    pub sessions: bool,
    /// How much WAL waits to be archived.
    pub archiver: bool,
    /// How many checkpoints were forced.
    pub checkpoints: bool,
}

/// One look.
#[derive(Debug, Clone, Default)]
pub struct Pressure {
    /// The end of the WAL, in bytes since its beginning.
    pub wal: u64,
    /// Who replays it.
    pub replicas: Vec<Replica>,
    /// Who has it kept.
    pub slots: Vec<Slot>,
    /// Sessions of others that run a statement, pgtend's own left out.
    pub active_sessions: Option<u64>,
    /// Bytes of WAL that wait to be archived; absent where nothing is archived.
    pub archiver_wal: Option<u64>,
    /// Checkpoints forced so far, mostly by the volume of WAL.
    pub forced_checkpoints: Option<u64>,
}

/// A replica or subscriber that is connected.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Replica {
    /// Its `application_name`.
    pub name: String,
    /// Bytes of WAL it has yet to replay.
    pub wal: u64,
    /// The age of the last change it replayed, as the server measures it.
    #[serde(rename = "lag_ms", deserialize_with = "millis")]
    pub lag: Duration,
    /// Since it last answered.
    #[serde(rename = "silent_s", deserialize_with = "seconds")]
    pub silent: Duration,
}

impl Replica {
    /// How far behind it is. What has replayed everything is not behind: the server keeps the last
    /// measure for a while.
    #[must_use]
    pub fn behind(&self) -> Duration {
        if self.wal == 0 { Duration::ZERO } else { self.lag }
    }
}

/// A replication slot that still holds its place.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Bytes of WAL it retains.
    pub wal: u64,
    /// Bytes that may still be written before it is lost; absent: as many as the disk holds.
    pub left: Option<u64>,
}

const PRESSURE: &str = include_str!("pressure.sql");

/// Looks.
///
/// # Errors
/// Where the server does not answer.
pub async fn look(
    conn: &mut PgConnection,
    version: Version,
    wants: Wants,
) -> Result<Pressure, Fault> {
    let forced = if version.has_checkpointer_view() {
        "num_requested FROM pg_stat_checkpointer"
    } else {
        "checkpoints_req FROM pg_stat_bgwriter"
    };
    let asked = |wanted: bool| if wanted { "true" } else { "false" };
    // As text, not as values: the server plans it once, not five times.
    let sql = PRESSURE
        .replace("{forced}", forced)
        .replace("{sessions}", asked(wants.sessions))
        .replace("{archiver}", asked(wants.archiver))
        .replace("{checkpoints}", asked(wants.checkpoints));
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(conn).await.map_err(failed)?;
    let count = |index| row.try_get::<Option<i64>, _>(index).map_err(failed);
    Ok(Pressure {
        wal: count(0)?.unwrap_or_default().unsigned_abs(),
        replicas: row.try_get::<Json<_>, _>(1).map_err(failed)?.0,
        slots: row.try_get::<Json<_>, _>(2).map_err(failed)?.0,
        active_sessions: count(3)?.map(i64::unsigned_abs),
        archiver_wal: count(4)?.map(i64::unsigned_abs),
        forced_checkpoints: count(5)?.map(i64::unsigned_abs),
    })
}

/// Replicas and sessions that are connected, and whether our role is shown what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// It sees other roles' sessions.
    pub is_clear: bool,
    /// Replicas and subscribers that are connected.
    pub replicas: u64,
}

/// Asks what we may see.
///
/// # Errors
/// Where the server does not answer.
pub async fn sight(conn: &mut PgConnection) -> Result<Sight, Fault> {
    let sql = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'), \
               (SELECT count(*) FROM pg_stat_replication)";
    let (is_clear, replicas): (bool, i64) =
        sqlx::query_as(sql).fetch_one(conn).await.map_err(failed)?;
    Ok(Sight { is_clear, replicas: replicas.unsigned_abs() })
}

fn failed(error: sqlx::Error) -> Fault {
    Fault::from_sqlx("look at what the server has to bear", &error)
}

fn millis<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}

fn seconds<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_secs)
}
