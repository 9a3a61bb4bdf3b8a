//! What a database holds, as lines that can be compared: its catalog, its rows, and pgtend's own
//! record, without what differs from run to run: oids, transactions and times.

use super::db::{Db, rows, run};

const USERS: &str = "n.nspname NOT IN ('pgtend', 'information_schema') AND n.nspname !~ '^pg_'";

/// Of pgtend's tables those that say who ran when, or what was measured.
const JOURNAL: &str = "'job_run', 'job_control', 'job_known', '_sqlx_migrations', \
                       'statement_baseline', 'statement_text', 'statement_slow', 'analyze_memory', \
                       'archive_batch'";

/// Everything that must be the same in the end, a fact per line.
pub async fn digest(db: &Db) -> Vec<String> {
    let mut conn = db.connect().await;
    run(&mut conn, "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET search_path = ''").await;
    let pending = if db.major() >= 14 { "i.inhdetachpending" } else { "false" };
    let facts = [
        format!(
            "SELECT 'relation', c.oid::regclass, c.relkind, i.inhparent::regclass,
                    pg_get_expr(c.relpartbound, 0), {pending}, c.relowner::regrole, c.relacl,
                    c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.reloptions, c.relpersistence,
                    obj_description(c.oid, 'pg_class'), pg_get_indexdef(x.indexrelid), x.indisvalid
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_index x ON x.indexrelid = c.oid
             WHERE {USERS}"
        ),
        format!(
            "SELECT 'column', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                    a.attidentity, a.attgenerated, a.attstattarget, a.attstorage, a.attacl,
                    pg_get_expr(d.adbin, d.adrelid)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             WHERE {USERS} AND c.relkind IN ('r', 'p')"
        ),
        format!(
            "SELECT 'constraint', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid), k.convalidated,
                    k.confrelid::regclass, k.conparentid <> 0
             FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE {USERS}"
        ),
        format!(
            "SELECT 'trigger', pg_get_triggerdef(t.oid), t.tgenabled FROM pg_trigger t
             JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE NOT t.tgisinternal AND {USERS}"
        ),
        format!(
            "SELECT 'function', p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
             WHERE {USERS}"
        ),
        "SELECT 'published', pubname, schemaname, tablename FROM pg_publication_tables".to_owned(),
    ];
    let mut lines = Vec::new();
    for sql in facts {
        lines.extend(rows(&mut conn, &sql).await.into_iter().map(|row| line(&row)));
    }
    let counted = format!(
        "SELECT c.oid::regclass, 'count(*), md5(string_agg(t::text, '','' ORDER BY t::text COLLATE \"C\"))'
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE {USERS} AND c.relkind IN ('r', 'm')
         UNION ALL
         SELECT c.oid::regclass, (SELECT string_agg(CASE a.atttypid
             WHEN 'timestamptz'::regtype THEN format('(t.%I IS NOT NULL)', a.attname)
             WHEN 'xid8'::regtype THEN format('(t.%I IS NOT NULL)', a.attname)
             WHEN 'oid'::regtype THEN format('t.%I::regclass', a.attname)
             ELSE format('t.%I::text', a.attname) END, ' || '' '' || ' ORDER BY a.attnum)
           FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'pgtend' AND c.relkind = 'r' AND c.relname NOT IN ({JOURNAL})"
    );
    for row in rows(&mut conn, &counted).await {
        let [Some(table), Some(words)] = &row[..] else {
            panic!("a table without columns: {row:?}")
        };
        let sql = format!("SELECT 'rows', {words} FROM ONLY {table} t");
        lines.extend(
            rows(&mut conn, &sql).await.into_iter().map(|row| format!("{table} {}", line(&row))),
        );
    }
    lines.sort();
    lines
}

fn line(row: &[Option<String>]) -> String {
    row.iter().map(|value| value.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" ")
}

/// What only one of the two has, for a message.
pub fn difference(wanted: &[String], found: &[String]) -> String {
    const SHOWN_MAX: usize = 30;
    let only = |of: &[String], not_in: &[String], sign: &str| {
        let lines = of.iter().filter(|line| !not_in.contains(line));
        lines.take(SHOWN_MAX).map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    only(wanted, found, "missing:") + &only(found, wanted, "too much:")
}
