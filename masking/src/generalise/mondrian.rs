//! Local recoding of numbers: each class has intervals of its own.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::record_batch::RecordBatch;

use crate::error::{Fault, MaskError, MeasureError, internal};
use crate::generalise::{CodeTable, Requirement, check_names, not_observed, unmet};
use crate::risk::{Cell, Histogram, RiskReport, Scale, Spread, column, first_rows, index, measure};
use crate::text::Bilingual;

/// Strict multidimensional local recoding (Mondrian, LeFevre and others 2006): the space of the
/// quasi-identifiers, which are numbers, is cut at medians while both parts satisfy the requirement.
/// Null lies below every number.
///
/// Batches are observed one by one; memory grows with the number of distinct rows of the named
/// columns.
#[derive(Debug)]
pub struct Mondrian {
    names: Vec<String>,
    sensitive: Option<String>,
    table: CodeTable,
    /// By column and number of a value, the value.
    numbers: Vec<Vec<Option<f64>>>,
}

/// The parts that [`Mondrian::solve`] made.
#[derive(Debug)]
pub struct LocalRecoding {
    names: Vec<String>,
    table: CodeTable,
    /// Observed combination to its part.
    parts: HashMap<Box<[u32]>, u32>,
    /// By part and column, the interval.
    labels: Vec<Vec<Option<String>>>,
    report: RiskReport,
    is_complete: bool,
}

/// Combinations with what cutting looks at.
struct Space {
    /// By column and combination, the rank of its value, and by rank the value.
    ranks: Vec<Vec<u32>>,
    values: Vec<Vec<Option<f64>>>,
    cells: Vec<Cell>,
}

impl Mondrian {
    /// Starts a recoding over columns of numbers by name.
    ///
    /// # Errors
    /// `columns_count` without columns or with more than 64, `column_twice`.
    pub fn new(names: &[String], sensitive: Option<&str>) -> Result<Self, MeasureError> {
        let all = names.iter().map(String::as_str).chain(sensitive);
        check_names(&all.clone().collect::<Vec<_>>())?;
        Ok(Self {
            table: CodeTable::new(all),
            numbers: vec![Vec::new(); names.len()],
            names: names.to_vec(),
            sensitive: sensitive.map(str::to_owned),
        })
    }

    /// Counts one batch.
    ///
    /// # Errors
    /// `column_missing`, `type_changed`, `column_not_numeric` or `values_too_many`, naming the
    /// column; `classes_too_many` beyond four billion combinations.
    pub fn observe(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        let codes = self.table.observe(batch)?;
        for ((name, numbers), codes) in self.names.iter().zip(&mut self.numbers).zip(&codes) {
            let values = column(batch, name)?;
            if !values.data_type().is_numeric() {
                return Err(not_numeric(name));
            }
            let new = first_rows(codes, numbers.len(), &values)?;
            let new =
                cast(&new, &DataType::Float64).map_err(|error| internal("observe", &error))?;
            numbers.extend(new.as_primitive::<Float64Type>().iter());
        }
        Ok(())
    }

    /// Cuts until no cut leaves two parts that satisfy the requirement, or `is_expired` says so:
    /// then the parts are larger than they might be, and [`LocalRecoding::is_complete`] is false.
    ///
    /// # Errors
    /// `option_value`, naming the option; `requirement_unmet` if the whole table does not satisfy
    /// the requirement.
    pub fn solve(
        self,
        requirement: &Requirement,
        is_expired: &mut dyn FnMut() -> bool,
    ) -> Result<LocalRecoding, MeasureError> {
        requirement.check(self.sensitive.is_some())?;
        let space = self.space();
        let scale = self.scale();
        let spread = spread(&space.cells, &scale);
        let holds = |part: &[u32]| holds(requirement, &merged(&space.cells, part), &spread);
        let all: Vec<u32> = (0..).take(space.cells.len()).collect();
        if !holds(&all) {
            return Err(unmet(true));
        }
        let (mut open, mut done, mut is_complete) = (vec![all], Vec::new(), true);
        while let Some(part) = open.pop() {
            is_complete &= !is_expired();
            match is_complete.then(|| space.cut(&part, &holds)).flatten() {
                Some((low, high)) => open.extend([high, low]),
                None => done.push(part),
            }
        }
        Ok(self.recoding(&space, &done, &scale, is_complete))
    }

    fn space(&self) -> Space {
        let sensitive = self.table.columns().get(self.names.len());
        let value_ranks = sensitive.map(|column| column.values.ranks());
        let ranked: Vec<(Vec<u32>, Vec<Option<f64>>)> =
            self.numbers.iter().map(|numbers| rank(numbers)).collect();
        let mut space = Space {
            ranks: vec![Vec::new(); ranked.len()],
            values: Vec::new(),
            cells: Vec::new(),
        };
        for (codes, rows) in self.table.combinations() {
            for ((ranks, (rank_of, _)), code) in space.ranks.iter_mut().zip(&ranked).zip(codes) {
                ranks.push(rank_of[index(*code)]);
            }
            let value = (value_ranks.as_ref()).map_or(0, |ranks| ranks[index(codes[ranked.len()])]);
            space.cells.push(Cell { value, rows });
        }
        space.values = ranked.into_iter().map(|(_, values)| values).collect();
        space
    }

    fn scale(&self) -> Scale {
        let sensitive = self.table.columns().get(self.names.len());
        Scale::of(sensitive.and_then(|column| column.data_type()))
    }

    fn recoding(
        self,
        space: &Space,
        done: &[Vec<u32>],
        scale: &Scale,
        is_complete: bool,
    ) -> LocalRecoding {
        let mut part_of = vec![0; space.cells.len()];
        for (number, part) in (0u32..).zip(done) {
            for base in part {
                part_of[index(*base)] = number;
            }
        }
        let width = self.names.len();
        let combinations = self.table.combinations();
        let parts = combinations.iter().zip(&part_of);
        let parts = parts.map(|((codes, _), part)| (codes[..width].into(), *part));
        let histogram = if self.sensitive.is_some() {
            let cells = space.cells.iter().zip(&part_of);
            Histogram::of_cells(
                cells
                    .map(|(cell, part)| (*part, cell.value, cell.rows))
                    .collect(),
            )
        } else {
            let size = |part: &Vec<u32>| part.iter().map(|b| space.cells[index(*b)].rows).sum();
            Histogram::of_sizes(done.iter().map(size).collect())
        };
        LocalRecoding {
            parts: parts.collect(),
            labels: done.iter().map(|part| space.labels(part)).collect(),
            report: measure(self.names.clone(), self.sensitive, histogram, scale),
            names: self.names,
            table: self.table,
            is_complete,
        }
    }
}

impl LocalRecoding {
    /// The measures of what [`Self::apply`] writes, all batches together. Two parts are never one
    /// class, since their intervals differ in some column.
    pub fn report(&self) -> &RiskReport {
        &self.report
    }

    /// Whether no part can be cut further.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Writes a batch that was observed, the named columns as text: `[20, 35]`, `20` where the part
    /// has one number, `[null, 35]` where it has null too.
    ///
    /// # Errors
    /// `column_missing` or `type_changed`, naming the column; `row_not_observed` if a row was not in
    /// the batches that were observed.
    pub fn apply(&mut self, batch: &RecordBatch) -> Result<RecordBatch, MaskError> {
        let codes = self.table.known(batch, self.names.len())?;
        let mut parts = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let values: Option<Vec<u32>> = codes.iter().map(|column| column[row]).collect();
            let part = values.and_then(|values| self.parts.get(values.as_slice()));
            parts.push(index(*part.ok_or_else(not_observed)?));
        }
        let mut columns = batch.columns().to_vec();
        let mut fields: Vec<Field> = (batch.schema().fields().iter())
            .map(|field| field.as_ref().clone())
            .collect();
        for (number, name) in self.names.iter().enumerate() {
            let at = (batch.schema().index_of(name)).map_err(|e| internal("generalise", &e))?;
            let labels = parts
                .iter()
                .map(|part| self.labels[*part][number].as_deref());
            columns[at] = Arc::new(labels.collect::<StringArray>()) as ArrayRef;
            fields[at] = Field::new(name, DataType::Utf8, true);
        }
        let schema = Schema::new_with_metadata(fields, batch.schema().metadata().clone());
        RecordBatch::try_new(Arc::new(schema), columns).map_err(|e| internal("generalise", &e))
    }
}

impl Space {
    /// Cuts a part in two at the median of the column with the widest share of its range for which
    /// both satisfy the requirement.
    fn cut(&self, part: &[u32], holds: &impl Fn(&[u32]) -> bool) -> Option<(Vec<u32>, Vec<u32>)> {
        let mut columns: Vec<(f64, usize)> = (0..self.ranks.len())
            .map(|column| (self.width(column, part), column))
            .collect();
        columns.sort_by(|a, b| b.0.total_cmp(&a.0));
        columns
            .into_iter()
            .filter_map(|(_, column)| {
                let middle = self.median(column, part)?;
                let below = |base: &u32| self.ranks[column][index(*base)] <= middle;
                Some(part.iter().copied().partition(below))
            })
            .find(|(low, high): &(Vec<u32>, Vec<u32>)| holds(low) && holds(high))
    }

    fn bounds(&self, column: usize, part: &[u32]) -> (u32, u32) {
        let ranks = part.iter().map(|base| self.ranks[column][index(*base)]);
        ranks.fold((u32::MAX, 0), |(low, high), rank| {
            (low.min(rank), high.max(rank))
        })
    }

    /// Share of the column's range that the part's numbers span.
    fn width(&self, column: usize, part: &[u32]) -> f64 {
        let (low, high) = self.bounds(column, part);
        let values = &self.values[column];
        let numbers = |low: usize, high: usize| {
            let mut numbers = values[low..=high].iter().flatten();
            let first = numbers.next().copied();
            first.map_or(0.0, |first| {
                numbers.next_back().copied().unwrap_or(first) - first
            })
        };
        let whole = numbers(0, values.len() - 1);
        if whole > 0.0 {
            numbers(index(low), index(high)) / whole
        } else {
            0.0
        }
    }

    /// The highest rank of the lower half of the part's rows, below its highest rank; nothing if
    /// the part has one value.
    fn median(&self, column: usize, part: &[u32]) -> Option<u32> {
        let (low, high) = self.bounds(column, part);
        if low == high {
            return None;
        }
        let mut ranks: Vec<(u32, u64)> = part
            .iter()
            .map(|base| {
                (
                    self.ranks[column][index(*base)],
                    self.cells[index(*base)].rows,
                )
            })
            .collect();
        ranks.sort_unstable();
        let half = ranks.iter().map(|(_, rows)| rows).sum::<u64>().div_ceil(2);
        let mut seen = 0;
        let middle = ranks.iter().find(|(_, rows)| {
            seen += rows;
            seen >= half
        });
        let below_high = ranks.iter().rev().find(|(rank, _)| *rank < high);
        middle
            .zip(below_high)
            .map(|(middle, last)| middle.0.min(last.0))
    }

    fn labels(&self, part: &[u32]) -> Vec<Option<String>> {
        let label = |column: usize| {
            let (low, high) = self.bounds(column, part);
            let text = |rank: u32| {
                self.values[column][index(rank)].map_or("null".to_owned(), |v| v.to_string())
            };
            if low == high {
                return self.values[column][index(low)].map(|number| number.to_string());
            }
            Some(format!("[{}, {}]", text(low), text(high)))
        };
        (0..self.ranks.len()).map(label).collect()
    }
}

/// The rank of each value, null first, and the values by rank.
fn rank(numbers: &[Option<f64>]) -> (Vec<u32>, Vec<Option<f64>>) {
    let mut order: Vec<u32> = (0..).take(numbers.len()).collect();
    order.sort_by(|a, b| match (numbers[index(*a)], numbers[index(*b)]) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    let mut ranks = vec![0; order.len()];
    for (rank, code) in (0u32..).zip(&order) {
        ranks[index(*code)] = rank;
    }
    let values = order.iter().map(|code| numbers[index(*code)]).collect();
    (ranks, values)
}

/// The sensitive values of a part, by value.
fn merged(cells: &[Cell], part: &[u32]) -> Vec<Cell> {
    let mut own: Vec<Cell> = part.iter().map(|base| cells[index(*base)]).collect();
    own.sort_unstable_by_key(|cell| cell.value);
    own.chunk_by(|a, b| a.value == b.value)
        .map(|run| Cell {
            value: run[0].value,
            rows: run.iter().map(|cell| cell.rows).sum(),
        })
        .collect()
}

fn spread(cells: &[Cell], scale: &Scale) -> Spread {
    let cells = cells.iter().map(|cell| (0, cell.value, cell.rows));
    let ranked = Histogram::of_cells(cells.collect()).close_ranks();
    scale.spread(ranked.totals, &ranked.kept)
}

fn holds(requirement: &Requirement, class: &[Cell], spread: &Spread) -> bool {
    let size = class.iter().map(|cell| cell.rows).sum();
    requirement.holds_floor(size, class) && requirement.holds_spread(class, spread)
}

fn not_numeric(name: &str) -> MeasureError {
    Fault::column(
        "column_not_numeric",
        name,
        Bilingual::new("该列不是数值列", "the column holds no numbers"),
        Bilingual::new(
            "局部重编码只用于数值列，其他列请用泛化层次",
            "recode numbers only, and generalise other columns by hierarchies",
        ),
    )
}
