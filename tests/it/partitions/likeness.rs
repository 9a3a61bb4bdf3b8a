//! A new partition is like its parent in all that LIKE and ATTACH do not bring by themselves.

use super::{tend, tending};
use crate::support::{Db, on_every_major};

/// What the catalog has of the parent and not of its partition, and the other way round.
async fn differences(db: &Db) -> Vec<String> {
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
                     pg_get_expr(adbin, adrelid), col_description(attrelid, attnum) \
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
            "stxkind, (SELECT array_agg(attname ORDER BY 1) FROM pg_attribute \
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
        let (parent, child) = (side("events"), side("events_p2026_02"));
        for (one, other, sign) in [(&parent, &child, "parent"), (&child, &parent, "partition")] {
            for row in db.rows(&format!("{one} EXCEPT ALL {other}")).await {
                found.push(format!("only the {sign} has {what} {row:?}"));
            }
        }
    }
    found
}

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
        tend(&tending(&db, &[("events", "")]).await).await;
        assert_eq!(differences(&db).await, [""; 0]);
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
