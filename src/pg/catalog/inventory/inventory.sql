-- Everything that stands on a table or reads it, as one JSON document and therefore of one moment.
-- $1: the table's oid.
SELECT json_build_object(
  'persistence', c.relpersistence, 'access_method', am.amname, 'is_typed', c.reloftype <> 0,
  'is_partition', c.relispartition,
  'has_heirs', EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid),
  'is_heir', EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid),
  'comment', obj_description(c.oid, 'pg_class'),
  'is_subscribed', EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = c.oid),
  'has_labels', EXISTS (SELECT FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = c.oid),
  'extension', (SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
                  AND d.refclassid = 'pg_extension'::regclass),
  'columns', (
    SELECT json_agg(json_build_object(
             'name', a.attname, 'type_oid', a.atttypid::int8,
             'type_name', format_type(a.atttypid, a.atttypmod),
             'is_not_null', a.attnotnull, 'has_default', a.atthasdef, 'is_generated', a.attgenerated <> '')
           ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'indexes', coalesce((
    SELECT json_agg(json_build_object(
             'name', i.relname, 'is_valid', x.indisvalid AND x.indisready, 'is_unique', x.indisunique,
             'is_primary', x.indisprimary, 'is_exclusion', x.indisexclusion,
             'is_replica_identity', x.indisreplident,
             'constraint', k.conname, 'constraint_def', pg_get_constraintdef(k.oid),
             'is_deferrable', coalesce(k.condeferrable, false),
             'columns', ARRAY(SELECT a.attname FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS u(num, place)
                              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.num
                              WHERE u.place <= x.indnkeyatts ORDER BY u.place),
             'included', ARRAY(SELECT a.attname FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS u(num, place)
                               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.num
                               WHERE u.place > x.indnkeyatts ORDER BY u.place),
             'definition', pg_get_indexdef(i.oid))
           ORDER BY x.indisprimary DESC, i.relname)
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
    LEFT JOIN pg_constraint k ON k.conindid = i.oid AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x')
    WHERE x.indrelid = c.oid), '[]'),
  'checks', coalesce((
    SELECT json_agg(json_build_object('name', k.conname, 'is_valid', k.convalidated,
                                      'is_inherited', NOT k.connoinherit) ORDER BY k.conname)
    FROM pg_constraint k WHERE k.conrelid = c.oid
      AND (k.contype = 'c' OR k.contype = 'n' AND NOT k.convalidated)), '[]'),
  'references_out', coalesce((
    SELECT json_agg(json_build_object('name', k.conname, 'definition', pg_get_constraintdef(k.oid),
                                      'table', k.confrelid::regclass::text, 'is_valid', k.convalidated)
                    ORDER BY k.conname)
    FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid), '[]'),
  'references_in', coalesce((
    SELECT json_agg(json_build_object(
             'name', k.conname, 'definition', pg_get_constraintdef(k.oid), 'table', k.conrelid::regclass::text,
             'is_own', k.conrelid = c.oid, 'is_valid', k.convalidated,
             'is_partitioned', (SELECT relkind = 'p' FROM pg_class WHERE oid = k.conrelid),
             'may_alter', (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = k.conrelid),
             'columns', ARRAY(SELECT a.attname FROM unnest(k.confkey) AS u(num)
                              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.num))
           ORDER BY k.conrelid::regclass::text, k.conname)
    FROM pg_constraint k WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0), '[]'),
  'views', coalesce((
    SELECT json_agg(v ORDER BY v->>'name') FROM (
      SELECT DISTINCT ON (v.oid) json_build_object(
               'name', v.oid::regclass::text, 'is_materialized', v.relkind = 'm',
               'owner', pg_get_userbyid(v.relowner), 'may_alter', pg_has_role(v.relowner, 'USAGE'),
               'options', coalesce(to_json(v.reloptions), '[]'), 'definition', pg_get_viewdef(v.oid)) AS v
      FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
      WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
        AND d.refobjid = c.oid AND v.relkind IN ('v', 'm')) s), '[]'),
  'routines', coalesce((
    SELECT json_agg(f ORDER BY f->>'name') FROM (
      SELECT DISTINCT ON (p.oid) json_build_object(
               'name', p.oid::regprocedure::text, 'may_alter', pg_has_role(p.proowner, 'USAGE'),
               'definition', pg_get_functiondef(p.oid)) AS f
      FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid AND p.prokind IN ('f', 'p')
      WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass
        AND d.refobjid = c.oid) s), '[]'),
  'mentions', coalesce((
    SELECT json_agg(m ORDER BY m->>'name') FROM (
      SELECT json_build_object('name', p.oid::regprocedure::text,
                               'upserts', p.prosrc ~* 'on\s+conflict') AS m
      FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname IN ('sql', 'plpgsql')
      JOIN pg_namespace pn ON pn.oid = p.pronamespace AND pn.nspname NOT IN ('pg_catalog', 'information_schema')
      WHERE strpos(lower(p.prosrc), lower(c.relname)) > 0 LIMIT 100) s), '[]'),
  'triggers', coalesce((
    SELECT json_agg(json_build_object(
             'name', t.tgname, 'is_row', t.tgtype & 1 = 1, 'enabled', t.tgenabled,
             'has_transition_tables', t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL,
             'definition', pg_get_triggerdef(t.oid)) ORDER BY t.tgname)
    FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal), '[]'),
  'rules', coalesce((SELECT json_agg(r.rulename ORDER BY r.rulename) FROM pg_rewrite r WHERE r.ev_class = c.oid), '[]'),
  'publications', coalesce((
    SELECT json_agg(json_build_object(
             'name', p.pubname, 'is_listed', r.oid IS NOT NULL, 'via_root', p.pubviaroot,
             'may_alter', pg_has_role(p.pubowner, 'USAGE'), 'is_partial', /*PARTIAL*/ false) ORDER BY p.pubname)
    FROM pg_publication p LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
    WHERE r.oid IS NOT NULL
       OR p.pubname IN (SELECT pubname FROM pg_publication_tables
                        WHERE schemaname = n.nspname AND tablename = c.relname)), '[]'),
  'sequences', coalesce((
    SELECT json_agg(json_build_object(
             'schema', sn.nspname, 'name', s.relname, 'column', a.attname,
             'identity', NULLIF(CASE WHEN d.deptype = 'i' THEN a.attidentity::text END, ''),
             'start', q.seqstart::text, 'increment', q.seqincrement::text, 'min', q.seqmin::text,
             'max', q.seqmax::text, 'cache', q.seqcache::text, 'cycles', q.seqcycle,
             'grants', coalesce((
               SELECT json_agg(json_build_object('grantee', r.rolname, 'privileges', x.privilege_type,
                                                 'grantable', x.is_grantable) ORDER BY r.rolname, x.privilege_type)
               FROM aclexplode(s.relacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
               WHERE x.grantee <> s.relowner AND (x.grantee = 0 OR r.oid IS NOT NULL)), '[]'))
           ORDER BY s.relname)
    FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_namespace sn ON sn.oid = s.relnamespace JOIN pg_sequence q ON q.seqrelid = s.oid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = c.oid AND d.deptype IN ('a', 'i')), '[]'),
  'others', coalesce((
    SELECT json_agg(DISTINCT o ORDER BY o) FROM (
      SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS o
      FROM pg_depend d
      LEFT JOIN pg_class dc ON d.classid = 'pg_class'::regclass AND dc.oid = d.objid
      LEFT JOIN pg_rewrite dr ON d.classid = 'pg_rewrite'::regclass AND dr.oid = d.objid
      LEFT JOIN pg_class dv ON dv.oid = dr.ev_class
      LEFT JOIN pg_trigger dt ON d.classid = 'pg_trigger'::regclass AND dt.oid = d.objid
      LEFT JOIN pg_policy dp ON d.classid = 'pg_policy'::regclass AND dp.oid = d.objid
      LEFT JOIN pg_proc df ON d.classid = 'pg_proc'::regclass AND df.oid = d.objid
      WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
        AND d.classid NOT IN ('pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_publication_rel'::regclass,
                              'pg_statistic_ext'::regclass)
        AND NOT (d.classid = 'pg_type'::regclass AND d.deptype = 'i')
        AND NOT coalesce(d.objid = c.oid OR dc.relkind IN ('i', 'S', 't'), false)
        AND NOT coalesce(dv.relkind IN ('v', 'm') OR dr.ev_class = c.oid, false)
        AND NOT coalesce(dt.tgisinternal OR dt.tgrelid = c.oid, false)
        AND NOT coalesce(dp.polrelid = c.oid, false)
        AND NOT coalesce(df.prokind IN ('f', 'p'), false)
      UNION
      -- What is made of the table's row type keeps the old table's.
      SELECT pg_describe_object(d.classid, d.objid, d.objsubid)
      FROM pg_type t JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray)
      WHERE t.oid = c.reltype AND NOT (d.classid = 'pg_type'::regclass AND d.objid = t.typarray)
    ) s), '[]')
)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am am ON am.oid = c.relam
WHERE c.oid = $1::int8::oid
