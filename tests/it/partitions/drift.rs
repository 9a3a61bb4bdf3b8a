//! Old partitions that are not like their parent are told, with the SQL that cures them, and repaired
//! on request.

use pgtend::job::{JobName, Verdict};
use pgtend::jobs::partitions::Task;
use pgtend::pg::fault::Kind;

use super::likeness::differences;
use super::{config, now, once, plan, succeeded, tend, tending};
use crate::support::{Db, InProcess, on_every_major, on_the_newest_major, pgtend};

/// A partition made by hand, and a parent that has changed since.
async fn drifted(db: &Db) {
    db.execute(
        "
        CREATE ROLE drift_owner; CREATE ROLE drift_reader; CREATE ROLE \"drift Writer\";
        GRANT CREATE ON SCHEMA public TO drift_owner;
        CREATE TABLE events (gone int, id bigint, ts timestamptz NOT NULL, body text, \"Odd Column\" int, PRIMARY KEY (id, ts))
            PARTITION BY RANGE (ts);
        ALTER TABLE events DROP COLUMN gone;
        CREATE TABLE events_p2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        CREATE UNIQUE INDEX events_identity ON events (ts, id); ALTER TABLE events REPLICA IDENTITY USING INDEX events_identity;
        ALTER TABLE events OWNER TO drift_owner;
        GRANT SELECT, INSERT ON events TO drift_reader WITH GRANT OPTION; GRANT SELECT ON events TO PUBLIC;
        GRANT UPDATE (body, \"Odd Column\") ON events TO \"drift Writer\";
        GRANT DELETE, TRUNCATE ON events_p2026_01 TO drift_reader; GRANT SELECT (id) ON events_p2026_01 TO PUBLIC;
        ALTER TABLE events ENABLE ROW LEVEL SECURITY; ALTER TABLE events FORCE ROW LEVEL SECURITY;
        CREATE POLICY mine ON events FOR SELECT TO drift_reader USING (body = 'it''s');
        CREATE POLICY other ON events USING (id > 0); CREATE POLICY other ON events_p2026_01 USING (id > 1);
        CREATE POLICY alike ON events USING (id > 0); CREATE POLICY alike ON events_p2026_01 USING (id > 0);
        CREATE POLICY surplus ON events_p2026_01 USING (true);
        ALTER TABLE ONLY events ALTER body SET STATISTICS 500; ALTER TABLE events_p2026_01 ALTER id SET STATISTICS 9;
        ALTER TABLE ONLY events ALTER id SET (n_distinct = 7);
        ALTER TABLE events_p2026_01 ALTER id SET (n_distinct_inherited = 5);
        CREATE STATISTICS one ON id, body FROM events; ALTER STATISTICS one SET STATISTICS 300;
        CREATE STATISTICS two (ndistinct) ON body, ts FROM events;
        CREATE STATISTICS two_of_it (ndistinct) ON ts, body FROM events_p2026_01; ALTER STATISTICS two_of_it SET STATISTICS 5;
    ",
    )
    .await;
}

async fn forget(db: &Db) {
    let roles = "drift_owner, drift_reader, \"drift Writer\"";
    db.execute(&format!("DROP TABLE events; DROP OWNED BY {roles}; DROP ROLE {roles}")).await;
}

fn repair(partition: Option<&str>) -> Task {
    Task::Repair {
        table: "public.events".parse().unwrap(),
        partition: partition.map(str::to_owned),
    }
}

#[test]
fn an_old_partition_is_told_with_its_cure_and_repaired_on_request() {
    on_every_major(|db| async move {
        drifted(&db).await;
        let mut app = tending(&db, &[("events", "premake = \"1 day\"")]).await;
        let planned = plan(&app).await;
        assert!(planned.actions.is_empty(), "only told: {planned}");
        let told: Vec<&str> = planned.spared.iter().map(|spared| spared.reason.as_str()).collect();
        let index = db.value("SELECT 'events_identity'::regclass::oid").await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(told.join("\n").replace(&index, "OID").replace("; ", ";\n"), @r#"
        covered until 2026-02-01 UTC;
        premake = 1 day asks for 2026-01-21 10:00:00 UTC
        differs from public.events: its owner is postgres, not drift_owner, PUBLIC lacks SELECT, drift_reader lacks INSERT, SELECT, drift_reader has DELETE, TRUNCATE on it alone, PUBLIC has SELECT (id) on it alone, "drift Writer" lacks UPDATE ("Odd Column", body), row security is off, forced row security is off, its policy other is another, it has no policy mine, it has a policy surplus of its own, its replica identity is the default, not that index, the statistics target of body is the default, not 500, the statistics target of id is 9, not the default, what is set for column id is n_distinct_inherited=5, not n_distinct=7, it has no statistics ON id, body, the target of statistics public.two_of_it is 5, not the default;
        the cure: ALTER TABLE public.events_p2026_01 OWNER TO drift_owner;
        GRANT SELECT ON TABLE public.events_p2026_01 TO PUBLIC;
        GRANT INSERT, SELECT ON TABLE public.events_p2026_01 TO drift_reader WITH GRANT OPTION;
        REVOKE DELETE, TRUNCATE ON TABLE public.events_p2026_01 FROM drift_reader;
        REVOKE SELECT (id) ON TABLE public.events_p2026_01 FROM PUBLIC;
        GRANT UPDATE ("Odd Column", body) ON TABLE public.events_p2026_01 TO "drift Writer";
        ALTER TABLE public.events_p2026_01 ENABLE ROW LEVEL SECURITY;
        ALTER TABLE public.events_p2026_01 FORCE ROW LEVEL SECURITY;
        DROP POLICY other ON public.events_p2026_01;
        CREATE POLICY other ON public.events_p2026_01 AS PERMISSIVE FOR ALL TO PUBLIC USING ((id > 0));
        CREATE POLICY mine ON public.events_p2026_01 AS PERMISSIVE FOR SELECT TO drift_reader USING ((body = 'it''s'::text));
        DROP POLICY surplus ON public.events_p2026_01;
        DO 'BEGIN EXECUTE (SELECT format(''ALTER TABLE %s REPLICA IDENTITY USING INDEX %I'', x.indrelid::regclass, c.relname) FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid JOIN pg_class c ON c.oid = x.indexrelid WHERE i.inhparent = OID AND x.indrelid = ''public.events_p2026_01''::regclass);
        END';
        ALTER TABLE public.events_p2026_01 ALTER COLUMN body SET STATISTICS 500;
        ALTER TABLE public.events_p2026_01 ALTER COLUMN id SET STATISTICS -1;
        ALTER TABLE public.events_p2026_01 ALTER COLUMN id RESET (n_distinct_inherited);
        ALTER TABLE public.events_p2026_01 ALTER COLUMN id SET (n_distinct = '7');
        CREATE STATISTICS public.events_p2026_01_55cd2f59_stat ON id, body FROM public.events_p2026_01;
        ALTER STATISTICS public.events_p2026_01_55cd2f59_stat SET STATISTICS 300;
        ALTER STATISTICS public.two_of_it SET STATISTICS -1
        1 of its partitions differs from it;
        pgtend partitions repair public.events makes them alike, --plan shows the SQL
        "#);
        }
        let stands = planned.standing.iter().find(|stands| stands.measure == "drifted_partitions");
        assert_eq!(stands.map(|stands| stands.value.as_str()), Some("1"));

        app.ask(&repair(None));
        let shown = plan(&app).await.actions[0].sql.clone();
        let outcome = once(&app).await;
        succeeded(&outcome);
        assert_eq!(outcome.actions[0].kind, "repair_partition");
        assert_eq!(outcome.actions[0].result.as_ref().unwrap().note, None);
        assert!(told[1].ends_with(&shown[1..].join("; ")), "{shown:#?}");
        assert_eq!(differences(&db, "events", "events_p2026_01").await, [""; 0]);
        assert!(once(&app).await.actions.is_empty(), "nothing is left to repair");
        app.ask(&Task::Tend { confirm: false });
        let reasons: Vec<String> =
            plan(&app).await.spared.into_iter().map(|spared| spared.reason).collect();
        assert!(reasons.len() == 1 && reasons[0].starts_with("covered until"), "{reasons:?}");
        forget(&db).await;
    });
}

#[test]
fn one_partition_is_repaired_by_name_and_the_others_are_left() {
    on_the_newest_major(|db| async move {
        db.execute(
            "
            CREATE ROLE one_reader;
            CREATE TABLE events (ts date) PARTITION BY RANGE (ts);
            CREATE TABLE events_p2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
            CREATE TABLE events_p2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
            CREATE TABLE rest PARTITION OF events DEFAULT;
            GRANT SELECT ON events TO one_reader;
        ",
        )
        .await;
        let text = config(&[("events", "premake = \"1 day\"")]);
        let program = pgtend(&db, &text);
        let acl = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relispartition AND relacl IS NULL ORDER BY 1";
        let repair = ["partitions", "repair", "public.events"];
        let named = [&repair[..], &["--partition", "events_p2026_02"]].concat();
        let shown = program.run(&[&named[..], &["--plan"]].concat()).await;
        assert!(
            shown.code == Some(0)
                && shown
                    .stdout
                    .contains("GRANT SELECT ON TABLE public.events_p2026_02 TO one_reader"),
            "{shown}"
        );
        assert_eq!(db.column(acl).await, ["events_p2026_01", "events_p2026_02", "rest"]);
        assert_eq!(program.run(&named).await.code, Some(0));
        assert_eq!(db.column(acl).await, ["events_p2026_01", "rest"]);
        assert_eq!(program.run(&named).await.code, Some(1), "it does not differ any more");
        assert_eq!(program.run(&repair).await.code, Some(0));
        assert_eq!(db.column(acl).await, [""; 0]);
        db.execute("DROP TABLE events; DROP OWNED BY one_reader; DROP ROLE one_reader").await;
    });
}

/// What the server does beside our statements shows as soon as the partitions are there: behind the
/// last of a table, for all.
#[test]
fn a_new_partition_is_compared_with_its_parent() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE TABLE events (ts date, body text) PARTITION BY RANGE (ts);
            CREATE FUNCTION meddle() RETURNS event_trigger LANGUAGE plpgsql AS $$
            BEGIN
              IF to_regclass('public.events_p2026_01') IS NOT NULL THEN
                ALTER TABLE public.events_p2026_01 ALTER body SET STATISTICS 7;
              END IF;
            END $$;
            CREATE EVENT TRIGGER meddle ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION meddle();
        ",
        )
        .await;
        let app = tending(&db, &[("events", "premake = \"1 month\"")]).await;
        let outcome = once(&app).await;
        succeeded(&outcome);
        let what = "the statistics target of body is 7, not the default";
        let told = format!("public.events_p2026_01 differs from its parent: {what}");
        assert_eq!(outcome.warnings, [told]);
        let told = plan(&app).await.spared;
        assert!(told.iter().any(|spared| spared.reason.contains(what)), "{told:#?}");
        db.execute("DROP EVENT TRIGGER meddle").await;
    });
}

#[test]
fn a_partition_of_another_owner_is_refused_with_the_grant() {
    on_every_major(|db| async move {
        db.execute(
            "
            CREATE ROLE foreign_tend LOGIN PASSWORD 'secret'; CREATE ROLE foreign_owner;
            GRANT USAGE, CREATE ON SCHEMA public TO foreign_tend;
            CREATE TABLE events (ts date) PARTITION BY RANGE (ts);
            CREATE TABLE theirs PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
            ALTER TABLE events OWNER TO foreign_tend; ALTER TABLE theirs OWNER TO foreign_owner;
        ",
        )
        .await;
        db.execute(&format!("GRANT CREATE ON DATABASE \"{}\" TO foreign_tend", db.name())).await;
        let url = db.url_as("foreign_tend", "secret");
        let mut app =
            InProcess::without_schema(&url, &config(&[("events", "premake = \"1 day\"")])).await;
        pgtend::pg::schema::ensure(app.server()).await.unwrap();
        tend(&app).await;
        app.ask(&repair(None));
        let outcome = app.once_at(JobName::Partitions, now()).await;
        assert_eq!(outcome.verdict, Verdict::Failed, "{outcome:#?}");
        let fault = outcome.first_fault().unwrap();
        assert_eq!(fault.kind, Kind::Permission);
        let grant = "GRANT foreign_owner TO foreign_tend";
        assert_eq!(fault.hint.as_deref(), Some(&*format!("as a superuser: {grant}")));
        db.execute(grant).await;
        succeeded(&once(&app).await);
        assert_eq!(
            db.value("SELECT relowner::regrole FROM pg_class WHERE relname = 'theirs'").await,
            "foreign_tend"
        );
        app.server().close().await;
        db.execute("DROP TABLE events; DROP SCHEMA pgtend CASCADE; DROP OWNED BY foreign_tend, foreign_owner; DROP ROLE foreign_tend, foreign_owner").await;
    });
}
