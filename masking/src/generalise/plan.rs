//! A solution, and how batches are written by it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;

use crate::error::{Fault, MaskError, MeasureError, internal};
use crate::generalise::checker::{Checker, Release};
use crate::generalise::classes::Combinations;
use crate::generalise::domain::{Domain, Level};
use crate::generalise::flash::{Found, Verdict};
use crate::generalise::{CodeTable, InformationLoss};
use crate::risk::{RiskReport, index, measure};
use crate::text::Bilingual;

/// A generalisation that satisfies its goal, for the batches that were observed.
#[derive(Debug)]
pub struct Solution {
    parts: Parts,
}

/// What a solution is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) columns: Vec<Recoded>,
    pub(crate) table: CodeTable,
    pub(crate) decisions: HashMap<Box<[u32]>, bool>,
    pub(crate) found: Found,
    pub(crate) verdict: Verdict,
    pub(crate) losses: Vec<(InformationLoss, f64)>,
    pub(crate) nodes: u64,
    pub(crate) report: RiskReport,
    pub(crate) rows: u64,
    pub(crate) suppressed: u64,
}

/// A column at its level of the solution.
#[derive(Debug)]
pub(crate) struct Recoded {
    name: String,
    level: Level,
    /// At level 0 values stay as they are.
    is_raw: bool,
}

/// A batch in its generalised form.
#[derive(Clone, Debug, PartialEq)]
pub struct Generalised {
    /// The rows that are written. Columns above level 0 are text; others are as they were.
    pub batch: RecordBatch,
    /// For each row of the batch that was given, whether it was suppressed.
    pub suppressed: BooleanArray,
}

impl Solution {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// The level of each quasi-identifier, in their order.
    pub fn levels(&self) -> &[usize] {
        &self.parts.found.levels
    }

    /// The information loss, in the unit of the measure.
    pub fn loss(&self) -> f64 {
        self.parts.found.loss
    }

    /// The information loss by measure: the one that was made small and, after
    /// [`crate::Generaliser::with_all_losses`], the others.
    pub fn losses(&self) -> &[(InformationLoss, f64)] {
        &self.parts.losses
    }

    /// Rows that were observed.
    pub fn rows(&self) -> u64 {
        self.parts.rows
    }

    /// Rows that are not written.
    pub fn suppressed(&self) -> u64 {
        self.parts.suppressed
    }

    /// Whether no other generalisation of whole columns has less loss; false if the time was over
    /// before that was proved.
    pub fn is_optimal(&self) -> bool {
        self.parts.verdict.is_proved
    }

    /// Nodes of the lattice that were checked.
    pub fn checks(&self) -> u64 {
        self.parts.verdict.checks
    }

    /// Nodes of the lattice: generalisations of whole columns; `u64::MAX` if there are more.
    pub fn nodes(&self) -> u64 {
        self.parts.nodes
    }

    /// How many of them satisfy the goal, where the search had to find out.
    pub fn satisfying(&self) -> Option<u64> {
        self.parts.verdict.satisfying
    }

    /// The measures of what [`Self::apply`] writes, all batches together.
    pub fn report(&self) -> &RiskReport {
        &self.parts.report
    }

    /// Writes a batch that was observed.
    ///
    /// # Errors
    /// `column_missing` or `type_changed`, naming the column; `row_not_observed` if a row was not in
    /// the batches that were observed: its class was not checked.
    pub fn apply(&mut self, batch: &RecordBatch) -> Result<Generalised, MaskError> {
        let parts = &mut self.parts;
        let codes = parts.table.known(batch, parts.columns.len())?;
        let mut is_kept = Vec::with_capacity(batch.num_rows());
        let mut groups: Vec<Vec<u32>> = vec![Vec::new(); parts.columns.len()];
        let mut class = Vec::with_capacity(groups.len());
        for row in 0..batch.num_rows() {
            class.clear();
            for (column, codes) in parts.columns.iter().zip(&codes) {
                class.push(column.level.group(codes[row].ok_or_else(not_observed)?));
            }
            let kept = parts.decisions.get(class.as_slice());
            is_kept.push(*kept.ok_or_else(not_observed)?);
            for (groups, group) in groups.iter_mut().zip(&class) {
                groups.push(*group);
            }
        }
        let mut columns = batch.columns().to_vec();
        let mut fields: Vec<Field> = (batch.schema().fields().iter())
            .map(|field| field.as_ref().clone())
            .collect();
        for (column, groups) in parts.columns.iter().zip(groups).filter(|(c, _)| !c.is_raw) {
            let at = batch
                .schema()
                .index_of(&column.name)
                .map_err(|error| internal("generalise", &error))?;
            columns[at] = column.labels(&groups);
            fields[at] = Field::new(&column.name, DataType::Utf8, true);
        }
        let schema = Schema::new_with_metadata(fields, batch.schema().metadata().clone());
        written(Arc::new(schema), columns, &is_kept)
    }
}

impl Recoded {
    pub(crate) fn new(name: String, mut domain: Domain, level: usize) -> Self {
        Self {
            name,
            level: domain.levels.swap_remove(level),
            is_raw: level == 0,
        }
    }

    fn labels(&self, groups: &[u32]) -> ArrayRef {
        let label = |group: &u32| self.level.labels[index(*group)].as_deref();
        Arc::new(groups.iter().map(label).collect::<StringArray>())
    }
}

/// For each class, whether it is written.
pub(crate) fn decisions(
    combinations: &Combinations,
    domains: &[Domain],
    levels: &[usize],
    release: &Release,
) -> HashMap<Box<[u32]>, bool> {
    let class = |base| -> Box<[u32]> {
        let values = combinations.of(base).iter().zip(domains).zip(levels);
        values
            .map(|((value, domain), level)| domain.levels[*level].group(*value))
            .collect()
    };
    let classes = release.classes.iter().zip(&release.is_kept);
    classes
        .map(|((base, _), kept)| (class(base), *kept))
        .collect()
}

/// The measures of the classes that are written.
pub(crate) fn report(
    quasi: Vec<String>,
    sensitive: Option<String>,
    checker: &Checker<'_>,
    release: &Release,
) -> RiskReport {
    let mut kept = release.is_kept.iter();
    let histogram = checker.histogram(&release.classes, |_| kept.next().copied().unwrap_or(false));
    measure(quasi, sensitive, histogram, checker.scale)
}

fn written(
    schema: Arc<Schema>,
    columns: Vec<ArrayRef>,
    is_kept: &[bool],
) -> Result<Generalised, MaskError> {
    let failed = |error| internal("generalise", &error);
    let whole = RecordBatch::try_new(schema, columns).map_err(failed)?;
    let kept = BooleanArray::from(is_kept.to_vec());
    let suppressed = is_kept.iter().map(|kept| Some(!kept)).collect();
    Ok(Generalised {
        batch: filter_record_batch(&whole, &kept).map_err(failed)?,
        suppressed,
    })
}

/// A row whose class was not checked.
pub(crate) fn not_observed() -> MeasureError {
    Fault::general(
        "row_not_observed",
        Bilingual::new(
            "数据中有求解时没有见过的行",
            "the data have a row that was not observed before the search",
        ),
        Bilingual::new(
            "只对求解时传入的数据应用该方案，或重新求解",
            "apply the solution to the data that were observed, or search again",
        ),
    )
}
