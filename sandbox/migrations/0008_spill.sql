-- What a run put on disk because it did not fit into memory.

ALTER TABLE meters ADD COLUMN spill_bytes BIGINT NOT NULL DEFAULT 0;
