-- Modules, jobs, runs, releases, and what the egress history remembers.
-- Times are UTC microseconds; 0 and '' stand for "not yet".

CREATE TABLE modules (
    id TEXT NOT NULL PRIMARY KEY,
    organisation_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    facts TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (organisation_id, name, sha256)
);

CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    organisation_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    scenario_id TEXT NOT NULL,
    scenario_epoch BIGINT NOT NULL,
    mode TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- The program as it was sent, and its digest.
    program TEXT NOT NULL,
    program_digest TEXT NOT NULL,
    -- The proof that runs (SQL), as JSON.
    governed TEXT NOT NULL,
    plan_digest TEXT NOT NULL,
    -- The versions that were pinned when the job was submitted, as JSON.
    inputs TEXT NOT NULL,
    -- Scenario, contract and rules as they were approved, as JSON.
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX jobs_by_organisation ON jobs (organisation_id, id);

CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    job_id TEXT NOT NULL,
    organisation_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    scenario_id TEXT NOT NULL,
    mode TEXT NOT NULL,
    state TEXT NOT NULL,
    submitted_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    -- Who holds the run, until when, and under which fencing token.
    lease_owner TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    cancel_requested BIGINT NOT NULL,
    -- Whether the run costs of its grant's refusal budget.
    counted BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    findings TEXT NOT NULL,
    layers TEXT NOT NULL,
    timeline TEXT NOT NULL,
    -- The release that this run makes if it makes one; chosen before it runs, so that a retry is harmless.
    release_id TEXT NOT NULL
);

CREATE INDEX runs_by_state ON runs (state, submitted_at, id);
CREATE INDEX runs_by_organisation ON runs (organisation_id, id);
CREATE INDEX runs_by_grant ON runs (grant_id, state);
CREATE INDEX runs_by_job ON runs (job_id, id);
CREATE INDEX runs_by_release ON runs (release_id);
CREATE INDEX runs_by_scenario ON runs (scenario_id, state);

CREATE TABLE meters (
    run_id TEXT NOT NULL PRIMARY KEY,
    organisation_id TEXT NOT NULL,
    wall_us BIGINT NOT NULL,
    cpu_us BIGINT NOT NULL,
    fuel BIGINT NOT NULL,
    rows_in BIGINT NOT NULL,
    bytes_in BIGINT NOT NULL,
    rows_out BIGINT NOT NULL,
    bytes_out BIGINT NOT NULL,
    memory_peak_bytes BIGINT NOT NULL,
    at BIGINT NOT NULL
);

CREATE INDEX meters_by_organisation ON meters (organisation_id);

CREATE TABLE releases (
    id TEXT NOT NULL PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    job_id TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    organisation_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    scenario_id TEXT NOT NULL,
    -- The scenario's epoch when the decision was made.
    epoch_decided BIGINT NOT NULL,
    state TEXT NOT NULL,
    decision TEXT NOT NULL,
    findings TEXT NOT NULL,
    evidence TEXT NOT NULL,
    evidence_digest TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    rows_released BIGINT NOT NULL,
    suppressed BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    released_at BIGINT NOT NULL,
    -- Positions of the leaves of decision and release; -1 before.
    decision_leaf BIGINT NOT NULL,
    release_leaf BIGINT NOT NULL,
    -- The statement that the release's leaf names by digest, and the certificate made of it.
    statement TEXT NOT NULL,
    certificate TEXT NOT NULL
);

CREATE INDEX releases_by_organisation ON releases (organisation_id, id);
CREATE INDEX releases_by_state ON releases (state, id);
CREATE INDEX releases_by_scenario ON releases (scenario_id, state);

CREATE TABLE release_votes (
    release_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    organisation_id TEXT NOT NULL,
    approve BIGINT NOT NULL,
    evidence_digest TEXT NOT NULL,
    comment TEXT NOT NULL,
    at BIGINT NOT NULL,
    leaf BIGINT NOT NULL,
    PRIMARY KEY (release_id, account_id)
);

-- One row per distinct cell: the same cell released again adds nothing to what is known. The units
-- themselves are in an encrypted object; the digest is of what it holds.
CREATE TABLE release_cells (
    universe TEXT NOT NULL,
    digest TEXT NOT NULL,
    release_id TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (universe, digest)
);

CREATE INDEX release_cells_by_sequence ON release_cells (universe, sequence);

-- Raised by one with every decision that adds cells: the compare-and-set of two runs at once.
CREATE TABLE egress_history (
    universe TEXT NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL
);

CREATE TABLE idempotency (
    account_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    body_digest TEXT NOT NULL,
    claim TEXT NOT NULL,
    status BIGINT NOT NULL,
    response TEXT NOT NULL,
    claimed_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, idempotency_key)
);
