//! One rule over one batch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::record_batch::RecordBatch;
use arrow::row::RowConverter;
use sha2::{Digest, Sha256};

use crate::date::{could_hold_days, days};
use crate::error::{Fault, QualityError, internal};
use crate::key::canonical;
use crate::quality::baseline::{Baseline, Reference};
use crate::quality::count;
use crate::quality::rules::{Check, Rule, Survivor};
use crate::quality::value::{numbers, passing, value_at};
use crate::quality::whole::Whole;
use crate::text::Bilingual;
use crate::transform::text_values;

/// Distinct keys that one push's unique rules may hold together: about 3 GiB of digests.
const KEYS_MAX: usize = 60_000_000;

/// What is counted for one rule.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) places: Vec<usize>,
    pub(super) checked: u64,
    pub(super) failed: u64,
    /// Keys of a unique rule that were seen.
    pub(super) keys: HashSet<[u8; 16]>,
    pub(super) rows: Option<RowConverter>,
    /// By key of a rule that is surveyed, the row that stays and what it was chosen by.
    pub(super) best: HashMap<[u8; 16], (f64, u64)>,
    pub(super) whole: Whole,
}

/// What is known besides the rows of a batch.
pub(super) struct Known<'a> {
    pub(super) baseline: &'a Baseline,
    /// The number of the batch's first row.
    pub(super) first_row: u64,
    /// The rows that stay, by key, of the rule that is surveyed; none while it is.
    pub(super) survivors: Option<&'a HashMap<[u8; 16], u64>>,
}

/// What the rows of a key are chosen by; the highest stays.
type Ranks = Box<dyn Fn(usize) -> f64>;

fn ranks(survivor: &Survivor, batch: &RecordBatch) -> Result<Ranks, QualityError> {
    match survivor {
        Survivor::First | Survivor::Last => Ok(Box::new(|_| 0.0)),
        Survivor::Newest(by) => {
            let Some(values) = batch.column_by_name(by) else {
                return Ok(Box::new(|_| 0.0));
            };
            let moments = moments(values)?;
            Ok(Box::new(move |row| {
                if moments.is_valid(row) {
                    moments.value(row)
                } else {
                    f64::NEG_INFINITY
                }
            }))
        }
        Survivor::MostComplete => {
            let mut present = vec![0u32; batch.num_rows()];
            for column in batch.columns() {
                for (row, present) in present.iter_mut().enumerate() {
                    *present += u32::from(column.is_valid(row));
                }
            }
            Ok(Box::new(move |row| {
                present.get(row).copied().map_or(0.0, f64::from)
            }))
        }
    }
}

/// What one rule found in one batch.
#[derive(Default)]
pub(super) struct Outcome {
    /// Looks, and those that failed, per column.
    pub(super) columns: Vec<(usize, u64, u64)>,
    /// Looks of the rule.
    pub(super) checked: u64,
    pub(super) failures: Vec<Failure>,
    /// Failures that are counted and told to nobody.
    pub(super) untold: u64,
}

/// A row that broke a rule.
pub(super) struct Failure {
    pub(super) row: usize,
    /// Place of the column, for rules that look at each value by itself.
    pub(super) column: Option<usize>,
    pub(super) value: String,
}

impl State {
    /// Runs a rule over the rows that stay so far; a row that an earlier rule left out is not
    /// looked at again.
    pub(super) fn run(
        &mut self,
        rule: &Rule,
        batch: &RecordBatch,
        stays: &[bool],
        known: &Known<'_>,
    ) -> Result<Outcome, QualityError> {
        let baseline = known.baseline;
        let columns: Vec<&ArrayRef> = self
            .places
            .iter()
            .map(|place| batch.column(*place))
            .collect();
        match &rule.check {
            Check::RowCount { .. }
            | Check::Timely { .. }
            | Check::VolumeDrift { .. }
            | Check::ShareDrift { .. } => Ok(Outcome::default()),
            Check::Reference { .. } => {
                let reference = baseline.references.get(&rule.name);
                match (reference, columns.first(), self.places.first()) {
                    (Some(Ok(reference)), Some(values), Some(place)) => {
                        referring(reference, values, *place, stays)
                    }
                    _ => Ok(Outcome::default()),
                }
            }
            Check::Unique(Survivor::First) => {
                self.unique(rule, &columns, stays, |state, _, key| {
                    state.keys.insert(key)
                })
            }
            Check::Unique(survivor) => match &known.survivors {
                None => {
                    let ranks = ranks(survivor, batch)?;
                    let is_last = *survivor == Survivor::Last;
                    self.unique(rule, &columns, stays, |state, row, key| {
                        let at = (ranks(row), known.first_row + count(row));
                        state.survey(key, at, is_last);
                        true
                    })
                }
                Some(survivors) => self.unique(rule, &columns, stays, |_, row, key| {
                    survivors.get(&key) == Some(&(known.first_row + count(row)))
                }),
            },
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

    /// Keeps the better of two rows of a key, of two that are as good the first or the last.
    fn survey(&mut self, key: [u8; 16], (rank, row): (f64, u64), is_last: bool) {
        let best = self.best.entry(key).or_insert((rank, row));
        let order = rank.total_cmp(&best.0);
        if order.is_gt() || (is_last && order.is_eq()) {
            *best = (rank, row);
        }
    }

    fn unique(
        &mut self,
        rule: &Rule,
        columns: &[&ArrayRef],
        stays: &[bool],
        mut passes: impl FnMut(&mut Self, usize, [u8; 16]) -> bool,
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
            if !passes(self, row, digest(key.as_ref())) {
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
        if self.keys.len().max(self.best.len()) > KEYS_MAX {
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

/// 128 bits of SHA-256 of a key: two different keys meet with a chance below 2^-64 at sixty million
/// keys.
fn digest(key: &[u8]) -> [u8; 16] {
    let bytes: [u8; 32] = Sha256::digest(key).into();
    let mut head = [0; 16];
    head.copy_from_slice(&bytes[..16]);
    head
}

impl Outcome {
    /// Looks that failed.
    pub(super) fn failed(&self) -> u64 {
        count(self.failures.len()) + self.untold
    }

    /// Counts a rule about several columns together for each of them.
    fn count_for(&mut self, places: &[usize]) {
        let (checked, failed) = (self.checked, self.failed());
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

/// Values that another data set has as well; a blank one names nobody and is passed over.
fn referring(
    reference: &Reference,
    values: &ArrayRef,
    place: usize,
    stays: &[bool],
) -> Result<Outcome, QualityError> {
    let texts = text_values(values.as_ref())?;
    let mut outcome = Outcome::default();
    for row in (0..values.len()).filter(|row| stays[*row]) {
        let value = value_at(&texts, row);
        let known = canonical(reference.key.value_domain(), value);
        if known.is_empty() {
            continue;
        }
        outcome.checked += 1;
        if reference.holds(reference.key.digest(known.as_bytes())) {
            continue;
        }
        if reference.told {
            outcome.failures.push(Failure {
                row,
                column: Some(place),
                value: value.to_owned(),
            });
        } else {
            outcome.untold += 1;
        }
    }
    outcome.count_for(&[place]);
    Ok(outcome)
}

/// Each column not after the next, as dates where the columns hold dates, as numbers elsewhere. A
/// value that cannot be read is no fault of the order; its own rule tells.
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

/// Values on one line: microseconds for times, days in microseconds for dates and written dates,
/// numbers as they are.
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
