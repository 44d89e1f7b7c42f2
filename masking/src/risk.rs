//! How well rows can still be told apart: k-anonymity and its relatives.

mod suppress;

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{MeasureError, internal};
use crate::text::Bilingual;

pub use suppress::{ClassCounter, Suppression};

/// Re-identification risk of a table, measured over its quasi-identifiers. Null is a category of
/// its own.
///
/// Sources: k-anonymity (Sweeney 2002), l-diversity (Machanavajjhala and others 2007), t-closeness
/// (Li and others 2007), prosecutor and marketer risk (El Emam 2013).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskReport {
    /// The quasi-identifiers.
    pub quasi: Vec<String>,
    /// The sensitive column, if one was named.
    pub sensitive: Option<String>,
    /// Rows.
    pub rows: u64,
    /// Equivalence classes: distinct combinations of the quasi-identifiers.
    pub classes: u64,
    /// Rows in the smallest class; 0 for an empty table.
    pub k: u64,
    /// Rows that are alone in their class.
    pub uniques: u64,
    /// Highest risk of a row when the attacker knows that the person is in the data: 1/k.
    pub prosecutor_max: f64,
    /// Mean of 1/class size over rows.
    pub prosecutor_avg: f64,
    /// Expected share of rows that are re-identified when all are attacked: classes/rows.
    pub marketer: f64,
    /// Smallest number of distinct sensitive values in a class.
    pub l_distinct: Option<u64>,
    /// Smallest exponential of a class's entropy of sensitive values.
    pub l_entropy: Option<f64>,
    /// Largest distance between the sensitive values of a class and of the table: half the sum of
    /// differences for words (every two values equally far apart), the ordered earth mover's
    /// distance for numbers and dates.
    pub t_closeness: Option<f64>,
    /// Number of classes by size: `1`, `2`, `3-4`, `5-9`, `10-19`, `20-49`, `50-99`, `100+`.
    pub histogram: BTreeMap<String, u64>,
}

/// Counts equivalence classes batch by batch. Memory grows with the number of distinct classes, not
/// with rows.
#[derive(Debug)]
pub struct RiskMeter {
    quasi: Vec<String>,
    sensitive: Option<String>,
    types: Option<Vec<DataType>>,
    quasi_rows: Option<RowConverter>,
    sensitive_rows: Option<RowConverter>,
    /// Class (digest of its values) to the count of each sensitive value; without a sensitive
    /// column all are value 0.
    classes: HashMap<u128, HashMap<u32, u64>>,
    /// Sensitive value, in an encoding that sorts as the values do, to its number.
    values: HashMap<Vec<u8>, u32>,
    rows: u64,
}

impl RiskMeter {
    /// Starts a measurement over columns by name.
    pub fn new(quasi: &[String], sensitive: Option<&str>) -> Self {
        Self {
            quasi: quasi.to_vec(),
            sensitive: sensitive.map(str::to_owned),
            types: None,
            quasi_rows: None,
            sensitive_rows: None,
            classes: HashMap::new(),
            values: HashMap::new(),
            rows: 0,
        }
    }

    /// Counts one batch.
    ///
    /// # Errors
    /// `column_missing` or `type_changed`, naming the column.
    pub fn observe(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        let quasi = self
            .quasi
            .iter()
            .map(|name| column(batch, name))
            .collect::<Result<Vec<_>, _>>()?;
        let sensitive = self
            .sensitive
            .as_deref()
            .map(|name| column(batch, name))
            .transpose()?;
        self.check_types(&quasi, sensitive.as_ref())?;
        let classes = keys(&mut self.quasi_rows, &quasi, batch.num_rows())?;
        let values = match &sensitive {
            Some(values) => Some(keys(
                &mut self.sensitive_rows,
                std::slice::from_ref(values),
                batch.num_rows(),
            )?),
            None => None,
        };
        for (row, class) in classes.iter().enumerate() {
            let value = match &values {
                Some(values) => {
                    let next = u32::try_from(self.values.len()).map_err(|_| too_many())?;
                    *self.values.entry(values[row].clone()).or_insert(next)
                }
                None => 0,
            };
            *self
                .classes
                .entry(digest(class))
                .or_default()
                .entry(value)
                .or_default() += 1;
            self.rows += 1;
        }
        Ok(())
    }

    /// The measures. Without quasi-identifiers the whole table is one class.
    pub fn finish(self) -> RiskReport {
        let sizes: Vec<u64> = self
            .classes
            .values()
            .map(|values| values.values().sum())
            .collect();
        let mut histogram = BTreeMap::new();
        for size in &sizes {
            *histogram.entry(bucket(*size).to_owned()).or_default() += 1;
        }
        let classes = count(sizes.len());
        let k = sizes.iter().copied().min().unwrap_or(0);
        let share = |part: u64| {
            if self.rows == 0 {
                0.0
            } else {
                float(part) / float(self.rows)
            }
        };
        let named = self.sensitive.is_some() && self.rows > 0;
        RiskReport {
            rows: self.rows,
            classes,
            k,
            uniques: count(sizes.iter().filter(|size| **size == 1).count()),
            prosecutor_max: if k == 0 { 0.0 } else { 1.0 / float(k) },
            // A class of f rows adds f times 1/f.
            prosecutor_avg: share(classes),
            marketer: share(classes),
            l_distinct: named.then(|| {
                self.classes
                    .values()
                    .map(|v| count(v.len()))
                    .min()
                    .unwrap_or(0)
            }),
            l_entropy: named.then(|| {
                self.classes
                    .values()
                    .map(effective)
                    .fold(f64::INFINITY, f64::min)
            }),
            t_closeness: named.then(|| self.closeness()),
            histogram,
            quasi: self.quasi,
            sensitive: self.sensitive,
        }
    }

    fn check_types(
        &mut self,
        quasi: &[ArrayRef],
        sensitive: Option<&ArrayRef>,
    ) -> Result<(), MeasureError> {
        let types: Vec<DataType> = quasi
            .iter()
            .chain(sensitive)
            .map(|column| column.data_type().clone())
            .collect();
        let known = self.types.get_or_insert_with(|| types.clone());
        let names = self.quasi.iter().chain(&self.sensitive);
        match known
            .iter()
            .zip(&types)
            .zip(names)
            .find(|((known, given), _)| known != given)
        {
            None => Ok(()),
            Some((_, name)) => Err(MeasureError::column(
                "type_changed",
                name,
                Bilingual::new(
                    "该列的类型在批次之间改变",
                    "the column's type changed between batches",
                ),
                Bilingual::new(
                    "请按同一结构传入所有批次",
                    "pass batches of one schema only",
                ),
            )),
        }
    }

    /// The largest distance of a class from the table.
    fn closeness(&self) -> f64 {
        let mut totals = vec![0u64; self.values.len()];
        for (value, rows) in self.classes.values().flatten() {
            if let Some(total) = usize::try_from(*value)
                .ok()
                .and_then(|value| totals.get_mut(value))
            {
                *total += rows;
            }
        }
        let ordered = self
            .types
            .as_ref()
            .and_then(|types| types.last())
            .is_some_and(|data_type| data_type.is_numeric() || data_type.is_temporal());
        let order = if ordered { Some(self.order()) } else { None };
        self.classes
            .values()
            .map(|class| match &order {
                Some(order) => ordered_distance(class, &totals, order, self.rows),
                None => equal_distance(class, &totals, self.rows),
            })
            .fold(0.0, f64::max)
    }

    /// Numbers of the sensitive values in the order of the values; the encoding sorts as they do,
    /// null first.
    fn order(&self) -> Vec<u32> {
        let mut values: Vec<(&Vec<u8>, u32)> = self
            .values
            .iter()
            .map(|(key, value)| (key, *value))
            .collect();
        values.sort_unstable();
        values.into_iter().map(|(_, value)| value).collect()
    }
}

fn column(batch: &RecordBatch, name: &str) -> Result<ArrayRef, MeasureError> {
    let column = batch.column_by_name(name).ok_or_else(|| {
        MeasureError::column(
            "column_missing",
            name,
            Bilingual::new("数据中没有该列", "the data have no such column"),
            Bilingual::new("请使用数据中存在的列名", "name a column of the data"),
        )
    })?;
    // -0.0 and 0.0 are one number, and dictionaries are the values that they stand for.
    match column.data_type() {
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            Ok(std::sync::Arc::new(
                values.unary::<_, Float64Type>(|value| value + 0.0),
            ))
        }
        DataType::Dictionary(_, values) => {
            cast(column, values).map_err(|error| internal("observe", &error))
        }
        _ => Ok(std::sync::Arc::clone(column)),
    }
}

/// The rows of some columns in an encoding that is equal, and sorts, as the values are.
fn keys(
    converter: &mut Option<RowConverter>,
    columns: &[ArrayRef],
    rows: usize,
) -> Result<Vec<Vec<u8>>, MeasureError> {
    if columns.is_empty() {
        return Ok(vec![Vec::new(); rows]);
    }
    if converter.is_none() {
        let fields = columns
            .iter()
            .map(|column| SortField::new(column.data_type().clone()))
            .collect();
        *converter = Some(RowConverter::new(fields).map_err(|error| internal("observe", &error))?);
    }
    let Some(converter) = converter else {
        return Ok(Vec::new());
    };
    let rows = converter
        .convert_columns(columns)
        .map_err(|error| internal("observe", &error))?;
    Ok(rows.iter().map(|row| row.as_ref().to_vec()).collect())
}

/// 128 bits of SHA-256: two classes meet in one digest with a chance of 2^-64 at four billion
/// classes.
fn digest(key: &[u8]) -> u128 {
    let bytes: [u8; 32] = Sha256::digest(key).into();
    let mut head = [0; 16];
    head.copy_from_slice(&bytes[..16]);
    u128::from_be_bytes(head)
}

/// Exponential of the entropy: the number of equally frequent values that would be as mixed.
fn effective(class: &HashMap<u32, u64>) -> f64 {
    let size = float(class.values().sum());
    let entropy: f64 = class
        .values()
        .map(|rows| float(*rows) / size)
        .map(|share| -share * share.ln())
        .sum();
    entropy.exp()
}

/// Half the sum of absolute differences of shares. Values that the class lacks add their share of
/// the table.
fn equal_distance(class: &HashMap<u32, u64>, totals: &[u64], rows: u64) -> f64 {
    let size = float(class.values().sum());
    let mut difference = 0.0;
    let mut seen = 0.0;
    for (value, count) in class {
        let total = usize::try_from(*value)
            .ok()
            .and_then(|value| totals.get(value))
            .copied()
            .unwrap_or(0);
        let share = float(total) / float(rows);
        difference += (float(*count) / size - share).abs();
        seen += share;
    }
    f64::midpoint(difference, 1.0 - seen)
}

/// The earth mover's distance over ranks: the mean over values of the cumulative difference.
fn ordered_distance(class: &HashMap<u32, u64>, totals: &[u64], order: &[u32], rows: u64) -> f64 {
    if order.len() < 2 {
        return 0.0;
    }
    let size = float(class.values().sum());
    let (mut cumulative, mut distance) = (0.0, 0.0f64);
    for value in order {
        let total = usize::try_from(*value)
            .ok()
            .and_then(|value| totals.get(value))
            .copied()
            .unwrap_or(0);
        cumulative +=
            float(class.get(value).copied().unwrap_or(0)) / size - float(total) / float(rows);
        distance += f64::abs(cumulative);
    }
    distance / float(count(order.len() - 1))
}

fn bucket(size: u64) -> &'static str {
    match size {
        0 | 1 => "1",
        2 => "2",
        3..=4 => "3-4",
        5..=9 => "5-9",
        10..=19 => "10-19",
        20..=49 => "20-49",
        50..=99 => "50-99",
        _ => "100+",
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A count as a floating-point number, exact to 2^53.
pub(crate) fn float(count: u64) -> f64 {
    let high = u32::try_from(count >> 32).map_or(0.0, f64::from);
    let low = u32::try_from(count & 0xffff_ffff).map_or(0.0, f64::from);
    high * 4_294_967_296.0 + low
}

fn too_many() -> MeasureError {
    MeasureError::general(
        "values_too_many",
        Bilingual::new(
            "敏感列的不同值超过 40 亿",
            "the sensitive column has over four billion distinct values",
        ),
        Bilingual::new("先对该列归并分段", "coarsen the column first"),
    )
}

#[cfg(test)]
mod tests;
