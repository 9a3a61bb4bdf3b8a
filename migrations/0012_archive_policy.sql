-- By which policy rows of a table were last agreed to be deleted for good. One that would delete more is
-- asked about first.
CREATE TABLE archive_policy (
    -- The table that rows are deleted from: an archive, or a hot table with delete = true.
    relation   oid PRIMARY KEY,
    older_than text        NOT NULL,
    age_column text        NOT NULL,
    -- NULL: all of that age.
    condition  text,
    agreed_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
