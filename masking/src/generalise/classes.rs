//! The class table of a node of the lattice, made by rolling up that of a node below.

use crate::generalise::domain::Domain;
use crate::risk::{Cell, index};

/// The distinct combinations of the data: numbered quasi-identifiers, sensitive value by rank (0
/// without a sensitive column), rows.
#[derive(Debug)]
pub(crate) struct Combinations {
    /// Combination after combination, `width` numbers each.
    pub(crate) values: Vec<u32>,
    pub(crate) width: usize,
    pub(crate) cells: Vec<Cell>,
    pub(crate) has_sensitive: bool,
}

/// The classes of a node: the cells of each, and a combination of the data that stands for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Classes {
    /// By cell, a combination that lies in its class.
    bases: Vec<u32>,
    cells: Vec<Cell>,
    /// By class, the end of its cells; empty if each cell is a class.
    ends: Vec<usize>,
}

impl Combinations {
    pub(crate) fn of(&self, base: u32) -> &[u32] {
        let from = index(base) * self.width;
        &self.values[from..from + self.width]
    }

    /// Every combination on its own.
    pub(crate) fn classes(&self) -> Classes {
        Classes {
            bases: (0..).take(self.cells.len()).collect(),
            cells: self.cells.clone(),
            ends: Vec::new(),
        }
    }
}

impl Classes {
    /// Cells: what rolling up has to go through.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Each class: a combination in it, and its cells by value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[Cell])> {
        let classes = if self.ends.is_empty() {
            self.cells.len()
        } else {
            self.ends.len()
        };
        (0..classes).map(|class| {
            let bounds = match self.ends.get(class) {
                None => class..class + 1,
                Some(end) => class.checked_sub(1).map_or(0, |before| self.ends[before])..*end,
            };
            (self.bases[bounds.start], &self.cells[bounds])
        })
    }
}

/// Rolls classes up; keeps its memory between calls.
#[derive(Debug, Default)]
pub(crate) struct RollUp {
    interner: Interner,
    numbers: Vec<u32>,
}

impl RollUp {
    /// The classes at levels that are nowhere below those of `from`.
    pub(crate) fn apply(
        &mut self,
        combinations: &Combinations,
        domains: &[Domain],
        levels: &[usize],
        from: &Classes,
    ) -> Classes {
        self.number(combinations, domains, levels, from);
        if combinations.has_sensitive {
            return self.merge_values(from);
        }
        let mut made = Classes::default();
        for ((number, base), cell) in self.numbers.iter().zip(&from.bases).zip(&from.cells) {
            match made.cells.get_mut(index(*number)) {
                Some(known) => known.rows += cell.rows,
                None => {
                    made.bases.push(*base);
                    made.cells.push(*cell);
                }
            }
        }
        made
    }

    /// Numbers the class of each cell in the order of first cells. Groups are written as the
    /// digits of one number; where 64 bits do not hold them all, the class so far is the first
    /// digit of the next number.
    fn number(
        &mut self,
        combinations: &Combinations,
        domains: &[Domain],
        levels: &[usize],
        from: &Classes,
    ) {
        self.numbers.clear();
        self.numbers.resize(from.len(), 0);
        let columns: Vec<(usize, &[u32], u64)> = domains
            .iter()
            .zip(levels)
            .map(|(domain, level)| &domain.levels[*level])
            .enumerate()
            .map(|(at, level)| (at, level.groups.as_slice(), crate::risk::count(level.len())))
            .filter(|(_, _, groups)| *groups > 1)
            .collect();
        let mut rest = columns.as_slice();
        while !rest.is_empty() {
            let (some, later) = rest.split_at(digits(rest));
            self.interner.clear(from.len());
            for (number, base) in self.numbers.iter_mut().zip(&from.bases) {
                let values = combinations.of(*base);
                let mut key = u64::from(*number);
                for (at, groups, radix) in some {
                    key = key * radix + u64::from(groups[index(values[*at])]);
                }
                *number = self.interner.number(key);
            }
            rest = later;
        }
    }

    /// Adds up cells of one class and value, and sorts them by class and value.
    fn merge_values(&mut self, from: &Classes) -> Classes {
        let mut cells: Vec<(u32, u32, u32, u64)> = self
            .numbers
            .iter()
            .zip(&from.bases)
            .zip(&from.cells)
            .map(|((class, base), cell)| (*class, cell.value, *base, cell.rows))
            .collect();
        cells.sort_unstable();
        let mut made = Classes::default();
        let mut last = None;
        for (class, value, base, rows) in cells {
            if let (true, Some(cell)) = (last == Some((class, value)), made.cells.last_mut()) {
                cell.rows += rows;
                continue;
            }
            if last.is_some_and(|(before, _)| before != class) {
                made.ends.push(made.cells.len());
            }
            made.bases.push(base);
            made.cells.push(Cell { value, rows });
            last = Some((class, value));
        }
        if !made.cells.is_empty() {
            made.ends.push(made.cells.len());
        }
        made
    }
}

/// How many of the columns fit one 64-bit number after a 32-bit one, at least one.
fn digits(columns: &[(usize, &[u32], u64)]) -> usize {
    let mut product = 1u64 << 32;
    let fits = columns.iter().take_while(|(_, _, radix)| {
        let next = product.checked_mul(*radix);
        product = next.unwrap_or(product);
        next.is_some()
    });
    fits.count().max(1)
}

/// Numbers 64-bit keys in the order in which they first come: open addressing, at most half full.
#[derive(Debug, Default)]
struct Interner {
    slots: Vec<(u64, u32)>,
    next: u32,
}

const EMPTY: u32 = u32::MAX;

impl Interner {
    /// Forgets all keys, and makes room for so many.
    fn clear(&mut self, keys: usize) {
        self.slots.clear();
        self.slots
            .resize((keys * 2).next_power_of_two(), (0, EMPTY));
        self.next = 0;
    }

    fn number(&mut self, key: u64) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = usize::try_from(mix(key)).unwrap_or(0) & mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.1 == EMPTY {
                *slot = (key, self.next);
                self.next += 1;
                return slot.1;
            }
            if slot.0 == key {
                return slot.1;
            }
            at = (at + 1) & mask;
        }
    }
}

/// Spreads keys that differ little over all bits (the finaliser of Steele, Lea and Flood's
/// SplitMix).
fn mix(key: u64) -> u64 {
    let key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}
