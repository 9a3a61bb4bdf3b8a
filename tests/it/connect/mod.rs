//! The way to the server: what is refused, in which words, with which exit code.

mod pooler;
mod schema;
mod tls;

use std::time::Duration;

use pgtend::time::clock;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::daemon::{RARELY, TABLE, config};
use crate::support::{Db, Program, Ran, on_every_major, pgtend};

/// pgtend with this URL, which gives up soon.
pub fn by(db: &Db, url: &str) -> Program {
    let quick = config(RARELY, "connect_timeout = \"1s\"");
    pgtend(db, &quick.replace("{url}", url))
}

#[track_caller]
pub fn assert_refused(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is missing: {ran}");
    }
}

#[test]
fn what_is_wrong_with_the_url_is_said() {
    on_every_major(|db| async move {
        let (_, at) = db.url().rsplit_once('@').unwrap();
        let (address, _) = at.split_once('/').unwrap();
        for (url, code, words) in [
            (
                format!("postgres://postgres:wrong@{at}"),
                77,
                ["password authentication failed", "check role, password and pg_hba.conf"],
            ),
            (
                format!("postgres://nobody:x@{at}"),
                77,
                ["authentication failed for user \"nobody\"", "check role"],
            ),
            (
                db.url().replace(db.name(), "missing"),
                78,
                ["database \"missing\" does not exist", "check the database's name"],
            ),
            // Neither URL nor environment names a role.
            (
                format!("postgres://{at}"),
                77,
                ["failed for user", "name the role: postgres://ROLE@"],
            ),
        ] {
            let ran = by(&db, &url).run(&["once"]).await;
            assert_refused(&ran, code, &words);
            assert_refused(&ran, code, &[&format!("connect to {address}")]);
        }
    });
}

#[test]
fn a_server_that_is_not_there_costs_one_connect_timeout() {
    on_every_major(|db| async move {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = nobody.local_addr().unwrap().port();
        let url = format!("postgres://postgres@127.0.0.1:{port}/app");
        drop(nobody);
        let started = clock::monotonic();
        let ran = by(&db, &url).run(&["once"]).await;
        assert_refused(&ran, 69, &["refused", "is the server up, and are host and port right?"]);
        let took = started.elapsed();
        assert!((Duration::from_millis(500)..Duration::from_secs(10)).contains(&took), "{took:?}");
    });
}

#[test]
fn who_answers_may_be_no_postgresql() {
    on_every_major(|db| async move {
        let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = |listener: &TcpListener| {
            format!("postgres://postgres@{}/app", listener.local_addr().unwrap())
        };
        let (to_web, to_silent) = (by(&db, &url(&web)), by(&db, &url(&silent)));
        let answering = async {
            while let Ok((mut client, _)) = web.accept().await {
                // It may have hung up already.
                let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            }
        };
        let asking = async {
            let (web, silent) = tokio::join!(to_web.run(&["once"]), to_silent.run(&["once"]));
            assert_refused(&web, 69, &["is the server up, and are host and port right?"]);
            assert_refused(&silent, 69, &["no answer", "is the server up"]);
        };
        tokio::select! {
            () = asking => {}
            () = answering => {}
        }
    });
}

#[test]
fn a_password_is_never_seen() {
    on_every_major(|db| async move {
        db.execute(TABLE).await;
        let canary = "C4n4ry%40Secret";
        let (_, at) = db.url().rsplit_once('@').unwrap();
        let mut seen = String::new();
        for host in [at, "127.0.0.1:1/app"] {
            let program = by(&db, &format!("postgres://postgres:{canary}@{host}"));
            for command in [
                &["once"][..],
                &["check"],
                &["plan"],
                &["status"],
                &["config", "show"],
                &["migrate"],
            ] {
                seen.push_str(&program.run(command).await.to_string());
            }
        }
        let program = by(&db, &format!("postgres://postgres:{canary}@127.0.0.1:1/app"))
            .env("PGTEND__LOG__LEVEL", "trace");
        let daemon = program.spawn(&["run"]);
        daemon.event("database.unreachable", |_| true).await;
        let cmdline = std::fs::read_to_string(format!("/proc/{}/cmdline", daemon.pid())).unwrap();
        seen.push_str(&cmdline);
        daemon.signal("TERM");
        seen.push_str(&daemon.wait_exit().await.to_string());
        // And where it works, at the most talkative level.
        let program = pgtend(&db, &config(RARELY, "")).env("PGTEND__LOG__LEVEL", "trace");
        let worked = program.run(&["once"]).await;
        assert_eq!(worked.code, Some(0), "{worked}");
        let password = db.url().split(':').nth(2).unwrap().split('@').next().unwrap();
        for text in [&seen, &worked.to_string()] {
            for secret in [canary, "C4n4ry", password] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    });
}
