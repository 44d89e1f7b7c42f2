-- The fair queue: how far each tenant has been served, and its weight. The row without a tenant is how far the queue has come.

CREATE TABLE queue_shares (
    organisation_id TEXT NOT NULL PRIMARY KEY,
    weight BIGINT NOT NULL,
    pass BIGINT NOT NULL
);
