//! What stands on the table or reads it is there afterwards, and means the new table.

use pgtend::job::plan::Fate;

use super::super::shown;
use super::{WORLD, adopt, adopting, kind, left_over, of_fate};
use crate::support::{InProcess, on_every_major, run};

#[test]
fn the_table_is_its_own_first_partition_and_the_next_ones_are_there() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        let before = "SELECT string_agg(id || ' ' || ts, ',' ORDER BY id) FROM events";
        let rows = db.value(before).await;
        let file =
            "SELECT relfilenode FROM pg_class WHERE oid = 'events_until_2026_03_01'::regclass";
        let same =
            db.value("SELECT relfilenode FROM pg_class WHERE oid = 'events'::regclass").await;
        adopt(&adopting(&db).await).await;
        assert_eq!(kind(&db).await, "p");
        assert_eq!(
            shown(&db, "events").await,
            "events_p2026_03 FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00')\n\
             events_until_2026_03_01 FOR VALUES FROM (MINVALUE) TO ('2026-03-01 00:00:00+00')\n"
        );
        assert_eq!(db.value(before).await, rows);
        assert_eq!(db.value(file).await, same, "no row was moved");
        assert_eq!(left_over(&db).await, [""; 0]);
    });
}

#[test]
fn identity_sequences_views_and_keys_go_on() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        db.execute(
            "CREATE SEQUENCE tickets OWNED BY events.v; ALTER TABLE events ALTER v SET DEFAULT nextval('tickets');
             SELECT setval('tickets', 41); CREATE ROLE adopt_seq; GRANT USAGE ON SEQUENCE events_id_seq TO adopt_seq",
        )
        .await;
        adopt(&adopting(&db).await).await;
        assert_eq!(
            db.value("INSERT INTO events (ts) VALUES ('2026-03-09') RETURNING id || ' ' || v || ' ' || tableoid::regclass").await,
            "371 42 events_p2026_03"
        );
        assert_eq!(db.value("SELECT max(id) FROM seen").await, "371");
        assert_eq!(
            db.value("SELECT pg_get_serial_sequence('events', 'id')").await,
            "public.events_id_seq"
        );
        assert_eq!(
            db.value("SELECT pg_get_serial_sequence('events', 'v')").await,
            "public.tickets"
        );
        assert_eq!(
            db.value("SELECT has_sequence_privilege('adopt_seq', 'events_id_seq', 'USAGE')").await,
            "t"
        );
        let keys = "SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'events'::regclass AND contype <> 'n' ORDER BY 1";
        assert_eq!(
            db.column(keys).await,
            [
                "events_pkey PRIMARY KEY (id, ts)",
                "events_u_fkey FOREIGN KEY (u) REFERENCES users(id)",
                "events_v_check CHECK ((v >= 0))"
            ]
        );
        let indexes = "SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'events'::regclass AND indisvalid ORDER BY 1::text";
        assert_eq!(db.column(indexes).await, ["events_pkey", "events_v"]);
        db.execute("DROP OWNED BY adopt_seq; DROP ROLE adopt_seq").await;
    });
}

#[test]
fn triggers_policies_grants_and_comments_are_made_anew() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        db.execute(
            "CREATE ROLE adopt_reader; GRANT SELECT ON events TO adopt_reader; GRANT UPDATE (v) ON events TO adopt_reader;
             CREATE ROLE adopt_owner; ALTER TABLE events OWNER TO adopt_owner; GRANT CREATE ON SCHEMA public TO adopt_owner;
             ALTER TABLE events ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON events FOR SELECT TO adopt_reader USING (id <= 3 OR id > 370);
             COMMENT ON TABLE events IS 'what happened'; COMMENT ON COLUMN events.v IS 'how much';
             ALTER TABLE events ALTER v SET STATISTICS 400, ALTER v SET (n_distinct = 7), REPLICA IDENTITY FULL;
             CREATE TABLE told (n text); GRANT INSERT ON told TO PUBLIC;
             CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO told VALUES (TG_NAME || TG_OP); RETURN NEW; END';
             CREATE TRIGGER rows_told BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.id > 100) EXECUTE FUNCTION tell();
             CREATE TRIGGER once_told AFTER UPDATE ON events FOR EACH STATEMENT EXECUTE FUNCTION tell();",
        )
        .await;
        let outcome = adopt(&adopting(&db).await).await;
        let replayed = of_fate(&outcome, Fate::Replayed);
        for object in [
            "trigger rows_told",
            "trigger once_told",
            "policy few",
            "row security",
            "comment",
            "grants to adopt_reader",
            "column grants to adopt_reader",
            "replica identity",
            "owner adopt_owner",
        ] {
            assert!(replayed.iter().any(|line| line == object), "{object} in {replayed:?}");
        }
        db.execute("INSERT INTO events (ts) VALUES ('2026-03-09'), ('2026-01-01'); UPDATE events SET v = 1 WHERE id < 3").await;
        assert_eq!(
            db.column("SELECT n FROM told ORDER BY n").await,
            ["once_toldUPDATE", "rows_toldINSERT", "rows_toldINSERT"]
        );
        let mut reader = db.connect().await;
        run(&mut reader, "SET ROLE adopt_reader").await;
        let seen = crate::support::rows(
            &mut reader,
            "SELECT string_agg(id::text, ' ' ORDER BY id) FROM events",
        )
        .await;
        assert_eq!(seen, [[Some("1 2 3 371 372".to_owned())]]);
        run(&mut reader, "UPDATE events SET v = 3 WHERE false").await;
        let facts = "SELECT pg_get_userbyid(relowner) || ' ' || obj_description(oid, 'pg_class') || ' ' || relreplident::text || ' ' || col_description(oid, 4) || ' ' ||
             (SELECT attstattarget || ' ' || attoptions::text FROM pg_attribute WHERE attrelid = c.oid AND attname = 'v') FROM pg_class c WHERE oid = 'events'::regclass";
        assert_eq!(
            db.value(facts).await,
            "adopt_owner what happened f how much 400 {n_distinct=7}"
        );
        drop(reader);
        db.execute("DROP TABLE events CASCADE; DROP OWNED BY adopt_reader, adopt_owner; DROP ROLE adopt_reader, adopt_owner").await;
    });
}

#[test]
fn bound_functions_publications_and_fitting_foreign_keys_follow() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        db.execute(
            "ALTER TABLE events ADD UNIQUE (ts, id);
             CREATE TABLE notes (id bigint, ts timestamptz, CONSTRAINT about FOREIGN KEY (ts, id) REFERENCES events (ts, id) ON DELETE CASCADE);
             INSERT INTO notes SELECT id, ts FROM events WHERE id < 9;
             CREATE PUBLICATION told FOR TABLE events WITH (publish_via_partition_root = true);
             CREATE FUNCTION loose() RETURNS bigint LANGUAGE sql AS 'SELECT max(id) FROM events'",
        )
        .await;
        let is_atomic = db.major() >= 14;
        if is_atomic {
            db.execute("CREATE FUNCTION bound() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT max(id) FROM events; END").await;
        }
        let outcome = adopt(&adopting(&db).await).await;
        assert!(
            of_fate(&outcome, Fate::Follows).contains(&"function public.loose()".to_owned()),
            "{outcome:#?}"
        );
        db.execute("INSERT INTO events (id, ts) VALUES (900, '2026-03-09'); INSERT INTO notes VALUES (900, '2026-03-09')").await;
        assert_eq!(db.value("SELECT loose()").await, "900");
        if is_atomic {
            assert_eq!(db.value("SELECT bound()").await, "900");
        }
        assert_eq!(
            db.column("SELECT tablename FROM pg_publication_tables WHERE pubname = 'told'").await,
            ["events"]
        );
        let about = "SELECT convalidated || ' ' || confrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'about'";
        assert_eq!(
            db.value(about).await,
            "true events FOREIGN KEY (ts, id) REFERENCES events(ts, id) ON DELETE CASCADE"
        );
        db.execute("DELETE FROM events WHERE id IN (2, 900)").await;
        assert_eq!(
            db.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM notes").await,
            "1 3 4 5 6 7 8"
        );
    });
}

/// No superuser: a member of the role that owns the tables.
#[test]
fn a_member_of_the_owner_may() {
    on_every_major(|db| async move {
        db.execute(WORLD).await;
        db.execute(
            "CREATE ROLE adopt_team; CREATE ROLE adopt_tend LOGIN PASSWORD 'x' IN ROLE adopt_team;
             ALTER TABLE events OWNER TO adopt_team; ALTER TABLE users OWNER TO adopt_team; ALTER VIEW seen OWNER TO adopt_team;
             CREATE SCHEMA pgtend AUTHORIZATION adopt_tend; GRANT USAGE, CREATE ON SCHEMA public TO adopt_team;
             CREATE VIEW foreign_view AS SELECT id FROM events",
        )
        .await;
        let config = super::super::config(&[("public.events", "")]);
        let mut app = InProcess::without_schema(&db.url_as("adopt_tend", "x"), &config).await;
        pgtend::pg::schema::ensure(app.server()).await.unwrap();
        app.ask(&super::wish(false));
        let refused = super::refusals(&app).await.concat();
        assert!(
            refused.contains("view public.foreign_view") && refused.contains("GRANT postgres"),
            "{refused}"
        );
        db.execute("DROP VIEW foreign_view").await;
        adopt(&app).await;
        let owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        assert_eq!(db.column(owners).await, ["adopt_team"]);
        app.server().close().await;
        db.execute("DROP OWNED BY adopt_tend, adopt_team; DROP ROLE adopt_tend, adopt_team").await;
    });
}
