//! Warnings beside a result, from real servers.

use pgtend::pg::notices;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{on_every_major, run};

#[test]
fn a_skipped_analyze_is_heard() {
    on_every_major(|db| async move {
        let mut conn = db.connect().await;
        run(&mut conn, "CREATE TABLE not_mine (id int)").await;
        // A role of the session only: roles are the server's, and tests share it.
        run(&mut conn, "SET ROLE pg_monitor").await;
        let listening = tracing_subscriber::registry().with(notices::layer());
        let analyze = async {
            // A NOTICE, which is no warning.
            run(&mut conn, "DROP TABLE IF EXISTS missing").await;
            run(&mut conn, "ANALYZE not_mine").await;
        };
        let ((), warnings) = notices::collect(analyze).with_subscriber(listening).await;
        // The words changed in 16; "skipping" and the name are in both.
        let expected = match db.major() {
            ..16 => r#"skipping "not_mine" --- only table or database owner can analyze it"#,
            16.. => r#"permission denied to analyze "not_mine", skipping it"#,
        };
        assert_eq!(warnings, [expected]);
    });
}
