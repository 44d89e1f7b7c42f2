-- The ledger, key checks, organisations, accounts, sessions, tokens. One text for SQLite and PostgreSQL.
-- Times are UTC microseconds.

CREATE TABLE ledger_state (
    id BIGINT NOT NULL PRIMARY KEY,
    -- Leaves in the log.
    size BIGINT NOT NULL,
    -- The right edge of the tree: the hashes of the full subtrees, largest first.
    edge BYTEA NOT NULL
);

CREATE TABLE ledger_leaves (
    position BIGINT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    leaf TEXT NOT NULL
);

-- What a leaf commits to; erased without touching the leaf.
CREATE TABLE ledger_details (
    position BIGINT NOT NULL PRIMARY KEY,
    salt BYTEA NOT NULL,
    detail TEXT NOT NULL
);

-- Hashes of full subtrees: `position` counts the subtrees of a level from the left.
CREATE TABLE ledger_nodes (
    level BIGINT NOT NULL,
    position BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (level, position)
);

CREATE TABLE key_checks (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE organisations (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    organisation_id TEXT NOT NULL REFERENCES organisations (id),
    roles TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled BIGINT NOT NULL,
    failed_sign_ins BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Sessions and personal tokens: only the digest of the secret is kept.
CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    secret_sha256 TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);

CREATE INDEX tokens_by_account ON tokens (account_id, kind);
