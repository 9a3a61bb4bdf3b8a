-- Differences between partitions and their parents: nothing where all are alike.
-- Comparisons of whole lists come first, so that only what differs is taken apart.
WITH pair AS MATERIALIZED (
  SELECT p.oid AS p, c.oid AS c, c.relkind AS kind, c.relname, c.relnamespace,
         p.relowner AS p_owner, c.relowner AS c_owner, p.relacl AS p_acl, c.relacl AS c_acl,
         p.relrowsecurity AS p_rls, c.relrowsecurity AS c_rls,
         p.relforcerowsecurity AS p_forced, c.relforcerowsecurity AS c_forced,
         p.relreplident AS p_ident, c.relreplident AS c_ident,
         p.relam AS p_am, c.relam AS c_am, p.reltablespace AS p_space, c.reltablespace AS c_space
  FROM pg_inherits i
  JOIN pg_class p ON p.oid = i.inhparent
  JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition AND c.relkind IN ('r', 'p')
  WHERE WHICH
), columns AS MATERIALIZED (
  SELECT pair.p, pair.c, p_owner, c_owner, pa.attname,
         pa.attacl AS p_acl, ca.attacl AS c_acl,
         NULLIF(pa.attstattarget::int, -1) AS p_target, NULLIF(ca.attstattarget::int, -1) AS c_target,
         array_to_string(pa.attoptions, ', ') AS p_options,
         array_to_string(ca.attoptions, ', ') AS c_options
  FROM pair
  JOIN pg_attribute ca ON ca.attrelid = pair.c AND ca.attnum > 0 AND NOT ca.attisdropped
  JOIN pg_attribute pa ON pa.attrelid = pair.p AND pa.attname = ca.attname AND NOT pa.attisdropped
  WHERE pa.attacl IS DISTINCT FROM ca.attacl OR pa.attoptions IS DISTINCT FROM ca.attoptions
     OR pa.attstattarget IS DISTINCT FROM ca.attstattarget
), grants AS (
  -- What either owner holds is theirs by being the owner, once the owner is the same.
  SELECT p, c, true AS of_parent, 'privilege' AS aspect, NULL::text AS item, x.*
  FROM pair CROSS JOIN aclexplode(p_acl) x
  WHERE p_acl IS DISTINCT FROM c_acl AND x.grantee <> p_owner
  UNION ALL
  SELECT p, c, false, 'privilege', NULL, x.*
  FROM pair CROSS JOIN aclexplode(c_acl) x
  WHERE p_acl IS DISTINCT FROM c_acl AND x.grantee NOT IN (p_owner, c_owner)
  UNION ALL
  SELECT p, c, true, 'column privilege', attname::text, x.*
  FROM columns CROSS JOIN aclexplode(p_acl) x
  WHERE p_acl IS DISTINCT FROM c_acl AND x.grantee <> p_owner
  UNION ALL
  SELECT p, c, false, 'column privilege', attname::text, x.*
  FROM columns CROSS JOIN aclexplode(c_acl) x
  WHERE p_acl IS DISTINCT FROM c_acl AND x.grantee NOT IN (p_owner, c_owner)
), identity AS (
  -- The index of a partition is known by the index of the parent that it is a part of.
  SELECT pair.*,
         CASE WHEN p_ident = 'i' THEN (SELECT x.indexrelid FROM pg_index x
                                       WHERE x.indrelid = p AND x.indisreplident) END AS p_index,
         CASE WHEN c_ident = 'i' THEN (SELECT i.inhparent FROM pg_index x
                                       LEFT JOIN pg_inherits i ON i.inhrelid = x.indexrelid
                                       WHERE x.indrelid = c AND x.indisreplident) END AS c_index
  FROM pair WHERE p_ident <> c_ident OR p_ident = 'i'
), extended AS (
  -- Known by what they are about: the server chooses their names, and columns may stand elsewhere.
  SELECT s.stxrelid AS rel, s.oid, NULLIF(s.stxstattarget::int, -1) AS target,
         format('%I.%I', n.nspname, s.stxname) AS name, d.body,
         CASE WHEN 'e' = ANY (s.stxkind) THEN d.body
              ELSE array_to_string(ARRAY(SELECT k::text FROM unnest(s.stxkind) k ORDER BY 1), '')
                   || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname)
                       FROM pg_attribute a
                       WHERE a.attrelid = s.stxrelid AND a.attnum = ANY (s.stxkeys::int2[]))
         END AS about
  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
  -- `CREATE STATISTICS name` and ` FROM table` are cut off.
  CROSS JOIN LATERAL (
    SELECT substr(def, length(format('CREATE STATISTICS %I.%I ', n.nspname, s.stxname)) + 1,
                  length(def) - length(format('CREATE STATISTICS %I.%I ', n.nspname, s.stxname))
                  - length(' FROM ' || s.stxrelid::regclass::text)) AS body
    FROM pg_get_statisticsobjdef(s.oid) def) d
  WHERE s.stxrelid IN (SELECT p FROM pair WHERE EXISTS (
                         SELECT FROM pg_statistic_ext e WHERE e.stxrelid IN (p, c))
                       UNION ALL SELECT c FROM pair)
), policies AS (
  -- Where a subquery stands in an expression, partitions get none (see policies.rs).
  SELECT o.polrelid AS rel, o.polname, o.polcmd, o.polpermissive,
         ARRAY(SELECT r FROM unnest(o.polroles) r ORDER BY r) AS roles,
         regexp_replace(concat_ws(' CHECK ', o.polqual::text, o.polwithcheck::text),
                        ':(stmt_)?location -?[0-9]+', '', 'g') AS tree,
         concat(o.polqual::text, o.polwithcheck::text) LIKE '%{SUBLINK %' AS has_subquery
  FROM pg_policy o WHERE o.polrelid IN (SELECT p FROM pair WHERE p_rls
                                        UNION ALL SELECT c FROM pair WHERE p_rls)
), policed AS (
  -- Columns are known by their numbers there, which mean nothing where the tables' numbers differ.
  SELECT p, c, EXISTS (
           SELECT FROM pg_attribute a JOIN pg_attribute b ON b.attrelid = c AND b.attname = a.attname
           WHERE a.attrelid = p AND a.attnum > 0 AND b.attnum <> a.attnum) AS is_moved
  FROM pair WHERE p_rls AND EXISTS (SELECT FROM policies WHERE rel IN (p, c))
    AND NOT EXISTS (SELECT FROM policies WHERE rel = p AND has_subquery)
), found AS (
  SELECT p, c, 'owner' AS aspect, NULL::text AS role, NULL::text AS item, NULL::text AS privilege,
         pg_get_userbyid(p_owner)::text AS wanted, pg_get_userbyid(c_owner)::text AS found
  FROM pair WHERE p_owner <> c_owner
  UNION ALL
  SELECT p, c, aspect, CASE WHEN grantee <> 0 THEN pg_get_userbyid(grantee)::text END, item,
         privilege_type,
         CASE WHEN bool_or(of_parent) THEN CASE WHEN bool_or(of_parent AND is_grantable)
                                                THEN 'granted with grant option' ELSE 'granted' END END,
         CASE WHEN bool_or(NOT of_parent) THEN CASE WHEN bool_or(NOT of_parent AND is_grantable)
                                                    THEN 'granted with grant option' ELSE 'granted' END END
  FROM grants GROUP BY p, c, aspect, grantee, item, privilege_type
  HAVING bool_or(of_parent) <> bool_or(NOT of_parent)
      OR bool_or(of_parent AND is_grantable) <> bool_or(NOT of_parent AND is_grantable)
  UNION ALL
  SELECT p, c, 'row security', NULL, NULL, NULL, p_rls::text, c_rls::text
  FROM pair WHERE p_rls <> c_rls
  UNION ALL
  SELECT p, c, 'forced row security', NULL, NULL, NULL, p_forced::text, c_forced::text
  FROM pair WHERE p_forced <> c_forced
  UNION ALL
  SELECT p, c, 'replica identity', NULL, NULL, NULL,
         concat(p_ident, p_index::int8), concat(c_ident, c_index::int8)
  FROM identity WHERE p_ident <> c_ident OR p_index IS DISTINCT FROM c_index
  UNION ALL
  SELECT p, c, 'statistics target', NULL, attname::text, NULL, p_target::text, c_target::text
  FROM columns WHERE p_target IS DISTINCT FROM c_target
  UNION ALL
  SELECT p, c, 'column options', NULL, attname::text, NULL, p_options, c_options
  FROM columns WHERE p_options IS DISTINCT FROM c_options
  UNION ALL
  SELECT p, c, 'statistics', NULL, o.body, NULL, COALESCE(o.target::text, 'default'), NULL
  FROM pair JOIN extended o ON o.rel = p
  WHERE kind = 'r' AND NOT EXISTS (SELECT FROM extended e WHERE e.rel = c AND e.about = o.about)
  UNION ALL
  SELECT p, c, 'target of statistics', NULL, e.name, NULL, o.target::text, e.target::text
  FROM pair JOIN extended o ON o.rel = p
  JOIN LATERAL (SELECT * FROM extended e WHERE e.rel = c AND e.about = o.about
                ORDER BY e.target IS NOT DISTINCT FROM o.target DESC, e.oid LIMIT 1) e ON true
  WHERE kind = 'r' AND o.target IS DISTINCT FROM e.target
  UNION ALL
  SELECT p, c, 'policy', NULL, COALESCE(o.polname, e.polname)::text, NULL,
         CASE WHEN o.rel IS NOT NULL THEN 'there' END, CASE WHEN e.rel IS NOT NULL THEN 'there' END
  FROM (SELECT p, c, is_moved, polname FROM policed JOIN policies ON rel IN (p, c)
        GROUP BY p, c, is_moved, polname) n
  LEFT JOIN policies o ON o.rel = p AND o.polname = n.polname
  LEFT JOIN policies e ON e.rel = c AND e.polname = n.polname
  WHERE (o.polcmd, o.polpermissive, o.roles) IS DISTINCT FROM (e.polcmd, e.polpermissive, e.roles)
     OR CASE WHEN is_moved
             THEN regexp_replace(o.tree, ':varo?attno(syn)? -?[0-9]+', '', 'g')
                  <> regexp_replace(e.tree, ':varo?attno(syn)? -?[0-9]+', '', 'g')
             ELSE o.tree <> e.tree END
  UNION ALL
  SELECT p, c, 'access method', NULL, NULL, NULL, pa.amname::text, ca.amname::text
  FROM pair JOIN pg_am pa ON pa.oid = p_am LEFT JOIN pg_am ca ON ca.oid = c_am
  WHERE kind = 'r' AND p_am <> c_am
  UNION ALL
  SELECT p, c, 'tablespace', NULL, NULL, NULL, ps.spcname::text, cs.spcname::text
  FROM pair JOIN pg_tablespace ps ON ps.oid = p_space LEFT JOIN pg_tablespace cs ON cs.oid = c_space
  WHERE kind = 'r' AND p_space <> c_space
)
SELECT found.p::int8 AS parent, found.c::int8 AS child, n.nspname::text AS schema,
       pair.relname::text AS name, pg_get_userbyid(pair.c_owner)::text AS owner,
       pg_has_role(pair.c_owner, 'USAGE') AS acts_as_owner,
       aspect, role, item, privilege, wanted, found.found AS found
FROM found JOIN pair ON pair.p = found.p AND pair.c = found.c
JOIN pg_namespace n ON n.oid = pair.relnamespace
ORDER BY found.p, n.nspname, pair.relname, found.c, role NULLS FIRST, wanted, found.found,
         privilege, item
LIMIT $2
