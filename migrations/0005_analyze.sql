-- What each table's last ANALYZE by pgtend stood on. A partitioned parent has no counter of changes
-- of its own, so its partitions' counters are kept; what lacked statistics is kept because some
-- things never get any (a partial index without rows), and must not be analyzed for ever.
CREATE TABLE analyze_memory (
    relation    oid PRIMARY KEY,
    -- What had no statistics before that ANALYZE: 'column a', 'index b', 'statistics c'.
    lacking     text[]      NOT NULL,
    -- For a partitioned parent: its leaves, with rows written since their counters began and rows
    -- held. NULL for other tables.
    leaves      oid[],
    writes      bigint[],
    row_counts  bigint[]
);
