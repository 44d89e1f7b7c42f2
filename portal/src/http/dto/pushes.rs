//! Intake: a push becomes a version of a data set, or says why not.

use super::{DataFormat, Text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The manifest of a push.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PushCreate {
    /// The format of the data that follows.
    pub format: DataFormat,
    /// Character encoding of CSV: `utf-8`, `gb18030`, `utf-16le`, `utf-16be`; detected when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// SHA-256 of the data, to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Size of the data, to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// 样例数据 to go with the version, unmasked, as column → value; without any, rows of the version are drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub sample: Vec<serde_json::Map<String, serde_json::Value>>,
    /// Items of the feedback list that this push is to close, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closes: Vec<String>,
}

/// Where a push is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PushState {
    /// Waits for its data, or for the commit.
    Open,
    /// Committed; waits to be processed.
    Received,
    /// Being read, checked and masked.
    Checking,
    /// Became a version.
    Version,
    /// Kept apart, encrypted: the masking policy does not cover what it holds.
    Quarantined,
    /// Not what the entry says, or a blocking quality rule failed.
    Rejected,
}

/// Why pushed data were not taken, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PushFault {
    /// The rule, as a stable name.
    pub rule: String,
    /// Data row, counted from one; 0 is the header of a CSV file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Column by name, or by number (`#3`) where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Byte offset in the data as pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What is wrong.
    pub reason: Text,
    /// What would pass.
    pub remedy: Text,
}

/// A push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PushView {
    /// The push's identifier.
    pub id: String,
    /// The data set's name.
    pub dataset: String,
    /// Where it is.
    pub state: PushState,
    /// Rows checked so far.
    pub rows_checked: u64,
    /// Rows that went into the version.
    pub rows_kept: u64,
    /// Problem records found.
    pub problems: u64,
    /// Bytes received.
    pub bytes: u64,
    /// SHA-256 of what was received, once all of it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The version it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why it was quarantined or rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// Everything that speaks against it, the reason first.
    #[serde(default)]
    pub faults: Vec<PushFault>,
    /// When it was opened.
    pub created_at: String,
}

/// What was done with a problem record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemAction {
    /// Corrected.
    Repaired,
    /// Left out.
    Dropped,
    /// Taken over as it is.
    Kept,
}

/// A problem record, for the provider (问题数据反馈).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemRecord {
    /// The row in the pushed data, counted from one.
    pub row: u64,
    /// The column, where one is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The quality rule.
    pub rule: String,
    /// What was done.
    pub action: ProblemAction,
    /// The value with its middle covered.
    pub masked_value: String,
    /// What is wrong.
    pub message: Text,
}

/// A score of one dimension of quality, 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DimensionScore {
    /// `completeness`, `validity`, `uniqueness`, `consistency`, …
    pub dimension: String,
    /// Between 0 and 1.
    pub score: f64,
}

/// The score of a column, 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnScore {
    /// The column.
    pub column: String,
    /// Between 0 and 1.
    pub score: f64,
}

/// How often a rule found something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleCount {
    /// The quality rule.
    pub rule: String,
    /// What it is about: completeness, uniqueness, validity, consistency, timeliness, volume, stability.
    pub dimension: String,
    /// The columns that it looks at.
    pub columns: Vec<String>,
    /// Rows that it looked at.
    pub checked: u64,
    /// Rows that broke it.
    pub count: u64,
    /// Whether breaking it beyond its tolerance keeps the push from becoming a version.
    pub blocking: bool,
}

/// A line about a rule of the push as a whole: its figures, or why it was not looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleNote {
    /// The quality rule; `schema_drift` where the columns themselves differ.
    pub rule: String,
    /// What was found.
    pub message: Text,
}

/// The quality report of a push.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QualityView {
    /// Rows read.
    pub rows_in: u64,
    /// Rows kept.
    pub rows_kept: u64,
    /// Values repaired.
    pub repaired: u64,
    /// Mean of the dimensions' scores, 0 to 1.
    pub score: f64,
    /// Per dimension.
    pub dimensions: Vec<DimensionScore>,
    /// Per column.
    pub columns: Vec<ColumnScore>,
    /// Per rule.
    pub rules: Vec<RuleCount>,
    /// Lines about rules of the push as a whole.
    #[serde(default)]
    pub notes: Vec<RuleNote>,
    /// Rules that keep the push from becoming a version.
    pub blocking: Vec<String>,
}

/// The scores of one push of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QualityPoint {
    /// The push.
    pub push: String,
    /// What became of it.
    pub state: PushState,
    /// Number of the version that it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it was decided.
    pub at: String,
    /// Rows kept.
    pub rows_kept: u64,
    /// Problem records found.
    pub problems: u64,
    /// Mean of the dimensions' scores, 0 to 1.
    pub score: f64,
    /// Per dimension.
    pub dimensions: Vec<DimensionScore>,
    /// Per column.
    pub columns: Vec<ColumnScore>,
    /// Rules that kept it from becoming a version.
    pub blocking: Vec<String>,
}

/// Re-identification risk of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RiskView {
    /// The columns that were taken as known to an attacker.
    pub quasi_identifiers: Vec<String>,
    /// The column that the attacker wants to learn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitive: Option<String>,
    /// Rows measured.
    pub rows: u64,
    /// Equivalence classes.
    pub classes: u64,
    /// The smallest class.
    pub k: u64,
    /// Rows that stand alone.
    pub uniques: u64,
    /// Highest prosecutor risk.
    pub prosecutor_max: f64,
    /// Mean prosecutor risk.
    pub prosecutor_avg: f64,
    /// Marketer risk.
    pub marketer: f64,
    /// Fewest distinct sensitive values in a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l_distinct: Option<u64>,
    /// Smallest exponential of a class's entropy of sensitive values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l_entropy: Option<f64>,
    /// For each l from 2 up to `l_distinct` (10 at most), the c above which recursive (c, l)-diversity holds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub l_recursive: BTreeMap<u64, f64>,
    /// Greatest distance of a class's sensitive distribution from the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_closeness: Option<f64>,
    /// The distance that it was taken by: `equal` (words), `ordered` (numbers and dates), `hierarchical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_distance: Option<String>,
    /// δ-disclosure: largest logarithm of a sensitive value's share of its class over its share of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_disclosure: Option<f64>,
    /// Basic β-likeness: largest relative gain of a sensitive value's share of its class over its share of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta_basic: Option<f64>,
    /// Enhanced β-likeness; absent where it holds for no β.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta_enhanced: Option<f64>,
    /// Rows that are unique by few columns; absent where there are too many distinct rows to search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub special: Option<SpecialUniquesView>,
    /// Measures against a population table, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population: Option<PopulationRiskView>,
    /// Number of classes by size: `1`, `2`, `3-4`, `5-9`, `10-19`, `20-49`, `50-99`, `100+`.
    #[serde(default)]
    pub histogram: BTreeMap<String, u64>,
}

/// Rows that are unique by few of the quasi-identifiers (SUDA).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpecialUniquesView {
    /// Sets of up to so many columns were searched.
    pub size_max: u64,
    /// Rows that are alone by so few columns.
    pub rows: u64,
    /// Minimal sample uniques by the number of their columns.
    pub by_size: BTreeMap<u64, u64>,
    /// Per column, the share of minimal sample uniques that it is part of.
    pub contributions: Vec<Contribution>,
    /// Highest score of a row.
    pub score_max: f64,
    /// Expected share of unique rows that are unique in the population too (DIS); only against a population.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intrusion: Option<f64>,
    /// Highest score of a row as a probability of a correct match (DIS-SUDA); only against a population.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intrusion_max: Option<f64>,
}

/// How much a column adds to rows being unique.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Contribution {
    /// The column.
    pub column: String,
    /// Between 0 and 1.
    pub share: f64,
}

/// Risk against a population table with the same quasi-identifiers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PopulationRiskView {
    /// Rows of the population.
    pub rows: u64,
    /// k-map: fewest rows of the population that agree with a row.
    pub k_map: u64,
    /// Highest journalist risk.
    pub journalist_max: f64,
    /// Mean journalist risk.
    pub journalist_avg: f64,
    /// δ-presence: smallest share of a class of the population that is in the data.
    pub delta_presence_min: f64,
    /// δ-presence: largest share of a class of the population that is in the data.
    pub delta_presence_max: f64,
    /// Rows of classes that the population lacks.
    pub unmatched: u64,
}

/// Risk before and after masking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PushRiskView {
    /// As pushed.
    pub before: RiskView,
    /// After masking; absent while no policy covers the push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<RiskView>,
    /// Measured level of de-identification (GB/T 42460), 1 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deidentification_level: Option<u8>,
    /// Rows left out of the version because too few others agree with them in what could tell who it is.
    #[serde(default)]
    pub suppressed_rows: u64,
}
