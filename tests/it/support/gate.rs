//! A gate in the database: whoever makes a table waits before it until the test opens it.

use sqlx::{Connection, PgConnection};

use super::db::{Db, run};
use super::wait::wait_until;

const GATE: &str = "
CREATE SCHEMA gate;
CREATE FUNCTION gate.wait() RETURNS event_trigger LANGUAGE plpgsql SET lock_timeout = 0 AS
    'BEGIN PERFORM pg_advisory_xact_lock_shared(4711); END';
CREATE EVENT TRIGGER gate ON ddl_command_start WHEN TAG IN ('CREATE TABLE')
    EXECUTE FUNCTION gate.wait();";

/// A closed gate. It waits for the end of a statement's own time, not for a lock time-out.
pub struct Gate {
    db: Db,
    holder: PgConnection,
}

impl Gate {
    /// Makes it, closed. pgtend's own schema must be there already.
    pub async fn closed(db: &Db) -> Self {
        db.execute(GATE).await;
        let mut holder = db.connect().await;
        run(&mut holder, "SELECT pg_advisory_lock(4711)").await;
        Self { db: db.clone(), holder }
    }

    /// Waits until somebody stands before it.
    pub async fn reached(&self) {
        // The neighbours of this database have gates with the same key.
        let waiting = "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                       WHERE d.datname = current_database() AND l.locktype = 'advisory' \
                       AND l.objid = 4711 AND NOT l.granted";
        wait_until("somebody waits at the gate", || async {
            !self.db.rows(waiting).await.is_empty()
        })
        .await;
    }

    /// Lets everybody through from now on.
    pub async fn open(self) {
        self.holder.close().await.expect("closed");
    }
}
