//! More signs of the server that it has enough to bear, and what a deadlock does.
use super::pace::{began, goes_on, jobs, limited, sizes, stands_still};
use super::{config_for, once};
use crate::support::{InProcess, NO_ROWS, on_every_major, on_own_server, pgtend, run, wait_until};

#[test]
fn wal_that_waits_to_be_archived_stops_it() {
    let settings = [("archive_mode", "on"), ("archive_command", "/bin/true")];
    on_own_server(&settings, |db, _| async move {
        db.execute(&jobs(20_000)).await;
        let some = "SELECT 1 FROM pg_stat_archiver WHERE last_archived_wal IS NOT NULL";
        wait_until("a segment is archived", || async {
            db.execute("SELECT pg_switch_wal(), pg_logical_emit_message(true, 'a', 'b')").await;
            db.rows(some).await != NO_ROWS
        })
        .await;
        db.execute("ALTER SYSTEM SET archive_command = '/bin/false'").await;
        db.execute("SELECT pg_reload_conf()").await;
        // A batch reaches into the second segment at least.
        for _ in 0..3 {
            db.execute("SELECT pg_switch_wal()").await;
            db.execute("SELECT pg_logical_emit_message(true, 'a', 'b')").await;
        }
        let program = pgtend(&db, &limited("archiver_wal = \"20 MiB\""));
        let archiver = began(&program).await;
        let (because, moved) = stands_still(&db, &archiver, "archiver_wal").await;
        assert!(because.contains("of WAL waits to be archived, limit 20 MiB"), "{because}");
        assert!(moved < 20_000, "{moved}");
        db.execute("ALTER SYSTEM SET archive_command = '/bin/true'").await;
        db.execute("SELECT pg_reload_conf()").await;
        db.execute("SELECT pg_logical_emit_message(true, 'a', 'b')").await;
        // The archiver, which has given up for a minute, is woken by a new segment.
        db.execute("SELECT pg_switch_wal()").await;
        goes_on(&db, archiver, "archiver_wal", 20_000).await;
    });
}

/// Whoever writes it: it goes on when the server writes less.
#[test]
fn wal_per_second_stops_it_for_a_while() {
    on_own_server(&[], |db, _| async move {
        db.execute(&jobs(40_000)).await;
        let program = pgtend(&db, &limited("wal_per_second = \"4 MiB\""));
        let archiver = began(&program).await;
        let mut writer = db.connect().await;
        let load = async {
            let eight_mb = "SELECT pg_logical_emit_message(false, 'a', repeat('x', 8000000))";
            loop {
                run(&mut writer, eight_mb).await;
            }
        };
        let told = tokio::select! {
            told = archiver.event("batch.throttled", |line| line["cause"] == "wal_per_second") => told,
            () = load => unreachable!("it writes until the archiver has noticed"),
        };
        let because = told["because"].as_str().expect("a sentence");
        assert!(
            because.starts_with("the server writes ") && because.ends_with(" limit 4 MiB"),
            "{because}"
        );
        goes_on(&db, archiver, "wal_per_second", 40_000).await;
    });
}

/// A deadlock costs the batch, which is tried again, and halves the next.
#[test]
fn a_deadlock_halves_the_batches_after_it() {
    on_every_major(|db| async move {
        db.execute(&jobs(6_000)).await;
        db.execute(
            "CREATE SEQUENCE deletes; CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('public.deletes') = 1 THEN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END IF; \
             RETURN NULL; END $$; \
             CREATE TRIGGER deadlock AFTER DELETE ON jobs FOR EACH STATEMENT EXECUTE FUNCTION deadlock()",
        )
        .await;
        let config = config_for("jobs", "created_at", "pace = \"full\"\nbatch_rows = 1000");
        let outcome = once(&InProcess::new(&db, &config).await).await;
        assert_eq!(outcome.rows(), 6_000, "{outcome:#?}");
        let sizes = sizes(&db).await;
        assert_eq!(sizes[0], 1_000, "tried again as it was: {sizes:?}");
        assert!((1..=600).contains(&sizes[1]), "about half, at most: {sizes:?}");
        assert!(sizes[2..].iter().any(|size| *size > sizes[1]), "and grow again: {sizes:?}");
    });
}
