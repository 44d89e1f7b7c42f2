//! What a check reports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::quality::rules::{Check, Rule, Survivor, ValueType};
use crate::text::Bilingual;

/// What was done about a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The value was repaired.
    Repaired,
    /// The row was left out.
    Dropped,
    /// The row was kept as it is.
    Kept,
}

/// One problem of one row, as it is reported back to the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The row's number in the push, as the caller counts.
    pub row: u64,
    /// The column, for rules about one.
    pub column: Option<String>,
    /// The rule's or repair's name.
    pub rule: String,
    /// What was done.
    pub action: Action,
    /// The value with all but its ends hidden.
    pub masked_value: String,
    /// What is wrong.
    pub message: Bilingual,
}

/// How often one rule was broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleCount {
    /// The rule's name.
    pub rule: String,
    /// What the rule is about: `completeness`, `uniqueness`, `validity`, `consistency`, `timeliness`,
    /// `volume` or `stability`.
    pub dimension: String,
    /// The columns that it looks at.
    pub columns: Vec<String>,
    /// Rows that it looked at.
    pub checked: u64,
    /// Rows that broke it.
    pub failed: u64,
    /// Whether breaking it beyond its tolerance keeps the push from becoming a version.
    pub blocking: bool,
}

/// A line about a rule of a push as a whole: its figures, or why it was not looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleNote {
    /// The rule's name; `schema_drift` where the columns themselves differ.
    pub rule: String,
    /// What was found.
    pub message: Bilingual,
}

/// The quality of a push.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QualityReport {
    /// Version of the rules.
    pub rules_version: u32,
    /// Rows that came in.
    pub rows_in: u64,
    /// Rows that stayed.
    pub rows_kept: u64,
    /// Values that were repaired.
    pub repaired: u64,
    /// Score per dimension that has rules, from 0 to 1: the share of looks that found nothing
    /// wrong.
    pub dimensions: BTreeMap<String, f64>,
    /// Score per column, from 0 to 1: its share of non-null values times the share of looks at it
    /// that found nothing wrong.
    pub columns: BTreeMap<String, f64>,
    /// Each rule's counts, in the order of the rules.
    pub rules: Vec<RuleCount>,
    /// Lines about rules of the push as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<RuleNote>,
    /// Names of the blocking rules that were broken: when there is any, the push becomes no
    /// version.
    pub blocking: Vec<String>,
    /// Mean of the dimensions' scores; 1 without rules.
    pub score: f64,
}

/// A value as it may be shown: its first and last character when it is long enough to hide the
/// rest, stars between, never more than 24 characters.
pub(super) fn shown(value: &str) -> String {
    const LENGTH_MAX: usize = 24;
    let cut: String = value.chars().take(LENGTH_MAX).collect();
    let ends = usize::from(cut.chars().count() >= 6);
    let clean: String = cut
        .chars()
        .map(|char| if char.is_control() { '*' } else { char })
        .collect();
    crate::transform::masked(&clean, ends, ends)
}

/// The record of one row that broke a rule.
pub(super) fn problem(rule: &Rule, row: u64, column: Option<String>, value: &str) -> Problem {
    let (zh, en) = match &rule.check {
        Check::NotNull => ("缺少必填的值".to_owned(), "a value is missing".to_owned()),
        Check::Unique(survivor) => match survivor {
            Survivor::First => (
                "键重复，先到者保留".to_owned(),
                "the key was seen before; the first row stays".to_owned(),
            ),
            Survivor::Last => (
                "键重复，后到者保留".to_owned(),
                "the key comes again; the last row stays".to_owned(),
            ),
            Survivor::Newest(by) => (
                format!("键重复，{by} 最新者保留"),
                format!("the key comes more than once; the row with the newest {by} stays"),
            ),
            Survivor::MostComplete => (
                "键重复，最完整者保留".to_owned(),
                "the key comes more than once; the most complete row stays".to_owned(),
            ),
        },
        Check::Type(wanted) => match wanted {
            ValueType::Integer => ("不是整数".to_owned(), "no whole number".to_owned()),
            ValueType::Number => ("不是数字".to_owned(), "no number".to_owned()),
            ValueType::Date => ("不是真实日期".to_owned(), "no real date".to_owned()),
            ValueType::Boolean => ("不是布尔值".to_owned(), "no boolean".to_owned()),
        },
        Check::Date { .. } => (
            "不是真实日期或超出范围".to_owned(),
            "no real date, or one out of range".to_owned(),
        ),
        Check::Identifier(identifier) => {
            let title = identifier.title();
            (
                format!("不是有效的{}", title.zh),
                format!("no valid {}", title.en),
            )
        }
        Check::Regex(_) => (
            "格式不符".to_owned(),
            "does not have the required form".to_owned(),
        ),
        Check::Range { .. } => ("超出取值范围".to_owned(), "out of range".to_owned()),
        Check::Allowed(_) => (
            "不在允许的取值内".to_owned(),
            "none of the allowed values".to_owned(),
        ),
        Check::Order { .. } => (
            format!("{} 的先后次序不成立", rule.columns.join(" ≤ ")),
            format!("{} do not hold in this order", rule.columns.join(" ≤ ")),
        ),
        Check::Reference { dataset, column } => (
            format!("不在数据集 {dataset} 的 {column} 列中"),
            format!("does not occur in column {column} of data set {dataset}"),
        ),
        Check::RowCount { .. }
        | Check::Timely { .. }
        | Check::VolumeDrift { .. }
        | Check::ShareDrift { .. } => (
            "整批数据不符".to_owned(),
            "the push as a whole does not fit".to_owned(),
        ),
    };
    Problem {
        row,
        column,
        rule: rule.name.clone(),
        action: if rule.drop {
            Action::Dropped
        } else {
            Action::Kept
        },
        masked_value: shown(value),
        message: Bilingual::new(zh, en),
    }
}
