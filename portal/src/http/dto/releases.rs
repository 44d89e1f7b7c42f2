//! What leaves: decisions, evidence, votes.

use super::{Finding, VoteView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Where a release is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseState {
    /// Waits for votes.
    Held,
    /// Decided; the bytes are being written.
    Scheduled,
    /// May be downloaded.
    Released,
    /// Refused by vote.
    Refused,
    /// Stopped by a revocation after it was released.
    Frozen,
    /// Ended by a revocation before anything left.
    Void,
}

/// What the inspection decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseDecision {
    /// It may leave, without the cells that do not meet the rules: whether there are any is not told.
    Release,
    /// People have to decide.
    Hold,
    /// None of it may leave.
    Refuse,
}

/// Which releases to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReleaseQuery {
    /// Only those in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub state: Option<ReleaseState>,
    /// At most this many items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseView {
    /// The release's identifier.
    pub id: String,
    /// The run whose result it is.
    pub run: String,
    /// The job.
    pub job: String,
    /// The grant.
    pub grant: String,
    /// The tenant.
    pub organisation: String,
    /// Where it is.
    pub state: ReleaseState,
    /// What the inspection decided.
    pub decision: ReleaseDecision,
    /// What the inspection found.
    pub findings: Vec<Finding>,
    /// SHA-256 of what leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Bytes of what leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Rows of what leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Approving votes; told only once the votes are in, so that nobody votes by them.
    pub approvals: u32,
    /// When it was made.
    pub created_at: String,
    /// When it was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<String>,
}

/// The first rows of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleasedTable {
    /// The columns.
    pub columns: Vec<String>,
    /// The first rows, as neutralised text.
    pub rows: Vec<Vec<String>>,
    /// How many of them are shown here.
    pub rows_shown: u64,
    /// Where all of them are read, in pages.
    pub rows_at: String,
    /// Rows of the whole result.
    pub rows_total: u64,
    /// Bytes of the whole result.
    pub bytes_total: u64,
}

/// What a reviewer sees before voting; the vote names the digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseEvidence {
    /// What a vote has to name.
    pub digest: String,
    /// The release's identifier.
    pub release: String,
    /// What the inspection found.
    pub findings: Vec<Finding>,
    /// The first rows of what would leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<ReleasedTable>,
    /// The evidence as the digest covers it.
    #[schema(value_type = Object)]
    pub document: serde_json::Value,
    /// One's own vote until the release is decided, then all.
    pub votes: Vec<VoteView>,
}

/// Some rows of a held result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseRows {
    /// The release's identifier.
    pub release: String,
    /// The columns.
    pub columns: Vec<String>,
    /// Number of the first row of this page; rows count from 1.
    pub first: u64,
    /// The rows, as neutralised text.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
