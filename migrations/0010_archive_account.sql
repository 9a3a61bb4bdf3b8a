-- What each batch of the archive moved, written in its transaction: what `archive verify` compares the
-- archive with. Kept as long as history is.
CREATE TABLE archive_batch (
    batch_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      bigint      NOT NULL,
    -- move: into the target. restore, purge: out of it again; they count against the moves.
    kind        text        NOT NULL CHECK (kind IN ('move', 'restore', 'purge')),
    -- Both as SQL names them. A purge has no source.
    source      text,
    target      text        NOT NULL,
    -- The columns walked, with their types, and their values at both ends of the range.
    walk        text        NOT NULL,
    first       jsonb       NOT NULL,
    last        jsonb       NOT NULL,
    -- The value of archived_at in these rows of the target. NULL: it has no such column.
    stamp       timestamptz,
    -- The columns that the checksum is of, with their types, in order: [["id", "bigint"], …]
    layout      jsonb       NOT NULL,
    row_count   bigint      NOT NULL,
    -- The sum of a hash of each row's values, so that it is the same in whichever order.
    checksum    numeric     NOT NULL,
    -- The lowest and highest age among them. NULL: none has one.
    age_first   timestamptz,
    age_last    timestamptz,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_ms bigint      NOT NULL
);
CREATE INDEX archive_batch_target ON archive_batch (target, stamp);
CREATE INDEX archive_batch_at ON archive_batch (at);
