-- 反馈清单: what a push ended with, for its provider to answer and a later push to close.

CREATE TABLE feedback (
    id TEXT NOT NULL PRIMARY KEY,
    push_id TEXT NOT NULL UNIQUE,
    dataset_id TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Rules with their counts, as canonical JSON.
    causes TEXT NOT NULL,
    answer TEXT NOT NULL,
    answered_by TEXT NOT NULL,
    answered_at BIGINT NOT NULL,
    -- The last push that was to close it and did not, as canonical JSON.
    attempt TEXT NOT NULL,
    -- The push that closed it, or the account that did.
    closing_push TEXT NOT NULL,
    closed_by TEXT NOT NULL,
    closing_reason TEXT NOT NULL,
    closed_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX feedback_by_provider ON feedback (provider_id, id);
