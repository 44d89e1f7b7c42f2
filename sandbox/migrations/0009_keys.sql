-- Epochs of the masking keys, and what two people decide about them.

CREATE TABLE mask_keys (
    id TEXT NOT NULL PRIMARY KEY,
    -- 'intake', or the identifier of a scenario.
    owner TEXT NOT NULL,
    -- Counted from 1 for each owner.
    epoch BIGINT NOT NULL,
    state TEXT NOT NULL,
    suite TEXT NOT NULL,
    -- 1 for the intake key of a database from before there were shares: it is the masking key itself.
    shareless BIGINT NOT NULL,
    -- What the key is made of beside the masking key, sealed; empty once it is destroyed.
    share BYTEA NOT NULL,
    commitment TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT NOT NULL,
    destroyed_at BIGINT NOT NULL,
    -- Position of the leaf of its making.
    leaf BIGINT NOT NULL,
    UNIQUE (owner, epoch)
);

CREATE TABLE key_requests (
    id TEXT NOT NULL PRIMARY KEY,
    act TEXT NOT NULL,
    owner TEXT NOT NULL,
    -- The epoch that is rotated away from or destroyed, and the commitment of its key.
    epoch BIGINT NOT NULL,
    commitment TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    decided_at BIGINT NOT NULL,
    leaf BIGINT NOT NULL
);

CREATE INDEX key_requests_by_state ON key_requests (state, id);

-- The epoch of the intake key that a file's tokens are of.
ALTER TABLE dataset_versions ADD COLUMN intake_epoch BIGINT NOT NULL DEFAULT 1;
ALTER TABLE private_datasets ADD COLUMN intake_epoch BIGINT NOT NULL DEFAULT 1;
