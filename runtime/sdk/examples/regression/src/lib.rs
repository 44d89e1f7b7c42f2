//! A logistic regression, fitted by Newton's method (iteratively reweighted least squares).
//!
//! Input 0: the label (bool), then 1 to 16 features (f64 or i64). Rows with a null are left out.
//!
//! Output, one row per term: `term` (i32: 0 the intercept, then features from 1), `coefficient` (f64, of the
//! feature as it came), `standard_error` (f64), `rows` (i64, rows that were fitted).
//!
//! An input is read once and Newton's method needs it again, so the features are kept: 8 bytes a value.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod fit;
mod matrix;

use alloc::vec::Vec;

use egret_guest::{Batch, Builder, Column, Failure, Input, emit, guest};

pub use fit::{Fit, fit};

/// Terms at most, the intercept among them.
pub const TERMS_MAX: usize = 17;

/// Rows without nulls: labels, and features row by row.
#[derive(Debug, Default)]
pub struct Table {
    /// The label of each row.
    pub labels: Vec<bool>,
    /// `features` numbers a row.
    pub values: Vec<f64>,
    /// How many features a row has.
    pub features: usize,
}

/// A feature column of either kind.
enum Feature<'a> {
    Real(Column<'a, f64>),
    Whole(Column<'a, i64>),
}

impl<'a> Feature<'a> {
    fn of(batch: &'a Batch, position: usize) -> Result<Self, Failure> {
        batch
            .column(position)
            .map(Self::Real)
            .or_else(|_| batch.column(position).map(Self::Whole))
    }

    fn value(&self, row: usize) -> Option<f64> {
        match self {
            Self::Real(column) => column.value(row),
            Self::Whole(column) => column.value(row).map(|value| value as f64),
        }
    }
}

impl Table {
    fn take(&mut self, batch: &Batch) -> Result<(), Failure> {
        self.features = batch.columns() - 1;
        if self.features == 0 || self.features >= TERMS_MAX {
            return Err(Failure::new("a label and 1 to 16 features are needed"));
        }
        let labels = batch.column::<bool>(0)?;
        let features = (1..batch.columns())
            .map(|position| Feature::of(batch, position))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.rows() {
            let before = self.values.len();
            self.values
                .extend(features.iter().map_while(|feature| feature.value(row)));
            match labels.value(row) {
                Some(label) if self.values.len() == before + self.features => {
                    self.labels.push(label);
                }
                _ => self.values.truncate(before),
            }
        }
        Ok(())
    }
}

fn run() -> Result<(), Failure> {
    let mut table = Table::default();
    for batch in Input::new(0) {
        table.take(&batch)?;
    }
    let fit = fit(&table)?;
    let terms = Builder::<i32>::of(0..fit.coefficients.len() as i32);
    let coefficients = Builder::<f64>::of(fit.coefficients.iter().copied());
    let errors = Builder::<f64>::of(fit.standard_errors.iter().copied());
    let rows = Builder::<i64>::of(fit.coefficients.iter().map(|_| table.labels.len() as i64));
    emit(&[&terms, &coefficients, &errors, &rows])
}

guest!(run);
