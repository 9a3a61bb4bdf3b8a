SELECT
  ARRAY(
    SELECT a.attname::text
    FROM pg_attribute AS a
    JOIN pg_attribute AS b ON b.attrelid = $2::int8::oid AND b.attname = a.attname
    LEFT JOIN pg_attrdef AS ad ON ad.adrelid = a.attrelid AND ad.adnum = a.attnum
    LEFT JOIN pg_attrdef AS bd ON bd.adrelid = b.attrelid AND bd.adnum = b.attnum
    WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
      AND b.attnum > 0 AND NOT b.attisdropped
      AND ((a.atttypid, a.atttypmod, a.attcollation, a.attgenerated)
             IS DISTINCT FROM (b.atttypid, b.atttypmod, b.attcollation, b.attgenerated)
        OR b.attnotnull AND NOT a.attnotnull
        OR a.attgenerated <> ''
           AND pg_get_expr(ad.adbin, ad.adrelid) IS DISTINCT FROM pg_get_expr(bd.adbin, bd.adrelid))
    ORDER BY a.attnum) AS columns,
  ARRAY(
    SELECT k.conname::text
    FROM pg_constraint AS k
    WHERE k.conrelid = $2::int8::oid AND k.contype = 'c'
      AND NOT EXISTS (
        SELECT FROM pg_constraint AS h
        WHERE h.conrelid = $1::int8::oid AND h.contype = 'c' AND h.conname = k.conname AND h.convalidated
          AND pg_get_constraintdef(h.oid) = pg_get_constraintdef(k.oid))
    ORDER BY 1) AS checks,
  ARRAY(
    SELECT p.pubname::text
    FROM pg_publication AS p
    WHERE p.puballtables
       OR EXISTS (SELECT FROM pg_publication_rel AS r
                  WHERE r.prpubid = p.oid AND r.prrelid IN ($1::int8::oid, $2::int8::oid))
       OR PUBLISHED_SCHEMA
    ORDER BY 1) AS publications,
  (SELECT spcname::text FROM pg_tablespace WHERE oid = into_class.reltablespace) AS tablespace,
  (SELECT amname::text FROM pg_am WHERE oid = into_class.relam) AS access_method,
  into_class.relowner::regrole::text AS owner
FROM pg_class AS into_class
WHERE into_class.oid = $2::int8::oid
