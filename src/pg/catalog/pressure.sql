-- What tells whether the server can take more, in one row. What stands in braces is filled in.
SELECT pg_wal_lsn_diff(here.lsn, '0/0')::int8,
  -- One whose WAL receiver is a plain copy of the WAL (pg_receivewal, a base backup) replays nothing.
  (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', r.application_name,
            'wal', greatest(pg_wal_lsn_diff(here.lsn, r.replay_lsn), 0)::int8,
            'lag_ms', coalesce(extract(epoch FROM r.replay_lag) * 1000, 0)::int8,
            'silent_s', greatest(coalesce(extract(epoch FROM clock_timestamp() - r.reply_time), 0), 0)::int8)), '[]')
     FROM pg_stat_replication AS r
    WHERE r.state IN ('streaming', 'catchup') AND r.replay_lsn IS NOT NULL),
  -- Without max_slot_wal_keep_size nothing is lost; GREATEST would take that NULL for 0.
  (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', s.slot_name,
            'wal', greatest(pg_wal_lsn_diff(here.lsn, s.restart_lsn), 0)::int8,
            'left', CASE WHEN s.wal_status = 'unreserved' THEN 0
                         WHEN s.safe_wal_size IS NOT NULL THEN greatest(s.safe_wal_size, 0) END)), '[]')
     FROM pg_replication_slots AS s
    WHERE s.restart_lsn IS NOT NULL AND s.wal_status <> 'lost'),
  CASE WHEN {sessions} THEN
    (SELECT count(*) FROM pg_stat_activity AS a
      WHERE a.state = 'active' AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
        AND a.application_name NOT LIKE 'pgtend/%')
  END,
  -- The end of the last archived segment, by its name; where none ever was, the one that fails.
  CASE WHEN {archiver} AND current_setting('archive_mode') <> 'off' THEN
    (SELECT greatest(pg_wal_lsn_diff(here.lsn, '0/0') - (
              ('x' || substr(file.name, 9, 8))::bit(32)::int8 * 4294967296
              + (('x' || substr(file.name, 17, 8))::bit(32)::int8 + file.is_done)
                * pg_size_bytes(current_setting('wal_segment_size'))), 0)::int8
       FROM pg_stat_archiver AS w, LATERAL (
         SELECT coalesce(w.last_archived_wal, w.last_failed_wal) AS name,
                (w.last_archived_wal IS NOT NULL)::int AS is_done) AS file
      WHERE file.name ~ '^[0-9A-F]{24}$')
  END,
  CASE WHEN {checkpoints} THEN (SELECT {forced} ) END
FROM (SELECT pg_current_wal_lsn() AS lsn) AS here
