//! The linear audit: whether sums and differences of cells isolate a few units.
//!
//! Units that are in exactly the same cells are one atom. Each cell is then a row of zeros and ones
//! over atoms, and whoever has the cells has every combination of the rows. A combination that is
//! zero outside atoms of together fewer units than the threshold exposes them. Such a combination
//! can only touch atoms that are small themselves, so rows are reduced with the large atoms first:
//! what is left over small atoms alone is all that can expose. Arithmetic is modulo 2³¹−1.

use std::collections::{BTreeMap, HashMap};

use roaring::RoaringBitmap;

const PRIME: u64 = (1 << 31) - 1;
/// Memberships that are read at most: units of all cells together.
const MEMBERSHIPS_MAX: u64 = 30_000_000;
/// Multiplications that the reduction may take at most.
const WORK_MAX: u64 = 2_000_000_000;

/// The audit is larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Which of the new cells have to be withheld. Earlier cells are what the world has already. New
/// cells have no row in common, so a combination of new cells alone isolates no row and is no
/// exposure; it is one as soon as an earlier cell takes part.
pub(crate) fn withheld(
    earlier: &[&RoaringBitmap],
    new: &[&RoaringBitmap],
    threshold: u64,
) -> Result<Vec<bool>, TooLarge> {
    let mut withheld = vec![false; new.len()];
    if earlier.is_empty() || new.is_empty() {
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
    if rows.saturating_mul(rows).saturating_mul(columns) > WORK_MAX {
        return Err(TooLarge);
    }
    let row = |cell: usize| -> Vec<u64> {
        atoms
            .iter()
            .map(|atom| u64::from(atom.cells.binary_search(&cell).is_ok()))
            .collect()
    };
    let mut world = Basis::new(large);
    for cell in 0..earlier.len() {
        world.add(row(cell));
    }
    let mut alone = Basis::new(large);
    for (index, cell) in (earlier.len()..cells.len()).enumerate() {
        let mut with = world.clone();
        let changed = with.add(row(cell));
        let mut alone_with = alone.clone();
        alone_with.add(row(cell));
        let exposes = changed.iter().any(|&position| {
            let small = &with.rows[position].values;
            let units: u64 = small
                .iter()
                .zip(&atoms)
                .filter(|(value, _)| **value != 0)
                .map(|(_, atom)| atom.units)
                .sum();
            units < threshold && !alone_with.spans(small)
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
    let mut class_of: HashMap<u32, usize> = HashMap::new();
    // Class 0 is that of units in no cell so far.
    let mut members: Vec<Vec<usize>> = vec![Vec::new()];
    for (cell, units) in cells.iter().enumerate() {
        let mut refined: HashMap<usize, usize> = HashMap::new();
        for unit in *units {
            let class = class_of.entry(unit).or_insert(0);
            *class = *refined.entry(*class).or_insert_with(|| {
                let mut cells = members[*class].clone();
                cells.push(cell);
                members.push(cells);
                members.len() - 1
            });
        }
    }
    let mut units: BTreeMap<usize, u64> = BTreeMap::new();
    for class in class_of.into_values() {
        *units.entry(class).or_default() += 1;
    }
    units
        .into_iter()
        .map(|(class, units)| Atom {
            cells: std::mem::take(&mut members[class]),
            units,
        })
        .collect()
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
    fn add(&mut self, mut values: Vec<u64>) -> Vec<usize> {
        self.reduce(&mut values);
        let Some(pivot) = values.iter().position(|&value| value != 0) else {
            return Vec::new();
        };
        let scale = inverse(values[pivot]);
        values
            .iter_mut()
            .for_each(|value| *value = *value * scale % PRIME);
        let mut changed = Vec::new();
        for (position, row) in self.rows.iter_mut().enumerate() {
            let factor = row.values[pivot];
            if factor != 0 {
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
        changed
    }

    fn reduce(&self, values: &mut [u64]) {
        for row in &self.rows {
            let factor = values[row.pivot];
            if factor != 0 {
                subtract(values, &row.values, factor);
            }
        }
    }

    fn spans(&self, values: &[u64]) -> bool {
        let mut values = values.to_vec();
        self.reduce(&mut values);
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
    use super::*;

    fn set(range: std::ops::Range<u32>) -> RoaringBitmap {
        range.collect()
    }

    fn check(earlier: &[RoaringBitmap], new: &[RoaringBitmap], expect: &[bool]) {
        let earlier: Vec<&RoaringBitmap> = earlier.iter().collect();
        let new: Vec<&RoaringBitmap> = new.iter().collect();
        assert_eq!(withheld(&earlier, &new, 10), Ok(expect.to_vec()));
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
        let earlier: Vec<RoaringBitmap> = (0..3_000u32).map(|i| set(i * 3..i * 3 + 40)).collect();
        let earlier: Vec<&RoaringBitmap> = earlier.iter().collect();
        let new = set(0..45);
        assert_eq!(withheld(&earlier, &[&new], 10), Err(TooLarge));
    }

    #[test]
    fn inverses() {
        for value in [1, 2, 3, 1_000_003, PRIME - 1] {
            assert_eq!(value * inverse(value) % PRIME, 1);
        }
    }
}
