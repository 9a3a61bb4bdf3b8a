-- What has no planner statistics although it could: columns, the expressions of indexes, statistics
-- objects. Wanted and had are stacked and grouped instead of joined: a join by name is planned as a
-- nested loop, quadratic in the number of tables, where the catalogs themselves are unanalyzed. As
-- text, because type name takes 64 bytes whatever it holds.
WITH stacked AS (
    -- The columns of tables; a parent's own statistics are the inherited ones.
    SELECT n.nspname::text AS schema, c.relname::text AS name, a.attname::text AS part,
           c.relkind = 'p' AS inherited, true AS wanted,
           c.oid, 'column ' || quote_ident(a.attname) AS what
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't'
      AND left(n.nspname, 3) <> 'pg_' AND n.nspname <> 'information_schema'
      AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> 'v'
      AND coalesce(a.attstattarget, -1) <> 0
      -- Where pg_stats hides a table, nothing can be said of it.
      AND has_table_privilege(c.oid, 'SELECT')
      AND NOT (c.relrowsecurity AND row_security_active(c.oid))
    UNION ALL
    -- The expressions of indexes; only the owner sees their statistics.
    SELECT n.nspname::text, x.relname::text, a.attname::text, false, true,
           c.oid, 'index ' || quote_ident(x.relname)
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = x.oid
    WHERE i.indexprs IS NOT NULL AND i.indisvalid
      AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
      AND left(n.nspname, 3) <> 'pg_' AND n.nspname <> 'information_schema'
      AND a.attnum <= i.indnkeyatts AND i.indkey[a.attnum - 1] = 0
      AND coalesce(a.attstattarget, -1) <> 0
      AND pg_has_role(c.relowner, 'USAGE')
      AND NOT (c.relrowsecurity AND row_security_active(c.oid))
    UNION ALL
    SELECT schemaname::text, tablename::text, attname::text, inherited, false, NULL, NULL
    FROM pg_stats
    UNION ALL
    -- Statistics objects; only the owner sees their data. Over a column that is never sampled they
    -- cannot be built at all.
    SELECT n.nspname::text, e.stxname::text, NULL, NULL, true,
           c.oid, 'statistics ' || quote_ident(e.stxname)
    FROM pg_statistic_ext e
    JOIN pg_class c ON c.oid = e.stxrelid
    JOIN pg_namespace n ON n.oid = e.stxnamespace
    WHERE coalesce(e.stxstattarget, -1) <> 0
      AND pg_has_role(c.relowner, 'USAGE')
      AND NOT (c.relrowsecurity AND row_security_active(c.oid))
      AND NOT EXISTS (SELECT FROM pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum = ANY (e.stxkeys)
                        AND a.attstattarget = 0)
    UNION ALL
    -- Up to 14 the row of data exists from the start, with NULLs.
    SELECT statistics_schemaname::text, statistics_name::text, NULL, NULL, false, NULL, NULL
    FROM pg_stats_ext
    WHERE current_setting('server_version_num')::int >= 150000
       OR n_distinct IS NOT NULL OR dependencies IS NOT NULL OR most_common_vals IS NOT NULL
), gap AS (
    SELECT max(oid) AS oid, max(what) AS what
    FROM stacked
    GROUP BY schema, name, part, inherited
    HAVING bool_and(wanted)
)
SELECT oid, array_agg(DISTINCT what) AS what FROM gap GROUP BY oid
