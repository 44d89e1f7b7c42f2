//! Rules over batches.

use std::collections::{BTreeMap, HashSet};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Float64Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use sha2::{Digest, Sha256};
use std::sync::Arc;

use crate::classify::is_valid;
use crate::date::{could_hold_days, days, parse_day};
use crate::error::{Fault, QualityError, internal};
use crate::quality::repair::{fits, repair};
use crate::quality::report::{Action, Problem, QualityReport, RuleCount, shown};
use crate::quality::rules::{Check, QualityRules, Rule, ValueType};
use crate::text::Bilingual;
use crate::transform::text_values;

/// Distinct keys that one push's unique rules may hold together: about 3 GiB of digests.
const KEYS_MAX: usize = 60_000_000;

/// A checked batch.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The rows that stay, repaired.
    pub kept: RecordBatch,
    /// What was found, in the order of rows; a row that was left out has a problem that says so.
    pub problems: Vec<Problem>,
}

/// Checks and repairs the batches of one push, in the order in which they come.
#[derive(Debug)]
pub struct QualityChecker {
    rules: QualityRules,
    schema: SchemaRef,
    states: Vec<State>,
    columns: Vec<ColumnState>,
    rows_in: u64,
    rows_kept: u64,
    repaired: u64,
}

/// What is counted for one rule.
#[derive(Debug, Default)]
struct State {
    places: Vec<usize>,
    checked: u64,
    failed: u64,
    /// Keys of a unique rule that were seen.
    keys: HashSet<[u8; 16]>,
    rows: Option<RowConverter>,
}

/// What is counted for one column.
#[derive(Clone, Debug, Default)]
struct ColumnState {
    nulls: u64,
    checked: u64,
    failed: u64,
}

impl QualityChecker {
    /// Binds rules to a schema.
    ///
    /// # Errors
    /// `column_missing`, or `type_unfit` when a rule or repair cannot take a column's type; both name rule and column.
    pub fn new(rules: &QualityRules, schema: &Schema) -> Result<Self, QualityError> {
        for repair in &rules.repairs {
            for column in &repair.columns {
                let data_type = schema
                    .field(place(schema, &repair.name, column)?)
                    .data_type();
                if !fits(&repair.kind, data_type) {
                    return Err(type_unfit(&repair.name, column, data_type));
                }
            }
        }
        let mut states = Vec::with_capacity(rules.rules.len());
        for rule in &rules.rules {
            let mut state = State::default();
            for column in &rule.columns {
                let place = place(schema, &rule.name, column)?;
                let data_type = schema.field(place).data_type();
                if !takes(&rule.check, data_type) {
                    return Err(type_unfit(&rule.name, column, data_type));
                }
                state.places.push(place);
            }
            if matches!(rule.check, Check::Unique) {
                let fields = state
                    .places
                    .iter()
                    .map(|place| SortField::new(schema.field(*place).data_type().clone()));
                let converter = RowConverter::new(fields.collect())
                    .map_err(|error| internal("check", &error))?;
                state.rows = Some(converter);
            }
            states.push(state);
        }
        Ok(Self {
            rules: rules.clone(),
            schema: Arc::new(schema.clone()),
            states,
            columns: vec![ColumnState::default(); schema.fields().len()],
            rows_in: 0,
            rows_kept: 0,
            repaired: 0,
        })
    }

    /// Checks one batch whose first row has the given number.
    ///
    /// # Errors
    /// `schema_changed`, or `keys_too_many` when unique rules would hold more than sixty million keys.
    pub fn check(&mut self, first_row: u64, batch: &RecordBatch) -> Result<Checked, QualityError> {
        self.check_schema(batch.schema_ref())?;
        let mut problems = Vec::new();
        let batch = self.repair(first_row, batch, &mut problems)?;
        for (column, values) in self.columns.iter_mut().zip(batch.columns()) {
            column.nulls += count(values.null_count());
        }
        let mut stays = vec![true; batch.num_rows()];
        for (rule, state) in self.rules.rules.iter().zip(&mut self.states) {
            let outcome = state.run(rule, &batch, &stays)?;
            state.checked += outcome.checked;
            state.failed += count(outcome.failures.len());
            if !matches!(rule.check, Check::NotNull) {
                note(&outcome, &mut self.columns);
            }
            for failure in outcome.failures {
                if rule.drop {
                    stays[failure.row] = false;
                }
                let column = failure
                    .column
                    .map(|place| self.schema.field(place).name().clone());
                problems.push(problem(
                    rule,
                    first_row + count(failure.row),
                    column,
                    &failure.value,
                ));
            }
        }
        problems.sort_by_key(|problem| problem.row);
        let kept = if stays.iter().all(|stays| *stays) {
            batch.clone()
        } else {
            filter_record_batch(&batch, &BooleanArray::from(stays))
                .map_err(|error| internal("check", &error))?
        };
        self.rows_in += count(batch.num_rows());
        self.rows_kept += count(kept.num_rows());
        Ok(Checked { kept, problems })
    }

    /// The report.
    pub fn finish(mut self) -> QualityReport {
        for (rule, state) in self.rules.rules.iter().zip(&mut self.states) {
            if let Check::RowCount { min, max } = rule.check {
                state.checked = 1;
                let enough = min.is_none_or(|min| self.rows_kept >= min);
                let few = max.is_none_or(|max| self.rows_kept <= max);
                state.failed = u64::from(!enough || !few);
            }
        }
        let counts: Vec<RuleCount> = self
            .rules
            .rules
            .iter()
            .zip(&self.states)
            .map(|(rule, state)| counted(rule, state))
            .collect();
        let blocking = self
            .rules
            .rules
            .iter()
            .zip(&self.states)
            .filter(|(rule, state)| {
                rule.blocking && ratio(state.failed, state.checked) > rule.tolerance
            })
            .map(|(rule, _)| rule.name.clone())
            .collect();
        let dimensions = dimensions(&counts);
        let score = if dimensions.is_empty() {
            1.0
        } else {
            dimensions.values().sum::<f64>() / float(count(dimensions.len()))
        };
        let columns = self
            .schema
            .fields()
            .iter()
            .zip(&self.columns)
            .map(|(field, column)| (field.name().clone(), column.score(self.rows_in)))
            .collect();
        QualityReport {
            rules_version: self.rules.version(),
            rows_in: self.rows_in,
            rows_kept: self.rows_kept,
            repaired: self.repaired,
            dimensions,
            columns,
            rules: counts,
            blocking,
            score,
        }
    }

    fn repair(
        &mut self,
        first_row: u64,
        batch: &RecordBatch,
        problems: &mut Vec<Problem>,
    ) -> Result<RecordBatch, QualityError> {
        if self.rules.repairs.is_empty() {
            return Ok(batch.clone());
        }
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        for step in &self.rules.repairs {
            for name in &step.columns {
                let place = place(&self.schema, &step.name, name)?;
                let repaired = repair(&step.kind, &columns[place])?;
                columns[place] = repaired.values;
                self.repaired += count(repaired.changed.len());
                problems.extend(repaired.changed.into_iter().map(|(row, value)| Problem {
                    row: first_row + count(row),
                    column: Some(name.clone()),
                    rule: step.name.clone(),
                    action: Action::Repaired,
                    masked_value: shown(&value),
                    message: Bilingual::new(
                        "值已规范化或填充",
                        "the value was brought to its standard form or filled in",
                    ),
                }));
            }
        }
        // A repair may make a cell null, so the columns are nullable whatever the push said.
        let fields: Vec<_> = batch
            .schema_ref()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        let schema = Schema::new_with_metadata(fields, batch.schema_ref().metadata().clone());
        RecordBatch::try_new(Arc::new(schema), columns).map_err(|error| internal("repair", &error))
    }

    fn check_schema(&self, schema: &Schema) -> Result<(), QualityError> {
        let differs = self
            .schema
            .fields()
            .iter()
            .enumerate()
            .find(|(place, known)| {
                schema.fields().get(*place).is_none_or(|given| {
                    given.name() != known.name() || given.data_type() != known.data_type()
                })
            });
        let message = Bilingual::new(
            "批次的列与规则所依据的结构不同",
            "the batch has other columns than the rules were bound to",
        );
        let remedy = Bilingual::new(
            "请按目录中的结构推送",
            "push the columns of the catalogue entry",
        );
        match differs {
            Some((_, known)) => Err(Fault::column(
                "schema_changed",
                known.name(),
                message,
                remedy,
            )),
            None if schema.fields().len() != self.schema.fields().len() => {
                Err(Fault::general("schema_changed", message, remedy))
            }
            None => Ok(()),
        }
    }
}

impl ColumnState {
    fn score(&self, rows: u64) -> f64 {
        (1.0 - ratio(self.nulls, rows)) * (1.0 - ratio(self.failed, self.checked))
    }
}

/// What one rule found in one batch.
#[derive(Default)]
struct Outcome {
    /// Looks, and those that failed, per column.
    columns: Vec<(usize, u64, u64)>,
    /// Looks of the rule.
    checked: u64,
    failures: Vec<Failure>,
}

/// A row that broke a rule.
struct Failure {
    row: usize,
    /// Place of the column, for rules that look at each value by itself.
    column: Option<usize>,
    value: String,
}

impl State {
    /// Runs a rule over the rows that stay so far; a row that an earlier rule left out is not looked at again.
    fn run(
        &mut self,
        rule: &Rule,
        batch: &RecordBatch,
        stays: &[bool],
    ) -> Result<Outcome, QualityError> {
        let columns: Vec<&ArrayRef> = self
            .places
            .iter()
            .map(|place| batch.column(*place))
            .collect();
        match &rule.check {
            Check::RowCount { .. } => Ok(Outcome::default()),
            Check::Unique => self.unique(rule, &columns, stays),
            Check::Order { strict } => ordered(&columns, &self.places, *strict, stays),
            check => {
                let mut outcome = Outcome::default();
                for (values, place) in columns.into_iter().zip(&self.places) {
                    each(check, values, *place, stays, &mut outcome)?;
                }
                Ok(outcome)
            }
        }
    }

    fn unique(
        &mut self,
        rule: &Rule,
        columns: &[&ArrayRef],
        stays: &[bool],
    ) -> Result<Outcome, QualityError> {
        let Some(converter) = &self.rows else {
            return Ok(Outcome::default());
        };
        let owned: Vec<ArrayRef> = columns.iter().map(|column| Arc::clone(column)).collect();
        let rows = converter
            .convert_columns(&owned)
            .map_err(|error| internal("check", &error))?;
        let texts = columns
            .first()
            .map(|column| text_values(column.as_ref()))
            .transpose()?;
        let mut outcome = Outcome::default();
        for (row, key) in rows.iter().enumerate() {
            if !stays[row] || columns.iter().all(|column| column.is_null(row)) {
                continue;
            }
            outcome.checked += 1;
            if !self.keys.insert(digest(key.as_ref())) {
                let value = texts
                    .as_ref()
                    .map_or("", |texts| value_at(texts, row))
                    .to_owned();
                let column = if self.places.len() == 1 {
                    self.places.first().copied()
                } else {
                    None
                };
                outcome.failures.push(Failure { row, column, value });
            }
        }
        outcome.count_for(&self.places);
        if self.keys.len() > KEYS_MAX {
            return Err(Fault {
                column: rule.columns.first().cloned(),
                ..Fault::general(
                    "keys_too_many",
                    Bilingual::new(
                        format!("唯一性规则 {:?} 的不同键超过 {KEYS_MAX} 个", rule.name),
                        format!(
                            "unique rule {:?} has more than {KEYS_MAX} distinct keys",
                            rule.name
                        ),
                    ),
                    Bilingual::new(
                        "分批推送，或去掉该规则",
                        "push in parts, or remove the rule",
                    ),
                )
            });
        }
        Ok(outcome)
    }
}

/// 128 bits of SHA-256 of a key: two different keys meet with a chance below 2^-64 at sixty million keys.
fn digest(key: &[u8]) -> [u8; 16] {
    let bytes: [u8; 32] = Sha256::digest(key).into();
    let mut head = [0; 16];
    head.copy_from_slice(&bytes[..16]);
    head
}

impl Outcome {
    /// Counts a rule about several columns together for each of them.
    fn count_for(&mut self, places: &[usize]) {
        let (checked, failed) = (self.checked, count(self.failures.len()));
        self.columns = places
            .iter()
            .map(|place| (*place, checked, failed))
            .collect();
    }
}

/// A rule that looks at each value of a column by itself.
fn each(
    check: &Check,
    values: &ArrayRef,
    place: usize,
    stays: &[bool],
    outcome: &mut Outcome,
) -> Result<(), QualityError> {
    let passes = passing(check, values)?;
    let (mut checked, mut failed) = (0, 0);
    let mut texts = None;
    for row in (0..values.len()).filter(|row| stays[*row]) {
        if values.is_null(row) && !matches!(check, Check::NotNull) {
            continue;
        }
        checked += 1;
        if passes(row) {
            continue;
        }
        failed += 1;
        // The text form is made once a value has to be shown.
        if texts.is_none() {
            texts = Some(text_values(values.as_ref())?);
        }
        let value = texts
            .as_ref()
            .map_or("", |texts| value_at(texts, row))
            .to_owned();
        outcome.failures.push(Failure {
            row,
            column: Some(place),
            value,
        });
    }
    outcome.checked += checked;
    outcome.columns.push((place, checked, failed));
    Ok(())
}

type Test<'a> = Box<dyn Fn(usize) -> bool + 'a>;

/// The test of a non-null value, by row.
fn passing<'a>(check: &'a Check, values: &'a ArrayRef) -> Result<Test<'a>, QualityError> {
    Ok(match check {
        Check::NotNull => {
            let is_text = matches!(
                values.data_type(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            );
            let texts = if is_text {
                Some(text_values(values.as_ref())?)
            } else {
                None
            };
            Box::new(move |row| {
                values.is_valid(row)
                    && texts
                        .as_ref()
                        .is_none_or(|texts| !value_at(texts, row).trim().is_empty())
            })
        }
        Check::Range { min, max } => {
            let numbers = numbers(values)?;
            Box::new(move |row| {
                let number = numbers.value(row);
                numbers.is_valid(row)
                    && !number.is_nan()
                    && min.is_none_or(|min| number >= min)
                    && max.is_none_or(|max| number <= max)
            })
        }
        Check::Date { min, max } => {
            let dates = days(values.as_ref());
            let (min, max) = (min.map(|day| day.to_epoch()), max.map(|day| day.to_epoch()));
            Box::new(move |row| {
                dates.as_ref().is_some_and(|dates| {
                    let date = i64::from(dates.value(row));
                    dates.is_valid(row)
                        && min.is_none_or(|min| date >= min)
                        && max.is_none_or(|max| date <= max)
                })
            })
        }
        Check::Type(wanted) => typed(*wanted, values)?,
        Check::Identifier(identifier) => by_text(values, move |text| is_valid(*identifier, text))?,
        Check::Regex(regex) => by_text(values, move |text| regex.is_match(text))?,
        Check::Allowed(allowed) => by_text(values, move |text| {
            allowed
                .binary_search_by(|known| known.as_str().cmp(text))
                .is_ok()
        })?,
        Check::Unique | Check::Order { .. } | Check::RowCount { .. } => Box::new(|_| true),
    })
}

fn by_text<'a>(
    values: &ArrayRef,
    test: impl Fn(&str) -> bool + 'a,
) -> Result<Test<'a>, QualityError> {
    let texts = text_values(values.as_ref())?;
    Ok(Box::new(move |row| test(value_at(&texts, row))))
}

/// A column that already has the type passes as a whole.
fn typed<'a>(wanted: ValueType, values: &ArrayRef) -> Result<Test<'a>, QualityError> {
    let data_type = values.data_type();
    let has_type = match wanted {
        ValueType::Integer => data_type.is_integer(),
        ValueType::Number => data_type.is_numeric(),
        ValueType::Date => data_type.is_temporal(),
        ValueType::Boolean => *data_type == DataType::Boolean,
    };
    if has_type {
        return Ok(Box::new(|_| true));
    }
    by_text(values, move |text| {
        let text = text.trim();
        match wanted {
            ValueType::Integer => text.parse::<i64>().is_ok(),
            ValueType::Number => text.parse::<f64>().is_ok_and(f64::is_finite),
            ValueType::Date => parse_day(text).is_some(),
            ValueType::Boolean => {
                matches!(
                    text.to_ascii_lowercase().as_str(),
                    "true" | "false" | "0" | "1" | "是" | "否"
                )
            }
        }
    })
}

/// Each column not after the next, as dates where the columns hold dates, as numbers elsewhere. A value that cannot be
/// read is no fault of the order; its own rule tells.
fn ordered(
    columns: &[&ArrayRef],
    places: &[usize],
    strict: bool,
    stays: &[bool],
) -> Result<Outcome, QualityError> {
    let mut series: Vec<Float64Array> = Vec::with_capacity(columns.len());
    for column in columns {
        series.push(moments(column)?);
    }
    let mut outcome = Outcome::default();
    let mut texts = None;
    for row in (0..stays.len()).filter(|row| stays[*row]) {
        let present: Vec<f64> = series
            .iter()
            .filter(|values| values.is_valid(row))
            .map(|values| values.value(row))
            .collect();
        if present.len() < 2 {
            continue;
        }
        outcome.checked += 1;
        let in_order = present.windows(2).all(|pair| {
            if strict {
                pair[0] < pair[1]
            } else {
                pair[0] <= pair[1]
            }
        });
        if !in_order {
            if texts.is_none() {
                texts = columns
                    .first()
                    .map(|column| text_values(column.as_ref()))
                    .transpose()?;
            }
            let value = texts
                .as_ref()
                .map_or("", |texts| value_at(texts, row))
                .to_owned();
            outcome.failures.push(Failure {
                row,
                column: None,
                value,
            });
        }
    }
    outcome.count_for(places);
    Ok(outcome)
}

/// Values on one line: microseconds for times, days in microseconds for dates and written dates, numbers as they are.
fn moments(values: &ArrayRef) -> Result<Float64Array, QualityError> {
    const MICROSECONDS_A_DAY: f64 = 86_400_000_000.0;
    match values.data_type() {
        DataType::Timestamp(_, _) => {
            let micros = cast(
                values,
                &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None),
            )
            .and_then(|micros| cast(&micros, &DataType::Int64))
            .map_err(|error| internal("check", &error))?;
            numbers(&micros)
        }
        data_type if could_hold_days(data_type) => {
            let dates = days(values.as_ref());
            let dates = dates.unwrap_or_else(|| arrow::array::Date32Array::new_null(values.len()));
            let numbers = match values.data_type() {
                // Text may hold numbers as well; a column is read as dates when any value is one.
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
                    if dates.null_count() == dates.len() =>
                {
                    return numbers(values);
                }
                _ => dates.unary::<_, Float64Type>(|day| f64::from(day) * MICROSECONDS_A_DAY),
            };
            Ok(numbers)
        }
        _ => numbers(values),
    }
}

/// The numbers of a column; text that is none is null.
fn numbers(values: &ArrayRef) -> Result<Float64Array, QualityError> {
    let numbers = cast(values, &DataType::Float64).map_err(|error| internal("check", &error))?;
    Ok(numbers.as_primitive::<Float64Type>().clone())
}

fn value_at(texts: &ArrayRef, row: usize) -> &str {
    let texts = texts.as_string::<i32>();
    if texts.is_valid(row) {
        texts.value(row)
    } else {
        ""
    }
}

/// Whether a check can read a type.
fn takes(check: &Check, data_type: &DataType) -> bool {
    let is_text = matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    match check {
        Check::NotNull => true,
        Check::Unique => RowConverter::supports_fields(&[SortField::new(data_type.clone())]),
        Check::Range { .. } => is_text || data_type.is_numeric(),
        Check::Date { .. } => could_hold_days(data_type),
        Check::Order { .. } => is_text || data_type.is_numeric() || data_type.is_temporal(),
        _ => is_text || data_type.is_primitive() || *data_type == DataType::Boolean,
    }
}

fn place(schema: &Schema, rule: &str, column: &str) -> Result<usize, QualityError> {
    schema.index_of(column).map_err(|_| {
        Fault::column(
            "column_missing",
            column,
            Bilingual::new(
                format!("质量规则 {rule:?} 所述的列不存在"),
                format!("quality rule {rule:?} names a column that is not there"),
            ),
            Bilingual::new("使用目录中的列名", "use a column of the catalogue entry"),
        )
    })
}

fn type_unfit(rule: &str, column: &str, data_type: &DataType) -> QualityError {
    Fault::column(
        "type_unfit",
        column,
        Bilingual::new(
            format!("质量规则 {rule:?} 不适用于类型 {data_type}"),
            format!("quality rule {rule:?} cannot take values of type {data_type}"),
        ),
        Bilingual::new("改用适合该类型的规则", "use a rule that fits the type"),
    )
}

fn note(outcome: &Outcome, columns: &mut [ColumnState]) {
    for (place, checked, failed) in &outcome.columns {
        if let Some(column) = columns.get_mut(*place) {
            column.checked += checked;
            column.failed += failed;
        }
    }
}

fn problem(rule: &Rule, row: u64, column: Option<String>, value: &str) -> Problem {
    let (zh, en) = match &rule.check {
        Check::NotNull => ("缺少必填的值".to_owned(), "a value is missing".to_owned()),
        Check::Unique => (
            "键重复，先到者保留".to_owned(),
            "the key was seen before; the first row stays".to_owned(),
        ),
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
        Check::RowCount { .. } => ("行数不符".to_owned(), "wrong number of rows".to_owned()),
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

fn counted(rule: &Rule, state: &State) -> RuleCount {
    RuleCount {
        rule: rule.name.clone(),
        dimension: rule.check.dimension().to_owned(),
        columns: rule.columns.clone(),
        checked: state.checked,
        failed: state.failed,
        blocking: rule.blocking,
    }
}

fn dimensions(counts: &[RuleCount]) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for count in counts {
        let (failed, checked) = sums.entry(count.dimension.clone()).or_default();
        *failed += count.failed;
        *checked += count.checked;
    }
    sums.into_iter()
        .map(|(name, (failed, checked))| (name, 1.0 - ratio(failed, checked)))
        .collect()
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        float(part) / float(whole)
    }
}

fn float(count: u64) -> f64 {
    crate::risk::float(count)
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
