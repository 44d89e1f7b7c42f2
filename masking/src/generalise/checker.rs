//! Checking a node: are its classes what is required, and what is lost.

use std::collections::VecDeque;

use crate::generalise::classes::{Classes, Combinations, RollUp};
use crate::generalise::domain::Domain;
use crate::generalise::goal::Goal;
use crate::generalise::loss::{CellLoss, InformationLoss};
use crate::risk::{Cell, Histogram, Scale, Spread, float};

/// Class tables that are kept to roll up from.
const KEPT_MAX: usize = 256;
/// Their cells together, in cells of the data.
const KEPT_CELLS_MAX: usize = 8;

/// A search's data and goal, and the class tables of nodes that were checked.
pub(crate) struct Checker<'a> {
    pub(crate) combinations: &'a Combinations,
    pub(crate) domains: &'a [Domain],
    pub(crate) scale: &'a Scale,
    pub(crate) goal: &'a Goal,
    pub(crate) cell_loss: Option<CellLoss>,
    rows: u64,
    suppressed_max: u64,
    spread: Option<Spread>,
    base: Classes,
    kept: VecDeque<(Vec<usize>, Classes)>,
    kept_cells: usize,
    roll_up: RollUp,
}

/// What checking a node found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Whether the part of the goal holds that holds at every node above if it does here: where
    /// the search is monotone, the whole goal.
    pub(crate) floor: bool,
    /// The loss, if the whole goal holds.
    pub(crate) loss: Option<f64>,
    /// No node above has less loss.
    pub(crate) bound: f64,
}

/// How the classes of a node are released.
pub(crate) struct Release {
    pub(crate) classes: Classes,
    /// By class, whether it is written; the others are suppressed.
    pub(crate) is_kept: Vec<bool>,
    pub(crate) suppressed: u64,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(
        combinations: &'a Combinations,
        domains: &'a [Domain],
        scale: &'a Scale,
        goal: &'a Goal,
        cell_loss: Option<CellLoss>,
    ) -> Self {
        let rows = combinations.cells.iter().map(|cell| cell.rows).sum();
        let mut checker = Self {
            combinations,
            domains,
            scale,
            goal,
            cell_loss,
            rows,
            suppressed_max: goal.suppressed_max(rows),
            spread: None,
            base: combinations.classes(),
            kept: VecDeque::new(),
            kept_cells: 0,
            roll_up: RollUp::default(),
        };
        if goal.requirement.is_spread_needed() {
            let mut all = Histogram::of_cells(
                (combinations.cells.iter())
                    .map(|cell| (0, cell.value, cell.rows))
                    .collect(),
            );
            let ranked = all.close_ranks();
            checker.spread = Some(scale.spread(ranked.totals, &ranked.kept));
        }
        checker
    }

    /// Whether what holds at a node holds at every node above it, and no node above has less loss.
    pub(crate) fn is_monotone(&self) -> bool {
        let requirement = &self.goal.requirement;
        self.suppressed_max == 0 && (self.spread.is_none() || requirement.survives_merging())
    }

    /// The loss that no node at these levels or above has less of, if it is known without a check.
    pub(crate) fn bound(&self, levels: impl Iterator<Item = usize>) -> Option<f64> {
        self.cell_loss.as_ref().map(|loss| loss.bound(levels))
    }

    /// Checks the node with these levels.
    pub(crate) fn check(&mut self, levels: &[usize]) -> Outcome {
        let classes = self.classes(levels);
        let outcome = self.judge(levels, &classes);
        self.keep(levels, classes);
        outcome
    }

    /// How the classes of a node are released.
    pub(crate) fn release(&mut self, levels: &[usize]) -> Release {
        let classes = self.classes(levels);
        let is_kept: Vec<bool> = classes
            .iter()
            .map(|(_, class)| self.is_kept(class))
            .collect();
        let left_out = classes.iter().zip(&is_kept).filter(|(_, kept)| !**kept);
        let suppressed = left_out.map(|((_, class), _)| size(class)).sum();
        Release {
            classes,
            is_kept,
            suppressed,
        }
    }

    /// Rolls up the smallest class table that lies below.
    fn classes(&mut self, levels: &[usize]) -> Classes {
        let below = |kept: &&(Vec<usize>, Classes)| kept.0.iter().zip(levels).all(|(a, b)| a <= b);
        let nearest = self.kept.iter().filter(below).map(|(_, classes)| classes);
        let from = nearest
            .min_by_key(|classes| classes.len())
            .unwrap_or(&self.base);
        self.roll_up
            .apply(self.combinations, self.domains, levels, from)
    }

    fn keep(&mut self, levels: &[usize], classes: Classes) {
        self.kept_cells += classes.len();
        self.kept.push_back((levels.to_vec(), classes));
        while self.kept.len() > KEPT_MAX || self.kept_cells > KEPT_CELLS_MAX * self.base.len() {
            let Some((_, oldest)) = self.kept.pop_front() else {
                return;
            };
            self.kept_cells -= oldest.len();
        }
    }

    fn judge(&self, levels: &[usize], classes: &Classes) -> Outcome {
        let (mut squares, mut kept_squares, mut all, mut kept_classes) = (0.0, 0.0, 0u64, 0u64);
        let (mut below_floor, mut suppressed) = (0, 0);
        let mut left_out = Vec::new();
        for (base, class) in classes.iter() {
            let size = size(class);
            let square = float(size) * float(size);
            squares += square;
            all += 1;
            let floor = self.goal.requirement.holds_floor(size, class);
            if !floor {
                below_floor += size;
            }
            if floor && self.holds_spread(class) {
                kept_squares += square;
                kept_classes += 1;
            } else {
                suppressed += size;
                left_out.push((base, size));
            }
        }
        let rows = float(self.rows);
        let mean_size =
            |classes: u64| rows / float(classes.max(1)) / float(self.goal.requirement.k);
        let feasible = suppressed <= self.suppressed_max
            && kept_classes > 0
            && (suppressed == 0 || self.rest_holds(classes));
        let (loss, bound) = match (self.goal.loss, &self.cell_loss) {
            (InformationLoss::Discernibility, _) => {
                (kept_squares + float(suppressed) * rows, squares)
            }
            (_, Some(cells)) => {
                let left_out = left_out
                    .iter()
                    .map(|(base, rows)| (self.combinations.of(*base), *rows));
                let bound = cells.bound(levels.iter().copied());
                let loss = if feasible {
                    cells.of_node(levels, left_out, self.domains)
                } else {
                    bound
                };
                (loss, bound)
            }
            (_, None) => (
                mean_size(kept_classes + u64::from(suppressed > 0)),
                mean_size(all),
            ),
        };
        Outcome {
            floor: if self.is_monotone() {
                feasible
            } else {
                below_floor <= self.suppressed_max
            },
            loss: feasible.then_some(loss),
            bound,
        }
    }

    fn is_kept(&self, class: &[Cell]) -> bool {
        self.goal.requirement.holds_floor(size(class), class) && self.holds_spread(class)
    }

    fn holds_spread(&self, class: &[Cell]) -> bool {
        let requirement = &self.goal.requirement;
        (self.spread.as_ref()).is_none_or(|spread| requirement.holds_spread(class, spread))
    }

    /// Whether the classes that are written satisfy the requirement among themselves, where the
    /// sensitive values of the suppressed rows are missing from the table.
    fn rest_holds(&self, classes: &Classes) -> bool {
        if self.spread.is_none() {
            return true;
        }
        let mut histogram = self.histogram(classes, |class| self.is_kept(class));
        let ranked = histogram.close_ranks();
        let spread = self.scale.spread(ranked.totals, &ranked.kept);
        let requirement = &self.goal.requirement;
        histogram
            .classes()
            .all(|class| requirement.holds_spread(class, &spread))
    }

    /// The histogram of some of the classes.
    pub(crate) fn histogram(
        &self,
        classes: &Classes,
        mut is_kept: impl FnMut(&[Cell]) -> bool,
    ) -> Histogram {
        let kept = classes
            .iter()
            .map(|(_, class)| class)
            .filter(|class| is_kept(class));
        if !self.combinations.has_sensitive {
            return Histogram::of_sizes(kept.map(size).collect());
        }
        let cells = (0u32..).zip(kept).flat_map(|(number, class)| {
            class
                .iter()
                .map(move |cell| (number, cell.value, cell.rows))
        });
        Histogram::of_cells(cells.collect())
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }
}

fn size(class: &[Cell]) -> u64 {
    class.iter().map(|cell| cell.rows).sum()
}
