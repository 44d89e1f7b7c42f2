-- Shares of categories by rule, labelled with a key, for the drift of the next version.

CREATE TABLE version_shares (
    version_id TEXT NOT NULL PRIMARY KEY,
    shares TEXT NOT NULL
);
