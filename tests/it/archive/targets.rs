//! Archive tables: made by us, or by somebody with ideas of their own.
use super::{ARCHIVE, JOBS, assert_whole, config, keep, moved, once};
use crate::support::{InProcess, NO_ROWS, on_every_major};

#[test]
fn a_missing_target_is_made_like_the_source() {
    on_every_major(|db| async move {
        db.execute(
            "CREATE ROLE hot_owner; GRANT CREATE ON SCHEMA public TO hot_owner; \
             CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1)",
        )
        .await;
        db.execute(JOBS).await;
        db.execute(
            "ALTER TABLE jobs ADD COLUMN user_id int DEFAULT 1 REFERENCES users, \
                              ADD COLUMN loud text GENERATED ALWAYS AS (upper(name)) STORED, \
                              ADD COLUMN dropped int; \
             ALTER TABLE jobs DROP COLUMN dropped; \
             COMMENT ON COLUMN jobs.name IS 'who'; \
             ALTER TABLE jobs ALTER COLUMN name SET STORAGE EXTERNAL, OWNER TO hot_owner",
        )
        .await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config("create_target = true")).await;
        assert_eq!(moved(&app).await.rows, Some(11));
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_eq!(
            db.column(
                "SELECT concat_ws(' ', attname, format_type(atttypid, atttypmod), \
                        CASE WHEN attnotnull THEN 'not null' END, attidentity, attgenerated, \
                        pg_get_expr(adbin, adrelid), attstorage::text, col_description(attrelid, attnum)) \
                 FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
                 WHERE attrelid = 'jobs_archive'::regclass AND attnum > 0 ORDER BY attnum"
            )
            .await,
            [
                "id bigint not null   p",
                "name text not null   e who",
                "status text not null   x",
                "created_at timestamp with time zone   p",
                "user_id integer   p",
                "loud text   x",
                "archived_at timestamp with time zone not null   now() p",
            ]
        );
        assert_eq!(
            db.column(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint \
                 WHERE conrelid = 'jobs_archive'::regclass AND contype <> 'n'"
            )
            .await,
            ["PRIMARY KEY (id)"]
        );
        assert_eq!(
            db.value("SELECT relowner::regrole FROM pg_class WHERE oid = 'jobs_archive'::regclass")
                .await,
            "hot_owner"
        );
        assert_eq!(
            db.rows("SELECT FROM jobs_archive WHERE archived_at < now() - interval '1 hour'").await,
            NO_ROWS
        );
        db.execute("DROP TABLE jobs, jobs_archive; DROP OWNED BY hot_owner; DROP ROLE hot_owner")
            .await;
    });
}

#[test]
fn columns_are_matched_by_name() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(
            "CREATE TABLE jobs_archive ( \
                 note text, archived_at timestamp, created_at timestamptz, \
                 loud text GENERATED ALWAYS AS (upper(name)) STORED, \
                 status varchar, name text, source text NOT NULL DEFAULT 'pgtend', \
                 id bigint GENERATED ALWAYS AS IDENTITY); \
             ALTER TABLE jobs_archive ALTER COLUMN status TYPE text",
        )
        .await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config("")).await;
        assert_eq!(moved(&app).await.rows, Some(11));
        assert_whole(&db, "jobs", "jobs_archive").await;
        assert_eq!(
            db.column(
                "SELECT DISTINCT concat_ws(' ', note, loud = upper(name), source, \
                        archived_at > now() AT TIME ZONE 'UTC' - interval '1 hour') FROM jobs_archive"
            )
            .await,
            ["t pgtend t"]
        );
    });
}

#[test]
fn an_archived_at_of_the_source_is_copied() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute("ALTER TABLE jobs ADD COLUMN archived_at timestamptz DEFAULT '2001-01-01'")
            .await;
        keep(&db, "jobs").await;
        let app = InProcess::new(&db, &config("create_target = true")).await;
        moved(&app).await;
        assert_whole(&db, "jobs", "jobs_archive").await;
    });
}

#[test]
fn a_table_altered_in_the_middle_is_left_alone() {
    on_every_major(|db| async move {
        db.execute(JOBS).await;
        db.execute(super::ARCHIVE).await;
        // The first batch alters the archive on its way out.
        db.execute(
            "CREATE FUNCTION alter_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             ALTER TABLE public.jobs_archive ADD COLUMN IF NOT EXISTS extra int; RETURN NULL; END $$; \
             CREATE TRIGGER alter_it AFTER DELETE ON jobs FOR EACH STATEMENT \
             EXECUTE FUNCTION alter_it()",
        )
        .await;
        let app = InProcess::new(&db, &config("batch_rows = 3")).await;
        let outcome = once(&app).await;
        assert_eq!(
            outcome.actions[0].result.as_ref().unwrap_err().to_string(),
            "archive rows of public.jobs: the table or its archive was altered since it was looked at; \
             3 rows in 1 batches were committed before"
        );
        assert_eq!(
            outcome.warnings,
            ["public.jobs: trigger alter_it on public.jobs fires for the DELETE of each batch"]
        );
        // The next run has looked again.
        assert_eq!(moved(&app).await.rows, Some(8));
    });
}

/// What the server may lose in a crash may go where it lasts, or where it lasts no longer.
#[test]
fn unlogged_tables_move_into_either_kind() {
    on_every_major(|db| async move {
        for archive in ["", "ALTER TABLE jobs_archive SET UNLOGGED"] {
            db.execute("DROP TABLE IF EXISTS jobs, jobs_archive, kept").await;
            db.execute(JOBS).await;
            db.execute("ALTER TABLE jobs SET UNLOGGED").await;
            db.execute(ARCHIVE).await;
            db.execute(archive).await;
            keep(&db, "jobs").await;
            let app = InProcess::new(&db, &config("")).await;
            assert_eq!(moved(&app).await.rows, Some(11), "{archive}");
            assert_whole(&db, "jobs", "jobs_archive").await;
        }
    });
}
