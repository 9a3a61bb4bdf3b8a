-- History, relative to now and otherwise the same each time.
INSERT INTO customers SELECT n, n / 50, 'customer ' || n FROM generate_series(0, 999) AS n;

-- 200,000 jobs over six months: of a hundred, 84 completed, 12 failed, 3 are pending and 1 is
-- running, however old it is.
INSERT INTO ml_jobs (job_uuid, customer_id, status, created_at, finished_at, payload)
SELECT md5(n::text)::uuid,
       n * 7 % 1000,
       status,
       created_at,
       CASE WHEN status IN ('completed', 'failed') THEN created_at + interval '90 s' END,
       '{"model": "embed-large", "input": "' || repeat(md5(n::text), 8) || '"}'
FROM generate_series(1, 200000) AS n
CROSS JOIN LATERAL (VALUES (
    CASE WHEN n * 37 % 100 < 84 THEN 'completed'
         WHEN n * 37 % 100 < 96 THEN 'failed'
         WHEN n * 37 % 100 < 99 THEN 'pending'
         ELSE 'running' END,
    now() - (200000 - n) * interval '180 days' / 200000
)) AS job (status, created_at);

INSERT INTO activity_logs (customer_id, action, created_at)
SELECT n * 13 % 1000,
       (ARRAY['login', 'upload', 'export', 'search', 'logout'])[n % 5 + 1],
       start + n * (now() - start) / 300000
FROM generate_series(1, 300000) AS n,
     (SELECT date_trunc('month', now()) - interval '5 months') AS since (start);

INSERT INTO events (customer_id, kind, day)
SELECT n * 17 % 1000,
       (ARRAY['view', 'click', 'purchase'])[n % 3 + 1],
       start + n * (current_date - start) / 60000
FROM generate_series(1, 60000) AS n,
     (SELECT (date_trunc('month', now()) - interval '5 months')::date) AS since (start);

ALTER TABLE ml_jobs ADD PRIMARY KEY (id);
ALTER TABLE ml_jobs ADD UNIQUE (job_uuid);
CREATE INDEX ml_jobs_status_created_at_idx ON ml_jobs (status, created_at);
ALTER TABLE activity_logs ADD PRIMARY KEY (id, created_at);
CREATE INDEX activity_logs_customer_id_created_at_idx ON activity_logs (customer_id, created_at);
ALTER TABLE events ADD PRIMARY KEY (id, day);
