-- A partition that was handed over as a whole goes on record in that transaction, by its name. What it
-- holds is read after it, when nobody waits for it: until then there are no figures.
ALTER TABLE archive_batch
    ADD COLUMN part text,
    ALTER COLUMN row_count DROP NOT NULL,
    ALTER COLUMN checksum DROP NOT NULL,
    ADD CHECK (part IS NOT NULL OR row_count IS NOT NULL AND checksum IS NOT NULL);
