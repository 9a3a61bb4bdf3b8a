-- Where the archive job's walk through a table stands. A row is there while a pass is unfinished:
-- it is written in the transaction of each batch, and deleted when the pass has reached the end.
CREATE TABLE archive_position (
    -- The hot table, as SQL names it.
    source     text PRIMARY KEY,
    -- The columns walked, with their types; a position along other columns means nothing.
    walk       text        NOT NULL,
    -- Their values in the last row of the last range, as text, in that order.
    after      jsonb       NOT NULL,
    updated_at timestamptz NOT NULL
);
