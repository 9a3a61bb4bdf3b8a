WITH parts AS (
  SELECT i.inhparent, i.inhrelid, PENDING AS pending, pg_get_expr(c.relpartbound, 0) AS bound,
         regexp_match(pg_get_expr(c.relpartbound, 0), '^FOR VALUES FROM \((.*)\) TO \((.*)\)$') AS edge
  FROM pg_inherits AS i
  JOIN pg_class AS c ON c.oid = i.inhrelid
  WHERE i.inhparent IN ($1::int8::oid, $2::int8::oid)
), ranges AS (
  SELECT inhparent, inhrelid, pending, bound,
         CASE edge[1] WHEN 'MINVALUE' THEN '-infinity' ELSE btrim(edge[1], '''') END::KEY_TYPE AS starts,
         CASE edge[2] WHEN 'MAXVALUE' THEN 'infinity' ELSE btrim(edge[2], '''') END::KEY_TYPE AS ends
  FROM parts WHERE edge IS NOT NULL
), indexes AS (
  -- Two indexes are alike if ATTACH would take one for the other; of several alike, the first for the first.
  SELECT *, row_number() OVER (PARTITION BY indrelid, likeness ORDER BY indexrelid) AS nth
  FROM (
    SELECT x.indrelid, x.indexrelid, x.indisvalid, n.relname, n.relkind,
           x.indisunique OR k.contype IS NOT NULL AS is_key,
           concat_ws('|', n.relam, x.indisunique, x.indnkeyatts, x.indnatts, NULLS_NOT_DISTINCT,
             (SELECT string_agg(coalesce(quote_ident(a.attname), ''), ',' ORDER BY p.place)
              FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS p(attnum, place)
              LEFT JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = p.attnum),
             x.indclass, x.indcollation, x.indoption, pg_get_expr(x.indexprs, x.indrelid),
             coalesce(pg_get_expr(x.indpred, x.indrelid), ''), coalesce(k.contype::text, '')) AS likeness
    FROM pg_index AS x
    JOIN pg_class AS n ON n.oid = x.indexrelid
    LEFT JOIN pg_constraint AS k
      ON k.conindid = x.indexrelid AND k.conrelid = x.indrelid AND k.contype IN ('p', 'u', 'x')
    WHERE x.indrelid IN (SELECT inhrelid FROM ranges UNION SELECT $2::int8::oid)
      AND (x.indisvalid OR x.indrelid = $2::int8::oid)
  ) AS each
), missing AS (
  SELECT r.inhrelid, m.relname::text AS name, m.is_key,
         substring(pg_get_indexdef(m.indexrelid) FROM ' (USING .*)$') AS definition
  FROM ranges AS r
  JOIN indexes AS m ON m.indrelid = $2::int8::oid
  WHERE r.inhparent = $1::int8::oid
    AND NOT EXISTS (SELECT FROM indexes AS h
                    WHERE h.indrelid = r.inhrelid AND h.likeness = m.likeness AND h.nth = m.nth)
)
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
  r.bound, r.ends <= $3::text::KEY_TYPE AS is_past, r.ends::text AS ends,
  o.overlaps,
  r.pending OR ON_RECORD AS is_leaving,
  pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE') AS is_ours,
  c.relpersistence = 'p' AS is_permanent, c.relrowsecurity AS row_security,
  (SELECT spcname::text FROM pg_tablespace WHERE oid = c.reltablespace) AS tablespace,
  (SELECT amname::text FROM pg_am WHERE oid = c.relam) AS access_method,
  c.relowner::regrole::text AS owner,
  ARRAY(SELECT 'trigger ' || quote_ident(t.tgname) FROM pg_trigger AS t
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgparentid = 0
        UNION ALL SELECT 'rule ' || quote_ident(w.rulename) FROM pg_rewrite AS w WHERE w.ev_class = c.oid
        ORDER BY 1) AS hooks,
  ARRAY(SELECT quote_ident(f.conname) FROM pg_constraint AS f
        WHERE f.contype = 'f' AND c.oid IN (f.conrelid, f.confrelid) ORDER BY 1) AS foreign_keys,
  ARRAY(SELECT p.pubname::text FROM pg_publication AS p JOIN pg_publication_rel AS l ON l.prpubid = p.oid
        WHERE l.prrelid = c.oid ORDER BY 1) AS publications,
  ARRAY(SELECT name FROM missing AS m WHERE m.inhrelid = c.oid AND NOT m.is_key ORDER BY 1) AS missing,
  ARRAY(SELECT definition FROM missing AS m WHERE m.inhrelid = c.oid AND NOT m.is_key ORDER BY name) AS missing_as,
  ARRAY(SELECT name FROM missing AS m WHERE m.inhrelid = c.oid AND m.is_key ORDER BY 1) AS missing_keys,
  ARRAY(SELECT i.relname::text FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
        WHERE x.indrelid = c.oid AND NOT x.indisvalid ORDER BY 1) AS unfinished,
  ARRAY(SELECT i.relname::text FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
        WHERE x.indrelid = c.oid AND starts_with(i.relname::text, $5::text) ORDER BY 1) AS own_indexes,
  (SELECT k.convalidated FROM pg_constraint AS k
   WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conname = $4::text) AS check,
  NULLIF(GREATEST(c.reltuples::int8, pg_stat_get_live_tuples(c.oid)), -1) AS rows_estimate,
  ARRAY(SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
        FROM aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner ORDER BY 1) AS grantees,
  (SELECT array_agg((a.grantee, a.privilege_type, a.is_grantable)::text ORDER BY a.grantee, a.privilege_type)
   FROM aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner)
  IS DISTINCT FROM
  (SELECT array_agg((a.grantee, a.privilege_type, a.is_grantable)::text ORDER BY a.grantee, a.privilege_type)
   FROM pg_class AS t, aclexplode(t.relacl) AS a WHERE t.oid = $2::int8::oid AND a.grantee <> t.relowner)
  AS grants_differ
FROM ranges AS r
JOIN pg_class AS c ON c.oid = r.inhrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
  SELECT (SELECT other.inhrelid::regclass::text FROM ranges AS other
          WHERE other.inhparent = $2::int8::oid AND other.starts < r.ends AND r.starts < other.ends
          ORDER BY other.starts LIMIT 1) AS overlaps) AS o
WHERE r.inhparent = $1::int8::oid AND r.starts < $3::text::KEY_TYPE
ORDER BY o.overlaps IS NOT NULL, r.ends
LIMIT $6::int8
