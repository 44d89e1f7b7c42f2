//! What cells tell together: dominance and contributors of their differences.
//!
//! Whoever has cells has every sum of multiples of them. What such a combination says of each unit is the
//! same combination of what the unit holds of each cell, so it is held against the rules of a cell: enough
//! units contribute, and none or two are nearly the whole (`sum(total) − sum(all but X)` is X's cell).
//!
//! Looked at are all differences of two cells that have units in common, and every row of a reduced basis of
//! all cells. The columns of the basis are classes of units that are in the same cells and hold the same in each,
//! the heaviest first: each row is zero wherever that can be had, so it is the sharpest combination for what is
//! left in it.
//!
//! Units whose holding differs between cells, for other rows are in them, are columns of their own while
//! there are few, and are counted one by one in every combination. Of units that are not listed (see
//! [`super::shares`]) the bound is taken, and what the numbers themselves say of the whole.

mod table;

use roaring::RoaringBitmap;

use self::table::Table;
use super::audit::{TooLarge, WORK_MAX};
use super::history::Print;
use super::shares::Shares;
use crate::contract::OutputRules;

/// Holdings that are read at most: units of all cells together.
const HOLDINGS_MAX: u64 = 30_000_000;
/// What is left of a coefficient that cancelled.
const NOTHING: f64 = 1e-9;

/// One argument of one cell.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    /// The argument with its data set.
    pub(crate) name: &'a str,
    pub(crate) units: &'a RoaringBitmap,
    pub(crate) print: &'a Print,
    pub(crate) shares: &'a Shares,
    /// The exact signed total.
    pub(crate) total: f64,
}

impl Part<'_> {
    /// Whether a unit that is in both holds the same of both, because it has one row.
    fn same_rows(&self, other: &Self) -> bool {
        let single = |part: &Self| part.print.rows == part.units.len();
        self.name == other.name
            && single(self)
            && single(other)
            && !self.print.disjoint(other.print)
    }
}

/// What is asked of combinations.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) rules: &'a OutputRules,
    /// Combinations of new cells alone say nothing more than each: counts of cells without a row in common.
    pub(crate) new_alone_is_safe: bool,
}

/// Which of the new parts have to be withheld beside the earlier ones, one after the other.
pub(crate) fn withheld(
    earlier: &[Part<'_>],
    new: &[Part<'_>],
    ask: Ask<'_>,
    work: &mut u64,
) -> Result<Vec<bool>, TooLarge> {
    let parts: Vec<Part<'_>> = earlier.iter().chain(new).copied().collect();
    if parts.iter().map(|part| part.shares.len()).sum::<u64>() > HOLDINGS_MAX {
        return Err(TooLarge);
    }
    let size = to_u64(parts.len());
    let reducing = |columns: u64| size.saturating_mul(size).saturating_mul(size + columns);
    if reducing(0) > WORK_MAX {
        return Err(TooLarge);
    }
    let mut table = Table::of(&parts);
    let columns = table.columns();
    if reducing(to_u64(columns.len())) > WORK_MAX {
        return Err(TooLarge);
    }
    let row = |part: usize| -> Vec<f64> {
        let identity = (0..parts.len()).map(|other| if other == part { 1.0 } else { 0.0 });
        columns
            .iter()
            .map(|column| column.of(part))
            .chain(identity)
            .collect()
    };
    let mut basis = Basis::new(columns.len());
    for part in 0..earlier.len() {
        let _ = basis.add(row(part));
    }
    let mut known: Vec<usize> = (0..earlier.len()).collect();
    let mut withheld = vec![false; new.len()];
    for (index, part) in (earlier.len()..parts.len()).enumerate() {
        let mut with = basis.clone();
        let mut combinations = with.add(row(part));
        let met = known
            .iter()
            .filter(|&&other| !parts[other].units.is_disjoint(parts[part].units));
        combinations.extend(met.map(|&other| difference(part, other, parts.len())));
        for combination in &combinations {
            if ask.new_alone_is_safe && combination[..earlier.len()].iter().all(|c| *c == 0.0) {
                continue;
            }
            *work = work.checked_sub(table.cost(combination)).ok_or(TooLarge)?;
            if table.exposes(combination, ask.rules) {
                withheld[index] = true;
                break;
            }
        }
        if !withheld[index] {
            basis = with;
            known.push(part);
        }
    }
    Ok(withheld)
}

fn difference(part: usize, other: usize, parts: usize) -> Vec<f64> {
    let mut combination = vec![0.0; parts];
    combination[part] = 1.0;
    combination[other] = -1.0;
    combination
}

/// Rows in reduced echelon form over the columns; behind them stands which cells each is made of.
#[derive(Clone)]
struct Basis {
    columns: usize,
    rows: Vec<(usize, Vec<f64>)>,
}

impl Basis {
    fn new(columns: usize) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row and gives the combinations that are new or changed: what cancels in all columns is one, too.
    fn add(&mut self, mut values: Vec<f64>) -> Vec<Vec<f64>> {
        for (pivot, row) in &self.rows {
            subtract(&mut values, row, *pivot);
        }
        let Some(pivot) = values[..self.columns]
            .iter()
            .position(|value| *value != 0.0)
        else {
            return vec![values.split_off(self.columns)];
        };
        let scale = values[pivot];
        values.iter_mut().for_each(|value| *value /= scale);
        let mut changed = vec![values[self.columns..].to_vec()];
        for (_, row) in &mut self.rows {
            if row[pivot] != 0.0 {
                subtract(row, &values, pivot);
                changed.push(row[self.columns..].to_vec());
            }
        }
        self.rows.push((pivot, values));
        changed
    }
}

/// Takes as much of a row from the values as clears its pivot.
fn subtract(values: &mut [f64], row: &[f64], pivot: usize) {
    let factor = values[pivot];
    if factor == 0.0 {
        return;
    }
    for (value, other) in values.iter_mut().zip(row) {
        if *other != 0.0 {
            *value = settled(*value - factor * other);
        }
    }
    values[pivot] = 0.0;
}

/// Whole numbers stay whole: what rounding leaves of them is taken off.
fn settled(value: f64) -> f64 {
    let whole = value.round();
    if (value - whole).abs() < NOTHING {
        whole + 0.0
    } else {
        value
    }
}

fn to_u64(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
