//! A table of jobs, made once per server and copied for each measurement; and the program at work on
//! it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pgtend::throwaway::{Binaries, Server};
use pgtend::time::clock;
use sqlx::PgConnection;

use super::common::{connect, since, start, timed_pgtend, value};
use super::support::run;

/// Its columns.
pub const COLUMNS: &str = "id, job_uuid, customer_id, status, created_at, score, payload";
/// Which of the old rows are due; one in 200 is not.
pub const FINISHED: &str = "status IN ('completed', 'failed')";

/// The server, with the template `seed`: two years of jobs in order of age, 300 bytes of text each.
pub struct World {
    pub server: Server,
    directory: tempfile::TempDir,
    admin: PgConnection,
}

impl World {
    pub async fn make(major: u32, jobs: u32) -> Self {
        let binaries = Binaries::discover(Some(major)).unwrap_or_else(|fault| panic!("{fault}"));
        let server = start(&binaries);
        let mut admin = connect(&server, "postgres").await;
        run(&mut admin, "CREATE EXTENSION pg_stat_statements").await;
        run(&mut admin, "CREATE ROLE tender LOGIN PASSWORD 'tender'").await;
        run(&mut admin, "CREATE DATABASE seed").await;
        let mut seed = connect(&server, "seed").await;
        run(&mut seed, &SEED.replace("{jobs}", &jobs.to_string())).await;
        run(&mut seed, "VACUUM (FREEZE, ANALYZE)").await;
        Self { server, directory: tempfile::tempdir().expect("a directory"), admin }
    }

    /// The database `bench`, as the template is, with pgtend's own schema, and all of it on the disk.
    pub async fn fresh(&mut self) -> PgConnection {
        run(&mut self.admin, "DROP DATABASE IF EXISTS bench WITH (FORCE)").await;
        let strategy = if self.server.major() >= 15 { " STRATEGY file_copy" } else { "" };
        run(&mut self.admin, &format!("CREATE DATABASE bench TEMPLATE seed{strategy}")).await;
        run(&mut self.admin, "GRANT CREATE ON DATABASE bench TO tender").await;
        let (url, directory) = (self.url(), self.directory.path());
        timed_pgtend(directory, &format!("[database]\nurl = \"{url}\"\n"), &["migrate"]);
        run(&mut self.admin, "CHECKPOINT").await;
        connect(&self.server, "bench").await
    }

    /// No superuser, as its work is not counted by `pg_stat_statements`.
    fn url(&self) -> String {
        format!("postgres://tender:tender@127.0.0.1:{}/bench", self.server.port())
    }

    /// Sets a parameter of the server.
    pub async fn set(&mut self, name: &str, value: &str) {
        run(&mut self.admin, &format!("ALTER SYSTEM SET {name} = '{value}'")).await;
        run(&mut self.admin, "SELECT pg_reload_conf()").await;
    }

    /// The one value of a query, asked in another database.
    pub async fn value(&mut self, sql: &str) -> String {
        value(&mut self.admin, sql).await
    }

    /// Moves what is older, as the program does it from its start to its end.
    pub fn archive(&self, older_than: &str, pace: &str) -> Ran {
        let url = self.url();
        let config = format!(
            "[database]\nurl = \"{url}\"\n[archive]\nschedule = \"30 2 * * *\"\n\
             [archive.tables.\"public.ml_jobs\"]\ninto = \"public.ml_jobs_archive\"\n\
             age_column = \"created_at\"\nolder_than = \"{older_than}\"\nwhere = \"{FINISHED}\"\npace = \"{pace}\"\n"
        );
        watched(self.directory.path(), &config)
    }
}

/// What a run of the program took.
pub struct Ran {
    /// From its start to its end.
    pub took: Duration,
    /// The kinds of its actions, and what each took.
    pub actions: Vec<(String, Duration)>,
    /// The most memory it had, in MB.
    pub peak_mb: f64,
}

impl Ran {
    /// What its actions of this kind took.
    pub fn of(&self, kind: &str) -> Duration {
        self.actions.iter().filter(|(name, _)| name == kind).map(|(_, took)| *took).sum()
    }

    /// What it took beside its actions: its start, the look at the tables, the record of the run.
    pub fn beside(&self) -> Duration {
        self.took.saturating_sub(self.actions.iter().map(|(_, took)| *took).sum())
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark does nothing else meanwhile")]
fn watched(directory: &Path, config: &str) -> Ran {
    let (file, told) = (directory.join("pgtend.toml"), directory.join("outcome.json"));
    std::fs::write(&file, config).expect("write the configuration");
    let out = std::fs::File::create(&told).expect("a file for the outcome");
    let started = clock::monotonic();
    let mut child = Command::new(env!("CARGO_BIN_EXE_pgtend"))
        .args(["once", "archive", "--format", "json"])
        .env_clear()
        .env("PGTEND_CONFIG", &file)
        .stdout(out)
        .stderr(Stdio::null())
        .spawn()
        .expect("start pgtend");
    let status = format!("/proc/{}/status", child.id());
    let mut peak_mb = 0.0;
    let code = loop {
        peak_mb = peak_of(&status).unwrap_or(peak_mb);
        if let Some(code) = child.try_wait().expect("its end") {
            break code;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let took = since(started);
    assert!(code.success(), "pgtend once archive: {code}");
    Ran { took, actions: actions_of(&told), peak_mb }
}

fn actions_of(told: &Path) -> Vec<(String, Duration)> {
    let text = std::fs::read_to_string(told).expect("the outcome");
    let outcome: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let actions = outcome["jobs"][0]["actions"].as_array().expect("actions");
    let read = |action: &serde_json::Value| {
        let took = action["duration_ms"].as_u64().expect("a duration");
        (action["kind"].as_str().expect("a kind").to_owned(), Duration::from_millis(took))
    };
    actions.iter().map(read).collect()
}

fn peak_of(status: &str) -> Option<f64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

const SEED: &str = "
CREATE TABLE ml_jobs (
    id bigint PRIMARY KEY, job_uuid uuid NOT NULL UNIQUE, customer_id int NOT NULL,
    status text NOT NULL, created_at timestamptz NOT NULL, score double precision, payload text NOT NULL
);
INSERT INTO ml_jobs
SELECT i, md5(i::text)::uuid, i % 1000,
       CASE WHEN i % 200 = 0 THEN 'running' WHEN i % 10 = 0 THEN 'failed' ELSE 'completed' END,
       now() - interval '730 days' + i * (interval '730 days' / {jobs}), i / 7.0,
       left(repeat(md5(i::text), 19), 100 + (i * 7919 % 401)::int)
FROM generate_series(1::bigint, {jobs}) AS i;
CREATE INDEX ml_jobs_created_at ON ml_jobs (created_at);
CREATE INDEX ml_jobs_status ON ml_jobs (status);
CREATE TABLE ml_jobs_archive (LIKE ml_jobs, archived_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id));
ALTER TABLE ml_jobs OWNER TO tender;
ALTER TABLE ml_jobs_archive OWNER TO tender";
