//! What every server session of ours is set to, whatever the server, the database and the role say.
//!
//! A default that an administrator set for applications (`ALTER DATABASE … SET`) must not change
//! what a claim, a plan or a batch means.

use std::time::Duration;

use super::ident::literal;
use super::probe::ServerFacts;
use crate::config::checked::Database;

/// The longest a statement of the control pool may take: a lease is renewed every 10 s.
pub(super) const CONTROL_STATEMENT: Duration = Duration::from_secs(5);

/// The settings of a control connection, as one simple query.
pub(super) fn control(facts: &ServerFacts) -> String {
    format!(
        "{}; SET statement_timeout = {ms}; SET lock_timeout = {ms}; \
         SET default_transaction_read_only = off; {PLAIN}",
        common(facts, "control"),
        ms = CONTROL_STATEMENT.as_millis(),
    )
}

/// The settings of a work session of this name, as one simple query.
pub(super) fn work(facts: &ServerFacts, settings: &Database, name: &str) -> String {
    format!(
        "{}; SET statement_timeout = {}; SET lock_timeout = {}; SET row_security = off; \
         SET client_min_messages = warning; SET default_transaction_read_only = on; {PLAIN}; {PLANS_EACH_TIME}; {UNTRACKED}",
        common(facts, name),
        settings.statement_timeout.as_millis(),
        settings.lock_timeout.as_millis(),
    )
}

/// Whether a prepared statement is planned once, without a look at its values, instead of each time.
pub(super) fn plans_once(once: bool) -> &'static str {
    if once { "SET plan_cache_mode = force_generic_plan" } else { PLANS_EACH_TIME }
}

const PLANS_EACH_TIME: &str = "SET plan_cache_mode = auto";

/// Maintenance takes one process and no more, and reads a table from its beginning: ranges of the
/// archive's sweep are in that order. Compiling a batch's expressions takes longer than the batch.
const PLAIN: &str =
    "SET max_parallel_workers_per_gather = 0; SET synchronize_seqscans = off; SET jit = off";

/// Keeps our own work out of `pg_stat_statements`, and so out of the lines of `slow_queries`. Only
/// a superuser may; for another role an administrator does it (`docs/jobs/slow_queries.md`). Each session
/// asks, so it asks no view, which takes a millisecond or more to plan.
const UNTRACKED: &str = "\
SELECT set_config('pg_stat_statements.track', 'none', false) \
WHERE current_setting('is_superuser')::boolean";

/// The first makes the others' quotes mean what they say; READ COMMITTED is what claims stand on;
/// definitions are compared as the server prints them by default, values hashed as it prints them. The keep-alive settings make the
/// server free our locks within about 25 s of a lost network, instead of two hours (shared
/// findings: ARCHITECTURE.md).
fn common(facts: &ServerFacts, name: &str) -> String {
    let application = literal(&format!("pgtend/{name}"));
    let since_14 = if facts.version.has_connection_check() {
        "; SET client_connection_check_interval = '5s'; SET idle_session_timeout = 0"
    } else {
        ""
    };
    format!(
        "SET standard_conforming_strings = on; SET quote_all_identifiers = off; \
         SET application_name = {application}; \
         SET search_path = {}; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; \
         SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1; \
         SET lc_monetary = 'C'; \
         SET default_transaction_isolation = 'read committed'; \
         SET idle_in_transaction_session_timeout = '60s'; SET tcp_keepalives_idle = 10; \
         SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
         SET tcp_user_timeout = 15000{since_14}",
        facts.schema
    )
}

/// A limit in milliseconds: to the server, 0 is none.
pub(super) fn at_least_1_ms(limit: Duration) -> u128 {
    limit.as_millis().max(1)
}
