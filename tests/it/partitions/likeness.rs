//! A new partition is like its parent in all that LIKE and ATTACH do not bring by themselves.

use super::{now, plan, shown, succeeded, tend, tending};
use crate::support::{Db, on_every_major, run};
use pgtend::job::JobName;

/// What the catalog has of the parent and not of its partition, and the other way round.
pub async fn differences(db: &Db, parent: &str, partition: &str) -> Vec<String> {
    let parts = [
        (
            "owner",
            "relowner::regrole, relrowsecurity, relforcerowsecurity, relreplident, reltablespace \
          FROM t JOIN pg_class c USING (oid)",
        ),
        (
            "privileges",
            "grantor::regrole, grantee::regrole, privilege_type, is_grantable \
          FROM t JOIN pg_class c USING (oid) CROSS JOIN aclexplode(relacl)",
        ),
        (
            "columns",
            "attname, atttypid, atttypmod, attcollation, attnotnull, attgenerated, attstorage, \
                     NULLIF(attstattarget, -1), attoptions, \
                     ARRAY(SELECT x::text FROM unnest(attacl) x ORDER BY 1), pg_get_expr(adbin, adrelid), col_description(attrelid, attnum) \
          FROM t JOIN pg_attribute ON attrelid = oid AND attnum > 0 AND NOT attisdropped \
          LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum",
        ),
        (
            "constraints",
            "contype, pg_get_constraintdef(c.oid) \
          FROM t JOIN pg_constraint c ON conrelid = t.oid",
        ),
        (
            "statistics",
            "stxkind, NULLIF(stxstattarget, -1), (SELECT array_agg(attname ORDER BY 1) FROM pg_attribute \
                                  WHERE attrelid = stxrelid AND attnum = ANY(stxkeys)) \
          FROM t JOIN pg_statistic_ext ON stxrelid = t.oid",
        ),
        (
            "indexes",
            "indisunique, indisprimary, indisreplident, pg_get_expr(indpred, indrelid), \
                     (SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute \
                      WHERE attrelid = indexrelid) \
          FROM t JOIN pg_index ON indrelid = t.oid",
        ),
        (
            "policies",
            "polname, polcmd, polpermissive, polroles, pg_get_expr(polqual, polrelid), \
                     pg_get_expr(polwithcheck, polrelid) \
          FROM t JOIN pg_policy ON polrelid = t.oid",
        ),
        (
            "triggers",
            "tgname, tgtype FROM t JOIN pg_trigger ON tgrelid = t.oid \
          WHERE tgname !~ '^RI_'",
        ),
    ];
    let mut found = Vec::new();
    for (what, select) in parts {
        let side = |table: &str| {
            format!("(WITH t AS (SELECT '{table}'::regclass AS oid) SELECT {select})")
        };
        let (parent, child) = (side(parent), side(partition));
        for (one, other, sign) in [(&parent, &child, "parent"), (&child, &parent, "partition")] {
            for row in db.rows(&format!("{one} EXCEPT ALL {other}")).await {
                found.push(format!("only the {sign} has {what} {row:?}"));
            }
        }
    }
    found
}

/// Case 30: row security, privileges on columns, MAINTAIN, PUBLIC; and all else that LIKE and ATTACH
/// leave behind.
#[test]
fn nothing_of_the_parent_is_lost() {
    on_every_major(|db| async move {
        db.execute("
            CREATE ROLE like_owner; CREATE ROLE like_reader; CREATE ROLE \"like Writer\"; CREATE ROLE like_stranger;
            GRANT CREATE ON SCHEMA public TO like_owner;
            CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1);
            GRANT REFERENCES ON users TO like_owner;
            CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
            SET ROLE like_owner;
            CREATE TABLE events (
              gone int,
              id bigint GENERATED ALWAYS AS IDENTITY,
              ts timestamptz NOT NULL DEFAULT now(),
              user_id int REFERENCES users,
              body text COLLATE \"C\" CHECK (body <> ''),
              length int GENERATED ALWAYS AS (length(body)) STORED,
              number serial,
              \"Odd Column\" int,
              PRIMARY KEY (id, ts)
            ) PARTITION BY RANGE (ts);
            ALTER TABLE events DROP COLUMN gone;
            ALTER TABLE events ALTER body SET STORAGE EXTERNAL;
            COMMENT ON COLUMN events.body IS 'what it''s about';
            CREATE STATISTICS events_stat ON id, user_id FROM events;
            CREATE UNIQUE INDEX events_identity ON events (ts, id);
            CREATE INDEX ON events (user_id) WHERE user_id IS NOT NULL;
            ALTER TABLE events REPLICA IDENTITY USING INDEX events_identity;
            CREATE TRIGGER stamp BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION stamp();
            GRANT SELECT ON events TO like_reader WITH GRANT OPTION;
            GRANT INSERT, UPDATE ON events TO \"like Writer\";
            GRANT SELECT ON events TO PUBLIC;
            ALTER TABLE events ENABLE ROW LEVEL SECURITY; ALTER TABLE events FORCE ROW LEVEL SECURITY;
            CREATE POLICY everything ON events USING (true);
            CREATE POLICY \"it's own\" ON events AS RESTRICTIVE FOR UPDATE TO like_reader, \"like Writer\"
                USING (user_id > 0) WITH CHECK (body <> 'it''s');
            GRANT UPDATE (body, user_id), REFERENCES (id) ON events TO like_reader WITH GRANT OPTION;
            GRANT UPDATE (\"Odd Column\") ON events TO PUBLIC;
            ALTER TABLE events ALTER body SET STATISTICS 500;
            ALTER TABLE events ALTER user_id SET (n_distinct = 7, n_distinct_inherited = -0.5);
            ALTER STATISTICS events_stat SET STATISTICS 300;
            RESET ROLE;
            ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT DELETE ON TABLES TO like_stranger, PUBLIC;
        ").await;
        if db.major() >= 18 {
            db.execute(
                "
                ALTER TABLE events ADD COLUMN doubled int GENERATED ALWAYS AS (user_id * 2) VIRTUAL,
                    ADD CONSTRAINT someone CHECK (user_id > 0) NOT ENFORCED,
                    ADD CONSTRAINT has_body NOT NULL body;
            ",
            )
            .await;
        }
        if db.major() >= 17 {
            db.execute("GRANT MAINTAIN ON events TO \"like Writer\"").await;
        }
        if db.major() >= 14 {
            db.execute("CREATE STATISTICS like_expr ON lower(body), user_id FROM events").await;
        }
        let app = tending(&db, &[("events", "")]).await;
        let outcome = app.once_at(JobName::Partitions, now()).await;
        succeeded(&outcome);
        // Its own comparison, right after each was made and with the next plan, says the same.
        assert!(
            outcome.actions.iter().all(|done| done.result.as_ref().unwrap().note.is_none()),
            "{outcome:#?}"
        );
        let spared = plan(&app).await.spared;
        assert!(
            spared.iter().all(|spared| spared.reason.starts_with("covered until")),
            "{spared:#?}"
        );
        assert_eq!(differences(&db, "events", "events_p2026_02").await, [""; 0]);
        // What only shows in use: a generated identity, the parent's owner, a published update.
        db.execute(
            "
            CREATE PUBLICATION everything FOR TABLE events;
            SET ROLE like_owner;
            ALTER TABLE events ADD COLUMN later int;
            RESET ROLE;
            INSERT INTO events (ts, user_id, body) VALUES ('2026-02-02', 1, 'a');
            UPDATE events SET later = id;
        ",
        )
        .await;
        assert_eq!(
            db.rows("SELECT tableoid::regclass, id, length, later FROM events").await,
            [["events_p2026_02", "1", "1", "1"].map(|v| Some(v.to_owned()))]
        );
        let roles = "like_owner, like_reader, \"like Writer\", like_stranger";
        db.execute(&format!("DROP PUBLICATION everything; DROP TABLE events, users; DROP OWNED BY {roles}; DROP ROLE {roles}")).await;
    });
}

#[test]
fn identity_full_and_nothing_are_kept() {
    on_every_major(|db| async move {
        db.execute("
            CREATE TABLE events (ts date) PARTITION BY RANGE (ts); ALTER TABLE events REPLICA IDENTITY FULL;
            CREATE TABLE quiet (ts date, id int GENERATED BY DEFAULT AS IDENTITY) PARTITION BY RANGE (ts); ALTER TABLE quiet REPLICA IDENTITY NOTHING;
        ").await;
        tend(&tending(&db, &[("events", ""), ("quiet", "")]).await).await;
        let identities = "SELECT DISTINCT relname ~ 'events', relreplident FROM pg_class WHERE relkind = 'r' AND relispartition ORDER BY 2";
        let expected = [["t", "f"], ["f", "n"]].map(|row| row.map(|v| Some(v.to_owned())));
        assert_eq!(db.rows(identities).await, expected);
    });
}

/// A partitioned table has no storage parameters, so new partitions have those of today's.
#[test]
fn storage_parameters_are_those_of_todays_partition() {
    on_every_major(|db| async move {
        db.execute("
            CREATE TABLE events (ts date, body text) PARTITION BY RANGE (ts);
            CREATE TABLE events_p2025_12 PARTITION OF events FOR VALUES FROM ('2025-12-01') TO ('2026-01-01')
                WITH (fillfactor = 50);
            CREATE TABLE events_p2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')
                WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_enabled = false);
            CREATE TABLE events_p2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
        ").await;
        tend(&tending(&db, &[("events", "")]).await).await;
        let options = "SELECT c.reloptions::text || t.reloptions::text FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid \
                       WHERE c.relname = 'events_p2026_03'";
        assert_eq!(
            db.value(options).await,
            "{fillfactor=70,autovacuum_vacuum_scale_factor=0.01}{autovacuum_enabled=false}"
        );
    });
}

/// A policy with a subquery cannot be written for another table; then none is copied, not the others
/// alone, which might let through too much.
#[test]
fn policies_are_copied_all_or_none() {
    on_every_major(|db| async move {
        db.execute("
            CREATE TABLE tenants (id int);
            CREATE TABLE events (ts date, tenant int) PARTITION BY RANGE (ts);
            ALTER TABLE events ENABLE ROW LEVEL SECURITY;
            CREATE POLICY mine ON events USING (tenant = 1);
            CREATE POLICY known ON events AS RESTRICTIVE USING (EXISTS (SELECT FROM tenants WHERE id = tenant));
        ").await;
        let app = tending(&db, &[("events", "premake = \"1 day\"")]).await;
        tend(&app).await;
        let security = "SELECT relrowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) \
                        FROM pg_class c WHERE relname = 'events_p2026_01'";
        assert_eq!(db.rows(security).await, [["t", "0"].map(|v| Some(v.to_owned()))]);
        assert!(plan(&app).await.spared.iter().all(|spared| !spared.reason.contains("differs")));
    });
}

/// Case 32: on 17 and later partitions share the parent's identity; before, only rows that come through
/// the parent are numbered.
#[test]
fn identity_numbers_rows_on_every_version() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE TABLE always (ts date, id int GENERATED ALWAYS AS IDENTITY) PARTITION BY RANGE (ts);
            CREATE TABLE usual (ts date, id bigint GENERATED BY DEFAULT AS IDENTITY (START 100 INCREMENT 10)) PARTITION BY RANGE (ts);
        ",
        )
        .await;
        tend(&tending(&db, &[("always", ""), ("usual", "")]).await).await;
        for (table, expected) in [("always", "1 2 3"), ("usual", "100 110 120")] {
            db.execute(&format!(
                "INSERT INTO {table} (ts) VALUES ('2026-01-02'), ('2026-02-02'), ('2026-03-02')"
            ))
            .await;
            let ids = format!("SELECT string_agg(id::text, ' ' ORDER BY id) FROM {table}");
            assert_eq!(db.value(&ids).await, expected);
            let direct =
                format!("INSERT INTO {table}_p2026_02 (ts) VALUES ('2026-02-03') RETURNING id");
            let mut conn = db.connect().await;
            if db.major() >= 17 {
                run(&mut conn, &direct).await;
                assert_eq!(db.value(&format!("SELECT count(DISTINCT id) FROM {table}")).await, "4");
            } else {
                let numbered = sqlx::raw_sql(sqlx::AssertSqlSafe(direct)).execute(&mut conn).await;
                numbered.expect_err("only the parent has the identity");
            }
        }
    });
}

/// Case 31: a publication that is there before the partition: an UPDATE of its rows works at once, and
/// subscribers get it.
#[test]
fn a_new_partition_is_published_and_can_be_updated() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE TABLE whole (ts date, id int) PARTITION BY RANGE (ts); ALTER TABLE whole REPLICA IDENTITY FULL;
            CREATE TABLE by_index (ts date NOT NULL, id int NOT NULL) PARTITION BY RANGE (ts);
            CREATE UNIQUE INDEX by_index_id ON by_index (id, ts); ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_id;
            CREATE TABLE by_key (ts date, id int, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
            CREATE PUBLICATION few FOR TABLE whole, by_index, by_key;
            CREATE PUBLICATION every FOR ALL TABLES;
        ",
        )
        .await;
        let tables = ["whole", "by_index", "by_key"];
        tend(&tending(&db, &tables.map(|table| (table, ""))).await).await;
        for table in tables {
            db.execute(&format!(
                "INSERT INTO {table} VALUES ('2026-02-02', 1); UPDATE {table} SET id = 2; \
                 UPDATE {table}_p2026_02 SET id = 3; DELETE FROM {table}"
            ))
            .await;
            let published = format!(
                "SELECT string_agg(pubname, ' ' ORDER BY pubname) FROM pg_publication_tables \
                 WHERE tablename = '{table}_p2026_02'"
            );
            assert_eq!(db.value(&published).await, "every few", "{}", shown(&db, table).await);
        }
    });
}
