-- Every table that could be analyzed, with what the server counts about it.
-- $1: pgtend's own schema.
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
       up.inhparent AS parent, c.reltuples::float8 AS reltuples,
       coalesce(pg_stat_get_live_tuples(c.oid), 0) AS live,
       coalesce(pg_stat_get_mod_since_analyze(c.oid), 0) AS changed,
       coalesce(pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid)
                + pg_stat_get_tuples_deleted(c.oid), 0) AS writes,
       coalesce(pg_stat_get_blocks_fetched(c.oid), 0) > 0 AS touched,
       pg_stat_get_last_analyze_time(c.oid) AS analyzed_at,
       pg_stat_get_last_autoanalyze_time(c.oid) AS autoanalyzed_at,
       own.due_from AS own_due_from,
       o.rolname::text AS owner, o.rolsuper AS owner_is_superuser,
       has_schema_privilege(n.oid, 'USAGE') AS reachable,
       pg_has_role(c.relowner, 'USAGE') OR pg_has_role(d.datdba, 'USAGE')
       -- CASE, because naming the privilege MAINTAIN is an error before 17.
       OR CASE WHEN current_setting('server_version_num')::int >= 170000
               THEN coalesce(has_table_privilege(c.oid, 'MAINTAIN'), false)
               ELSE false END AS permitted,
       -- What pg_stats lets this role see.
       coalesce(has_table_privilege(c.oid, 'SELECT'), false)
       AND NOT (c.relrowsecurity AND row_security_active(c.oid)) AS visible,
       -- Statistics objects over a column that is never sampled: every ANALYZE warns of them.
       ARRAY (SELECT s.nspname || '.' || e.stxname
              FROM pg_statistic_ext e JOIN pg_namespace s ON s.oid = e.stxnamespace
              WHERE e.stxrelid = c.oid AND coalesce(e.stxstattarget, -1) <> 0
                AND EXISTS (SELECT FROM pg_attribute a
                            WHERE a.attrelid = c.oid AND a.attnum = ANY (e.stxkeys)
                              AND a.attstattarget = 0)
              ORDER BY e.oid) AS impossible
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles o ON o.oid = c.relowner
JOIN pg_database d ON d.datname = current_database()
LEFT JOIN pg_inherits up ON c.relispartition AND up.inhrelid = c.oid
LEFT JOIN LATERAL (
    -- From when on autovacuum analyzes it, where someone set that for this table.
    SELECT coalesce(max(option_value) FILTER (WHERE option_name = 'autovacuum_analyze_threshold'),
                    current_setting('autovacuum_analyze_threshold'))::float8
           + greatest(c.reltuples, 0)
           * coalesce(max(option_value) FILTER (WHERE option_name = 'autovacuum_analyze_scale_factor'),
                      current_setting('autovacuum_analyze_scale_factor'))::float8 AS due_from
    FROM pg_options_to_table(c.reloptions)
    WHERE option_name IN ('autovacuum_analyze_threshold', 'autovacuum_analyze_scale_factor')
    HAVING count(*) > 0
) own ON c.reloptions IS NOT NULL
WHERE (c.relkind IN ('r', 'm', 'p') OR c.relkind = 'f' AND c.relispartition)
  AND c.relpersistence <> 't'
  AND left(n.nspname, 3) <> 'pg_' AND n.nspname <> 'information_schema' AND n.nspname <> $1
ORDER BY n.nspname, c.relname
