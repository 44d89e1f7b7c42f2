-- Data sets, policies, pushes, versions, unit numbers, scenarios, grants, private data sets.
-- Times are UTC microseconds; 0 and '' stand for "not yet". Documents are canonical JSON or TOML.

CREATE TABLE datasets (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    provider_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    entry TEXT NOT NULL,
    -- Revision of the policy in force; 0 while there is none.
    policy_revision BIGINT NOT NULL,
    -- Number and id of the newest version.
    version_number BIGINT NOT NULL,
    version_id TEXT NOT NULL,
    -- What the classifier found in the newest push, as JSON.
    classes TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX datasets_by_provider ON datasets (provider_id, id);

CREATE TABLE dataset_policies (
    dataset_id TEXT NOT NULL,
    revision BIGINT NOT NULL,
    document TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    account_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (dataset_id, revision)
);

CREATE TABLE pushes (
    id TEXT NOT NULL PRIMARY KEY,
    dataset_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    organisation_id TEXT NOT NULL,
    state TEXT NOT NULL,
    manifest TEXT NOT NULL,
    -- The encrypted bytes as pushed; '' once they are erased.
    object_key TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    -- The version that processing will make if it makes one; chosen before, so that a retry
    -- overwrites what a crash left behind.
    planned_version_id TEXT NOT NULL,
    version_id TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    rows_checked BIGINT NOT NULL,
    rows_kept BIGINT NOT NULL,
    problems BIGINT NOT NULL,
    faults TEXT NOT NULL,
    quality TEXT NOT NULL,
    risk TEXT NOT NULL,
    classes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    committed_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL
);

CREATE INDEX pushes_by_dataset ON pushes (dataset_id, id);
CREATE INDEX pushes_by_state ON pushes (state, committed_at, id);

CREATE TABLE push_problems (
    push_id TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    row_number BIGINT NOT NULL,
    column_name TEXT NOT NULL,
    rule TEXT NOT NULL,
    action TEXT NOT NULL,
    masked_value TEXT NOT NULL,
    message_zh TEXT NOT NULL,
    message_en TEXT NOT NULL,
    PRIMARY KEY (push_id, ordinal)
);

CREATE TABLE dataset_versions (
    id TEXT NOT NULL PRIMARY KEY,
    dataset_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    push_id TEXT NOT NULL UNIQUE,
    object_key TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    rows_total BIGINT NOT NULL,
    policy_revision BIGINT NOT NULL,
    level BIGINT NOT NULL,
    -- Policy digest, epoch, key commitments, columns, tokens, quality and risk, as canonical JSON.
    manifest TEXT NOT NULL,
    manifest_sha256 TEXT NOT NULL,
    sample TEXT NOT NULL,
    leaf BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (dataset_id, number)
);

-- The numbering of privacy units: see intake/units.rs.
CREATE TABLE unit_segments (
    universe TEXT NOT NULL,
    first_number BIGINT NOT NULL,
    units BIGINT NOT NULL,
    object_key TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    version_id TEXT NOT NULL,
    PRIMARY KEY (universe, first_number)
);

CREATE TABLE scenarios (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    organisation_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    -- Rises by one when a version is approved and when the scenario is revoked: whatever was
    -- decided under an earlier number is void.
    epoch BIGINT NOT NULL,
    version BIGINT NOT NULL,
    -- The version in force; 0 while there is none.
    approved_version BIGINT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE scenario_versions (
    scenario_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    state TEXT NOT NULL,
    account_id TEXT NOT NULL,
    contract TEXT NOT NULL,
    contract_sha256 TEXT NOT NULL,
    -- What the votes so far were cast on; another digest voids them.
    evidence_digest TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    submitted_at BIGINT NOT NULL,
    approved_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    leaf BIGINT NOT NULL,
    PRIMARY KEY (scenario_id, version)
);

CREATE TABLE scenario_votes (
    scenario_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    account_id TEXT NOT NULL,
    organisation_id TEXT NOT NULL,
    approve BIGINT NOT NULL,
    evidence_digest TEXT NOT NULL,
    comment TEXT NOT NULL,
    leaf BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (scenario_id, version, account_id)
);

CREATE TABLE grants (
    id TEXT NOT NULL PRIMARY KEY,
    scenario_id TEXT NOT NULL,
    scenario_version BIGINT NOT NULL,
    scenario_epoch BIGINT NOT NULL,
    organisation_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    days BIGINT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    activated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX grants_by_organisation ON grants (organisation_id, id);
CREATE INDEX grants_by_scenario ON grants (scenario_id, state);

CREATE TABLE grant_consents (
    grant_id TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    -- '' while the answer is awaited, then 'yes' or 'no'.
    consent TEXT NOT NULL,
    account_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (grant_id, provider_id)
);

CREATE INDEX grant_consents_by_provider ON grant_consents (provider_id, grant_id);

CREATE TABLE private_datasets (
    id TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL,
    organisation_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    name TEXT NOT NULL,
    columns TEXT NOT NULL,
    unit TEXT NOT NULL,
    object_key TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    rows_total BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    written_at BIGINT NOT NULL,
    UNIQUE (grant_id, name)
);

CREATE INDEX private_datasets_by_organisation ON private_datasets (organisation_id, id);
