-- WAL written in a run's heavy actions, where it was measured: by its sessions alone (18 and later), or by the whole
-- server meanwhile.
ALTER TABLE job_run
    ADD COLUMN wal_bytes        bigint,
    ADD COLUMN server_wal_bytes bigint;
