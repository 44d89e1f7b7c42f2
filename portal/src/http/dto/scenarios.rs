//! Scenarios: the contract, its review, its end.

use super::Finding;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a column of a scenario may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnRole {
    /// Joins and distinct counts; never in a result, never compared with a literal.
    Key,
    /// Groups and filters.
    Dimension,
    /// Arguments of aggregates.
    Measure,
}

/// A column inside a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnScope {
    /// The column's name.
    pub name: String,
    /// What it may be used for.
    pub role: ColumnRole,
    /// The value domain of a key's tokens, such as `person-id`; keys of different domains are not joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_domain: Option<String>,
    /// Whether a dimension holds sensitive categories.
    #[serde(default)]
    pub sensitive: bool,
}

/// A table inside a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TableScope {
    /// The name in SQL.
    pub name: String,
    /// The data set's name in the catalogue.
    pub dataset: String,
    /// The columns that may be seen.
    pub columns: Vec<ColumnScope>,
    /// A predicate that the rows must satisfy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_filter: Option<String>,
    /// The value domain of the privacy unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// The kinds of program that a scenario admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Operations {
    /// SQL aggregates.
    pub sql: bool,
    /// WASM modules, always reviewed by people.
    pub wasm: bool,
}

/// What a result must keep to; absent members take the platform's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputRules {
    /// Fewest privacy units behind a cell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u64>,
    /// Greatest share of the largest contributor, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dominance_1_percent: Option<u32>,
    /// Greatest share of the two largest contributors, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dominance_2_percent: Option<u32>,
    /// The p-percent rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_percent: Option<u32>,
    /// Counts are rounded to a multiple of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_base: Option<u64>,
    /// Significant digits of other numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub significant_digits: Option<u32>,
    /// Most rows of a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_max: Option<u64>,
    /// Whether a table whose cells fail by more than half is refused as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_refuses: Option<bool>,
}

/// A scenario as an executable contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// What the data are used for.
    pub purpose: String,
    /// The industry.
    pub industry: String,
    /// The tables that a program may read.
    pub tables: Vec<TableScope>,
    /// The kinds of program.
    pub operations: Operations,
    /// What a result must keep to.
    #[serde(default)]
    pub output: OutputRules,
    /// How long the scenario holds once approved.
    pub term_days: u32,
    /// Refusals at egress that a grant may collect before no more of its results leave.
    pub refusals_max: u32,
}

/// A scenario to propose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioCreate {
    /// Unique short name.
    pub name: String,
    /// What is to be allowed.
    pub contract: Contract,
}

/// Where a scenario is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioState {
    /// Being written.
    Draft,
    /// Waits for votes.
    Submitted,
    /// Some votes are in.
    InReview,
    /// Voted down.
    Rejected,
    /// May be applied for.
    Approved,
    /// Past its term.
    Expired,
    /// A newer version took its place.
    Superseded,
    /// Ended for cause.
    Revoked,
}

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScenarioView {
    /// The scenario's identifier.
    pub id: String,
    /// Unique short name.
    pub name: String,
    /// Counted from one.
    pub version: u64,
    /// Where it is.
    pub state: ScenarioState,
    /// The version in force, where there is one; an edit leaves it in force until it is approved itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_version: Option<u64>,
    /// What is allowed.
    pub contract: Contract,
    /// Digest of the contract.
    pub sha256: String,
    /// The organisation that proposed it.
    pub proposed_by: String,
    /// Approving votes so far.
    pub approvals: u32,
    /// Approving votes that are needed.
    pub approvals_needed: u32,
    /// Rises with each approval and revocation.
    pub epoch: u64,
    /// When it was proposed.
    pub created_at: String,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a reviewer sees before voting; the vote names the digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScenarioEvidence {
    /// What a vote has to name.
    pub digest: String,
    /// What is asked for.
    pub contract: Contract,
    /// What the platform found in the contract.
    pub findings: Vec<Finding>,
    /// The evidence as the digest covers it.
    #[schema(value_type = Object)]
    pub document: serde_json::Value,
    /// Votes so far.
    pub votes: Vec<VoteView>,
}

/// A vote. It counts only for the evidence it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoteCast {
    /// For or against.
    pub approve: bool,
    /// The digest of the evidence that was seen.
    pub evidence_digest: String,
    /// Why.
    #[serde(default)]
    pub comment: String,
}

/// A vote that was cast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoteView {
    /// The account.
    pub voter: String,
    /// Its organisation.
    pub organisation: String,
    /// For or against.
    pub approve: bool,
    /// The evidence that was voted on.
    pub evidence_digest: String,
    /// Why.
    pub comment: String,
    /// When.
    pub created_at: String,
}

/// Why something is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Why.
    pub reason: String,
}

impl From<&str> for Reason {
    fn from(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
        }
    }
}
