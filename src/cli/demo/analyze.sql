-- As autovacuum leaves it: every table that holds rows has statistics, the partitioned parents have
-- none, because autovacuum never looks at them.
DO $$
DECLARE
    leaf regclass;
BEGIN
    FOR leaf IN
        SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('ANALYZE %s', leaf);
    END LOOP;
END $$;
