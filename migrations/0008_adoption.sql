-- Plain tables on their way to become partitioned. Written before anything else is done, so that a
-- crash at any statement can be carried on or taken back.
CREATE TABLE partition_adoption (
    -- The plain table; after the swap, the first partition.
    relation     oid PRIMARY KEY,
    -- Its name as SQL writes it; after the swap, the name of the partitioned table.
    name         text        NOT NULL,
    key_column   text        NOT NULL,
    -- The first partition ends here: a literal of the key.
    cut          text        NOT NULL,
    -- The key took NULL before: what an abort gives back.
    was_nullable boolean     NOT NULL,
    -- The partitioned table that takes over the name. NULL: not made yet.
    parent       oid,
    begun_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The swap. NULL: still to come, and all of it can be taken back.
    adopted_at   timestamptz
);
CREATE UNIQUE INDEX partition_adoption_name ON partition_adoption (name) WHERE adopted_at IS NULL;
