//! Rows that are unique by few of their values (special uniques detection).

use std::collections::{BTreeMap, HashMap};

use arrow::array::Float64Array;
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::error::{Fault, MeasureError};
use crate::generalise::{CodeTable, not_observed};
use crate::risk::keys::index;
use crate::risk::{count, float};
use crate::text::Bilingual;

/// Columns and sets of columns that a search goes through.
const COLUMNS_MAX: usize = 32;
const SETS_MAX: u64 = 20_000;
/// Sets that the search beside a measurement goes through: of up to so many columns.
const SIZE_MAX: usize = 3;
/// Distinct rows that it takes, and distinct rows times sets of columns: a second or two.
const COMBINATIONS_MAX: u64 = 500_000;
const STEPS_MAX: u64 = 10_000_000;

/// Searches rows that are unique by few of their values: minimal sample uniques, sets of columns by
/// which a row is alone and by no smaller part of which it is (Elliot, Manning and Ford 2002).
///
/// Batches are observed one by one; memory grows with the number of distinct rows of the named
/// columns, time with that number times the sets of columns.
#[derive(Debug)]
pub struct SpecialMeter {
    names: Vec<String>,
    size_max: usize,
    sampling: f64,
    table: CodeTable,
}

/// Minimal sample uniques of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpecialUniques {
    /// Sets of up to so many columns were searched.
    pub size_max: usize,
    /// Rows that are alone by all columns.
    pub uniques: u64,
    /// Special uniques: rows that have a minimal sample unique.
    pub rows: u64,
    /// Minimal sample uniques by the number of their columns.
    pub by_size: BTreeMap<usize, u64>,
    /// By column, the share of minimal sample uniques that it is part of, in the columns' order.
    pub contributions: Vec<(String, f64)>,
    /// Expected share of unique rows that are unique in the population too (data intrusion
    /// simulation, Skinner and Elliot 2002).
    pub intrusion: f64,
    /// Highest score of a row, as [`SpecialScores::scores`] has them.
    pub score_max: f64,
    /// Highest probability of a correct match of a row, as [`SpecialScores::intrusions`] has them.
    pub intrusion_max: f64,
}

/// The scores of rows.
#[derive(Debug)]
pub struct SpecialScores {
    table: CodeTable,
    uniques: SpecialUniques,
    width: usize,
    scores: HashMap<Box<[u32]>, f64>,
    unit: f64,
}

impl SpecialMeter {
    /// Starts a search over columns by name for sets of up to `size_max` of them, in a sample that
    /// holds the share `sampling` of the population.
    ///
    /// # Errors
    /// `columns_count` without columns or with more than 32; `option_value`, naming the option;
    /// `sets_too_many` above 20,000 sets of columns.
    pub fn new(names: &[String], size_max: usize, sampling: f64) -> Result<Self, MeasureError> {
        if names.is_empty() || names.len() > COLUMNS_MAX {
            return Err(columns_count());
        }
        if size_max == 0 {
            return Err(option("size_max", "3"));
        }
        if !(sampling > 0.0 && sampling <= 1.0) {
            return Err(option("sampling", "0.01"));
        }
        let size_max = size_max.min(names.len());
        if sets(names.len(), size_max) > SETS_MAX {
            return Err(sets_too_many());
        }
        Ok(Self {
            table: CodeTable::new(names.iter().map(String::as_str)),
            names: names.to_vec(),
            size_max,
            sampling,
        })
    }

    /// Counts one batch.
    ///
    /// # Errors
    /// `column_missing`, `type_changed` or `values_too_many`, naming the column; `classes_too_many`
    /// beyond four billion combinations.
    pub fn observe(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        self.table.observe(batch).map(|_| ())
    }

    /// The search that goes along with a measurement over these columns: none without columns or
    /// with too many of them.
    pub(crate) fn beside(names: &[String]) -> Option<Self> {
        Self::new(names, SIZE_MAX, 1.0).ok()
    }

    /// Whether what was observed can be searched in a second or two.
    pub(crate) fn is_small(&self) -> bool {
        let combinations = count(self.table.len());
        let steps = combinations.saturating_mul(sets(self.names.len(), self.size_max));
        combinations <= COMBINATIONS_MAX && steps <= STEPS_MAX
    }

    /// The same for a sample that holds this share of its population.
    pub(crate) fn of_sample(mut self, sampling: f64) -> Self {
        self.sampling = sampling.clamp(f64::MIN_POSITIVE, 1.0);
        self
    }

    /// Searches the minimal sample uniques.
    pub fn finish(self) -> SpecialScores {
        let combinations = self.table.combinations();
        let mut found: Vec<Vec<u32>> = vec![Vec::new(); combinations.len()];
        for size in 1..=self.size_max {
            for set in sets_of(self.names.len(), size) {
                for row in alone(&combinations, set) {
                    let known = &mut found[row];
                    // Sets come by size, so what is known is smaller or as large.
                    if !known.iter().any(|smaller| smaller & set == *smaller) {
                        known.push(set);
                    }
                }
            }
        }
        let mut uniques = self.uniques(&combinations, &found);
        let of_row = |sets: &Vec<u32>| sets.iter().map(|set| self.score(*set)).sum();
        let of_rows = combinations
            .iter()
            .zip(&found)
            .filter(|(_, sets)| !sets.is_empty());
        let scores: HashMap<Box<[u32]>, f64> = of_rows
            .map(|((codes, _), sets)| ((*codes).into(), of_row(sets)))
            .collect();
        let sum: f64 = found.iter().map(of_row).sum();
        let expected = uniques.intrusion * float(uniques.uniques);
        let unit = if sum > 0.0 { expected / sum } else { 0.0 };
        uniques.rows = count(scores.len());
        uniques.score_max = scores.values().copied().fold(0.0, f64::max);
        uniques.intrusion_max = (uniques.score_max * unit).min(1.0);
        SpecialScores {
            unit,
            width: self.names.len(),
            table: self.table,
            uniques,
            scores,
        }
    }

    fn uniques(&self, combinations: &[(&[u32], u64)], found: &[Vec<u32>]) -> SpecialUniques {
        let mut by_size = BTreeMap::new();
        let mut by_column = vec![0u64; self.names.len()];
        for set in found.iter().flatten() {
            *by_size.entry(index(set.count_ones())).or_default() += 1;
            for (column, sum) in by_column.iter_mut().enumerate() {
                *sum += u64::from((set >> column) & 1);
            }
        }
        let all = float(by_size.values().sum::<u64>().max(1));
        let shares = by_column.iter().map(|sets| float(*sets) / all);
        SpecialUniques {
            size_max: self.size_max,
            uniques: classes_of_size(combinations, 1),
            by_size,
            contributions: self.names.iter().cloned().zip(shares).collect(),
            intrusion: intrusion(combinations, self.sampling),
            ..SpecialUniques::default()
        }
    }

    /// The score of a set: (columns - i) multiplied for i from its size to the largest size.
    fn score(&self, set: u32) -> f64 {
        let columns = self.names.len();
        let last = self.size_max.min(columns - 1);
        let factors = index(set.count_ones())..=last;
        factors.map(|i| float(count(columns - i))).product()
    }
}

impl SpecialScores {
    /// The minimal sample uniques of the table.
    pub fn uniques(&self) -> &SpecialUniques {
        &self.uniques
    }

    /// The score of each row of a batch that was observed: the sum over its minimal sample uniques
    /// of the product of (columns - i) for i from their size to the largest size, 0 without any.
    ///
    /// # Errors
    /// `column_missing` or `type_changed`, naming the column; `row_not_observed`.
    pub fn scores(&mut self, batch: &RecordBatch) -> Result<Float64Array, MeasureError> {
        let codes = self.table.known(batch, self.width)?;
        let score = |row: usize| {
            let values: Option<Vec<u32>> = codes.iter().map(|column| column[row]).collect();
            let values = values.ok_or_else(not_observed)?;
            Ok(Some(
                self.scores.get(values.as_slice()).copied().unwrap_or(0.0),
            ))
        };
        (0..batch.num_rows()).map(score).collect()
    }

    /// The score of each row as a probability of a correct match: scores scaled so that they are
    /// [`SpecialUniques::intrusion`] in the mean of unique rows, 1 at most (DIS-SUDA, Elliot and
    /// Manning 2003).
    ///
    /// # Errors
    /// As [`Self::scores`].
    pub fn intrusions(&mut self, batch: &RecordBatch) -> Result<Float64Array, MeasureError> {
        let unit = self.unit;
        let scores = self.scores(batch)?;
        Ok(scores.unary(|score| (score * unit).min(1.0)))
    }
}

/// Combinations of one row that are alone by a set of columns.
fn alone(combinations: &[(&[u32], u64)], set: u32) -> Vec<usize> {
    let mut rows_by_values: HashMap<Vec<u32>, (usize, u64)> = HashMap::new();
    for (number, (codes, rows)) in combinations.iter().enumerate() {
        let chosen = codes
            .iter()
            .enumerate()
            .filter(|(column, _)| (set >> column) & 1 == 1);
        let values = chosen.map(|(_, code)| *code).collect();
        rows_by_values.entry(values).or_insert((number, 0)).1 += rows;
    }
    let alone = rows_by_values.into_values().filter(|(_, rows)| *rows == 1);
    alone.map(|(number, _)| number).collect()
}

/// The sets of so many of the columns, as bits.
fn sets_of(columns: usize, size: usize) -> Vec<u32> {
    let mut sets = vec![(0u32, 0)];
    for _ in 0..size {
        let grown = sets.iter().flat_map(|(set, next)| {
            let (set, next) = (*set, *next);
            (next..columns).map(move |column| (set | 1 << column, column + 1))
        });
        sets = grown.collect();
    }
    sets.into_iter().map(|(set, _)| set).collect()
}

/// Number of sets of 1 to `size_max` of the columns.
fn sets(columns: usize, size_max: usize) -> u64 {
    let (mut of_size, mut all) = (1u64, 0u64);
    for size in 1..=size_max {
        of_size = of_size * count(columns - size + 1) / count(size);
        all += of_size;
    }
    all
}

/// Chance that a unique match of a sample and its population is correct.
fn intrusion(combinations: &[(&[u32], u64)], sampling: f64) -> f64 {
    let uniques = sampling * float(classes_of_size(combinations, 1));
    let pairs = 2.0 * (1.0 - sampling) * float(classes_of_size(combinations, 2));
    if uniques > 0.0 {
        uniques / (uniques + pairs)
    } else {
        0.0
    }
}

fn classes_of_size(combinations: &[(&[u32], u64)], size: u64) -> u64 {
    count(
        combinations
            .iter()
            .filter(|(_, rows)| *rows == size)
            .count(),
    )
}

fn columns_count() -> MeasureError {
    Fault::general(
        "columns_count",
        Bilingual::new(
            format!("须为 1 到 {COLUMNS_MAX} 列"),
            format!("there must be 1 to {COLUMNS_MAX} columns"),
        ),
        Bilingual::new("增减列", "name more or fewer columns"),
    )
}

fn sets_too_many() -> MeasureError {
    Fault::general(
        "sets_too_many",
        Bilingual::new(
            format!("列的组合超过 {SETS_MAX} 个"),
            format!("there are more than {SETS_MAX} sets of columns"),
        ),
        Bilingual::new(
            "减小 size_max 或减少列",
            "lower size_max, or name fewer columns",
        ),
    )
}

fn option(name: &str, example: &str) -> MeasureError {
    Fault::general(
        "option_value",
        Bilingual::new(
            format!("选项 {name} 的值不合规"),
            format!("option {name} has a value that is not allowed"),
        ),
        Bilingual::new(format!("可写：{example}"), format!("write: {example}")),
    )
}
