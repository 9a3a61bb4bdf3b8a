-- Which rule of its table moved a batch. NULL: the table had but one, which has no name; or the batch went out of
-- the archive, or is older than this column.
ALTER TABLE archive_batch ADD COLUMN rule text;
