//! The document of rules, read with a place and a remedy for every error.

use std::collections::{BTreeMap, BTreeSet};

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::classify::Identifier;
use crate::date::{Day, parse_day};
use crate::error::{Fault, QualityError};
use crate::text::Bilingual;

/// Quality rules and repairs of a data set.
///
/// ```
/// let rules = masking::QualityRules::parse(
///     r#"
///     version = 3
///
///     [[repairs]]
///     kind = "trim"
///     columns = ["id_card", "name"]
///
///     [[rules]]
///     name = "id-valid"
///     kind = "identifier"
///     column = "id_card"
///     identifier = "resident_id"
///     on_fail = "drop"
///
///     [[rules]]
///     name = "one-row-per-visit"
///     kind = "unique"
///     columns = ["id_card", "visited"]
///     on_fail = "drop"
///
///     [[rules]]
///     name = "enough"
///     kind = "row_count"
///     min = 100
///     blocking = true
///     "#,
/// )?;
/// assert_eq!(rules.version(), 3);
/// # Ok::<(), masking::QualityError>(())
/// ```
///
/// Rules by `kind`: `not_null` · `unique` (columns; the first row of a key stays) · `type`
/// (`data_type`: `integer`, `number`, `date`, `boolean`) · `date` (min, max) · `identifier` (a
/// resident ID, a credit code …: form and check) · `regex` (pattern, on the whole value) · `range`
/// (min, max) · `allowed` (values) · `order` (columns: each not after the next; `strict`) ·
/// `row_count` (min, max) · `timely` (days: the newest value of a date or time column is at most so
/// many days before the commit; values after it do not count) · `volume_drift` (percent: rows
/// against the version before) · `share_drift` (max: the population stability index of a column of
/// at most 1,000 categories against the version before; above 0.1 shares shift, above 0.25 they are
/// others) · `reference` (dataset, dataset_column: values occur in that column of the other data
/// set's current version, compared as tokens). What these compare with comes in as a
/// [`Baseline`](crate::Baseline); the first version passes. Every rule has `name`, `on_fail` (`keep`, the default, or `drop`),
/// `blocking` and `tolerance`, the share of rows that may fail before a blocking rule blocks. All
/// rules but `not_null` pass over nulls, `unique` over keys that are null in every column.
///
/// Repairs by `kind`, in their order and before the rules: `trim` · `half_width` · `date` (to
/// `2023-01-05`) · `upper` · `resident_id` (15 digits to 18) · `fill` (value) · `map` (from, to) ·
/// `unit` (factor, offset, min, max) · `lookup` (by, from, to) · `derive` (by, what, to).
#[derive(Clone, Debug, Default)]
pub struct QualityRules {
    version: u32,
    pub(super) repairs: Vec<Repair>,
    pub(super) rules: Vec<Rule>,
}

/// A repair of one or more columns.
#[derive(Clone, Debug)]
pub(super) struct Repair {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) kind: RepairKind,
}

#[derive(Clone, Debug)]
pub(super) enum RepairKind {
    Trim,
    HalfWidth,
    Date,
    Upper,
    Fill(String),
    Map(Vec<(String, String)>),
    /// Numbers within bounds into another unit.
    Unit {
        factor: f64,
        offset: f64,
        min: Option<f64>,
        max: Option<f64>,
    },
    /// Resident numbers of 15 digits into those of 18.
    ResidentId,
    /// Gaps by what another column's value stands for.
    Lookup {
        by: String,
        pairs: BTreeMap<String, String>,
    },
    /// Gaps by what a column of resident numbers says.
    Derive {
        by: String,
        what: Derived,
    },
}

impl RepairKind {
    /// The other column that is read.
    pub(super) fn by(&self) -> Option<&str> {
        match self {
            Self::Lookup { by, .. } | Self::Derive { by, .. } => Some(by),
            _ => None,
        }
    }
}

/// What a resident number says of its holder.
#[derive(Clone, Debug)]
pub(super) enum Derived {
    /// The words for a woman and a man.
    Sex {
        female: String,
        male: String,
    },
    BirthDate,
    /// The six digits of the county.
    Region,
    /// The number itself, of 18 digits.
    ResidentId,
}

/// Which of the rows of one key stays.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Survivor {
    First,
    Last,
    /// The one with the latest value of a column of dates, times or numbers.
    Newest(String),
    /// The one with the fewest gaps.
    MostComplete,
}

/// A rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) check: Check,
    pub(super) drop: bool,
    pub(super) blocking: bool,
    pub(super) tolerance: f64,
}

#[derive(Clone, Debug)]
pub(super) enum Check {
    NotNull,
    Unique(Survivor),
    Type(ValueType),
    Date { min: Option<Day>, max: Option<Day> },
    Identifier(Identifier),
    Regex(Regex),
    Range { min: Option<f64>, max: Option<f64> },
    Allowed(Vec<String>),
    Order { strict: bool },
    RowCount { min: Option<u64>, max: Option<u64> },
    Timely { days: u32 },
    VolumeDrift { percent: f64 },
    ShareDrift { max: f64 },
    Reference { dataset: String, column: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    Integer,
    Number,
    Date,
    Boolean,
}

impl Check {
    /// Whether the rows have to be gone through once before the rule can be applied.
    pub(super) fn is_surveyed(&self) -> bool {
        matches!(self, Self::Unique(survivor) if *survivor != Survivor::First)
    }

    pub(super) fn dimension(&self) -> &'static str {
        match self {
            Self::NotNull => "completeness",
            Self::Unique(_) => "uniqueness",
            Self::Order { .. } | Self::Reference { .. } => "consistency",
            Self::RowCount { .. } | Self::VolumeDrift { .. } => "volume",
            Self::Timely { .. } => "timeliness",
            Self::ShareDrift { .. } => "stability",
            _ => "validity",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    #[serde(default)]
    repairs: Vec<RepairTable>,
    #[serde(default)]
    rules: Vec<RuleTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepairTable {
    kind: String,
    name: Option<String>,
    column: Option<String>,
    #[serde(default)]
    columns: Vec<String>,
    value: Option<String>,
    #[serde(default)]
    from: Vec<String>,
    #[serde(default)]
    to: Vec<String>,
    by: Option<String>,
    what: Option<String>,
    factor: Option<f64>,
    offset: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    name: String,
    kind: String,
    column: Option<String>,
    #[serde(default)]
    columns: Vec<String>,
    on_fail: Option<String>,
    #[serde(default)]
    blocking: bool,
    tolerance: Option<f64>,
    data_type: Option<String>,
    identifier: Option<String>,
    pattern: Option<String>,
    min: Option<toml::Value>,
    max: Option<toml::Value>,
    values: Option<Vec<String>>,
    strict: Option<bool>,
    days: Option<u32>,
    percent: Option<f64>,
    dataset: Option<String>,
    dataset_column: Option<String>,
    survivor: Option<String>,
    by: Option<String>,
}

/// Where a `reference` rule looks for a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceRule<'a> {
    /// The rule's name, which is its key in [`Baseline`](crate::Baseline).
    pub rule: &'a str,
    /// The other data set's name.
    pub dataset: &'a str,
    /// The column there.
    pub column: &'a str,
}

/// Kinds of repair that take no options.
const REPAIRS_WITHOUT_OPTIONS: &[&str] = &["trim", "half_width", "date", "upper", "resident_id"];
/// A document of rules larger than this, or with more rules, is a mistake.
const BYTES_MAX: usize = 1 << 20;
const RULES_MAX: usize = 1000;
/// A hundred years.
const DAYS_MAX: u32 = 36_500;

impl QualityRules {
    /// Reads a document of rules (TOML).
    ///
    /// # Errors
    /// Names the line, or the rule and the option, that cannot be read, and what would do.
    pub fn parse(document: &str) -> Result<Self, QualityError> {
        if document.len() > BYTES_MAX {
            return Err(too_large());
        }
        let read: Document =
            toml::from_str(document).map_err(|error| unreadable(document, &error))?;
        if read.rules.len() + read.repairs.len() > RULES_MAX {
            return Err(too_large());
        }
        let repairs = read
            .repairs
            .into_iter()
            .map(RepairTable::read)
            .collect::<Result<_, _>>()?;
        let rules = read
            .rules
            .into_iter()
            .map(RuleTable::read)
            .collect::<Result<Vec<_>, _>>()?;
        let mut surveyed = rules.iter().filter(|rule: &&Rule| rule.check.is_surveyed());
        if let Some(second) = surveyed.nth(1) {
            return Err(fault(
                "option_value",
                &second.name,
                second.columns.first().map(String::as_str),
                "survivor",
                "每份规则至多一条 last、newest 或 most_complete",
                "last, newest or most_complete in one rule of a document at most",
            ));
        }
        for (place, rule) in rules.iter().enumerate() {
            if rules[..place]
                .iter()
                .any(|earlier| earlier.name == rule.name)
            {
                return Err(fault(
                    "rule_duplicate",
                    &rule.name,
                    None,
                    "name",
                    "另取名称",
                    "another name",
                ));
            }
        }
        Ok(Self {
            version: read.version,
            repairs,
            rules,
        })
    }

    /// What the `reference` rules look for.
    pub fn references(&self) -> impl Iterator<Item = ReferenceRule<'_>> {
        self.rules.iter().filter_map(|rule| match &rule.check {
            Check::Reference { dataset, column } => Some(ReferenceRule {
                rule: &rule.name,
                dataset,
                column,
            }),
            _ => None,
        })
    }

    /// Whether a rule keeps another row of a key than its first, so that the rows have to be gone
    /// through once before, by a [`crate::QualitySurvey`].
    pub fn is_survey_needed(&self) -> bool {
        self.rules.iter().any(|rule| rule.check.is_surveyed())
    }

    /// The version that the document states.
    pub fn version(&self) -> u32 {
        self.version
    }
}

impl RepairTable {
    fn read(self) -> Result<Repair, QualityError> {
        let name = self
            .name
            .clone()
            .unwrap_or_else(|| format!("repair-{}", self.kind.replace('_', "-")));
        let columns = columns(&name, self.column.as_ref(), &self.columns, true)?;
        let bad = |option: &str, zh: &str, en: &str| {
            Err(fault(
                "option_value",
                &name,
                columns.first().map(String::as_str),
                option,
                zh,
                en,
            ))
        };
        let used: &[&str] = match self.kind.as_str() {
            "fill" => &["value"],
            "map" => &["from", "to"],
            "unit" => &["factor", "offset", "min", "max"],
            "lookup" => &["by", "from", "to"],
            "derive" => &["by", "what", "to"],
            _ => &[],
        };
        let given = [
            ("value", self.value.is_some()),
            ("from", !self.from.is_empty()),
            ("to", !self.to.is_empty()),
            ("by", self.by.is_some()),
            ("what", self.what.is_some()),
            ("factor", self.factor.is_some()),
            ("offset", self.offset.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
        ];
        let unfit = (given.iter()).find(|(option, given)| *given && !used.contains(option));
        let is_known = !used.is_empty() || REPAIRS_WITHOUT_OPTIONS.contains(&self.kind.as_str());
        if let Some((option, _)) = unfit.filter(|_| is_known) {
            return bad(
                option,
                "不属于该类修复",
                "nothing: it does not belong to this kind",
            );
        }
        let by = || match &self.by {
            Some(by) if !by.is_empty() && !columns.contains(by) => Ok(by.clone()),
            _ => Err(fault(
                "option_value",
                &name,
                columns.first().map(String::as_str),
                "by",
                "另一列的列名",
                "the name of another column",
            )),
        };
        let kind = match self.kind.as_str() {
            "trim" => RepairKind::Trim,
            "half_width" => RepairKind::HalfWidth,
            "date" => RepairKind::Date,
            "upper" => RepairKind::Upper,
            "resident_id" => RepairKind::ResidentId,
            "unit" => {
                let numbers = [self.factor, self.offset, self.min, self.max];
                if numbers.iter().flatten().any(|number| !number.is_finite()) {
                    return bad("factor", "有限的数", "finite numbers");
                }
                let (factor, offset) = (self.factor.unwrap_or(1.0), self.offset.unwrap_or(0.0));
                if factor == 0.0 || (self.factor.is_none() && self.offset.is_none()) {
                    return bad(
                        "factor",
                        "非零的数，如 100；或只写 offset",
                        "a number other than 0, such as 100; or offset alone",
                    );
                }
                RepairKind::Unit {
                    factor,
                    offset,
                    min: self.min,
                    max: self.max,
                }
            }
            "lookup" => {
                let by = by()?;
                if self.from.len() != self.to.len() || self.from.is_empty() {
                    return bad("to", "与 from 一一对应", "as many values as in from");
                }
                RepairKind::Lookup {
                    by,
                    pairs: self.from.into_iter().zip(self.to).collect(),
                }
            }
            "derive" => {
                let by = by()?;
                let what = match (self.what.as_deref(), self.to.as_slice()) {
                    (Some("sex"), []) => Derived::Sex {
                        female: "女".to_owned(),
                        male: "男".to_owned(),
                    },
                    (Some("sex"), [female, male]) => Derived::Sex {
                        female: female.clone(),
                        male: male.clone(),
                    },
                    (Some("birth_date"), []) => Derived::BirthDate,
                    (Some("region"), []) => Derived::Region,
                    (Some("resident_id"), []) => Derived::ResidentId,
                    (Some("sex"), _) => {
                        return bad("to", "女、男各写什么", "the words for a woman and a man");
                    }
                    (Some("birth_date" | "region" | "resident_id"), _) => {
                        return bad("to", "仅用于 sex", "nothing: it is for sex alone");
                    }
                    _ => {
                        let known = "sex, birth_date, region, resident_id";
                        return bad("what", known, known);
                    }
                };
                RepairKind::Derive { by, what }
            }
            "fill" => match self.value {
                Some(value) => RepairKind::Fill(value),
                None => return bad("value", "填充的值", "the value to fill in"),
            },
            "map" if self.from.len() == self.to.len() && !self.from.is_empty() => {
                RepairKind::Map(self.from.into_iter().zip(self.to).collect())
            }
            "map" => return bad("to", "与 from 一一对应", "as many values as in from"),
            _ => {
                let known =
                    "trim, half_width, date, upper, resident_id, fill, map, unit, lookup, derive";
                return bad("kind", known, known);
            }
        };
        Ok(Repair {
            name,
            columns,
            kind,
        })
    }
}

impl RuleTable {
    fn read(self) -> Result<Rule, QualityError> {
        let name = self.name.clone();
        if name.trim().is_empty() || name.len() > 100 {
            return Err(fault(
                "rule_name",
                &name,
                None,
                "name",
                "1 至 100 个字节",
                "1 to 100 bytes",
            ));
        }
        let columns = columns(
            &name,
            self.column.as_ref(),
            &self.columns,
            !["row_count", "volume_drift"].contains(&self.kind.as_str()),
        )?;
        if columns.len() > 1 && self.is_of_one_column() {
            return Err(self.bad(&columns, "columns", "一列", "one column"));
        }
        let drop = match self.on_fail.as_deref() {
            None | Some("keep") => false,
            Some("drop") if !self.is_of_the_push() => true,
            Some(_) => {
                let known = if self.is_of_the_push() {
                    "keep"
                } else {
                    "keep, drop"
                };
                return Err(fault("option_value", &name, None, "on_fail", known, known));
            }
        };
        let tolerance = self.tolerance.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&tolerance) {
            return Err(fault(
                "option_value",
                &name,
                None,
                "tolerance",
                "0 … 1",
                "0 … 1",
            ));
        }
        let blocking = self.blocking;
        let check = self.check(&columns)?;
        Ok(Rule {
            name,
            columns,
            check,
            drop,
            blocking,
            tolerance,
        })
    }

    /// Whether the rule judges the push and no row of it.
    fn is_of_the_push(&self) -> bool {
        let kinds = ["row_count", "timely", "volume_drift", "share_drift"];
        kinds.contains(&self.kind.as_str())
    }

    fn is_of_one_column(&self) -> bool {
        ["timely", "share_drift", "reference"].contains(&self.kind.as_str())
    }

    fn check(&self, columns: &[String]) -> Result<Check, QualityError> {
        let used: &[&str] = match self.kind.as_str() {
            "not_null" => &[],
            "unique" => &["survivor", "by"],
            "type" => &["data_type"],
            "date" | "range" | "row_count" => &["min", "max"],
            "identifier" => &["identifier"],
            "regex" => &["pattern"],
            "allowed" => &["values"],
            "order" => &["strict"],
            "timely" => &["days"],
            "volume_drift" => &["percent"],
            "share_drift" => &["max"],
            "reference" => &["dataset", "dataset_column"],
            _ => {
                let known = "not_null, unique, type, date, identifier, regex, range, allowed, order, row_count, \
                    timely, volume_drift, share_drift, reference";
                return Err(self.bad(columns, "kind", known, known));
            }
        };
        let given = [
            ("data_type", self.data_type.is_some()),
            ("identifier", self.identifier.is_some()),
            ("pattern", self.pattern.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("values", self.values.is_some()),
            ("strict", self.strict.is_some()),
            ("days", self.days.is_some()),
            ("percent", self.percent.is_some()),
            ("dataset", self.dataset.is_some()),
            ("dataset_column", self.dataset_column.is_some()),
            ("survivor", self.survivor.is_some()),
            ("by", self.by.is_some()),
        ];
        if let Some((option, _)) = given
            .iter()
            .find(|(option, given)| *given && !used.contains(option))
        {
            return Err(self.bad(
                columns,
                option,
                "不属于该类规则",
                "nothing: it does not belong to this kind",
            ));
        }
        if used == ["min", "max"] && self.min.is_none() && self.max.is_none() && self.kind != "date"
        {
            return Err(self.bad(columns, "min", "min 或 max", "min or max"));
        }
        self.check_of_kind(columns)
    }

    fn check_of_kind(&self, columns: &[String]) -> Result<Check, QualityError> {
        Ok(match self.kind.as_str() {
            "not_null" => Check::NotNull,
            "unique" => Check::Unique(self.survivor(columns)?),
            "type" => Check::Type(match self.data_type.as_deref() {
                Some("integer") => ValueType::Integer,
                Some("number") => ValueType::Number,
                Some("date") => ValueType::Date,
                Some("boolean") => ValueType::Boolean,
                _ => {
                    let known = "integer, number, date, boolean";
                    return Err(self.bad(columns, "data_type", known, known));
                }
            }),
            "date" => Check::Date {
                min: self.day(columns, "min", self.min.as_ref())?,
                max: self.day(columns, "max", self.max.as_ref())?,
            },
            "identifier" => match self.identifier.as_deref().and_then(Identifier::parse) {
                Some(identifier) => Check::Identifier(identifier),
                None => {
                    let known = Identifier::ALL.map(Identifier::as_str).join(", ");
                    return Err(self.bad(columns, "identifier", &known, &known));
                }
            },
            "regex" => Check::Regex(self.regex(columns)?),
            "range" => Check::Range {
                min: self.number(columns, "min", self.min.as_ref())?,
                max: self.number(columns, "max", self.max.as_ref())?,
            },
            "allowed" => match &self.values {
                Some(values) if !values.is_empty() => {
                    let mut values = values.clone();
                    values.sort_unstable();
                    Check::Allowed(values)
                }
                _ => return Err(self.bad(columns, "values", "至少一个值", "at least one value")),
            },
            "order" if columns.len() < 2 => {
                return Err(self.bad(columns, "columns", "至少两列", "at least two columns"));
            }
            "order" => Check::Order {
                strict: self.strict.unwrap_or(false),
            },
            "row_count" => Check::RowCount {
                min: self.whole(columns, "min", self.min.as_ref())?,
                max: self.whole(columns, "max", self.max.as_ref())?,
            },
            _ => self.comparing(columns)?,
        })
    }

    fn survivor(&self, columns: &[String]) -> Result<Survivor, QualityError> {
        let survivor = match (self.survivor.as_deref(), &self.by) {
            (None | Some("first"), None) => Survivor::First,
            (Some("last"), None) => Survivor::Last,
            (Some("most_complete"), None) => Survivor::MostComplete,
            (Some("newest"), Some(by)) => Survivor::Newest(by.clone()),
            (Some("newest"), None) => {
                let (zh, en) = (
                    "日期、时间或数值列的列名",
                    "a column of dates, times or numbers",
                );
                return Err(self.bad(columns, "by", zh, en));
            }
            (None | Some("first" | "last" | "most_complete"), Some(_)) => {
                let (zh, en) = ("仅用于 newest", "nothing: it is for newest alone");
                return Err(self.bad(columns, "by", zh, en));
            }
            (Some(_), _) => {
                let known = "first, last, newest, most_complete";
                return Err(self.bad(columns, "survivor", known, known));
            }
        };
        if survivor != Survivor::First && self.on_fail.as_deref() != Some("drop") {
            let (zh, en) = ("drop（与 survivor 同用）", "drop, as survivor asks for it");
            return Err(self.bad(columns, "on_fail", zh, en));
        }
        Ok(survivor)
    }

    /// A rule that compares the push with what was before it, or with another data set.
    fn comparing(&self, columns: &[String]) -> Result<Check, QualityError> {
        let missing = |option, zh, en| Err(self.bad(columns, option, zh, en));
        let positive = |number: Option<f64>| number.filter(|n| n.is_finite() && *n > 0.0);
        match self.kind.as_str() {
            "timely" => match self.days {
                Some(days) if days <= DAYS_MAX => Ok(Check::Timely { days }),
                _ => missing("days", "0 至 36500 的整数", "a whole number, 0 to 36500"),
            },
            "volume_drift" => match positive(self.percent) {
                Some(percent) => Ok(Check::VolumeDrift { percent }),
                None => missing(
                    "percent",
                    "大于 0 的数，如 20",
                    "a number above 0, such as 20",
                ),
            },
            "share_drift" => match positive(self.number(columns, "max", self.max.as_ref())?) {
                Some(max) => Ok(Check::ShareDrift { max }),
                None => missing(
                    "max",
                    "大于 0 的数，如 0.2",
                    "a number above 0, such as 0.2",
                ),
            },
            _ => Ok(Check::Reference {
                dataset: self.named(columns, "dataset", self.dataset.as_ref())?,
                column: self.named(columns, "dataset_column", self.dataset_column.as_ref())?,
            }),
        }
    }

    fn named(
        &self,
        columns: &[String],
        option: &str,
        name: Option<&String>,
    ) -> Result<String, QualityError> {
        match name {
            Some(name) if (1..=63).contains(&name.len()) => Ok(name.clone()),
            _ => Err(self.bad(columns, option, "目录中的名称", "a name of the catalogue")),
        }
    }

    /// The pattern, bound to the whole value; its size is limited, and matching takes linear time.
    fn regex(&self, columns: &[String]) -> Result<Regex, QualityError> {
        let pattern = self.pattern.as_deref().unwrap_or("");
        RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
            .size_limit(1 << 20)
            .nest_limit(50)
            .build()
            .ok()
            .filter(|_| !pattern.is_empty())
            .ok_or_else(|| {
                self.bad(
                    columns,
                    "pattern",
                    "合规的正则表达式（无环视与反向引用），例如 [A-Z]\\d{8}",
                    "a regular expression without look-around or back-references, such as [A-Z]\\d{8}",
                )
            })
    }

    fn day(
        &self,
        columns: &[String],
        option: &str,
        value: Option<&toml::Value>,
    ) -> Result<Option<Day>, QualityError> {
        let text = match value {
            None => return Ok(None),
            Some(toml::Value::String(text)) => text.clone(),
            Some(toml::Value::Datetime(day)) => day.to_string(),
            Some(_) => String::new(),
        };
        match parse_day(&text) {
            Some(day) => Ok(Some(day)),
            None => Err(self.bad(columns, option, "\"2023-01-05\"", "\"2023-01-05\"")),
        }
    }

    fn number(
        &self,
        columns: &[String],
        option: &str,
        value: Option<&toml::Value>,
    ) -> Result<Option<f64>, QualityError> {
        match value {
            None => Ok(None),
            Some(toml::Value::Float(number)) if number.is_finite() => Ok(Some(*number)),
            // Written and read back, a whole number is the nearest floating-point one.
            Some(toml::Value::Integer(number)) => Ok(number.to_string().parse().ok()),
            Some(_) => Err(self.bad(columns, option, "数字", "a number")),
        }
    }

    fn whole(
        &self,
        columns: &[String],
        option: &str,
        value: Option<&toml::Value>,
    ) -> Result<Option<u64>, QualityError> {
        match value {
            None => Ok(None),
            Some(toml::Value::Integer(number)) if *number >= 0 => Ok(u64::try_from(*number).ok()),
            Some(_) => Err(self.bad(columns, option, "非负整数", "a whole number, 0 or more")),
        }
    }

    fn bad(&self, columns: &[String], option: &str, zh: &str, en: &str) -> QualityError {
        fault(
            "option_value",
            &self.name,
            columns.first().map(String::as_str),
            option,
            zh,
            en,
        )
    }
}

fn columns(
    rule: &str,
    column: Option<&String>,
    columns: &[String],
    needed: bool,
) -> Result<Vec<String>, QualityError> {
    let all: Vec<String> = column.into_iter().chain(columns).cloned().collect();
    let distinct: BTreeSet<&String> = all.iter().collect();
    if all.is_empty() == needed || distinct.len() != all.len() {
        let (zh, en) = if needed {
            ("列名，各写一次", "column names, each once")
        } else {
            ("不写列", "no column")
        };
        return Err(fault("option_value", rule, None, "columns", zh, en));
    }
    Ok(all)
}

fn fault(
    code: &str,
    rule: &str,
    column: Option<&str>,
    option: &str,
    zh: &str,
    en: &str,
) -> QualityError {
    let rule: String = rule.chars().take(100).collect();
    Fault {
        code: code.to_owned(),
        column: column.map(str::to_owned),
        message: Bilingual::new(
            format!("质量规则 {rule:?} 的选项 {option} 不合规"),
            format!("quality rule {rule:?} has an option {option} that is not allowed"),
        ),
        remedy: Bilingual::new(format!("可写：{zh}"), format!("write: {en}")),
    }
}

fn too_large() -> QualityError {
    Fault::general(
        "document_too_large",
        Bilingual::new(
            "质量规则超过 1 MiB 或 1000 条",
            "the quality rules are larger than 1 MiB, or more than 1000",
        ),
        Bilingual::new("减少规则", "write fewer rules"),
    )
}

fn unreadable(document: &str, error: &toml::de::Error) -> QualityError {
    let line = error
        .span()
        .and_then(|span| document.get(..span.start))
        .map_or(1, |before| before.matches('\n').count() + 1);
    let message = error.message();
    Fault::general(
        "document_unreadable",
        Bilingual::new(
            format!("质量规则第 {line} 行无法读取：{message}"),
            format!("line {line} of the quality rules cannot be read: {message}"),
        ),
        Bilingual::new(
            "文档为 TOML：version，[[repairs]] 与 [[rules]]，每条写明 kind",
            "write TOML: version, [[repairs]] and [[rules]], each with its kind",
        ),
    )
}
