//! Information loss: how much of the data a generalisation gives up.

use crate::generalise::Hierarchy;
use crate::generalise::domain::{Domain, Level};
use crate::generalise::hierarchy::ANY;
use crate::risk::{count, float, index};

/// A measure of information loss; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InformationLoss {
    /// Sum over classes of their squared sizes; a suppressed row counts as all rows (Bayardo and
    /// Agrawal 2005).
    Discernibility,
    /// Mean rows of a class over k, all suppressed rows as one class (LeFevre and others 2006).
    AverageClassSize,
    /// Share of the hierarchy's values that a cell's label stands for, rescaled so that a value is
    /// 0 and `*` or a suppressed cell 1 (Iyengar 2002); over columns the geometric mean of one
    /// plus the mean, less one, as ARX takes it.
    Generalisation,
    /// Bits that are missing to tell a cell's value from its label, over those missing to tell it
    /// from `*` (de Waal and Willenborg 1999); mean over columns.
    NonUniformEntropy,
    /// Width of a cell's interval over the range of the column, or for words the share of its
    /// values, 0 for one value (normalised certainty penalty, Xu and others 2006); mean over cells.
    CertaintyPenalty,
}

impl InformationLoss {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Discernibility,
        Self::AverageClassSize,
        Self::Generalisation,
        Self::NonUniformEntropy,
        Self::CertaintyPenalty,
    ];

    /// The name in documents and options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discernibility => "discernibility",
            Self::AverageClassSize => "average_class_size",
            Self::Generalisation => "generalisation",
            Self::NonUniformEntropy => "non_uniform_entropy",
            Self::CertaintyPenalty => "certainty_penalty",
        }
    }
}

/// Loss that adds up over cells, known for a node before its classes are.
#[derive(Debug)]
pub(crate) struct CellLoss {
    columns: Vec<ColumnLoss>,
    rows: f64,
    geometric: bool,
}

/// By level, the loss of all cells if none is suppressed, and by group what suppressing adds to
/// one.
#[derive(Debug)]
struct ColumnLoss {
    totals: Vec<f64>,
    extra: Vec<Vec<f64>>,
}

/// A column as losses see it.
pub(crate) struct LossColumn<'a> {
    pub(crate) hierarchy: &'a Hierarchy,
    pub(crate) domain: &'a Domain,
    /// Rows by value.
    pub(crate) rows: Vec<u64>,
    /// Largest less smallest number, for numbers.
    pub(crate) range: Option<f64>,
}

impl CellLoss {
    /// Nothing if the measure is one of classes.
    pub(crate) fn new(measure: InformationLoss, columns: &[LossColumn<'_>]) -> Option<Self> {
        let of_column = |column: &LossColumn<'_>| match measure {
            InformationLoss::CertaintyPenalty => column.shares(penalty),
            InformationLoss::NonUniformEntropy => column.entropy(),
            _ => column.shares(share),
        };
        if matches!(
            measure,
            InformationLoss::Discernibility | InformationLoss::AverageClassSize
        ) {
            return None;
        }
        Some(Self {
            rows: columns.first().map_or(0.0, LossColumn::all),
            columns: columns.iter().map(of_column).collect(),
            geometric: measure == InformationLoss::Generalisation,
        })
    }

    /// The loss of a node without suppression: no node at these levels or above has less.
    pub(crate) fn bound(&self, levels: impl Iterator<Item = usize>) -> f64 {
        self.mean(
            self.columns
                .iter()
                .zip(levels)
                .map(|(c, level)| c.totals[level]),
        )
    }

    /// The loss of a node whose suppressed classes are given by their groups and rows.
    pub(crate) fn of_node<'g>(
        &self,
        levels: &[usize],
        suppressed: impl Iterator<Item = (&'g [u32], u64)>,
        domains: &[Domain],
    ) -> f64 {
        let mut totals: Vec<f64> = self
            .columns
            .iter()
            .zip(levels)
            .map(|(column, level)| column.totals[*level])
            .collect();
        for (values, rows) in suppressed {
            for (at, total) in totals.iter_mut().enumerate() {
                let level = levels[at];
                let group = domains[at].levels[level].group(values[at]);
                *total += float(rows) * self.columns[at].extra[level][index(group)];
            }
        }
        self.mean(totals.into_iter())
    }

    fn mean(&self, totals: impl Iterator<Item = f64>) -> f64 {
        let columns = float(count(self.columns.len()));
        let means = totals.map(|total| total / self.rows);
        if self.geometric {
            let logs: f64 = means.map(f64::ln_1p).sum();
            (logs / columns).exp_m1()
        } else {
            means.sum::<f64>() / columns
        }
    }
}

impl LossColumn<'_> {
    fn all(&self) -> f64 {
        float(self.rows.iter().sum())
    }

    fn rows_by_group(&self, level: &Level) -> Vec<u64> {
        let mut rows = vec![0; level.len()];
        for (group, own) in level.groups.iter().zip(&self.rows) {
            rows[index(*group)] += own;
        }
        rows
    }

    /// A loss from 0 to 1 by group.
    fn shares(&self, loss: fn(&Self, usize, usize, u64) -> f64) -> ColumnLoss {
        let mut made = ColumnLoss {
            totals: Vec::new(),
            extra: Vec::new(),
        };
        for (at, level) in self.domain.levels.iter().enumerate() {
            let mut values = vec![0u64; level.len()];
            for group in &level.groups {
                values[index(*group)] += 1;
            }
            let losses: Vec<f64> = (0..)
                .zip(values)
                .map(|(group, values)| loss(self, at, group, values))
                .collect();
            let rows = self.rows_by_group(level);
            made.totals.push(
                rows.iter()
                    .zip(&losses)
                    .map(|(rows, loss)| float(*rows) * loss)
                    .sum(),
            );
            made.extra
                .push(losses.iter().map(|loss| 1.0 - loss).collect());
        }
        made
    }

    fn entropy(&self) -> ColumnLoss {
        let all = self.all();
        let bits = |rows: &u64| float(*rows) * (all / float(*rows)).log2();
        let whole: f64 = self.rows.iter().filter(|rows| **rows > 0).map(bits).sum();
        let unit = if whole > 0.0 { whole / all } else { 1.0 };
        let mut made = ColumnLoss {
            totals: Vec::new(),
            extra: Vec::new(),
        };
        for level in &self.domain.levels {
            let rows = self.rows_by_group(level);
            let left: f64 = rows.iter().filter(|rows| **rows > 0).map(bits).sum();
            made.totals.push(((whole - left) / unit).max(0.0));
            let extra = |rows: &u64| (all / float((*rows).max(1))).log2() / unit;
            made.extra.push(rows.iter().map(extra).collect());
        }
        made
    }

    /// Values of the domain, and those of a group: of the hierarchy's table, or those observed.
    fn leaves(&self, at: usize, group: usize, observed: u64) -> (f64, f64) {
        let level = &self.domain.levels[at];
        let label = level.labels[group].as_deref().unwrap_or("");
        let all = count(level.groups.len());
        let (all, own) = self.hierarchy.leaves(at, label).unwrap_or((all, observed));
        (float(all), float(own))
    }
}

/// Share of the domain's values in a group, from 0 for one value to 1 for all.
fn share(column: &LossColumn<'_>, level: usize, group: usize, values: u64) -> f64 {
    let (all, own) = column.leaves(level, group, values);
    if all > 1.0 {
        ((own - 1.0) / (all - 1.0)).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// Width of an interval over the range, or share of the domain's values, 0 for one value.
fn penalty(column: &LossColumn<'_>, level: usize, group: usize, values: u64) -> f64 {
    let label = column.domain.levels[level].labels[group].as_deref();
    if level > 0
        && label != Some(ANY)
        && let (Some(width), Some(range)) = (column.hierarchy.width(level), column.range)
    {
        // Null is no interval.
        let width = if label.is_none() { 0.0 } else { width };
        return if range > 0.0 {
            (width / range).min(1.0)
        } else {
            0.0
        };
    }
    let (all, own) = column.leaves(level, group, values);
    if own > 1.0 { (own / all).min(1.0) } else { 0.0 }
}
