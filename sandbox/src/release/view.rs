//! What is seen of a release, and by whom.

use jiff::Timestamp;
use review::{Decision, Finding, Preview};
use serde_json::Value;

use crate::id::{AccountId, GrantId, JobId, OrganisationId, ReleaseId, RunId};
use crate::job::state::ReleaseState;

/// A release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseView {
    /// Its identifier.
    pub id: ReleaseId,
    /// The run whose result it is.
    pub run: RunId,
    /// The job.
    pub job: JobId,
    /// The grant.
    pub grant: GrantId,
    /// The tenant.
    pub organisation: OrganisationId,
    /// Where it is.
    pub state: ReleaseState,
    /// What the inspection decided.
    pub decision: Decision,
    /// What the inspection found.
    pub findings: Vec<Finding>,
    /// SHA-256 of what leaves, in hex; none when nothing does.
    pub sha256: Option<String>,
    /// Bytes of what leaves.
    pub bytes: Option<u64>,
    /// Rows of what leaves.
    pub rows: Option<u64>,
    /// Approving votes; told only once the votes are in, so that nobody votes by them.
    pub approvals: u32,
    /// When it was decided or held.
    pub created_at: Timestamp,
    /// When it was released.
    pub released_at: Option<Timestamp>,
}

/// A vote on a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseVote {
    /// Who voted.
    pub voter: AccountId,
    /// For which organisation.
    pub organisation: OrganisationId,
    /// For or against.
    pub approve: bool,
    /// The evidence that was voted on.
    pub evidence_digest: String,
    /// Why; data of a person, shown as text.
    pub comment: String,
    /// Position of its ledger leaf.
    pub leaf: u64,
    /// When.
    pub created_at: Timestamp,
}

/// What a reviewer sees before voting.
#[derive(Clone, Debug, PartialEq)]
pub struct ReleaseEvidence {
    /// What a vote has to name.
    pub digest: String,
    /// The release.
    pub release: ReleaseId,
    /// What the inspection found.
    pub findings: Vec<Finding>,
    /// The first rows of what would leave, as neutral text.
    pub preview: Option<Preview>,
    /// The document that the digest covers.
    pub document: Value,
    /// One's own vote until the release is decided, then all.
    pub votes: Vec<ReleaseVote>,
}

/// Some rows of a held result, and where they stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRows {
    /// The release.
    pub release: ReleaseId,
    /// The columns.
    pub columns: Vec<String>,
    /// Number of the first row of this page; rows count from 1.
    pub first: u64,
    /// The rows, as neutral text.
    pub rows: Vec<Vec<String>>,
    /// The same rows as the bytes that would leave; the first page begins with the header.
    pub csv: String,
    /// Rows of the whole result.
    pub rows_total: u64,
    /// Bytes of the whole result.
    pub bytes_total: u64,
    /// SHA-256 of the whole result, in hex: of all pages' `csv` put together.
    pub sha256: String,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
}
