-- Several rules of one table: each agrees to its own deletions. Where a table has one rule, it has no name.
ALTER TABLE archive_policy
    ADD COLUMN rule text NOT NULL DEFAULT '',
    DROP CONSTRAINT archive_policy_pkey,
    ADD PRIMARY KEY (relation, rule);

-- What since and until are ages by, where rules tell the age differently. NULL: what each rule goes by.
ALTER TABLE archive_hold ADD COLUMN age text;
