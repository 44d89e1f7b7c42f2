//! A catalogue entry: what a data set holds, as the resource platform pushes it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use masking::{
    Bilingual, Class, ColumnHint, QualityChecker, QualityRules, QualitySurvey, ValueDomain,
};
use review::{Finding, Severity};
use serde::{Deserialize, Serialize};

use crate::id::OrganisationId;
use crate::intake::both;

const COLUMNS_MAX: usize = 512;
const TEXT_BYTES_MAX: usize = 4096;
const RULES_BYTES_MAX: usize = 64 << 10;
const SAMPLE_ROWS_MAX: usize = 200;
const SAMPLE_BYTES_MAX: usize = 256 << 10;

/// A row of a sample: column → value.
pub type SampleRow = serde_json::Map<String, serde_json::Value>;

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl ColumnType {
    /// The name as written in an entry.
    pub fn name(self) -> &'static str {
        match self {
            ColumnType::String => "string",
            ColumnType::Int64 => "int64",
            ColumnType::Float64 => "float64",
            ColumnType::Bool => "bool",
            ColumnType::Date => "date",
            ColumnType::Timestamp => "timestamp",
        }
    }

    /// The type in memory and in version files.
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::String => DataType::Utf8,
            ColumnType::Int64 => DataType::Int64,
            ColumnType::Float64 => DataType::Float64,
            ColumnType::Bool => DataType::Boolean,
            ColumnType::Date => DataType::Date32,
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }
}

/// Levels of GB/T 43697: what harm a leak would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// How often the provider renews the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// A column of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Name, as in SQL: `[a-z][a-z0-9_]{0,62}`.
    pub name: String,
    /// Type of its values.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// What it means, in the provider's words; a CSV header may name it so.
    #[serde(default)]
    pub comment: String,
    /// What it gives away; found by the classifier when absent, and never weakened by the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Level of GB/T 43697.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
}

/// Whom a row speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyUnit {
    /// The column that names it.
    pub column: String,
    /// The value domain of its identifiers; also the universe that its unit numbers are from.
    pub value_domain: ValueDomain,
}

/// A catalogue entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueEntry {
    /// Unique name, usable in SQL: `[a-z][a-z0-9_]{1,62}`.
    pub name: String,
    /// The name people read.
    pub title: Bilingual,
    /// The organisation that provides it.
    #[serde(with = "crate::document::as_text")]
    pub provider: OrganisationId,
    /// The industry it belongs to.
    pub industry: String,
    /// What it holds.
    #[serde(default)]
    pub description: String,
    /// How often it is renewed.
    #[serde(default)]
    pub update_cycle: UpdateCycle,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Whom a row speaks of; absent for data that speak of nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<PrivacyUnit>,
    /// Quality rules, a TOML document of `masking`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_rules: Option<String>,
    /// 样例数据 as the provider sent it: shown only after it went through the masking policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<SampleRow>,
}

impl CatalogueEntry {
    /// The column of a name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The schema of raw batches.
    pub fn schema(&self) -> SchemaRef {
        arrow_schema(&self.columns)
    }

    /// What the classifier is told.
    pub fn hints(&self) -> Vec<ColumnHint> {
        let hint = |column: &Column| ColumnHint {
            name: column.name.clone(),
            comment: column.comment.clone(),
        };
        self.columns.iter().map(hint).collect()
    }

    /// The quality rules, ready for one push; none of its own means none are checked.
    ///
    /// # Errors
    /// A finding that names rule and column.
    pub fn quality_checker(&self) -> Result<QualityChecker, Box<Finding>> {
        QualityChecker::new(&self.parsed_rules()?, &self.schema()).map_err(rules_finding)
    }

    /// What goes through the rows of a push before they are checked, where a rule keeps another row of a key than the first.
    ///
    /// # Errors
    /// As [`Self::quality_checker`].
    pub fn quality_survey(&self) -> Result<Option<QualitySurvey>, Box<Finding>> {
        let rules = self.parsed_rules()?;
        if !rules.is_survey_needed() {
            return Ok(None);
        }
        let survey = QualitySurvey::new(&rules, &self.schema());
        survey.map(Some).map_err(rules_finding)
    }

    fn parsed_rules(&self) -> Result<QualityRules, Box<Finding>> {
        match &self.quality_rules {
            Some(document) => QualityRules::parse(document).map_err(rules_finding),
            None => Ok(QualityRules::default()),
        }
    }

    /// What keeps the entry out of the catalogue; empty when nothing does.
    pub fn faults(&self) -> Vec<Finding> {
        let mut faults = Vec::new();
        if self.name.len() < 2 || !is_name(&self.name) {
            let zh = "名称以小写字母开头，由小写字母、数字、下划线组成，2 到 63 个字符";
            let en = "a name starts with a lower-case letter and has 2 to 63 lower-case letters, digits or underscores";
            faults.push(fault("entry_name", "name", zh, en));
        }
        for (subject, text) in [
            ("title.zh", &self.title.zh),
            ("title.en", &self.title.en),
            ("industry", &self.industry),
        ] {
            if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
                faults.push(fault(
                    "entry_text",
                    subject,
                    "不能为空，也不能过长",
                    "may be neither empty nor overlong",
                ));
            }
        }
        if self.description.len() > TEXT_BYTES_MAX {
            faults.push(fault("entry_text", "description", "过长", "is too long"));
        }
        self.column_faults(&mut faults);
        self.unit_faults(&mut faults);
        self.sample_faults(&mut faults);
        let rules_bytes = self.quality_rules.as_ref().map_or(0, String::len);
        if rules_bytes > RULES_BYTES_MAX {
            faults.push(fault(
                "quality_rules",
                "quality_rules",
                "质量规则过长",
                "the quality rules are too long",
            ));
        } else if faults.is_empty()
            && let Err(finding) = self.quality_checker()
        {
            faults.push(*finding);
        }
        faults
    }

    fn column_faults(&self, faults: &mut Vec<Finding>) {
        if self.columns.is_empty() || self.columns.len() > COLUMNS_MAX {
            let zh = format!("须有 1 到 {COLUMNS_MAX} 列");
            let en = format!("an entry has 1 to {COLUMNS_MAX} columns");
            faults.push(fault("entry_columns", "columns", zh, en));
        }
        let mut names = BTreeSet::new();
        for column in &self.columns {
            if !is_name(&column.name) {
                let zh = "列名以小写字母开头，由小写字母、数字、下划线组成，最多 63 个字符";
                let en = "a column name starts with a lower-case letter and has at most 63 lower-case letters, digits or underscores";
                faults.push(fault("column_name", &shortened(&column.name), zh, en));
            }
            if !names.insert(&column.name) {
                faults.push(fault(
                    "column_duplicate",
                    &shortened(&column.name),
                    "列名重复",
                    "the name is taken by another column",
                ));
            }
            if column.comment.len() > TEXT_BYTES_MAX {
                faults.push(fault(
                    "entry_text",
                    &shortened(&column.name),
                    "说明过长",
                    "the comment is too long",
                ));
            }
        }
    }

    fn unit_faults(&self, faults: &mut Vec<Finding>) {
        let Some(unit) = &self.unit else { return };
        match self.column(&unit.column) {
            None => faults.push(fault(
                "unit_column",
                &shortened(&unit.column),
                "隐私单元列不在列清单中",
                "the unit's column is not among the columns",
            )),
            Some(column) if !matches!(column.kind, ColumnType::String | ColumnType::Int64) => {
                faults.push(fault(
                    "unit_column",
                    &column.name,
                    "隐私单元列须为 string 或 int64",
                    "the unit's column must be string or int64",
                ));
            }
            Some(_) => {}
        }
    }

    fn sample_faults(&self, faults: &mut Vec<Finding>) {
        if self.sample.len() > SAMPLE_ROWS_MAX {
            let zh = format!("样例最多 {SAMPLE_ROWS_MAX} 行");
            let en = format!("a sample has at most {SAMPLE_ROWS_MAX} rows");
            faults.push(fault("sample_rows", "sample", zh, en));
            return;
        }
        faults.extend(sample_finding(&self.sample, &self.columns));
    }
}

/// The first thing that keeps rows from being a sample of these columns.
pub(crate) fn sample_finding(rows: &[SampleRow], columns: &[Column]) -> Option<Finding> {
    let bytes: usize = rows
        .iter()
        .map(|row| serde_json::to_string(row).map_or(0, |t| t.len()))
        .sum();
    if bytes > SAMPLE_BYTES_MAX {
        return Some(fault(
            "sample_rows",
            "sample",
            "样例过大",
            "the sample is too large",
        ));
    }
    for (number, row) in (1..).zip(rows) {
        for (name, value) in row {
            let place = format!("sample[{number}].{}", shortened(name));
            if !columns.iter().any(|column| column.name == *name) {
                return Some(fault(
                    "column_unknown",
                    &place,
                    "样例中的列不在列清单中",
                    "the sample's column is not among the columns",
                ));
            }
            if value.is_array() || value.is_object() {
                return Some(fault(
                    "sample_value",
                    &place,
                    "样例的值须为文本、数字、真假或空",
                    "a sample's value is text, number, truth value or null",
                ));
            }
        }
    }
    None
}

/// The Arrow schema of columns; all may be null.
pub(crate) fn arrow_schema(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| Field::new(&column.name, column.kind.arrow(), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// A name that SQL takes without quotes.
pub(crate) fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && name.len() <= 63
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The start of a name that came from outside, for a message.
pub(crate) fn shortened(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(63).collect()
}

fn fault(rule: &str, subject: &str, zh: impl Into<String>, en: impl Into<String>) -> Finding {
    let remedy = both(
        "更正目录后重新登记",
        "correct the entry and register it again",
    );
    finding(rule, subject, both(zh, en), remedy)
}

fn finding(rule: &str, subject: &str, reason: Bilingual, remedy: Bilingual) -> Finding {
    Finding::new(rule, Severity::Refuse, subject, reason, remedy)
}

fn rules_finding(fault: masking::QualityError) -> Box<Finding> {
    Box::new(finding(
        "quality_rules",
        fault.column.as_deref().unwrap_or("quality_rules"),
        fault.message,
        fault.remedy,
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use super::*;

    pub(crate) fn entry(provider: OrganisationId) -> CatalogueEntry {
        let column = |name: &str, kind, comment: &str| Column {
            name: name.to_owned(),
            kind,
            comment: comment.to_owned(),
            class: None,
            level: None,
        };
        CatalogueEntry {
            name: "visits".to_owned(),
            title: Bilingual::new("门诊记录", "outpatient visits"),
            provider,
            industry: "卫生健康".to_owned(),
            description: String::new(),
            update_cycle: UpdateCycle::Monthly,
            columns: vec![
                column("resident_id", ColumnType::String, "身份证号"),
                column("sex", ColumnType::String, "性别"),
                column("born", ColumnType::Date, "出生日期"),
                column("cost", ColumnType::Float64, "费用"),
            ],
            unit: Some(PrivacyUnit {
                column: "resident_id".to_owned(),
                value_domain: ValueDomain::parse("person-id").unwrap(),
            }),
            quality_rules: None,
            sample: Vec::new(),
        }
    }

    #[test]
    fn a_good_entry_has_no_faults() {
        let id = "org_0192f0c1a2b37c4d8e9f0a1b2c3d4e5f".parse();
        let Ok(id) = id else { panic!("no id") };
        assert_eq!(entry(id).faults(), vec![]);
    }
}
