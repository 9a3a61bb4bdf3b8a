//! Looking at the server.

use chrono::{DateTime, Utc};
use sqlx::{Executor, PgConnection};

use crate::pg::fault::Fault;
use crate::pg::probe::ServerFacts;
use crate::pg::settings::plans_once;

/// A read-only look at the server.
pub struct Reader<'a> {
    /// For catalog queries; the session refuses writes.
    pub conn: &'a mut PgConnection,
    /// Version, database, own schema.
    pub server: &'a ServerFacts,
    /// The run's `now`, or what `plan --now` says: what is counted is counted as of then.
    pub now: DateTime<Utc>,
}

impl Reader<'_> {
    /// From here on, until it is switched off, the server plans a statement that we ask again only once:
    /// for the catalog, where one plan is as good for every table, and takes longer than the answer. Not for
    /// rows, which a plan that knows no value would look for in all of a table.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn plan_once(&mut self, once: bool) -> Result<(), Fault> {
        let asked = self.conn.execute(plans_once(once)).await;
        asked.map(drop).map_err(|error| Fault::from_sqlx("talk to the server", &error))
    }
}
