//! What the job goes by: nothing else is known when it plans.

use super::observe::Facts;
use super::purge::PurgeFacts;
use crate::config::checked::Rule;
use crate::pg::fault::Fault;

/// The facts of every configured table, in the configuration's order.
#[derive(Debug, Default)]
pub struct Seen {
    /// Those whose rows move.
    pub tables: Vec<(Rule, Result<Facts, Fault>)>,
    /// Those whose rows are deleted.
    pub purges: Vec<(Rule, Result<PurgeFacts, Fault>)>,
}
