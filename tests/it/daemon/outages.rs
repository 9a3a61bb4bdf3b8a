//! The server is away, restarts, crashes, becomes a primary, or asks for another password.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

use super::{RARELY, TABLE, at_work, config, has_partitions, ready, runs, trigger};
use crate::support::{
    OwnServer, Proxy, on_every_major, on_own_server, pgtend, run, send_signal, wait_until,
};

const QUICK: &str = "connect_timeout = \"1s\"";

#[test]
fn a_server_that_starts_later_is_waited_for() {
    on_own_server(&[], |db, server| async move {
        db.execute(TABLE).await;
        let program = pgtend(&db, &config(RARELY, QUICK));
        server.get().stop().unwrap();
        let daemon = program.spawn(&["run"]);
        let away = daemon.event("database.unreachable", |line| line["tries"] == 2).await;
        assert!(away["error.message"].as_str().unwrap().contains("refused"), "{away}");
        let address = format!("127.0.0.1:{}", server.get().port());
        assert_eq!(away["server.address"], address);
        server.get().restart().unwrap();
        daemon.event("database.connected", |_| true).await;
        daemon.event("daemon.ready", |_| true).await;
        trigger(&program, &daemon).await;
        daemon.event("run.finished", |line| line["outcome"] == "succeeded").await;
    });
}

#[test]
fn an_idle_daemon_outlives_a_restart() {
    on_own_server(&[], |db, server| async move {
        let (program, daemon) = ready(&db, &config(RARELY, QUICK)).await;
        server.get().stop().unwrap();
        daemon.signal("USR1");
        let away = daemon.event("database.unreachable", |_| true).await;
        assert!(away["error.message"].as_str().unwrap().contains("refused"), "{away}");
        server.get().restart().unwrap();
        let back = daemon.event("database.connected", |line| line["outage_ms"].is_u64()).await;
        assert!(back["outage_ms"].as_u64().unwrap() > 0, "{back}");
        trigger(&program, &daemon).await;
        daemon.event("run.finished", |line| line["outcome"] == "succeeded").await;
    });
}

#[test]
fn a_run_outlives_a_restart_and_a_crash() {
    on_own_server(&[], |db, server| async move {
        let (_program, daemon, _gate) = at_work(&db, &config(RARELY, "")).await;
        server.get().restart().unwrap();
        let retried = daemon.event("run.retried", |_| true).await;
        assert_eq!(retried["db.response.status_code"], "57P01", "{retried}");
        let finished = daemon.event("run.finished", |_| true).await;
        assert_eq!(finished["outcome"], "succeeded", "{finished}");
        assert_eq!(runs(&db).await, ["succeeded"]);
        assert!(has_partitions(&db).await);
    });
}

#[test]
fn a_run_outlives_a_killed_backend() {
    on_own_server(&[], |db, _server| async move {
        let (_program, daemon, gate) = at_work(&db, &config(RARELY, "")).await;
        let ours = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgtend/partitions'";
        send_signal("KILL", db.value(ours).await.parse().unwrap());
        drop(gate);
        daemon.event("run.retried", |_| true).await;
        let finished = daemon.event("run.finished", |_| true).await;
        assert_eq!(finished["outcome"], "succeeded", "{finished}");
        wait_until("the server is up again", || async {
            sqlx::Connection::ping(&mut db.connect().await).await.is_ok()
        })
        .await;
        assert!(has_partitions(&db).await);
    });
}

/// The server comes back as a standby, which waits to be promoted.
fn becomes_a_standby(server: &OwnServer) -> PathBuf {
    let mut server = server.get();
    server.stop().unwrap();
    let data = server.directory().join("data");
    let signal = data.join("standby.signal");
    fs::write(&signal, "").unwrap();
    let owner = fs::metadata(&data).unwrap();
    chown(&signal, Some(owner.uid()), Some(owner.gid())).unwrap();
    server.restart().unwrap();
    signal
}

/// Case 28: the primary goes in the middle of a run, and what answers at its address is a standby until it
/// is promoted.
#[test]
fn a_run_outlives_a_failover() {
    on_own_server(&[], |db, server| async move {
        let (program, daemon, gate) = at_work(&db, &config(RARELY, "")).await;
        becomes_a_standby(&server);
        drop(gate);
        daemon.event("database.standby", |_| true).await;
        db.execute("SELECT pg_promote()").await;
        trigger(&program, &daemon).await;
        daemon.event("run.finished", |line| line["outcome"] == "succeeded").await;
        assert!(has_partitions(&db).await);
        let left = "SELECT description FROM pg_description WHERE description LIKE 'pgtend:%'";
        assert_eq!(db.column(left).await, [""; 0]);
    });
}

#[test]
fn a_standby_is_asked_politely_until_it_is_promoted() {
    on_own_server(&[("log_connections", "on")], |db, server| async move {
        db.execute(TABLE).await;
        let signal = becomes_a_standby(&server);
        let program = pgtend(&db, &config(RARELY, ""));
        let mark = db.log_mark();
        let daemon = program.spawn(&["run"]);
        let address = format!("127.0.0.1:{}", server.get().port());
        let standby = daemon.event("database.standby", |_| true).await;
        assert_eq!(standby["server.address"], address, "{standby}");
        wait_until("it asks again", || async {
            daemon.log().iter().filter(|line| line["event"] == "database.standby").count() >= 2
        })
        .await;
        let asked = daemon.log().iter().filter(|line| line["event"] == "database.standby").count();
        let ours = db.server_log_since(mark);
        let connections = ours.matches("application_name=pgtend").count();
        assert!(connections <= asked + 1, "{connections} connections for {asked} looks\n{ours}");
        db.execute("SELECT pg_promote()").await;
        daemon.event("daemon.ready", |_| true).await;
        assert!(!signal.exists());
        trigger(&program, &daemon).await;
        daemon.event("run.finished", |line| line["outcome"] == "succeeded").await;
    });
}

#[test]
fn a_network_that_swallows_packets_is_noticed() {
    on_every_major(|db| async move {
        db.execute(TABLE).await;
        let network = Proxy::to(&db).await;
        let text = config(RARELY, "").replace("{url}", network.url());
        let program = pgtend(&db, &text);
        let daemon = program.spawn(&["run"]);
        daemon.event("daemon.ready", |_| true).await;
        network.swallow();
        trigger(&program, &daemon).await;
        let finished = daemon.event("run.finished", |_| true).await;
        assert_eq!(finished["outcome"], "succeeded", "{finished}");
    });
}

#[test]
fn a_rotated_password_is_read_anew() {
    on_every_major(|db| async move {
        db.execute(TABLE).await;
        let role = format!("tender_{}", db.major());
        let mut admin = db.connect().await;
        run(
            &mut admin,
            &format!(
                r#"CREATE ROLE {role} LOGIN PASSWORD 'before'; ALTER TABLE activity_logs OWNER TO {role};
                   GRANT CREATE ON DATABASE "{}" TO {role}; GRANT CREATE ON SCHEMA public TO {role}"#,
                db.name()
            ),
        )
        .await;
        let program =
            pgtend(&db, &config(RARELY, QUICK).replace("url = \"{url}\"", "url_file = \"secret\""));
        let secret = program.dir().join("secret");
        let write = |password| {
            fs::write(&secret, format!("{}\n", db.url_as(&role, password))).unwrap();
            fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("before");
        let daemon = program.spawn(&["run"]);
        daemon.event("daemon.ready", |_| true).await;

        run(&mut admin, &format!("ALTER ROLE {role} PASSWORD 'after'")).await;
        write("after");
        let theirs = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
        );
        run(&mut admin, &theirs).await;
        trigger(&program, &daemon).await;
        let finished = daemon.event("run.finished", |_| true).await;
        assert_eq!(finished["outcome"], "succeeded", "{finished}");
        let text = daemon.log().iter().map(ToString::to_string).collect::<String>();
        assert!(!text.contains(":before@") && !text.contains(":after@"), "{text}");
        daemon.signal("TERM");
        assert_eq!(daemon.wait_exit().await.code, Some(0));
        run(
            &mut admin,
            &format!(
                "REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}"
            ),
        )
        .await;
    });
}
