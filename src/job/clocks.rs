//! Two clocks, read at the same moment: nothing is deleted by a clock that may be wrong.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::pg::fault::Fault;
use crate::time::clock;

/// Clocks further apart than this: one of them is wrong, and nobody knows which. An hour is a zone
/// taken for another; drift is seconds.
const APART_MAX: TimeDelta = TimeDelta::hours(1);

/// What two clocks showed at the same moment.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// The server's.
    pub server: DateTime<Utc>,
    /// The host's that pgtend runs on.
    pub host: DateTime<Utc>,
}

impl Clocks {
    /// The server's clock, and our host's at that moment.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn read(conn: &mut PgConnection) -> Result<Self, Fault> {
        let server = sqlx::query_scalar("SELECT clock_timestamp()")
            .fetch_one(conn)
            .await
            .map_err(|error| Fault::from_sqlx("read the server's clock", &error))?;
        Ok(Self { server, host: clock::wall() })
    }

    /// Why they are not to be trusted; absent where they agree.
    #[must_use]
    pub fn doubt(self) -> Option<String> {
        let Self { server, host } = self;
        let at = |instant: DateTime<Utc>| instant.format("%Y-%m-%d %H:%M:%SZ").to_string();
        ((server - host).abs() > APART_MAX).then(|| {
            format!(
                "the server's clock shows {} and this host's {}; one of them is wrong",
                at(server),
                at(host)
            )
        })
    }
}
