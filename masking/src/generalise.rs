//! Generalisation: coarsening quasi-identifiers until no class of rows is too small, losing as
//! little as possible.

mod checker;
mod classes;
mod codes;
mod domain;
mod flash;
mod goal;
mod hierarchy;
mod lattice;
mod loss;
mod mondrian;
mod plan;

use std::collections::HashMap;

use arrow::datatypes::{DataType, Float64Type};
use arrow::record_batch::RecordBatch;

pub use goal::{Goal, Requirement};
pub use hierarchy::{DateLevel, Hierarchy};
pub use loss::InformationLoss;
pub use mondrian::{LocalRecoding, Mondrian};
pub use plan::{Generalised, Solution};

pub(crate) use codes::CodeTable;
pub(crate) use domain::groups;
pub(crate) use hierarchy::Path;
pub(crate) use plan::not_observed;

use crate::error::{Fault, MeasureError, internal};
use crate::generalise::checker::Checker;
use crate::generalise::classes::Combinations;
use crate::generalise::domain::Domain;
use crate::generalise::loss::{CellLoss, LossColumn};
use crate::risk::{Cell, Scale, column, count, first_rows, index};
use crate::text::Bilingual;

/// Quasi-identifiers of one search.
const COLUMNS_MAX: usize = 64;

/// Searches the generalisation of whole columns (full-domain recoding) that satisfies a
/// [`Requirement`] with the least [`InformationLoss`].
///
/// Batches are observed one by one; memory grows with the number of distinct rows of the named
/// columns. The search never goes back to the rows.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array};
/// # use arrow::record_batch::RecordBatch;
/// use masking::{Generaliser, Goal, Hierarchy, InformationLoss, Requirement};
/// let ages: ArrayRef = Arc::new(Int64Array::from(vec![31, 34, 36, 38]));
/// let batch = RecordBatch::try_from_iter([("age", ages)])?;
/// let age = Hierarchy::intervals(0.0, &[5.0, 10.0])?;
/// let mut generaliser = Generaliser::new(vec![("age".to_owned(), age)], None)?;
/// generaliser.observe(&batch)?;
/// let goal = Goal {
///     requirement: Requirement::k(2),
///     suppression_max: 0.0,
///     loss: InformationLoss::Discernibility,
/// };
/// let mut solution = generaliser.solve(&goal, &mut || false)?;
/// assert_eq!((solution.levels(), solution.report().k), (&[1][..], 2));
/// assert_eq!(solution.apply(&batch)?.batch.num_rows(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Generaliser {
    quasi: Vec<Quasi>,
    sensitive: Option<String>,
    /// The hierarchy that t-closeness is taken by, and by sensitive value its place.
    distance: Option<(Hierarchy, Vec<Path>)>,
    table: CodeTable,
    is_every_loss_told: bool,
}

/// A quasi-identifier with what is known of its values, by number.
#[derive(Debug)]
struct Quasi {
    name: String,
    hierarchy: Hierarchy,
    paths: Vec<Path>,
    /// Smallest and largest number.
    range: Option<(f64, f64)>,
}

impl Generaliser {
    /// Starts a search over quasi-identifiers by name, each with its hierarchy.
    ///
    /// # Errors
    /// `columns_count` without columns or with more than 64, `column_twice`.
    pub fn new(
        quasi: Vec<(String, Hierarchy)>,
        sensitive: Option<&str>,
    ) -> Result<Self, MeasureError> {
        let names = quasi.iter().map(|(name, _)| name.as_str()).chain(sensitive);
        check_names(&names.clone().collect::<Vec<_>>())?;
        Ok(Self {
            table: CodeTable::new(names),
            sensitive: sensitive.map(str::to_owned),
            distance: None,
            is_every_loss_told: false,
            quasi: quasi
                .into_iter()
                .map(|(name, hierarchy)| Quasi {
                    name,
                    hierarchy,
                    paths: Vec::new(),
                    range: None,
                })
                .collect(),
        })
    }

    /// Takes t-closeness by the hierarchical distance over the sensitive values, as
    /// [`crate::RiskMeter::with_hierarchy`] does. Call it before the first batch.
    #[must_use]
    pub fn with_hierarchy(mut self, hierarchy: Hierarchy) -> Self {
        self.distance = Some((hierarchy, Vec::new()));
        self
    }

    /// Has the solution tell every measure of information loss, besides the one that is made small.
    #[must_use]
    pub fn with_all_losses(mut self) -> Self {
        self.is_every_loss_told = true;
        self
    }

    /// Leaves out each level of a ladder that the next is no coarser form of: bins of fractions are
    /// not always cut where narrower ones are. By column, the places of the transforms that stay.
    pub(crate) fn only_coarser(&mut self) -> Vec<Vec<usize>> {
        self.quasi.iter_mut().map(Quasi::only_coarser).collect()
    }

    /// Distinct rows of the named columns that were observed.
    pub(crate) fn combinations_len(&self) -> usize {
        self.table.len()
    }

    /// Counts one batch.
    ///
    /// # Errors
    /// `column_missing`, `type_changed`, `value_outside_hierarchy` or `values_too_many`, naming the
    /// column; `classes_too_many` beyond four billion combinations.
    pub fn observe(&mut self, batch: &RecordBatch) -> Result<(), MeasureError> {
        let codes = self.table.observe(batch)?;
        for (quasi, codes) in self.quasi.iter_mut().zip(&codes) {
            let values = column(batch, &quasi.name)?;
            let new = first_rows(codes, quasi.paths.len(), &values)?;
            quasi
                .paths
                .extend(quasi.hierarchy.paths(&quasi.name, &new)?);
            quasi.widen(&new)?;
        }
        if let (Some(name), Some((hierarchy, paths))) = (&self.sensitive, &mut self.distance) {
            let values = column(batch, name)?;
            let new = first_rows(&codes[self.quasi.len()], paths.len(), &values)?;
            paths.extend(hierarchy.paths(name, &new)?);
        }
        Ok(())
    }

    /// The generalisation with the least loss. When `is_expired` says so, the best one found so far
    /// is given and [`Solution::is_optimal`] is false; that is so too where the lattice has more
    /// than 2^22 nodes, and is gone down greedily.
    ///
    /// # Errors
    /// `option_value`, naming the option; `requirement_unmet` if no generalisation satisfies the
    /// goal, or none was found in time.
    pub fn solve(
        self,
        goal: &Goal,
        is_expired: &mut dyn FnMut() -> bool,
    ) -> Result<Solution, MeasureError> {
        goal.check(self.sensitive.is_some())?;
        let combinations = self.combinations();
        let domains: Vec<Domain> = self.quasi.iter().map(Quasi::domain).collect();
        let scale = self.scale();
        let checker = |with_loss: bool| {
            let loss = with_loss.then(|| self.cell_loss(goal.loss, &combinations, &domains));
            Checker::new(&combinations, &domains, &scale, goal, loss.flatten())
        };
        let mut verdict = flash::search(checker(true), is_expired);
        let Some(found) = verdict.best.take() else {
            return Err(unmet(verdict.is_proved));
        };
        let mut losses = vec![(goal.loss, found.loss)];
        if self.is_every_loss_told {
            for loss in InformationLoss::ALL
                .into_iter()
                .filter(|loss| *loss != goal.loss)
            {
                let goal = Goal {
                    loss,
                    ..goal.clone()
                };
                let cells = self.cell_loss(loss, &combinations, &domains);
                let mut checker = Checker::new(&combinations, &domains, &scale, &goal, cells);
                let told = checker.check(&found.levels).loss;
                losses.extend(told.map(|told| (loss, told)));
            }
        }
        let mut checker = checker(false);
        let release = checker.release(&found.levels);
        let names = self.quasi.iter().map(|quasi| quasi.name.clone()).collect();
        let report = plan::report(names, self.sensitive.clone(), &checker, &release);
        let decisions = plan::decisions(&combinations, &domains, &found.levels, &release);
        let rows = checker.rows();
        drop(checker);
        let heights = domains.iter().map(|domain| count(domain.levels.len()));
        let nodes = heights.fold(1, u64::saturating_mul);
        let levels = domains.into_iter().zip(&found.levels);
        let recoded = self
            .quasi
            .into_iter()
            .zip(levels)
            .map(|(quasi, (domain, level))| plan::Recoded::new(quasi.name, domain, *level));
        Ok(Solution::new(plan::Parts {
            columns: recoded.collect(),
            table: self.table,
            decisions,
            losses,
            nodes,
            found,
            verdict,
            report,
            rows,
            suppressed: release.suppressed,
        }))
    }

    fn combinations(&self) -> Combinations {
        let width = self.quasi.len();
        let ranks = (self.table.columns().get(width)).map(|column| column.values.ranks());
        let mut made = Combinations {
            values: Vec::new(),
            width,
            cells: Vec::new(),
            has_sensitive: ranks.is_some(),
        };
        for (codes, rows) in self.table.combinations() {
            made.values.extend_from_slice(&codes[..width]);
            let value = ranks.as_ref().map_or(0, |ranks| ranks[index(codes[width])]);
            made.cells.push(Cell { value, rows });
        }
        made
    }

    fn scale(&self) -> Scale {
        let sensitive = self.table.columns().get(self.quasi.len());
        if let (Some(column), Some((_, paths))) = (sensitive, &self.distance) {
            return Scale::hierarchical(&column.values.ranks(), paths);
        }
        Scale::of(sensitive.and_then(|column| column.data_type()))
    }

    fn cell_loss(
        &self,
        measure: InformationLoss,
        combinations: &Combinations,
        domains: &[Domain],
    ) -> Option<CellLoss> {
        let columns = self.quasi.iter().zip(domains).enumerate();
        let columns: Vec<LossColumn<'_>> = columns
            .map(|(at, (quasi, domain))| {
                let mut rows = vec![0; quasi.paths.len()];
                for (base, cell) in (0..).zip(&combinations.cells) {
                    rows[index(combinations.of(base)[at])] += cell.rows;
                }
                LossColumn {
                    hierarchy: &quasi.hierarchy,
                    domain,
                    rows,
                    range: quasi.range.map(|(low, high)| high - low),
                }
            })
            .collect();
        CellLoss::new(measure, &columns)
    }
}

impl Quasi {
    fn domain(&self) -> Domain {
        Domain::new(&self.paths, self.hierarchy.levels() - 1)
    }

    fn only_coarser(&mut self) -> Vec<usize> {
        let mut stay: Vec<usize> = (0..self.hierarchy.levels() - 1).collect();
        let all = stay.len();
        while let Some(at) = stay
            .windows(2)
            .position(|pair| !is_coarser(&self.paths, pair[0], pair[1]))
        {
            stay.remove(at);
        }
        if stay.len() < all {
            for labels in self.paths.iter_mut().flatten() {
                *labels = stay.iter().map(|place| labels[*place].clone()).collect();
            }
            self.hierarchy = self.hierarchy.only(&stay);
        }
        stay
    }

    /// Widens the range of numbers by new values.
    fn widen(&mut self, values: &arrow::array::ArrayRef) -> Result<(), MeasureError> {
        use arrow::array::AsArray;
        if !values.data_type().is_numeric() {
            return Ok(());
        }
        let numbers = arrow::compute::cast(values, &DataType::Float64)
            .map_err(|error| internal("observe", &error))?;
        for number in numbers.as_primitive::<Float64Type>().iter().flatten() {
            let (low, high) = self.range.unwrap_or((number, number));
            self.range = Some((low.min(number), high.max(number)));
        }
        Ok(())
    }
}

/// Whether values with one label at a place have one label at another.
fn is_coarser(paths: &[Path], fine: usize, coarse: usize) -> bool {
    let mut above: HashMap<&str, &str> = HashMap::new();
    paths.iter().flatten().all(|labels| {
        let coarse = labels[coarse].as_str();
        *above.entry(labels[fine].as_str()).or_insert(coarse) == coarse
    })
}

/// Names of columns: one at least, 64 at most besides the sensitive one, none twice.
fn check_names(names: &[&str]) -> Result<(), MeasureError> {
    if names.is_empty() || names.len() > COLUMNS_MAX + 1 {
        return Err(Fault::general(
            "columns_count",
            Bilingual::new(
                format!("准标识符须为 1 到 {COLUMNS_MAX} 列"),
                format!("there must be 1 to {COLUMNS_MAX} quasi-identifiers"),
            ),
            Bilingual::new("增减列", "name more or fewer columns"),
        ));
    }
    match (names.iter().enumerate()).find(|(at, name)| names[..*at].contains(name)) {
        None => Ok(()),
        Some((_, name)) => Err(Fault::column(
            "column_twice",
            *name,
            Bilingual::new("该列出现两次", "the column is named twice"),
            Bilingual::new("每列只写一次", "name each column once"),
        )),
    }
}

fn unmet(is_proved: bool) -> MeasureError {
    let (zh, en) = if is_proved {
        (
            "没有任何泛化方案满足要求",
            "no generalisation satisfies the goal",
        )
    } else {
        (
            "限时内没有找到满足要求的泛化方案",
            "no generalisation was found in time that satisfies the goal",
        )
    };
    Fault::general(
        "requirement_unmet",
        Bilingual::new(zh, en),
        Bilingual::new(
            "放宽要求、提高可抑制比例，或加上更粗的层级",
            "lower the requirement, allow more suppression, or add coarser levels",
        ),
    )
}

#[cfg(test)]
mod tests;
