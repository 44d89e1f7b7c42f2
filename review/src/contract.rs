//! The scenario as an executable contract: what reviewers approve once, as one document.

use std::collections::BTreeSet;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::row_filter;

/// Bytes of a contract document that are read at most.
const DOCUMENT_BYTES_MAX: usize = 1_048_576;
/// Tables of a contract at most.
const TABLES_MAX: usize = 64;
/// Columns of one table at most.
const COLUMNS_MAX: usize = 512;
/// Bytes of one name at most.
const NAME_BYTES_MAX: usize = 128;

/// The scenario: purpose, tables, operations and output rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// What the data may be used for.
    pub purpose: String,
    /// Industry, such as 卫生健康.
    pub industry: String,
    /// Tables that programs may read.
    pub tables: Vec<TableScope>,
    /// Kinds of programs that are admitted.
    pub operations: Operations,
    /// Rules that results must pass.
    #[serde(default)]
    pub output: OutputRules,
    /// Days that a grant under this scenario lasts at most.
    pub term_days: u32,
    /// Refused results that a grant may collect before it is frozen.
    pub refusals_max: u32,
}

/// One table of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableScope {
    /// Name in SQL.
    pub name: String,
    /// Name of the data set in the catalogue.
    pub dataset: String,
    /// Granted columns; what is not listed does not exist for a program.
    pub columns: Vec<ColumnScope>,
    /// SQL predicate over the data set's columns; rows where it is not true are not staged.
    #[serde(default)]
    pub row_filter: Option<String>,
    /// Value domain of the privacy unit: whom a row speaks of. None declares a table that speaks of
    /// nobody, such as a calendar or a price list.
    #[serde(default)]
    pub unit: Option<String>,
}

/// One granted column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnScope {
    /// Name of the column.
    pub name: String,
    /// What programs may do with it.
    pub role: ColumnRole,
    /// Value domain of a key's tokens, such as `person-id`. Keys of different declared domains are
    /// not joined; a key without one is taken to be of any domain, and never proves that it is the
    /// privacy unit unless it is the table's only key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_domain: Option<String>,
    /// Whether a dimension holds sensitive categories, so that a group in which nearly everybody
    /// has the same one is withheld (class disclosure).
    #[serde(default, skip_serializing_if = "is_false")]
    pub sensitive: bool,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

impl ColumnScope {
    /// A column with a role.
    pub fn new(name: impl Into<String>, role: ColumnRole) -> Self {
        Self {
            name: name.into(),
            role,
            value_domain: None,
            sensitive: false,
        }
    }

    /// A key with the value domain of its tokens.
    pub fn key(name: impl Into<String>, value_domain: impl Into<String>) -> Self {
        Self {
            value_domain: Some(value_domain.into()),
            ..Self::new(name, ColumnRole::Key)
        }
    }
}

/// What programs may do with a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnRole {
    /// A join token: joined by equality, counted distinct; never output, never compared with a
    /// literal.
    Key,
    /// Grouped by and filtered.
    Dimension,
    /// An argument of aggregates; neither grouped by nor filtered.
    Measure,
}

/// Kinds of programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operations {
    /// SQL in the proved lane.
    pub sql: bool,
    /// WASM jobs in the reviewed lane.
    pub wasm: bool,
}

/// Rules that a result must pass before it leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputRules {
    /// Distinct privacy units that a cell must count at least.
    pub threshold: u64,
    /// The largest holding may be at most this share of the cell's total.
    pub dominance_1_percent: u32,
    /// The two largest holdings may together be at most this share of the cell's total.
    pub dominance_2_percent: u32,
    /// What is left without the two largest must be at least this share of the largest.
    pub p_percent: u32,
    /// Counts are rounded to multiples of this.
    pub count_base: u64,
    /// Other numbers are rounded to so many significant digits.
    pub significant_digits: u32,
    /// Rows of a result at most.
    pub rows_max: u64,
    /// Whether a result is refused when more than half of its cells fail.
    pub half_refuses: bool,
}

impl Default for OutputRules {
    /// The defaults of the specification: closed, and stricter than the common checkers.
    fn default() -> Self {
        Self {
            threshold: 10,
            dominance_1_percent: 50,
            dominance_2_percent: 67,
            p_percent: 15,
            count_base: 5,
            significant_digits: 4,
            rows_max: 10_000,
            half_refuses: true,
        }
    }
}

/// Why a document is no contract.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// The document is longer than is read.
    #[error("the contract document has {bytes} bytes, at most {DOCUMENT_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON of this shape.
    #[error("the contract document is no contract in JSON")]
    Json(#[from] serde_json::Error),
    /// Not TOML of this shape.
    #[error("the contract document is no contract in TOML")]
    Toml(#[from] toml::de::Error),
}

impl Contract {
    /// Reads a JSON document. Unknown fields are errors.
    pub fn from_json(text: &str) -> Result<Self, ContractError> {
        within_document_bytes(text)?;
        Ok(serde_json::from_str(text)?)
    }

    /// Reads a TOML document. Unknown fields are errors.
    pub fn from_toml(text: &str) -> Result<Self, ContractError> {
        within_document_bytes(text)?;
        Ok(toml::from_str(text)?)
    }

    /// SHA-256 of the contract as JSON with sorted keys and no spaces. Two contracts that say the
    /// same have the same digest, whatever the document looked like.
    pub fn digest(&self) -> [u8; 32] {
        // A struct of strings, integers and flags always becomes a JSON value.
        let value = serde_json::to_value(self).unwrap_or(serde_json::Value::Null);
        let mut text = String::new();
        write_canonical(&value, &mut text);
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        out
    }

    /// What keeps this contract from being proposed; empty when nothing does.
    pub fn validate(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.purpose.trim().is_empty() {
            findings.push(fault("purpose", "目的不能为空", "the purpose is empty"));
        }
        if self.industry.trim().is_empty() {
            findings.push(fault("industry", "行业不能为空", "the industry is empty"));
        }
        if !(1..=3_650).contains(&self.term_days) {
            findings.push(fault(
                "term_days",
                "期限须为 1 至 3650 天",
                "the term must be 1 to 3650 days",
            ));
        }
        if !self.operations.sql && !self.operations.wasm {
            findings.push(fault(
                "operations",
                "未许可任何作业类型",
                "no kind of program is allowed",
            ));
        }
        if self.tables.is_empty() || self.tables.len() > TABLES_MAX {
            findings.push(fault(
                "tables",
                format!("须有 1 至 {TABLES_MAX} 张表"),
                format!("there must be 1 to {TABLES_MAX} tables"),
            ));
        }
        let mut names = BTreeSet::new();
        for table in &self.tables {
            if !names.insert(table.name.as_str()) {
                findings.push(fault(
                    &table.name,
                    "表名重复",
                    "two tables have the same name",
                ));
            }
            table.validate(&mut findings);
        }
        self.output.validate(&mut findings);
        findings
    }
}

impl TableScope {
    fn validate(&self, findings: &mut Vec<Finding>) {
        if !is_sql_name(&self.name) {
            findings.push(fault(
                &self.name,
                "表名须以小写字母开头，只含小写字母、数字和下划线，最长 63 字节",
                "a table name starts with a lower-case letter, holds lower-case letters, digits and \
                 underscores, and has at most 63 bytes",
            ));
        }
        if !is_plain_name(&self.dataset) {
            findings.push(fault(
                &self.name,
                "数据集名称无效",
                "the data set's name is not valid",
            ));
        }
        if self
            .unit
            .as_deref()
            .is_some_and(|unit| !is_value_domain(unit))
        {
            findings.push(fault(
                &self.name,
                "隐私单元须为值域名称，如 person-id",
                "the privacy unit must be a value domain, such as person-id",
            ));
        }
        if self.columns.is_empty() || self.columns.len() > COLUMNS_MAX {
            findings.push(fault(
                &self.name,
                format!("须授权 1 至 {COLUMNS_MAX} 列"),
                format!("there must be 1 to {COLUMNS_MAX} columns"),
            ));
        }
        let mut names = BTreeSet::new();
        for column in &self.columns {
            self.validate_column(column, &mut names, findings);
        }
        if let Some(filter) = &self.row_filter
            && let Err(error) = row_filter::check_syntax(filter)
        {
            findings.push(fault(
                &self.name,
                format!("行过滤条件无效：{error}"),
                format!("the row filter is not valid: {error}"),
            ));
        }
    }

    fn validate_column(
        &self,
        column: &ColumnScope,
        names: &mut BTreeSet<String>,
        findings: &mut Vec<Finding>,
    ) {
        let subject = format!("{}.{}", self.name, column.name);
        // SQL compares unquoted names in lower case; two names that differ only there would be one.
        if !names.insert(column.name.to_lowercase()) {
            findings.push(fault(
                &subject,
                "列名重复",
                "two columns have the same name",
            ));
        }
        if !is_plain_name(&column.name) || column.name.to_lowercase().starts_with("__egret") {
            findings.push(fault(
                &subject,
                "列名无效",
                "the column's name is not valid",
            ));
        }
        if column.value_domain.is_some() && column.role != ColumnRole::Key {
            findings.push(fault(
                &subject,
                "只有键列有值域",
                "only keys have a value domain",
            ));
        }
        if column
            .value_domain
            .as_deref()
            .is_some_and(|domain| !is_value_domain(domain))
        {
            findings.push(fault(
                &subject,
                "值域名称无效",
                "the value domain's name is not valid",
            ));
        }
        if column.sensitive && column.role != ColumnRole::Dimension {
            findings.push(fault(
                &subject,
                "只有维度列可标为敏感类别",
                "only dimensions are marked as sensitive categories",
            ));
        }
    }
}

impl OutputRules {
    /// Bounds below which the rules would protect nobody, or would not mean anything.
    fn validate(&self, findings: &mut Vec<Finding>) {
        let mut bound = |holds: bool, field: &str, range: &str| {
            if !holds {
                findings.push(fault(
                    &format!("output.{field}"),
                    format!("取值范围为 {range}"),
                    format!("must be {range}"),
                ));
            }
        };
        bound(
            (3..=100_000).contains(&self.threshold),
            "threshold",
            "3..=100000",
        );
        bound(
            (1..=90).contains(&self.dominance_1_percent),
            "dominance_1_percent",
            "1..=90",
        );
        bound(
            (1..=95).contains(&self.dominance_2_percent),
            "dominance_2_percent",
            "1..=95",
        );
        bound((1..=100).contains(&self.p_percent), "p_percent", "1..=100");
        bound(
            (3..=1_000).contains(&self.count_base),
            "count_base",
            "3..=1000",
        );
        bound(
            (1..=6).contains(&self.significant_digits),
            "significant_digits",
            "1..=6",
        );
        bound(
            (1..=1_000_000).contains(&self.rows_max),
            "rows_max",
            "1..=1000000",
        );
    }
}

fn within_document_bytes(text: &str) -> Result<(), ContractError> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(ContractError::TooLong { bytes: text.len() });
    }
    Ok(())
}

fn fault(subject: &str, zh: impl Into<String>, en: impl Into<String>) -> Finding {
    Finding::refuse(
        "contract_invalid",
        subject,
        (zh, en),
        (
            "请修正场景文件后重新提交",
            "correct the scenario document and propose it again",
        ),
    )
}

/// A name that SQL reads without quotes and without folding.
pub(crate) fn is_sql_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn is_plain_name(name: &str) -> bool {
    !name.trim().is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name
            .chars()
            .any(|c| c.is_control() || matches!(c, '"' | '`' | '\\'))
}

fn is_value_domain(name: &str) -> bool {
    (2..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// JSON with sorted keys and no spaces; `serde_json` keeps insertion order when some crate of the
/// build asks for it, so the order is made here.
fn write_canonical(value: &serde_json::Value, out: &mut String) {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write_canonical(&map[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests;
