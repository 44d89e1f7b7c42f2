//! What the resource platform pushes: catalogue entries with samples, masking policies, data.

use super::story::Broken;
use crate::http::dto::{
    CatalogueColumn, ColumnType, DataFormat, DatasetCreate, PrivacyClass, PrivacyUnit, PushCreate,
    Text, UpdateCycle,
};
use arrow::error::ArrowError;
use sandbox::Bilingual;

/// One data set as it is offered.
pub(super) struct Offer {
    /// Its name in the catalogue.
    pub(super) name: &'static str,
    pub(super) title: Bilingual,
    pub(super) industry: &'static str,
    pub(super) description: String,
    pub(super) columns: Vec<CatalogueColumn>,
    /// The column that names the person a row speaks of.
    pub(super) unit: &'static str,
    /// Quality rules, TOML.
    pub(super) rules: &'static str,
    /// Masking policy, TOML.
    pub(super) policy: &'static str,
    /// Rows of the sample, as column → value.
    pub(super) sample: Vec<serde_json::Map<String, serde_json::Value>>,
    pub(super) format: DataFormat,
    pub(super) encoding: Option<&'static str>,
    /// The data as they are sent.
    pub(super) data: Vec<u8>,
    /// Rows in them.
    pub(super) rows: u64,
}

impl Offer {
    /// The catalogue entry, offered by a bureau.
    pub(super) fn entry(&self, provider: &str) -> DatasetCreate {
        DatasetCreate {
            name: self.name.to_owned(),
            title: Text {
                zh: self.title.zh.clone(),
                en: self.title.en.clone(),
            },
            provider: provider.to_owned(),
            industry: self.industry.to_owned(),
            description: self.description.clone(),
            update_cycle: UpdateCycle::Yearly,
            columns: self.columns.clone(),
            unit: Some(PrivacyUnit {
                column: self.unit.to_owned(),
                value_domain: "person-id".to_owned(),
            }),
            quality_rules: Some(self.rules.to_owned()),
            sample: self.sample.clone(),
        }
    }

    /// The manifest of the push: what was sent can be held against it.
    pub(super) fn manifest(&self) -> PushCreate {
        PushCreate {
            format: self.format,
            encoding: self.encoding.map(str::to_owned),
            sha256: Some(hex::encode(ring::digest::digest(
                &ring::digest::SHA256,
                &self.data,
            ))),
            bytes: u64::try_from(self.data.len()).ok(),
            sample: Vec::new(),
            closes: Vec::new(),
        }
    }
}

/// A column of an entry.
pub(super) fn column(
    name: &str,
    column_type: ColumnType,
    class: PrivacyClass,
    comment: &str,
) -> CatalogueColumn {
    CatalogueColumn {
        name: name.to_owned(),
        column_type,
        comment: comment.to_owned(),
        class: Some(class),
        level: None,
    }
}

impl From<ArrowError> for Broken {
    fn from(error: ArrowError) -> Self {
        Self::new(
            format!("示例数据无法生成：{error}"),
            format!("the data cannot be made: {error}"),
        )
    }
}

/// CSV with a header, line by line.
pub(super) struct Csv(String);

impl Csv {
    /// Begins with the header.
    pub(super) fn new(columns: &[CatalogueColumn]) -> Self {
        let mut csv = Self(String::new());
        csv.line(columns.iter().map(|column| column.name.clone()));
        csv
    }

    /// Adds a line. No value of the demonstration holds a comma, a quote or a line break.
    pub(super) fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        self.0.push_str(&cells.join(","));
        self.0.push('\n');
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// A value that may be missing, as CSV has it.
pub(super) fn or_empty(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
