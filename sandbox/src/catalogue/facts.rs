//! What reviewers and programs may know about a data set: its masked columns and newest version.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use masking::{Class, ColumnClass, Identifier, QualityReport, RiskReport, ValueDomain};
use serde::{Deserialize, Serialize};

use super::entry::{CatalogueEntry, Level, PrivacyUnit};
use crate::intake::{DataFormat, TextEncoding};

/// A column of a version, as it is after masking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionColumn {
    /// The column's name.
    pub name: String,
    /// Its type in the version's file: `utf8`, `int64`, `float64`, `boolean`, `date32`, `timestamp_us`, …
    #[serde(rename = "type")]
    pub data_type: String,
    /// What the raw column was found to give away.
    pub class: Class,
    /// The identifier that the raw column was found to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier>,
    /// Level of GB/T 43697, as the entry states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// The value domain of the intake tokens that stand here instead of identifiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ValueDomain>,
}

impl VersionColumn {
    /// The column's type in memory.
    pub(crate) fn arrow(&self) -> Option<DataType> {
        TYPES
            .iter()
            .find(|(_, name)| *name == self.data_type)
            .map(|(found, _)| found.clone())
    }
}

/// The types that a version's file may have, by name.
const TYPES: [(DataType, &str); 11] = [
    (DataType::Utf8, "utf8"),
    (DataType::Int8, "int8"),
    (DataType::Int16, "int16"),
    (DataType::Int32, "int32"),
    (DataType::Int64, "int64"),
    (DataType::UInt32, "uint32"),
    (DataType::UInt64, "uint64"),
    (DataType::Float64, "float64"),
    (DataType::Boolean, "boolean"),
    (DataType::Date32, "date32"),
    (
        DataType::Timestamp(TimeUnit::Microsecond, None),
        "timestamp_us",
    ),
];

/// The columns of a masked schema; an error names the column whose type no version may have.
pub(crate) fn version_columns(
    entry: &CatalogueEntry,
    output: &Schema,
    tokens: &[(String, ValueDomain)],
    classes: &[ColumnClass],
) -> Result<Vec<VersionColumn>, String> {
    let mut columns = Vec::new();
    for field in output
        .fields()
        .iter()
        .filter(|field| field.name() != review::UNIT_COLUMN)
    {
        let known = TYPES
            .iter()
            .find(|(data_type, _)| data_type == field.data_type());
        let (_, data_type) = known.ok_or_else(|| field.name().clone())?;
        let class = classes.iter().find(|class| class.column == *field.name());
        let token = tokens.iter().find(|(name, _)| name == field.name());
        columns.push(VersionColumn {
            name: field.name().clone(),
            data_type: (*data_type).to_owned(),
            class: class.map_or(Class::Public, |class| class.class),
            identifier: class.and_then(|class| class.identifier),
            level: entry.column(field.name()).and_then(|column| column.level),
            token: token.map(|(_, domain)| domain.clone()),
        });
    }
    Ok(columns)
}

/// The schema of columns, without control columns.
pub(crate) fn version_schema(columns: &[VersionColumn]) -> SchemaRef {
    let field = |column: &VersionColumn| {
        column
            .arrow()
            .map(|data_type| Field::new(&column.name, data_type, true))
    };
    Arc::new(Schema::new(
        columns.iter().filter_map(field).collect::<Vec<_>>(),
    ))
}

/// What a version was made of and how, as its ledger leaf covers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionManifest {
    /// The data set's name.
    pub dataset: String,
    /// Counted from 1.
    pub number: u64,
    /// The push it came by.
    pub push: String,
    /// What was pushed.
    pub source: SourceFacts,
    /// Revision and SHA-256 of the masking policy.
    pub policy: PolicyFacts,
    /// Epoch of the intake key.
    pub epoch: u32,
    /// Commitments of the masking key (`root`) and of the intake key of this epoch (`intake`), in hexadecimal.
    pub key_commitments: BTreeMap<String, String>,
    /// The columns.
    pub columns: Vec<VersionColumn>,
    /// Whom a row speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<PrivacyUnit>,
    /// The universe that the unit numbers are from, and the first number that is not used yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub universe: Option<UniverseFacts>,
    /// Rows.
    pub rows: u64,
    /// Bytes of the Parquet file before encryption.
    pub bytes: u64,
    /// SHA-256 of the Parquet file before encryption.
    pub sha256: String,
    /// Problem records found.
    pub problems: u64,
    /// The quality report.
    pub quality: QualityReport,
    /// Re-identification risk as pushed.
    pub risk_before: RiskReport,
    /// Re-identification risk after masking.
    pub risk_after: RiskReport,
    /// Measured level of GB/T 42460.
    pub deidentification_level: u8,
}

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFacts {
    /// Its format.
    pub format: DataFormat,
    /// The encoding it was read in, for text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<TextEncoding>,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// How many bytes.
    pub bytes: u64,
}

/// The policy that a version was masked with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFacts {
    /// Counted from 1.
    pub revision: u64,
    /// SHA-256 of its canonical document.
    pub sha256: String,
}

/// The numbering of privacy units after a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UniverseFacts {
    /// Value domain and epoch: `person-id@1`.
    pub name: String,
    /// Units that have a number.
    pub units: u64,
}
