-- Partitions whose rows are taken over by other partitions, several transactions long: written with
-- the first of them, so that a crash at any statement can be carried on.
CREATE TABLE partition_carve (
    -- The partition that is taken apart, and its name as SQL writes it; once it is done, the name
    -- under which it is kept.
    source     oid PRIMARY KEY,
    name       text        NOT NULL,
    parent     oid         NOT NULL,
    -- The partitions that take its place: [{"name", "from", "to", "takes_name"}]; no bounds: DEFAULT.
    parts      jsonb       NOT NULL,
    -- Its name once it is detached.
    retired    text        NOT NULL,
    method     text        NOT NULL CHECK (method IN ('at_once', 'copy', 'whole')),
    -- made: the parts are there. captured: changes are logged, rows are copied. done.
    stage      text        NOT NULL CHECK (stage IN ('made', 'captured', 'done')),
    -- The key of the last row copied.
    after      jsonb,
    begun_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at    timestamptz
);
CREATE INDEX partition_carve_parent ON partition_carve (parent);
