//! A streaming standby of a server of the test's own.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Command;

use pgtend::throwaway::Server;
use sqlx::{Connection, PgConnection};

use super::servers::{OwnServer, start};

/// A hot standby. Queries on it stand in the way of what is replayed for a second at most, then they
/// are cancelled.
pub struct Standby {
    server: Server,
    url: String,
}

impl Standby {
    /// Of this server, which is restarted meanwhile; reads of this database.
    ///
    /// # Panics
    /// The files cannot be copied, or it does not start.
    pub fn of(primary: &OwnServer, database: &str) -> Self {
        let mut primary = primary.get();
        let mut server = start(
            primary.major(),
            &[
                ("hot_standby_feedback", "on"),
                ("max_standby_streaming_delay", "1s"),
                ("max_connections", "200"),
            ],
        );
        server.stop().expect("it stops");
        primary.stop().expect("the primary stops");
        let data = server.directory().join("data");
        fs::remove_dir_all(&data).expect("its data goes");
        let copied =
            Command::new("cp").arg("-a").arg(primary.directory().join("data")).arg(&data).status();
        assert!(copied.expect("run cp").success(), "the data of the primary is copied");
        let owner = Command::new("cp")
            .arg("-a")
            .arg(data.join("PG_VERSION"))
            .arg(data.join("standby.signal"))
            .status();
        assert!(owner.expect("run cp").success(), "it is told that it is a standby");
        let conninfo = primary.url("postgres");
        let settings =
            OpenOptions::new().append(true).open(server.directory().join("throwaway.conf"));
        writeln!(settings.expect("its settings"), "primary_conninfo = '{conninfo}'")
            .expect("written");
        primary.restart().expect("the primary comes back");
        server.restart().expect("it starts");
        let (account, _) = conninfo.rsplit_once('@').expect("our own url");
        let url = format!("{account}@127.0.0.1:{}/{database}", server.port());
        Self { server, url }
    }

    /// A connection to the database on it.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("connect to the standby")
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.server.log_path()).expect("its log")
    }
}
