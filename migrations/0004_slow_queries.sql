-- The counters as the last poll saw them: what the next one is compared with. One row, rewritten
-- at each poll, therefore packed (src/jobs/slow_queries/pack.rs); the entries that have not changed
-- since they were packed stay untouched.
CREATE TABLE statement_baseline (
    the_one        boolean     PRIMARY KEY DEFAULT true CHECK (the_one),
    taken_at       timestamptz NOT NULL,
    -- What concerns all entries: which server, when it started, resets, evictions.
    marks          jsonb       NOT NULL,
    -- What keeps polls from seeing everything, as it was last told in the log.
    gaps           jsonb       NOT NULL,
    -- How the entries are packed; of another format they are not read.
    format         integer     NOT NULL,
    packed         bytea       NOT NULL,
    packed_changes bytea       NOT NULL
);

-- Texts of statements that were slow, redacted, so that each is fetched once.
CREATE TABLE statement_text (
    role        oid         NOT NULL,
    toplevel    boolean     NOT NULL,
    queryid     bigint      NOT NULL,
    role_name   text        NOT NULL,
    query       text        NOT NULL,
    fingerprint text        NOT NULL,
    class       text        NOT NULL CHECK (class IN ('query', 'utility', 'own')),
    stored_at   timestamptz NOT NULL,
    PRIMARY KEY (queryid, role, toplevel)
);

-- Statements that are slow now and have their line in the log.
CREATE TABLE statement_slow (
    role           oid         NOT NULL,
    toplevel       boolean     NOT NULL,
    queryid        bigint      NOT NULL,
    reason         text        NOT NULL CHECK (reason IN ('mean', 'new_max')),
    opened_at      timestamptz NOT NULL,
    -- The last interval in which it was slow.
    slow_at        timestamptz NOT NULL,
    -- The last line about it, and how many there were after the first.
    told_at        timestamptz NOT NULL,
    reminders      integer     NOT NULL,
    mean_before_us bigint,
    PRIMARY KEY (queryid, role, toplevel)
);
