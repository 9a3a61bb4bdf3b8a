-- Partitions that leave: recorded before their DETACH, so that a crash at any statement can be
-- carried on, and nothing is ever dropped that is not in this table.
CREATE TABLE partition_quarantine (
    -- The partition's oid; its name as SQL writes it, and what it was a partition of.
    relation    oid PRIMARY KEY,
    name        text        NOT NULL,
    parent      oid         NOT NULL,
    -- FOR VALUES …, written with TimeZone UTC and DateStyle ISO: to attach it again by.
    bound       text        NOT NULL,
    intended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- It is detached and takes no writes. NULL: only intended.
    detached_at timestamptz,
    -- It was attached again by a person: kept until the policy is confirmed again.
    restored_at timestamptz
);
CREATE INDEX partition_quarantine_parent ON partition_quarantine (parent);

-- The policy each table's partitions last expired by. One that would expire more is asked about first.
CREATE TABLE partition_policy (
    parent     oid PRIMARY KEY,
    retention  text        NOT NULL,
    on_expiry  text        NOT NULL,
    quarantine text        NOT NULL,
    -- How the key told time then: read in another way, all partitions are of another age.
    reading    text        NOT NULL,
    agreed_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
