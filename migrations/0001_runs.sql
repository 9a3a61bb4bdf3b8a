-- Claims and history. One row is one run of one job for one slot.
CREATE TABLE job_run (
    run_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job            text        NOT NULL,
    -- The moment the job was due; for a run started by hand, the moment it was asked for.
    slot           timestamptz NOT NULL,
    trigger        text        NOT NULL CHECK (trigger IN ('schedule', 'manual')),
    status         text        NOT NULL CHECK (status IN (
        'running', 'succeeded', 'failed', 'partial', 'cancelled', 'timed_out',
        'skipped_overlap', 'skipped_late', 'skipped_paused', 'abandoned')),
    -- Random per process, never a pid or a host name: both repeat in containers.
    holder         text        NOT NULL,
    -- Raised when a run whose holder died is taken over; part of the fence.
    attempt        integer     NOT NULL DEFAULT 1,
    started_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until    timestamptz,
    finished_at    timestamptz,
    actions_done   integer     NOT NULL DEFAULT 0,
    actions_failed integer     NOT NULL DEFAULT 0,
    spared         integer     NOT NULL DEFAULT 0,
    row_count      bigint      NOT NULL DEFAULT 0,
    error          text,
    sqlstate       text
);

-- Exactly one run per slot, over all processes.
CREATE UNIQUE INDEX job_run_slot ON job_run (job, slot);
-- No overlap, over all processes.
CREATE UNIQUE INDEX job_run_running ON job_run (job) WHERE status = 'running';

-- What an operator says of a job. No row: nothing said.
CREATE TABLE job_control (
    job          text PRIMARY KEY,
    paused_at    timestamptz,
    paused_until timestamptz,
    paused_by    text,
    reason       text,
    -- A run asked for by `pgtend trigger`, not yet begun.
    triggered_at timestamptz,
    triggered_by text
);

-- When a job was first seen, so that slots before it are not missed ones.
CREATE TABLE job_known (
    job   text PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
