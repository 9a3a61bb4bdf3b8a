//! The archive job against real servers.
use pgtend::job::{JobName, Outcome};

use crate::support::{InProcess, NO_ROWS, on_every_major};

const JOBS: &str = "
CREATE TABLE ml_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    status text NOT NULL,
    payload text,
    created_at timestamptz
);
CREATE INDEX ON ml_jobs (created_at);
INSERT INTO ml_jobs (status, payload, created_at)
SELECT (ARRAY['completed', 'failed', 'pending'])[1 + i % 3], 'job ' || i,
       now() - interval '60 days' + i * interval '1 hour'
  FROM generate_series(1, 1400) AS i;
INSERT INTO ml_jobs (status, payload, created_at) VALUES ('completed', 'ageless', NULL);
";
const TARGET: &str = "
CREATE TABLE ml_jobs_archive (
    archived_at timestamptz NOT NULL,
    created_at timestamptz, payload text, status text NOT NULL, id bigint PRIMARY KEY
);
";
const CONFIG: &str = "
[archive]
schedule = \"30 2 * * *\"
[archive.tables.\"public.ml_jobs\"]
into = \"public.ml_jobs_archive\"
age_column = \"created_at\"
older_than = \"30 days\"
where = \"status IN ('completed', 'failed')\"
";

async fn once(app: &InProcess) -> Outcome {
    app.once(JobName::Archive).await.expect("nobody else runs it")
}

#[test]
fn old_finished_rows_move_and_nothing_else() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(TARGET).await;
        db.execute("CREATE TABLE before AS SELECT * FROM ml_jobs").await;
        let app = InProcess::new(&db, &format!("{CONFIG}batch_rows = 100\n")).await;
        println!("{}", app.plan(JobName::Archive).await);
        let outcome = once(&app).await;
        println!("{outcome:#?}");
        let again = once(&app).await;
        println!("{again:#?}");
        println!("{:?}", db.rows("select count(*), min(created_at), max(created_at) from ml_jobs union all select count(*), min(created_at), max(created_at) from ml_jobs_archive").await);
        println!("{:?}", db.rows("select * from pgtend.archive_position").await);
        assert_eq!(db.rows("SELECT id, status, payload, created_at FROM before EXCEPT ALL (SELECT id, status, payload, created_at FROM ml_jobs UNION ALL SELECT id, status, payload, created_at FROM ml_jobs_archive)").await, NO_ROWS);
    });
}
