-- Uploads in pieces: what arrived of a push so far, each piece an encrypted object of its own.

CREATE TABLE push_pieces (
    push_id TEXT NOT NULL,
    first_byte BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    -- Bytes that the whole will have.
    total_bytes BIGINT NOT NULL,
    object_key TEXT NOT NULL UNIQUE,
    PRIMARY KEY (push_id, first_byte)
);
