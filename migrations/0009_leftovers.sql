-- What is left of a partition whose rows others took over is dropped after a quarantine. Rows of
-- transactions from this one on were written to it afterwards, and are nowhere else. NULL: not known,
-- so it is kept.
ALTER TABLE partition_carve ADD COLUMN replaced_xid xid8;
