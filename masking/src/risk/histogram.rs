//! Equivalence classes with the counts of their sensitive values.

use crate::risk::keys::index;

/// Rows of each class and, if there is a sensitive column, of each of its values in the class.
/// Values are numbered by rank among the values that occur.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram {
    sizes: Vec<u64>,
    /// Cells of class `i` are `starts[i]..starts[i + 1]`; without a sensitive column it is empty.
    starts: Vec<usize>,
    cells: Vec<Cell>,
}

/// Rows with one sensitive value in one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) value: u32,
    pub(crate) rows: u64,
}

impl Histogram {
    /// Classes without a sensitive column.
    pub(crate) fn of_sizes(sizes: Vec<u64>) -> Self {
        Self {
            sizes,
            ..Self::default()
        }
    }

    /// Classes from (class, value, rows); classes are numbered from 0 without gaps; a
    /// pair may come several times.
    pub(crate) fn of_cells(mut cells: Vec<(u32, u32, u64)>) -> Self {
        cells.sort_unstable();
        let mut histogram = Self {
            starts: vec![0],
            cells: Vec::with_capacity(cells.len()),
            ..Self::default()
        };
        let mut last = None;
        for (class, value, rows) in cells {
            if index(class) == histogram.sizes.len() {
                histogram.sizes.push(0);
                histogram.starts.push(histogram.cells.len());
            }
            match histogram.cells.last_mut() {
                Some(cell) if last == Some((class, value)) => cell.rows += rows,
                _ => histogram.cells.push(Cell { value, rows }),
            }
            histogram.sizes[index(class)] += rows;
            histogram.starts[index(class) + 1] = histogram.cells.len();
            last = Some((class, value));
        }
        histogram
    }

    pub(crate) fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// The cells of each class, by rank of the value; nothing without a sensitive column.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &[Cell]> {
        self.starts
            .windows(2)
            .map(|bounds| &self.cells[bounds[0]..bounds[1]])
    }

    /// Rows of each value; values that no row has are left out, and the ranks close up.
    pub(crate) fn close_ranks(&mut self) -> Ranked {
        let values = self.cells.iter().map(|cell| index(cell.value) + 1).max();
        let mut totals = vec![0; values.unwrap_or(0)];
        for cell in &self.cells {
            totals[index(cell.value)] += cell.rows;
        }
        let mut new = Vec::with_capacity(totals.len());
        let mut kept = Vec::new();
        for (value, rows) in (0u32..).zip(&totals) {
            new.push(u32::try_from(kept.len()).unwrap_or(u32::MAX));
            if *rows > 0 {
                kept.push(value);
            }
        }
        for cell in &mut self.cells {
            cell.value = new[index(cell.value)];
        }
        totals.retain(|rows| *rows > 0);
        Ranked { totals, kept }
    }
}

/// The sensitive values that occur: their rows, and their ranks before those that do not occur were
/// left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ranked {
    pub(crate) totals: Vec<u64>,
    pub(crate) kept: Vec<u32>,
}
