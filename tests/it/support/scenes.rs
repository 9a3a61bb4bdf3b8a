//! Everything that makes, detaches, drops or restores a partition, beside open transactions and a
//! crowd of clients.

use super::crowd::{Crowd, Met};
use super::db::{Db, run};
use super::program::{Ran, pgtend};

/// One thing pgtend does, with what stands in its way.
pub struct Scene {
    /// For reports.
    pub name: &'static str,
    /// On 13 there is no `DETACH … CONCURRENTLY`.
    pub lowest_major: u32,
    /// What is made on top of [`WORLD`].
    world: &'static str,
    /// The settings of the table.
    settings: &'static str,
    /// The command; before it, where it needs one, another.
    before: Option<&'static [&'static str]>,
    command: &'static [&'static str],
    /// Each is the beginning of a transaction that stays open as long as it likes.
    open: &'static [&'static str],
    /// What the clients do.
    pub clients: &'static [&'static str],
    /// Whether pgtend gets through while those are open.
    pub gets_through: bool,
}

/// Two old years, one partition of these days, and tables beside.
const WORLD: &str = "
SET TimeZone = 'UTC';
CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users SELECT generate_series(1, 1000);
CREATE TABLE events (id bigint, ts timestamptz NOT NULL, by int DEFAULT 1, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE events_2021 PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
DO $$ BEGIN EXECUTE format('CREATE TABLE events_now PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
  date_trunc('day', now()) - interval '1 day', date_trunc('day', now()) + interval '2 days'); END $$;
INSERT INTO events SELECT n, now() FROM generate_series(1, 5000) n;
INSERT INTO events SELECT n, '2020-02-02' FROM generate_series(1, 5000) n;
CREATE SEQUENCE ids START 100000;";

const FROM_IT: &str = "ALTER TABLE events ADD FOREIGN KEY (by) REFERENCES users;";
const TO_IT: &str =
    "CREATE TABLE notes (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES events);
CREATE INDEX ON notes (ts); INSERT INTO notes SELECT id, ts FROM events WHERE ts > '2022-01-01';";
const DEFAULT: &str = "CREATE TABLE events_default PARTITION OF events DEFAULT;
INSERT INTO events VALUES (1, '1999-01-01');";

const READS: &str = "BEGIN; SELECT count(*) FROM events";
const WRITES: &str = "BEGIN; INSERT INTO events VALUES (0, now())";
const WRITES_USERS: &str = "BEGIN; INSERT INTO users VALUES (0)";
const READS_NOTES: &str = "BEGIN; SELECT count(*) FROM notes";

const INSERT: &str = "INSERT INTO events VALUES (nextval('ids'), now())";
const LOOK_UP: &str = "SELECT by FROM events WHERE id = 500 AND ts > now() - interval '1 hour'";
const LOOK_EVERYWHERE: &str = "SELECT count(*) FROM events WHERE id = 500";
const ADD_USER: &str = "INSERT INTO users VALUES (nextval('ids'))";
const ADD_NOTE: &str =
    "INSERT INTO notes SELECT id, ts FROM events WHERE id = 500 AND ts > '2022-01-01'";
const USUAL: &[&str] = &[INSERT, LOOK_UP, LOOK_EVERYWHERE];

const AHEAD: &str = "premake = \"30 days\"\n";
const EXPIRE: &str = "premake = \"1 day\"\nretention = \"2 years\"\nexpire_max_share = 1\n";
const DROP: &str =
    "premake = \"1 day\"\nretention = \"2 years\"\nexpire_max_share = 1\non_expiry = \"drop\"\n";
const AT_ONCE: &str = "premake = \"1 day\"\nretention = \"2 years\"\nexpire_max_share = 1\n\
                       on_expiry = \"drop_at_once\"\n";

/// How long pgtend waits where nobody queues behind it. Who waits for as long was behind it all the same.
pub const PATIENT_S: u32 = 3;

const ONCE: &[&str] = &["once", "partitions"];
const CONFIRM: &[&str] = &["once", "partitions", "--confirm"];
const RESTORE: &[&str] = &["partitions", "restore", "public.events"];

/// All of them.
pub fn scenes() -> Vec<Scene> {
    let premake = |name, world, open, clients, gets_through| Scene {
        name,
        lowest_major: 13,
        world,
        settings: AHEAD,
        before: None,
        command: ONCE,
        open,
        clients,
        gets_through,
    };
    let expire = |name, world, open, clients| Scene {
        settings: EXPIRE,
        command: CONFIRM,
        ..premake(name, world, open, clients, false)
    };
    vec![
        premake("premake", "", &[READS, WRITES], USUAL, true),
        premake("premake beside a default partition", DEFAULT, &[READS, WRITES], USUAL, false),
        premake(
            "premake with a foreign key",
            FROM_IT,
            &[READS, WRITES, WRITES_USERS],
            &[INSERT, LOOK_EVERYWHERE, ADD_USER],
            false,
        ),
        expire("detach", "", &[READS, WRITES], USUAL),
        expire("detach beside a default partition", DEFAULT, &[READS, WRITES], USUAL),
        expire(
            "detach with a foreign key",
            FROM_IT,
            &[WRITES_USERS],
            &[INSERT, LOOK_EVERYWHERE, ADD_USER],
        ),
        expire(
            "detach of what is referred to",
            TO_IT,
            &[READS_NOTES],
            &[INSERT, LOOK_EVERYWHERE, ADD_NOTE],
        ),
        Scene {
            settings: DROP,
            before: Some(CONFIRM),
            command: ONCE,
            ..expire(
                "drop with a foreign key",
                FROM_IT,
                &[WRITES_USERS],
                &[INSERT, LOOK_EVERYWHERE, ADD_USER],
            )
        },
        Scene {
            settings: AT_ONCE,
            gets_through: true,
            ..expire(
                "drop at once with a foreign key",
                FROM_IT,
                &[WRITES_USERS],
                &[INSERT, LOOK_EVERYWHERE, ADD_USER],
            )
        },
        Scene {
            before: Some(CONFIRM),
            command: RESTORE,
            ..expire("restore beside a default partition", DEFAULT, &[READS, WRITES], USUAL)
        },
        Scene {
            before: Some(CONFIRM),
            command: RESTORE,
            ..expire(
                "restore with a foreign key",
                FROM_IT,
                &[WRITES_USERS],
                &[INSERT, LOOK_EVERYWHERE, ADD_USER],
            )
        },
    ]
}

/// What the crowd met while pgtend was held up, and while it was not.
pub struct Played {
    /// Open transactions in its way.
    pub held_up: Met,
    /// None.
    pub free: Met,
}

impl Scene {
    /// Plays it in this database, which is empty.
    ///
    /// # Panics
    /// pgtend does not end as it should, or a client has an error.
    pub async fn play(&self, db: &Db) -> Played {
        db.execute(WORLD).await;
        db.execute(self.world).await;
        let program = pgtend(
            db,
            &format!(
                "lock_timeout = \"{PATIENT_S}s\"\n[partitions]\nschedule = \"0 0 1 1 *\"\n[partitions.tables.\"public.events\"]\ninterval = \"1 day\"\n{}",
                self.settings
            ),
        );
        let migrated = program.run(self.before.unwrap_or(&["migrate"])).await;
        assert_eq!(migrated.code, Some(0), "{}: {migrated}", self.name);
        if self.settings == DROP {
            db.execute("UPDATE pgtend.partition_quarantine SET detached_at = detached_at - interval '1 month'").await;
        }
        let mut open = Vec::new();
        for begin in self.open {
            let mut conn = db.connect().await;
            run(&mut conn, begin).await;
            open.push(conn);
        }
        let crowd = Crowd::start(db, self.clients).await;
        let ran = program.run(self.command).await;
        let held_up = crowd.stop().await;
        assert_eq!(ran.code == Some(0), self.gets_through, "{}, held up: {ran}", self.name);
        self.names_who(&ran);
        for mut conn in open {
            run(&mut conn, "ROLLBACK").await;
        }
        let crowd = Crowd::start(db, self.clients).await;
        let ran = program.run(self.command).await;
        let free = crowd.stop().await;
        assert_eq!(ran.code, Some(0), "{}: {ran}", self.name);
        Played { held_up, free }
    }

    /// Who is in the way is said, by pid.
    fn names_who(&self, ran: &Ran) {
        let says = ran.stdout.contains("blocked by pid") || ran.stderr.contains("\"blockers\"");
        assert!(self.gets_through || says, "{}: {ran}", self.name);
    }
}
