//! What the server counts of a session.

use super::Session;
use crate::pg::wal::Mark;

impl Session {
    /// Tells the server's counters what this session has changed, which it otherwise does at leisure:
    /// up to 10 s later, or when the connection is closed. Until then an ANALYZE by another session
    /// resets them too early.
    pub async fn report_counts(&mut self) {
        let sql = if self.server.facts.version.has_immediate_counters() {
            "SELECT pg_stat_force_next_flush()"
        } else {
            // What ends 0.5 s after the last report reports again.
            "SELECT pg_sleep(0.5)"
        };
        if let Err(fault) = self.plain(sql).await {
            self.is_sound = false;
            tracing::debug!(%fault, "the counters are told later");
        }
    }

    /// Gives the connection back, with what it changed told to the counters. Where the server cannot be
    /// made to do that at once, it does so as the connection ends: so it ends.
    pub async fn close_counted(mut self) {
        if self.server.facts.version.has_immediate_counters() {
            self.report_counts().await;
        } else {
            self.is_sound = false;
        }
        self.close();
    }

    /// Where the WAL stands, to tell later how much was written since. It is asked between two
    /// transactions, costs about 0.1 ms, and that it fails is no fault of the run.
    pub async fn wal_mark(&mut self) -> Option<Mark> {
        let mark = Mark::set(&mut self.conn, self.server.facts.version).await;
        mark.unwrap_or_else(|error| {
            self.is_sound = false;
            tracing::debug!(%error, "how much WAL is written is not told");
            None
        })
    }
}
