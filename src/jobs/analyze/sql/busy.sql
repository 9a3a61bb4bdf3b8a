-- Tables that another session is analyzing or vacuuming. The progress views hide the table from a
-- plain role, but not the process; the lock names the table.
SELECT l.relation AS oid, min(l.pid) AS pid
FROM pg_locks l
WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'ShareUpdateExclusiveLock'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.pid IN (SELECT pid FROM pg_stat_progress_analyze
                UNION ALL SELECT pid FROM pg_stat_progress_vacuum)
GROUP BY l.relation
