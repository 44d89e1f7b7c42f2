//! The linear audit: whether sums and differences of cells isolate a few units.
//!
//! Units that are in exactly the same cells are one atom. Each cell is then a row of zeros and ones
//! over atoms, and whoever has the cells has every combination of the rows. A combination that is
//! zero outside atoms of together fewer units than the threshold exposes them. Such a combination
//! can only touch atoms that are small themselves, so rows are reduced with the large atoms first:
//! what is left over small atoms alone is all that can expose. Arithmetic is modulo 2³¹−1.

use roaring::RoaringBitmap;

use super::classes::{Classes, Places};
use super::history::{Known, Print};

/// The field of the arithmetic.
pub(super) const PRIME: u64 = (1 << 31) - 1;
/// Memberships that are read at most: units of all cells together.
const MEMBERSHIPS_MAX: u64 = 30_000_000;
/// Numbers of a basis at most: cells times atoms.
const NUMBERS_MAX: u64 = 16_000_000;
/// Multiplications that a reduction may take at most.
pub(crate) const WORK_MAX: u64 = 2_000_000_000;

/// The audit is larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Which of the new cells have to be withheld. Earlier cells are what the world has already. Where new
/// cells have no row in common (`disjoint`), a combination of new cells alone isolates no row and is no
/// exposure; it is one as soon as an earlier cell takes part. Where a join may put one row into several
/// cells, they expose each other like any others.
pub(crate) fn withheld(
    earlier: &[&RoaringBitmap],
    new: &[&RoaringBitmap],
    threshold: u64,
    disjoint: bool,
) -> Result<Vec<bool>, TooLarge> {
    let mut withheld = vec![false; new.len()];
    if (earlier.is_empty() && disjoint) || new.is_empty() {
        return Ok(withheld);
    }
    let cells: Vec<&RoaringBitmap> = earlier.iter().chain(new).copied().collect();
    let memberships: u64 = cells.iter().map(|cell| cell.len()).sum();
    if memberships > MEMBERSHIPS_MAX {
        return Err(TooLarge);
    }
    let mut atoms = atoms(&cells);
    if atoms.iter().all(|atom| atom.units >= threshold) {
        return Ok(withheld);
    }
    atoms.sort_by(|a, b| b.units.cmp(&a.units).then_with(|| a.cells.cmp(&b.cells)));
    let large = atoms.iter().filter(|atom| atom.units >= threshold).count();
    let (rows, columns) = (to_u64(cells.len()), to_u64(atoms.len()));
    let numbers = rows.saturating_mul(columns);
    if numbers > NUMBERS_MAX {
        return Err(TooLarge);
    }
    let row = |cell: usize| -> Vec<u64> {
        atoms
            .iter()
            .map(|atom| u64::from(atom.cells.binary_search(&cell).is_ok()))
            .collect()
    };
    let mut work = WORK_MAX;
    let mut world = Basis::new(large);
    for cell in 0..earlier.len() {
        world.add(row(cell), &mut work)?;
    }
    let mut alone = Basis::new(large);
    for (index, cell) in (earlier.len()..cells.len()).enumerate() {
        // To copy a number takes less than to multiply it.
        work = work.checked_sub(numbers / 8).ok_or(TooLarge)?;
        let mut with = world.clone();
        let changed = with.add(row(cell), &mut work)?;
        let mut alone_with = alone.clone();
        alone_with.add(row(cell), &mut work)?;
        let exposes = changed.iter().any(|&position| {
            let small = &with.rows[position].values;
            let units: u64 = small
                .iter()
                .zip(&atoms)
                .filter(|(value, _)| **value != 0)
                .map(|(_, atom)| atom.units)
                .sum();
            units < threshold && !(disjoint && alone_with.spans(small))
        });
        if exposes {
            withheld[index] = true;
        } else {
            world = with;
            alone = alone_with;
        }
    }
    Ok(withheld)
}

/// Whether a new cell selects other rows than earlier cells do together. At the level of units it may be
/// a combination of them (`G = G ∪ H − H`) that says nothing new, while one of its units has another row:
/// the combination's difference is then that row. So wherever the units cancel, the exact
/// totals have to cancel too. Earlier cells take part that may have rows in common with it, or with one
/// that takes part: a cell of other districts is how these are taken out of a sum. All this holds for cells
/// in which each unit has one row; where units have several, what each holds is compared (see [`super::combine`]).
///
/// `work` is what may still be spent, over all cells of a result.
pub(crate) fn rows_exposed(
    earlier: &[&Known],
    new: (&RoaringBitmap, &Print),
    work: &mut u64,
) -> Result<bool, TooLarge> {
    let (units, print) = new;
    if print.several(units) {
        return Ok(false);
    }
    let single = earlier.iter().copied();
    let single = single.filter(|cell| !cell.print.several(&cell.units));
    let near = near(&single.collect::<Vec<_>>(), print, work)?;
    for (name, held) in &print.held {
        // The same of the same units is known; a cell that tells of them something else says nothing of this.
        let known = |cell: &&Known| cell.units == *units && cell.print.held.get(name) == Some(held);
        if near.iter().any(known) {
            continue;
        }
        let with: Vec<(&RoaringBitmap, u64)> = near
            .iter()
            .filter_map(|cell| Some((&cell.units, cell.print.number(name)?)))
            .collect();
        let Some(number) = print.number(name).filter(|_| !with.is_empty()) else {
            continue;
        };
        if numbers_differ(&with, (units, number), work)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The earlier cells that a chain of cells with rows in common may lead to.
fn near<'a>(
    earlier: &[&'a Known],
    print: &'a Print,
    work: &mut u64,
) -> Result<Vec<&'a Known>, TooLarge> {
    let mut apart: Vec<&'a Known> = earlier.to_vec();
    let mut near: Vec<&'a Known> = Vec::new();
    let mut links = vec![print];
    while let Some(link) = links.pop() {
        *work = work.checked_sub(to_u64(apart.len())).ok_or(TooLarge)?;
        let (met, rest): (Vec<_>, Vec<_>) = apart
            .into_iter()
            .partition(|cell| !cell.print.disjoint(link));
        links.extend(met.iter().map(|cell| &cell.print));
        near.extend(met);
        apart = rest;
    }
    Ok(near)
}

/// Whether the new set is a combination of the others while its number is not that of the combination.
fn numbers_differ(
    earlier: &[(&RoaringBitmap, u64)],
    new: (&RoaringBitmap, u64),
    work: &mut u64,
) -> Result<bool, TooLarge> {
    let mut cells: Vec<&RoaringBitmap> = earlier.iter().map(|(units, _)| *units).collect();
    cells.push(new.0);
    let atoms = atoms(&cells);
    let (rows, columns) = (to_u64(cells.len()), to_u64(atoms.len()));
    let cost = rows.saturating_mul(rows).saturating_mul(columns);
    *work = work.checked_sub(cost).ok_or(TooLarge)?;
    let row = |cell: usize, number: u64| -> Vec<u64> {
        atoms
            .iter()
            .map(|atom| u64::from(atom.cells.binary_search(&cell).is_ok()))
            .chain([number])
            .collect()
    };
    let number_at = atoms.len();
    // The number is never a pivot: what is left of it where the units have cancelled is the difference.
    let mut basis: Vec<Row> = Vec::new();
    let mut cancelled = |mut values: Vec<u64>| -> Option<u64> {
        for known in &basis {
            let factor = values[known.pivot];
            if factor != 0 {
                subtract(&mut values, &known.values, factor);
            }
        }
        let Some(pivot) = values[..number_at].iter().position(|&value| value != 0) else {
            return Some(values[number_at]);
        };
        let scale = inverse(values[pivot]);
        values
            .iter_mut()
            .for_each(|value| *value = *value * scale % PRIME);
        basis.push(Row { pivot, values });
        None
    };
    let mut contradicts = false;
    for (cell, (_, number)) in earlier.iter().enumerate() {
        contradicts |= cancelled(row(cell, *number)).is_some_and(|left| left != 0);
    }
    Ok(cancelled(row(earlier.len(), new.1)).is_some_and(|left| left != 0 || contradicts))
}

fn to_u64(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

struct Atom {
    /// Cells that hold it, ascending.
    cells: Vec<usize>,
    units: u64,
}

/// Units by membership. Cells are read one after the other; a unit's class is refined by each.
fn atoms(cells: &[&RoaringBitmap]) -> Vec<Atom> {
    let mut all = RoaringBitmap::new();
    for units in cells {
        all |= *units;
    }
    let numbers: Vec<u32> = all.iter().collect();
    let mut class_of = vec![0; numbers.len()];
    let mut classes = Classes::default();
    for (cell, units) in cells.iter().enumerate() {
        classes.begin(cell);
        let mut places = Places::of(&numbers);
        for unit in *units {
            let class = &mut class_of[places.next(unit)];
            *class = classes.refined(*class);
        }
    }
    let mut atoms: Vec<Atom> = classes
        .used(class_of.iter_mut())
        .into_iter()
        .map(|cells| Atom { cells, units: 0 })
        .collect();
    class_of.iter().for_each(|&class| atoms[class].units += 1);
    atoms
}

#[derive(Clone)]
struct Row {
    pivot: usize,
    values: Vec<u64>,
}

/// Rows in echelon form; those over small atoms alone are fully reduced among each other.
#[derive(Clone)]
struct Basis {
    /// Columns below this are large atoms.
    large: usize,
    rows: Vec<Row>,
}

impl Basis {
    fn new(large: usize) -> Self {
        Self {
            large,
            rows: Vec::new(),
        }
    }

    /// Adds a row and says which rows over small atoms are new or changed.
    fn add(&mut self, mut values: Vec<u64>, work: &mut u64) -> Result<Vec<usize>, TooLarge> {
        let width = to_u64(values.len());
        let mut reduced = self.reduce(&mut values);
        let Some(pivot) = values.iter().position(|&value| value != 0) else {
            *work = work.checked_sub(reduced * width).ok_or(TooLarge)?;
            return Ok(Vec::new());
        };
        let scale = inverse(values[pivot]);
        values
            .iter_mut()
            .for_each(|value| *value = *value * scale % PRIME);
        let mut changed = Vec::new();
        for (position, row) in self.rows.iter_mut().enumerate() {
            let factor = row.values[pivot];
            if factor != 0 {
                reduced += 1;
                subtract(&mut row.values, &values, factor);
                if row.pivot >= self.large {
                    changed.push(position);
                }
            }
        }
        self.rows.push(Row { pivot, values });
        if pivot >= self.large {
            changed.push(self.rows.len() - 1);
        }
        *work = work.checked_sub(reduced * width).ok_or(TooLarge)?;
        Ok(changed)
    }

    /// Takes the rows off; gives how many that took.
    fn reduce(&self, values: &mut [u64]) -> u64 {
        let mut taken = 0;
        for row in &self.rows {
            let factor = values[row.pivot];
            if factor != 0 {
                taken += 1;
                subtract(values, &row.values, factor);
            }
        }
        taken
    }

    fn spans(&self, values: &[u64]) -> bool {
        let mut values = values.to_vec();
        let _ = self.reduce(&mut values);
        values.iter().all(|&value| value == 0)
    }
}

fn subtract(values: &mut [u64], row: &[u64], factor: u64) {
    for (value, other) in values.iter_mut().zip(row) {
        if *other != 0 {
            *value = (*value + (PRIME - factor) * other) % PRIME;
        }
    }
}

/// The inverse modulo the prime, by Fermat.
fn inverse(value: u64) -> u64 {
    let (mut base, mut exponent, mut result) = (value % PRIME, PRIME - 2, 1u64);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base % PRIME;
        }
        base = base * base % PRIME;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use std::collections::BTreeMap;

    use super::*;

    fn set(range: std::ops::Range<u32>) -> RoaringBitmap {
        range.collect()
    }

    fn check(earlier: &[RoaringBitmap], new: &[RoaringBitmap], expect: &[bool]) {
        let earlier: Vec<&RoaringBitmap> = earlier.iter().collect();
        let new: Vec<&RoaringBitmap> = new.iter().collect();
        assert_eq!(withheld(&earlier, &new, 10, true), Ok(expect.to_vec()));
    }

    #[test]
    fn a_margin_gives_a_small_cell_away() {
        // The total is out; of its four parts the last has three units and is suppressed.
        let total = [set(0..303)];
        let parts = [set(0..100), set(100..200), set(200..300)];
        check(&total, &parts, &[false, false, true]);
        let larger = [set(0..100), set(100..200), set(200..290)];
        check(&total, &larger, &[false, false, false]);
    }

    #[test]
    fn a_tracker_of_three_queries_is_seen() {
        // A, B, and A ∪ B are out; A ∩ B is five units. |A| + |B| − |A ∪ B|.
        let earlier = [set(0..100), set(95..200)];
        check(&earlier, &[set(0..200)], &[true]);
        let wide = [set(0..100), set(80..200)];
        check(&wide, &[set(0..200)], &[false]);
    }

    #[test]
    fn overlapping_groups_by_many_steps_are_seen() {
        // Five rings whose sum covers everybody twice but for four units.
        let ring = |skip: u32| set(0..skip * 40) | set(skip * 40 + 40..200);
        let earlier: Vec<RoaringBitmap> = (0..4).map(ring).collect();
        check(&earlier, &[ring(4)], &[false]);
        let shifted = set(0..160) | set(196..200);
        check(
            &[ring(0), ring(1), ring(2), ring(3), ring(4)],
            &[shifted],
            &[true],
        );
    }

    #[test]
    fn cells_of_one_result_alone_are_no_exposure() {
        // Years of a panel: the same people but for three.
        check(&[], &[set(0..100), set(0..97)], &[false, false]);
        check(
            &[set(500..600)],
            &[set(0..100), set(0..97)],
            &[false, false],
        );
        check(&[set(0..100)], &[set(0..97)], &[true]);
    }

    #[test]
    fn what_is_too_large_is_said() {
        let earlier: Vec<RoaringBitmap> = (0..5_000u32).map(|i| set(i * 3..i * 3 + 40)).collect();
        let earlier: Vec<&RoaringBitmap> = earlier.iter().collect();
        let new = set(0..45);
        assert_eq!(withheld(&earlier, &[&new], 10, true), Err(TooLarge));
    }

    #[test]
    fn thousands_of_cells_of_other_people_are_no_more_than_they_are() {
        let cells: Vec<RoaringBitmap> = (0..1_500u32).map(|i| set(i * 14..i * 14 + 14)).collect();
        let (earlier, new) = cells.split_at(1_400);
        let earlier: Vec<&RoaringBitmap> = earlier.iter().collect();
        let all = set(0..21_000);
        let but_one = set(1..19_600);
        let new: Vec<&RoaringBitmap> = new.iter().take(20).chain([&all, &but_one]).collect();
        let mut expect = vec![false; 21];
        expect.push(true);
        assert_eq!(withheld(&earlier, &new, 10, false), Ok(expect));
    }

    #[test]
    fn inverses() {
        for value in [1, 2, 3, 1_000_003, PRIME - 1] {
            assert_eq!(value * inverse(value) % PRIME, 1);
        }
    }

    #[test]
    fn cells_that_may_share_rows_expose_each_other() {
        // One person under two labels: everybody, and everybody but one.
        let (all, but_one) = (set(0..40), set(1..40));
        assert_eq!(
            withheld(&[], &[&all, &but_one], 10, true),
            Ok(vec![false, false])
        );
        assert_eq!(
            withheld(&[], &[&all, &but_one], 10, false),
            Ok(vec![false, true])
        );
    }

    fn known(units: RoaringBitmap, rows: u64, total: f64) -> Known {
        let print = Print {
            rows,
            held: BTreeMap::from([("value:t.income".to_owned(), [total.to_bits(), 0, 0])]),
            pinned: BTreeMap::new(),
            ..Print::default()
        };
        Known {
            units,
            print,
            shares: BTreeMap::new(),
            left_out: None,
        }
    }

    fn exposed(earlier: &[Known], new: &Known) -> bool {
        let earlier: Vec<&Known> = earlier.iter().collect();
        rows_exposed(&earlier, (&new.units, &new.print), &mut WORK_MAX.clone()).unwrap()
    }

    #[test]
    fn another_row_is_seen_through_a_combination() {
        // G has another row of somebody when asked alone than inside G ∪ H.
        let g = known(set(0..40), 40, 162_877.0);
        let both = known(set(0..80), 80, 320_200.5);
        let h = known(set(40..80), 40, 161_000.25);
        assert!(!exposed(std::slice::from_ref(&g), &both));
        assert!(exposed(&[g, both.clone()], &h));
        let honest = known(set(0..40), 40, 159_200.25);
        assert!(!exposed(&[honest, both], &h));
    }

    #[test]
    fn a_cell_that_tells_something_else_of_the_units_hides_nothing() {
        let g = known(set(0..40), 40, 159_900.0);
        let both = known(set(0..80), 80, 320_000.0);
        let h = known(set(40..80), 40, 160_000.0);
        let mut counted = h.clone();
        counted.print.held.clear();
        assert!(exposed(&[g, both, counted], &h));
    }

    #[test]
    fn the_same_again_is_no_exposure() {
        let g = known(set(0..40), 40, 1.0);
        let other = known(set(0..80), 80, 2.0);
        let h = known(set(40..80), 40, 1.5);
        assert!(!exposed(&[g.clone(), other.clone(), h], &g));
        assert!(!exposed(std::slice::from_ref(&other), &other));
    }

    #[test]
    fn units_with_several_rows_are_compared_elsewhere() {
        let g = known(set(0..40), 160, 159_900.0);
        let both = known(set(0..80), 320, 320_000.0);
        let h = known(set(40..80), 160, 160_000.0);
        assert!(!exposed(&[g, both], &h));
    }
}
