//! Running an ANALYZE, and seeing that it happened.

use sqlx::postgres::types::Oid;

use super::action::{Refresh, Witness};
use crate::job::Applied;
use crate::pg::fault::{Fault, Kind};
use crate::pg::notices;
use crate::pg::session::Session;

impl Refresh {
    /// Analyzes, sees that it happened, and writes down what the next plan needs.
    pub(super) async fn apply(&self, session: &mut Session) -> Result<Applied, Fault> {
        let (result, warnings) = notices::collect(session.run(&self.analyze())).await;
        match result {
            Err(fault) if is_gone(&fault) => {
                let note = Some("dropped since it was looked at".to_owned());
                return Ok(Applied { note, ..Applied::default() });
            }
            result => result?,
        };
        let (expected, unexpected): (Vec<_>, Vec<_>) =
            warnings.into_iter().partition(|warning| self.is_expected(warning));
        if !unexpected.is_empty() {
            return Err(self.fault(unexpected.join("; ")));
        }
        if !self.is_witnessed(session).await? {
            return Err(self.fault("the server reports success, but has not analyzed it"));
        }
        session.run(&self.remember()).await?;
        let note = (!expected.is_empty()).then(|| expected.join("; "));
        Ok(Applied { note, ..Applied::default() })
    }

    /// ANALYZE only warns where it skips a table; the server's text may be in any language, so that
    /// every warning counts, but for the one that every ANALYZE of this table gives.
    fn is_expected(&self, warning: &str) -> bool {
        self.impossible.iter().any(|object| warning.contains(object))
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(Kind::Server, "analyze", message).on(&self.table).with_hint(
            "ANALYZE skips what the role neither owns nor may MAINTAIN (17 and later); \
             pgtend plan analyze names the GRANT",
        )
    }

    async fn is_witnessed(&self, session: &mut Session) -> Result<bool, Fault> {
        let Some(Witness { oid, before }) = &self.witness else { return Ok(true) };
        sqlx::query_scalar("SELECT pg_stat_get_last_analyze_time($1) IS DISTINCT FROM $2")
            .bind(Oid(*oid))
            .bind(before)
            .fetch_one(&mut *session.reader().conn)
            .await
            .map_err(|error| Fault::from_sqlx("see whether analyzed", &error).on(&self.table))
    }
}

/// No such table, or no such schema.
fn is_gone(fault: &Fault) -> bool {
    matches!(fault.sqlstate.as_deref(), Some("42P01" | "3F000"))
}
