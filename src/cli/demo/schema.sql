-- What an application of this kind keeps: a queue of jobs, and two tables that grow for ever.
-- Run as the application's own role. Indexes follow when the rows are in (rows.sql).
CREATE TABLE customers (
    id   integer PRIMARY KEY,
    team integer NOT NULL,
    name text    NOT NULL
);

CREATE TABLE ml_jobs (
    id          bigint      GENERATED ALWAYS AS IDENTITY,
    job_uuid    uuid        NOT NULL DEFAULT gen_random_uuid(),
    customer_id integer     NOT NULL,
    status      text        NOT NULL DEFAULT 'pending'
                CHECK (status IN ('pending', 'running', 'completed', 'failed')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    payload     text        NOT NULL
);

CREATE TABLE activity_logs (
    id          bigint      GENERATED ALWAYS AS IDENTITY,
    customer_id integer     NOT NULL,
    action      text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (created_at);

CREATE TABLE events (
    id          bigint  GENERATED ALWAYS AS IDENTITY,
    customer_id integer NOT NULL,
    kind        text    NOT NULL,
    day         date    NOT NULL DEFAULT current_date
) PARTITION BY RANGE (day);

-- Partitions for the last five months and this one, as a script would have made them. Somebody also
-- made one by hand for the month after next: the next one is missing, and all that follow.
DO $$
DECLARE
    this_month date := date_trunc('month', now());
    month date;
    name text;
BEGIN
    FOR n IN -5..2 LOOP
        month := this_month + make_interval(months => n);
        FOREACH name IN ARRAY ARRAY['activity_logs', 'events'] LOOP
            IF n <= 0 OR n = 2 AND name = 'activity_logs' THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                    name || to_char(month, '_YYYY_MM'), name, month, month + interval '1 month');
            END IF;
        END LOOP;
    END LOOP;
END $$;
