-- What `LIKE` and `ATTACH` leave behind of these tables ($1).
SELECT c.oid::int8 AS relation,
       c.relrowsecurity AS row_security, c.relforcerowsecurity AS row_security_forced,
       EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) AS has_policies,
       c.relreplident::text AS replica_identity,
       (SELECT x.indexrelid::int8 FROM pg_index x WHERE x.indrelid = c.oid AND x.indisreplident)
         AS replica_index,
       am.amname::text AS access_method, t.spcname::text AS tablespace,
       COALESCE((SELECT json_agg(g) FROM (
         SELECT r.rolname AS grantee, x.is_grantable AS grantable,
                string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) AS privileges
         FROM aclexplode(c.relacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
         WHERE x.grantee <> c.relowner AND (x.grantee = 0 OR r.oid IS NOT NULL)
         GROUP BY 1, 2 ORDER BY 1, 2) g), '[]') AS grants,
       COALESCE((SELECT json_agg(g) FROM (
         SELECT r.rolname AS grantee, x.privilege_type AS privilege, x.is_grantable AS grantable,
                array_agg(b.attname ORDER BY b.attnum) AS columns
         FROM pg_attribute b CROSS JOIN aclexplode(b.attacl) x
         LEFT JOIN pg_roles r ON r.oid = x.grantee
         WHERE b.attrelid = c.oid AND b.attnum > 0 AND NOT b.attisdropped
           AND x.grantee <> c.relowner AND (x.grantee = 0 OR r.oid IS NOT NULL)
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3) g), '[]') AS column_grants,
       COALESCE((SELECT json_agg(g) FROM (
         SELECT b.attname AS name, NULLIF(b.attstattarget::int, -1) AS target,
                array_to_string(b.attoptions, ', ') AS options
         FROM pg_attribute b
         WHERE b.attrelid = c.oid AND b.attnum > 0 AND NOT b.attisdropped
           AND (COALESCE(b.attstattarget, -1) <> -1 OR b.attoptions IS NOT NULL)
         ORDER BY b.attnum) g), '[]') AS columns,
       EXISTS (SELECT FROM pg_statistic_ext s
               WHERE s.stxrelid = c.oid AND COALESCE(s.stxstattarget, -1) <> -1)
         AS has_statistics_targets,
       ARRAY(SELECT DISTINCT r.rolname::text
         FROM pg_default_acl d CROSS JOIN aclexplode(d.defaclacl) x
         LEFT JOIN pg_roles r ON r.oid = x.grantee
         WHERE d.defaclrole = me.oid AND d.defaclobjtype = 'r'
           AND d.defaclnamespace IN (0, c.relnamespace)
           AND x.grantee <> me.oid ORDER BY 1) AS default_grantees
FROM pg_class c
JOIN pg_roles me ON me.rolname = current_user
LEFT JOIN pg_am am ON am.oid = c.relam
LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
WHERE c.oid = ANY ($1::int8[]::oid[])
