//! 非公共数据: what a tenant brings for its own jobs.

use super::{ColumnType, PrivacyUnit};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The format of uploaded rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    /// Comma-separated values with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One JSON object a line.
    Jsonl,
    /// Apache Arrow IPC, file or stream, not compressed.
    Arrow,
}

/// How the body of an upload is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DataQuery {
    /// The format of the body.
    #[param(inline)]
    pub format: DataFormat,
}

/// A column of a private data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivateColumn {
    /// The column's name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
}

/// A private data set to bring under a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivateDatasetCreate {
    /// The grant's identifier.
    pub grant: String,
    /// The name in SQL.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<PrivateColumn>,
    /// The column to join public data by; tokenised on arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<PrivacyUnit>,
}

/// A private data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrivateDatasetView {
    /// The private data set's identifier.
    pub id: String,
    /// The grant it serves.
    pub grant: String,
    /// The name in SQL.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<PrivateColumn>,
    /// The column to join public data by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<PrivacyUnit>,
    /// Its rows; absent until data arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// SHA-256 of the stored content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Epoch of the intake key that made its tokens; of another epoch than the public data it does not join, and has to be uploaded again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intake_epoch: Option<u32>,
    /// When it was made.
    pub created_at: String,
}
