-- Rows that were brought back from the archive, and stay in the hot table for a while. They are told by
-- what they were asked for with, which is cheaper than to remember each.
CREATE TABLE archive_hold (
    hold_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The hot table, as SQL names it.
    source     text        NOT NULL,
    -- From this age on, and below that one. NULL: without an end.
    since      timestamptz,
    until      timestamptz,
    -- An SQL condition. NULL: all of that age.
    condition  text,
    -- They are archived again after this.
    held_until timestamptz NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX archive_hold_source ON archive_hold (source);
