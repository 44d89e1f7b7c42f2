//! The data catalogue: entries, samples, versions, masking policies.

use super::Text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Text.
    String,
    /// Whole number of 64 bit.
    Int64,
    /// Floating point number of 64 bit, finite.
    Float64,
    /// Truth value.
    Bool,
    /// Calendar day.
    Date,
    /// Wall clock of China (UTC+08:00) in microseconds.
    Timestamp,
}

/// How often the provider renews the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdateCycle {
    /// 实时.
    Realtime,
    /// 每日.
    Daily,
    /// 每周.
    Weekly,
    /// 每月.
    Monthly,
    /// 每季.
    Quarterly,
    /// 每年.
    Yearly,
    /// 不定期.
    #[default]
    Irregular,
}

/// Level of GB/T 43697: what harm a leak would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Level {
    /// 一般数据 1.
    #[serde(rename = "general-1")]
    General1,
    /// 一般数据 2.
    #[serde(rename = "general-2")]
    General2,
    /// 一般数据 3.
    #[serde(rename = "general-3")]
    General3,
    /// 一般数据 4.
    #[serde(rename = "general-4")]
    General4,
    /// 重要数据.
    #[serde(rename = "important")]
    Important,
    /// 核心数据.
    #[serde(rename = "core")]
    Core,
}

/// What a column gives away about a privacy unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrivacyClass {
    /// 直接标识符.
    DirectIdentifier,
    /// 准标识符.
    QuasiIdentifier,
    /// 敏感.
    Sensitive,
    /// 公开.
    Public,
}

/// A column of a catalogue entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogueColumn {
    /// The column's name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// What it means.
    #[serde(default)]
    pub comment: String,
    /// What it gives away; found by the platform when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<PrivacyClass>,
    /// Level of GB/T 43697.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
}

/// Whom a row speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivacyUnit {
    /// The column that carries its identifier.
    pub column: String,
    /// The space the identifier is from: `person-id`, `mobile`, `enterprise-id`, `vehicle`, …
    pub value_domain: String,
}

/// A new catalogue entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetCreate {
    /// Unique name, usable in SQL.
    pub name: String,
    /// The name people read.
    pub title: Text,
    /// The identifier of the organisation that provides it.
    pub provider: String,
    /// The industry it belongs to.
    pub industry: String,
    /// What it holds.
    #[serde(default)]
    pub description: String,
    /// How often it is renewed.
    #[serde(default)]
    pub update_cycle: UpdateCycle,
    /// Its columns, in order.
    pub columns: Vec<CatalogueColumn>,
    /// Whom a row speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<PrivacyUnit>,
    /// Quality rules, a TOML document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_rules: Option<String>,
    /// 样例数据: masked rows to show, as column → value.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub sample: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// A catalogue entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatasetView {
    /// The data set's identifier.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// The name people read.
    pub title: Text,
    /// The identifier of the organisation that provides it.
    pub provider: String,
    /// The industry it belongs to.
    pub industry: String,
    /// What it holds.
    pub description: String,
    /// How often it is renewed.
    pub update_cycle: UpdateCycle,
    /// Its columns, in order.
    pub columns: Vec<CatalogueColumn>,
    /// Whom a row speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<PrivacyUnit>,
    /// The number of the masking policy in force, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<u64>,
    /// The number of the newest version, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_version: Option<u64>,
    /// When it was registered.
    pub created_at: String,
}

/// 样例数据 of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SampleView {
    /// Rows, as column → value.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// Rows of a data set's sample before and after a masking policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyPreview {
    /// As the provider sent them, as column → value; of direct identifiers only the form.
    #[schema(value_type = Vec<Object>)]
    pub before: Vec<serde_json::Map<String, serde_json::Value>>,
    /// As the policy leaves them.
    #[schema(value_type = Vec<Object>)]
    pub after: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// A column of a version, as it is after masking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionColumn {
    /// The column's name.
    pub name: String,
    /// Its type in the version: `utf8`, `int64`, `float64`, `boolean`, `date32`, `timestamp_us`, …
    #[serde(rename = "type")]
    pub data_type: String,
    /// What the raw column was found to give away.
    pub class: PrivacyClass,
    /// The kind of identifier that the raw column was found to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// Level of GB/T 43697.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// The value domain of the tokens that stand here instead of identifiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// One immutable version of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatasetVersionView {
    /// The version's identifier.
    pub id: String,
    /// The data set's name.
    pub dataset: String,
    /// Counted from one.
    pub number: u64,
    /// SHA-256 of the content.
    pub sha256: String,
    /// SHA-256 of the manifest: what the version was made of and how, as its ledger leaf has it.
    pub manifest_sha256: String,
    /// Position of its ledger leaf.
    pub leaf: u64,
    /// Its rows.
    pub rows: u64,
    /// Its bytes at rest, before encryption.
    pub bytes: u64,
    /// The push it came by.
    pub push: String,
    /// Measured level of de-identification (GB/T 42460), 1 to 4.
    pub deidentification_level: u8,
    /// Epoch of the intake key that made its tokens.
    pub intake_epoch: u32,
    /// Commitments of the keys that masked it: `root` is the masking key's, `intake` that of the epoch's.
    pub key_commitments: std::collections::BTreeMap<String, String>,
    /// Its columns.
    pub columns: Vec<VersionColumn>,
    /// When it was made.
    pub created_at: String,
}

/// A masking policy to put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyPut {
    /// The policy, a TOML document.
    pub toml: String,
}

/// The masking policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyView {
    /// The data set's name.
    pub dataset: String,
    /// The policy, a TOML document.
    pub toml: String,
    /// Its digest.
    pub sha256: String,
    /// Counted from one.
    pub version: u64,
    /// When it came into force.
    pub created_at: String,
}

/// What the classifier takes a column for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnClass {
    /// The column's name.
    pub column: String,
    /// The kind of identifier found in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// What it gives away.
    pub class: PrivacyClass,
    /// Between 0 and 1.
    pub confidence: f64,
    /// Why.
    pub reason: Text,
}

/// What a suggested policy is to reach.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySuggest {
    /// Searches a policy that reaches this on the newest push in quarantine; without it the columns alone are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<MeasureWish>,
    /// What is to be made small: `generalisation` (default), `discernibility`, `average_class_size`, `non_uniform_entropy`,
    /// `certainty_penalty`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<String>,
    /// Seconds to search, 1 to 12 (10); then the best found is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

/// Limits as those of a policy's `[measure]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeasureWish {
    /// Fewest rows that agree in all quasi-identifiers, 2 to 1,000,000.
    pub k_min: u32,
    /// Fewest sensitive values among such rows, 2 to 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l_min: Option<u32>,
    /// Largest distance of their sensitive values from all, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_max: Option<f64>,
    /// δ-disclosure, 0 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_max: Option<f64>,
    /// Basic β-likeness, 0 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta_max: Option<f64>,
    /// Rows that may be left out, in percent, 0 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress_percent_max: Option<f64>,
}

/// How a policy was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicySearchView {
    /// The push whose rows were searched.
    pub push: String,
    /// The level of each quasi-identifier.
    pub columns: Vec<LevelView>,
    /// Information loss by measure.
    pub losses: std::collections::BTreeMap<String, f64>,
    /// Combinations of levels that were checked.
    pub checked: u64,
    /// Combinations that there are.
    pub combinations: u64,
    /// Whether none loses less.
    pub optimal: bool,
    /// Rows searched.
    pub rows: u64,
    /// Rows that the policy leaves out.
    pub suppressed_rows: u64,
    /// The measures of the rest.
    pub risk: super::RiskView,
}

/// The level that was chosen for a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LevelView {
    /// The column.
    pub column: String,
    /// The level: 0 keeps the values, the last leaves the column out.
    pub level: u64,
    /// Levels that there are.
    pub levels: u64,
    /// What is done at that level.
    pub transform: String,
}

/// A masking policy that the classes suggest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicySuggestion {
    /// The policy, a TOML document.
    pub toml: String,
    /// The classes it follows from.
    pub classes: Vec<ColumnClass>,
    /// How it was found, where a measure was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<PolicySearchView>,
}
