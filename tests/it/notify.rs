//! What systemd is told, by its own protocol: datagrams of `NAME=value` lines.

use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pgtend::time::clock;

use crate::daemon::{RARELY, TABLE, config, trigger};
use crate::support::{
    Gate, Program, on_the_newest_major, on_the_newest_own_server, pgtend, wait_until,
};

/// In place of systemd.
#[derive(Clone)]
struct Manager(Arc<Mutex<Vec<(Instant, String)>>>);

impl Manager {
    /// Listens, and tells the program where.
    fn of(program: Program) -> (Self, Program) {
        let path = program.dir().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let heard: Arc<Mutex<Vec<_>>> = Arc::default();
        let all = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                all.lock().unwrap().push((clock::monotonic(), text));
            }
        });
        (Self(heard), program.env("NOTIFY_SOCKET", path.to_str().unwrap()))
    }

    /// The datagrams with this line so far.
    fn with(&self, line: &str) -> Vec<String> {
        let heard = self.0.lock().unwrap();
        let has = |text: &&String| text.lines().any(|of| of.starts_with(line));
        heard.iter().map(|(_, text)| text).filter(has).cloned().collect()
    }

    async fn hears(&self, line: &str) -> String {
        wait_until(line, || async { !self.with(line).is_empty() }).await;
        self.with(line).swap_remove(0)
    }

    /// The longest time between two signs of life.
    fn longest_gap(&self) -> Duration {
        let heard = self.0.lock().unwrap();
        let beats: Vec<_> = heard
            .iter()
            .filter(|(_, text)| text.lines().any(|line| line == "WATCHDOG=1"))
            .map(|(at, _)| *at)
            .collect();
        beats.windows(2).map(|two| two[1] - two[0]).max().unwrap_or(Duration::MAX)
    }
}

#[test]
fn ready_means_ready() {
    on_the_newest_own_server(&[], |db, server| async move {
        db.execute(TABLE).await;
        let (manager, program) =
            Manager::of(pgtend(&db, &config(RARELY, "connect_timeout = \"1s\"")));
        server.get().stop().unwrap();
        let daemon = program.spawn(&["run"]);
        let extended = manager.hears("EXTEND_TIMEOUT_USEC=").await;
        let micros: u64 = extended.trim().split_once('=').unwrap().1.parse().unwrap();
        assert!((1_000_000..120_000_000).contains(&micros), "{extended}");
        daemon.event("database.unreachable", |line| line["tries"] == 2).await;
        assert!(manager.with("READY=1").is_empty());
        server.get().restart().unwrap();
        let ready = manager.hears("READY=1").await;
        assert!(ready.contains("STATUS=idle; next partitions 20"), "{ready}");
        daemon.event("daemon.ready", |_| true).await;
        assert!(manager.with("WATCHDOG=1").iter().all(|text| text.contains("STATUS=")));
    });
}

#[test]
fn status_reload_and_stop_are_told() {
    on_the_newest_major(|db| async move {
        db.execute(TABLE).await;
        let (manager, program) = Manager::of(pgtend(&db, &config(RARELY, "")));
        let daemon = program.spawn(&["run"]);
        manager.hears("READY=1").await;
        let gate = Gate::closed(&db).await;
        trigger(&program, &daemon).await;
        manager.hears("STATUS=running partitions").await;
        gate.open().await;

        for wrong in [false, true] {
            let readies = manager.with("READY=1").len();
            if wrong {
                program.rewrite_config("nonsense");
            }
            daemon.signal("HUP");
            wait_until("it is ready again", || async { manager.with("READY=1").len() > readies })
                .await;
            let reloads = manager.with("RELOADING=1");
            assert_eq!(reloads.len(), 1 + usize::from(wrong));
            // Without the time, systemd waits for a reload for ever.
            let time = reloads[0].lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
            assert!(time.unwrap().parse::<u64>().unwrap() > 0, "{reloads:?}");
        }
        assert!(manager.with("STOPPING=1").is_empty());
        daemon.signal("TERM");
        manager.hears("STOPPING=1").await;
        assert_eq!(daemon.wait_exit().await.code, Some(0));
    });
}

/// Half of the time allowed between two signs of life is what systemd recommends.
#[test]
fn the_watchdog_is_fed_in_time_also_while_the_server_is_away() {
    const ALLOWED: Duration = Duration::from_secs(4);
    on_the_newest_own_server(&[], |db, server| async move {
        db.execute(TABLE).await;
        let (manager, program) = Manager::of(pgtend(&db, &config(RARELY, "")));
        let program = program.env("WATCHDOG_USEC", &ALLOWED.as_micros().to_string());
        let daemon = program.spawn(&["run"]);
        manager.hears("READY=1").await;
        let beats = || manager.with("WATCHDOG=1").len();
        wait_until("its heart beats", || async { beats() >= 3 }).await;
        // A pass that meets a server which says nothing takes far longer than a beat.
        server.get().stop().unwrap();
        daemon.signal("USR1");
        daemon.event("database.unreachable", |_| true).await;
        let so_far = beats();
        wait_until("its heart beats on", || async { beats() >= so_far + 2 }).await;
        let gap = manager.longest_gap();
        assert!(gap < ALLOWED / 2, "{gap:?} between two signs of life");
    });
}

#[test]
fn without_systemd_nothing_is_missed() {
    on_the_newest_major(|db| async move {
        db.execute(TABLE).await;
        let program = pgtend(&db, &config(RARELY, "")).env("NOTIFY_SOCKET", "/nowhere/notify");
        let daemon = program.spawn(&["run"]);
        daemon.event("daemon.ready", |_| true).await;
        daemon.signal("TERM");
        assert_eq!(daemon.wait_exit().await.code, Some(0));
    });
}
