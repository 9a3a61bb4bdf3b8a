//! What the tests stand on: a database each, on every major version under test, and the program.
//!
//! ```ignore
//! #[test]
//! fn finished_rows_move() {
//!     on_every_major(|db| async move {
//!         db.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)").await;
//!         let ran = pgtend(&db, "[archive]\n…").run(&["once", "archive"]).await;
//!         assert_eq!(ran.code, 0, "{ran}");
//!         assert_eq!(db.rows("SELECT id FROM t").await, NO_ROWS);
//!     });
//! }
//! ```
#![allow(dead_code, unused_imports, reason = "a helper may wait for the test that uses it first")]
mod crowd;
mod db;
mod digest;
mod door;
mod events;
mod gate;
mod in_process;
mod kill_points;
mod ledger;
mod program;
mod proxy;
pub mod scenes;
mod servers;
mod stalls;
mod standby;
mod steps;
mod terminal;
mod wait;

pub use crowd::{Crowd, Met};
pub use db::{Db, LogMark, NO_ROWS, Rows, rows, run};
pub use digest::{difference, digest};
pub use events::Told;
pub use gate::Gate;
pub use in_process::InProcess;
pub use kill_points::KillPoints;
pub use ledger::{Application, Difference, Ledger, World};
pub use program::{Daemon, Program, Ran, pgtend, send_signal};
pub use proxy::Proxy;
pub use servers::{
    OwnServer, majors, on_every_major, on_own_server, on_server_with_partman, on_the_newest_major,
    on_the_newest_own_server, with_partman,
};
pub use standby::Standby;
pub use steps::{Steps, hourly, step, tries};
pub use wait::wait_until;
