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
//! Units whose holding differs between cells, for other rows are in them, are columns of their own, the heaviest of them
//! where there are too many, and are counted one by one in every combination. Of units that are not listed (see
//! [`super::shares`]) the bound is taken, and what the numbers themselves say of the whole: where each unit has one row in
//! each of two cells, that is taken to be the same row for as long as the numbers bear it out.
//!
//! Rows are an argument like any other: what a unit holds of a count is how many rows it has. So two breakdowns of
//! people with several rows each are compared by what every one of these people holds of both.

mod table;

use roaring::RoaringBitmap;

use self::table::{Columns, Table};
use super::audit::TooLarge;
use super::history::Print;
use super::shares::Shares;
use crate::contract::OutputRules;

/// Holdings that are read at most: units of all cells together.
const HOLDINGS_MAX: u64 = 30_000_000;
/// Numbers of a basis at most: rows of columns and of what they are made of.
const NUMBERS_MAX: u64 = 16_000_000;
/// What is left of a coefficient that cancelled.
const NOTHING: f64 = 1e-9;
/// What is left of holdings in single precision that cancelled, of their sizes; and of whole numbers, which are exact.
const ROUNDING: f64 = 1e-6;
const ROUNDING_ROW: f64 = 1.2e-7;
const ROUNDING_WHOLE: f64 = 1e-12;
/// What a column is cleared of has at least this share of the largest entry of its row. Smaller ones stay as they are: to
/// clear one takes multiples of numbers that are rounded by more than it.
const PIVOT_MIN: f64 = 1e-3;
/// How far off a released count is taken to be, a twentieth of the coarsest that is certain, so that margins of dozens of cells
/// are looked at; and another number, of its size: by the finest rounding that a scenario can ask for.
const COUNT_OFF: f64 = 0.05;
const NUMBER_OFF: f64 = 5e-7;
/// How often the largest holding that a combination leaves its numbers may be off together. Beyond, it tells nothing but how
/// they were rounded.
const OFF_MAX: f64 = 4.0;

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
    /// Whether a unit that is in both may be taken to hold the same of both, because it has one row.
    fn same_rows(&self, other: &Self) -> bool {
        let single = |part: &Self| !part.print.several(part.units);
        self.name == other.name
            && single(self)
            && single(other)
            && !self.print.disjoint(other.print)
    }

    /// Whether the other tells the same of the same units.
    fn repeats(&self, other: &Self) -> bool {
        self.name == other.name
            && self.total.to_bits() == other.total.to_bits()
            && self.units == other.units
            && self.shares == other.shares
    }
}

/// What is asked of combinations.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) rules: &'a OutputRules,
    /// Holdings are whole numbers.
    pub(crate) whole: bool,
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
    if size.saturating_mul(size) > NUMBERS_MAX {
        return Err(TooLarge);
    }
    let mut table = Table::of(&parts);
    let room = (NUMBERS_MAX / size.max(1)).saturating_sub(size);
    let columns = table.columns(room);
    if to_u64(columns.all.len()) > room {
        return Err(TooLarge);
    }
    let Columns { all, complete } = columns;
    let exact = complete && !table.hides();
    let row = |part: usize| -> Vec<f64> {
        let identity = (0..parts.len()).map(|other| if other == part { 1.0 } else { 0.0 });
        all.iter()
            .map(|column| column.of(part))
            .chain(identity)
            .collect()
    };
    let mut basis = Basis::new(all.len(), ask.whole);
    for part in 0..earlier.len() {
        let _ = basis.add(row(part), work)?;
    }
    let mut known: Vec<usize> = (0..earlier.len()).collect();
    let mut withheld = vec![false; new.len()];
    for (index, part) in (earlier.len()..parts.len()).enumerate() {
        if earlier.iter().any(|known| known.repeats(&parts[part])) {
            continue;
        }
        let added = basis.add(row(part), work)?;
        let met = known
            .iter()
            .filter(|&&other| !parts[other].units.is_disjoint(parts[part].units));
        let differences = met.map(|&other| difference(part, other, parts.len()));
        let safe = |combination: &[f64]| {
            ask.new_alone_is_safe && combination[..earlier.len()].iter().all(|c| *c == 0.0)
        };
        for row in basis.told(&added) {
            let (left, combination) = row.split_at(all.len());
            if safe(combination) {
                continue;
            }
            // Where everybody is in some column, the row itself says what is left of each.
            let cost = match exact {
                true => to_u64(all.len()),
                false => table.cost(combination),
            };
            *work = work.checked_sub(cost).ok_or(TooLarge)?;
            let exposes = match exact {
                true => {
                    let off = off(combination, &parts, ask.whole);
                    table.leaves(&all, left, off, ask.rules)
                }
                false => table.exposes(combination, ask.rules),
            };
            if exposes {
                withheld[index] = true;
                break;
            }
        }
        for combination in differences {
            if withheld[index] {
                break;
            }
            if safe(&combination) {
                continue;
            }
            *work = work.checked_sub(table.cost(&combination)).ok_or(TooLarge)?;
            withheld[index] = table.exposes(&combination, ask.rules);
        }
        if withheld[index] {
            basis.take_back(added);
        } else {
            known.push(part);
        }
    }
    Ok(withheld)
}

/// How far off the numbers of a combination are together, for being rounded.
fn off(combination: &[f64], parts: &[Part<'_>], whole: bool) -> f64 {
    let each = combination
        .iter()
        .zip(parts)
        .map(|(factor, part)| match whole {
            true => factor.abs() * COUNT_OFF,
            false => (factor * part.total).abs() * NUMBER_OFF,
        });
    each.sum()
}

fn difference(part: usize, other: usize, parts: usize) -> Vec<f64> {
    let mut combination = vec![0.0; parts];
    combination[part] = 1.0;
    combination[other] = -1.0;
    combination
}

/// What adding a row to a basis did.
struct Added {
    /// What cancels in all columns is no row of the basis.
    cancelled: Option<Vec<f64>>,
    /// Rows as they were before they changed.
    before: Vec<(usize, Vec<f64>)>,
}

/// Rows in reduced echelon form over the columns; behind them stands which cells each is made of.
struct Basis {
    columns: usize,
    /// What is left of an entry that cancelled, of its size.
    rounding: f64,
    rows: Vec<(usize, Vec<f64>)>,
}

impl Basis {
    fn new(columns: usize, whole: bool) -> Self {
        Self {
            columns,
            rounding: if whole { ROUNDING_WHOLE } else { ROUNDING_ROW },
            rows: Vec::new(),
        }
    }

    /// The rows that are new or changed: what cancels in all columns is one, too.
    fn told<'a>(&'a self, added: &'a Added) -> impl Iterator<Item = &'a Vec<f64>> {
        let new = match added.cancelled {
            Some(_) => None,
            None => self.rows.last().map(|(_, row)| row),
        };
        let changed = added.before.iter().map(|(place, _)| &self.rows[*place].1);
        added.cancelled.iter().chain(new).chain(changed)
    }

    /// Undoes the last addition.
    fn take_back(&mut self, added: Added) {
        if added.cancelled.is_none() {
            let _ = self.rows.pop();
        }
        for (place, before) in added.before {
            self.rows[place].1 = before;
        }
    }

    /// Adds a row.
    fn add(&mut self, mut values: Vec<f64>, work: &mut u64) -> Result<Added, TooLarge> {
        let width = to_u64(values.len());
        let mut spend = || {
            *work = work.checked_sub(width).ok_or(TooLarge)?;
            Ok(())
        };
        for (pivot, row) in &self.rows {
            if values[*pivot] != 0.0 {
                spend()?;
                subtract(&mut values, row, *pivot);
            }
        }
        self.settle(&mut values);
        let entries = &values[..self.columns];
        let largest = entries
            .iter()
            .fold(0.0f64, |most, value| most.max(value.abs()));
        let clears = |value: &f64| *value != 0.0 && value.abs() >= PIVOT_MIN * largest;
        let Some(pivot) = entries.iter().position(clears) else {
            return Ok(Added {
                cancelled: Some(values),
                before: Vec::new(),
            });
        };
        let scale = values[pivot];
        values.iter_mut().for_each(|value| *value /= scale);
        let mut before = Vec::new();
        let mut rows = std::mem::take(&mut self.rows);
        for (place, (_, row)) in rows.iter_mut().enumerate() {
            if row[pivot] != 0.0 {
                spend()?;
                before.push((place, row.clone()));
                subtract(row, &values, pivot);
                self.settle(row);
            }
        }
        rows.push((pivot, values));
        self.rows = rows;
        Ok(Added {
            cancelled: None,
            before,
        })
    }

    /// Takes off what rounding leaves of holdings that cancel: no entry of a cell is larger than one.
    fn settle(&self, values: &mut [f64]) {
        let (left, combination) = values.split_at_mut(self.columns);
        let size: f64 = combination.iter().map(|factor| factor.abs()).sum();
        for value in left {
            if value.abs() <= self.rounding * size {
                *value = 0.0;
            }
        }
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
