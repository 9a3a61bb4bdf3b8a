//! The session of a run: what it is set to, what it refuses, and that it leaves nothing behind.

use pgtend::job::JobName;
use pgtend::pg::fault::{Fault, Kind};
use pgtend::pg::session::Session;
use pgtend::pg::step::{Expect, Mode, Statement, Step};
use pgtend::pg::wal::Wal;
use sqlx::{AssertSqlSafe, Executor};

use crate::door::{TABLE, assert_untouched, claimed, pid, refused, sleeps};
use crate::support::{InProcess, NO_ROWS, on_every_major, rows, run, step, wait_until};

#[test]
fn nothing_writes_beside_the_door() {
    on_every_major(|db| async move {
        let (_app, mut session) = claimed(&db, "").await;
        let mut alone = step(&["ANALYZE public.t"]);
        alone.mode = Mode::Alone;
        let mut broken = step(&["ANALYZE public.missing"]);
        broken.mode = Mode::Alone;
        assert_refused_beside(&mut session).await;
        session.run(&alone).await.unwrap();
        assert_refused_beside(&mut session).await;
        refused(session.run(&broken).await);
        assert_refused_beside(&mut session).await;
        session.run(&step(&["UPDATE public.t SET v = v"])).await.unwrap();
        assert_refused_beside(&mut session).await;
        refused(session.run(&step(&["UPDATE public.missing SET v = v"])).await);
        assert_refused_beside(&mut session).await;
        assert_untouched(&db).await;
    });
}

async fn assert_refused_beside(session: &mut Session) {
    let conn = session.reader().conn;
    for sql in ["UPDATE public.t SET v = 0", "CREATE TABLE public.u ()", "TRUNCATE public.t"] {
        let error = conn.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_err();
        assert_eq!(Fault::from_sqlx("", &error).sqlstate.as_deref(), Some("25006"), "{error}");
    }
}

#[test]
fn without_a_claim_nothing_is_written() {
    on_every_major(|db| async move {
        db.execute(TABLE).await;
        let app = InProcess::new(&db, "").await;
        let mut session = app.session(None).await;
        for mode in [Mode::Transaction, Mode::Unflushed, Mode::RepeatableRead, Mode::Alone] {
            let step = Step { mode, ..step(&["UPDATE public.t SET v = 0"]) };
            assert_eq!(refused(session.run(&step).await).kind, Kind::Bug);
            assert_untouched(&db).await;
        }
    });
}

#[test]
fn a_lost_claim_writes_nothing() {
    on_every_major(|db| async move {
        let (_app, mut session) = claimed(&db, "").await;
        for lost in [
            "UPDATE pgtend.job_run SET attempt = attempt + 1",
            "UPDATE pgtend.job_run SET attempt = attempt - 1, lease_until = clock_timestamp()",
            "UPDATE pgtend.job_run SET lease_until = now() + interval '1 h', status = 'abandoned'",
        ] {
            db.execute(lost).await;
            for mode in [Mode::Transaction, Mode::Unflushed, Mode::RepeatableRead, Mode::Alone] {
                let step = Step { mode, ..step(&["UPDATE public.t SET v = 0"]) };
                let fault = refused(session.run(&step).await);
                assert_eq!(fault.kind, Kind::LeaseLost, "{mode:?} after {lost}: {fault}");
                assert_untouched(&db).await;
            }
        }
    });
}

/// And only that one: the next commit of the same session waits, and flushes this one too.
#[test]
fn an_unflushed_transaction_does_not_wait_for_the_disk() {
    on_every_major(|db| async move {
        let (_app, mut session) = claimed(&db, "").await;
        for (mode, waits) in [(Mode::Unflushed, "off"), (Mode::Transaction, "on")] {
            let asked =
                Statement::new(format!("SELECT current_setting('synchronous_commit') = '{waits}'"));
            let asked = asked.expect(Expect::True("it waits, or does not"));
            let step = Step { mode, statements: vec![asked], ..step(&[]) };
            session.run(&step).await.unwrap();
        }
    });
}

#[test]
fn a_session_cut_off_takes_its_connection_with_it() {
    on_every_major(|db| async move {
        let (app, mut session) = claimed(&db, "").await;
        let work = &app.server().work;
        let first_pid = pid(session.reader().conn).await;
        session.close();
        wait_until("it is given back", || async { work.num_idle() == 1 }).await;
        let mut again = app.session(None).await;
        assert_eq!(pid(again.reader().conn).await, first_pid);
        // Cut off while reading: the statement goes on, and nobody may be made to wait for it.
        let reading = async {
            let sleep = again.reader().conn.execute("SELECT pg_sleep(60)").await;
            panic!("{sleep:?}");
        };
        tokio::select! {
            () = reading => {}
            () = wait_until("it sleeps", || sleeps(&db)) => {}
        }
        drop(again);
        wait_until("it is closed", || async { work.size() == 0 }).await;
        // Only dropped: who knows what it was doing.
        drop(app.session(None).await);
        wait_until("it is closed", || async { work.size() == 0 }).await;
    });
}

#[test]
fn a_session_is_set_up_whatever_the_database_says() {
    on_every_major(|db| async move {
        let name = db.name();
        let mut admin = db.connect().await;
        for setting in [
            "TimeZone = 'Asia/Tokyo'",
            "DateStyle = 'SQL, DMY'",
            "IntervalStyle = 'iso_8601'",
            "search_path = 'nowhere'",
            "default_transaction_isolation = 'serializable'",
            "standard_conforming_strings = off",
            "quote_all_identifiers = on",
            "row_security = on",
            "statement_timeout = '3h'",
            "lock_timeout = '3h'",
            "idle_in_transaction_session_timeout = '3h'",
            "default_transaction_read_only = on",
        ] {
            run(&mut admin, &format!(r#"ALTER DATABASE "{name}" SET {setting}"#)).await;
        }
        let app = InProcess::new(&db, "lock_timeout = \"3s\"\n").await;
        let mut session = app.door(JobName::Archive).await;
        let conn = session.reader().conn;
        for (setting, value) in [
            ("application_name", "pgtend/test"),
            ("TimeZone", "UTC"),
            ("DateStyle", "ISO, YMD"),
            ("IntervalStyle", "postgres"),
            ("search_path", "pgtend"),
            ("default_transaction_isolation", "read committed"),
            ("default_transaction_read_only", "on"),
            ("standard_conforming_strings", "on"),
            ("quote_all_identifiers", "off"),
            ("row_security", "off"),
            ("statement_timeout", "15min"),
            ("lock_timeout", "3s"),
            ("idle_in_transaction_session_timeout", "1min"),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "15000"),
        ] {
            assert_eq!(rows(conn, &format!("SHOW {setting}")).await, [[Some(value.into())]]);
        }
        if db.major() >= 14 {
            let found = rows(conn, "SHOW client_connection_check_interval").await;
            assert_eq!(found, [[Some("5s".into())]]);
        }
        session.run(&step(&["CREATE TABLE public.made ()"])).await.unwrap();
        assert_ne!(db.rows("SELECT to_regclass('public.made')").await, NO_ROWS);
    });
}

/// On 18 and later what others write is not in it; before, nobody could take it out.
#[test]
fn wal_is_told_between_two_marks() {
    on_every_major(|db| async move {
        let (_app, mut session) = claimed(&db, "").await;
        let fill =
            "CREATE TABLE public.filled AS SELECT md5(i::text) FROM generate_series(1, 30000) AS i";
        let before = session.wal_mark().await.unwrap();
        db.execute(&fill.replace("filled", "of_others")).await;
        let between = session.wal_mark().await.unwrap();
        session.run(&step(&[fill])).await.unwrap();
        let after = session.wal_mark().await.unwrap();
        let (theirs, ours) = (between.since(before).unwrap(), after.since(between).unwrap());
        // 32 characters a row, in either.
        if db.major() >= 18 {
            assert_eq!(theirs, Wal::Ours(0));
            assert!(matches!(ours, Wal::Ours(960_000..4_000_000)), "{ours:?}");
        } else {
            assert!(matches!(theirs, Wal::Servers(960_000..)), "{theirs:?}");
            assert!(matches!(ours, Wal::Servers(960_000..)), "{ours:?}");
        }
        let sum = after.since(before).unwrap();
        assert_eq!(sum, theirs.plus(ours));
        assert_eq!(before.since(after), None);
    });
}
