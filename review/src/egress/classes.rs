//! Units by the cells that they are in: those in the same cells are one class.

use std::collections::HashMap;

/// The places of ascending numbers among sorted ones.
pub(crate) struct Places<'a> {
    numbers: &'a [u32],
    at: usize,
}

impl<'a> Places<'a> {
    pub(crate) fn of(numbers: &'a [u32]) -> Self {
        Self { numbers, at: 0 }
    }

    /// The place of the next number, which is there. Steps double until it is passed, so that near ones are near.
    pub(crate) fn next(&mut self, number: u32) -> usize {
        let mut step = 1;
        while self
            .numbers
            .get(self.at + step)
            .is_some_and(|found| *found <= number)
        {
            self.at += step;
            step *= 2;
        }
        let ahead = &self.numbers[self.at..(self.at + step).min(self.numbers.len())];
        self.at += ahead.partition_point(|found| *found < number);
        self.at
    }
}

/// Classes while cells are read: each is the one before it and a cell more; class 0 is that of units in no cell so far.
pub(crate) struct Classes {
    before: Vec<(usize, usize)>,
    part: usize,
    refined: HashMap<usize, usize>,
    /// Units of one class often follow one another.
    last: (usize, usize),
}

impl Default for Classes {
    fn default() -> Self {
        Self {
            before: vec![(0, 0)],
            part: 0,
            refined: HashMap::new(),
            last: (usize::MAX, 0),
        }
    }
}

impl Classes {
    /// Begins with the next cell.
    pub(crate) fn begin(&mut self, part: usize) {
        self.part = part;
        self.refined.clear();
        self.last = (usize::MAX, 0);
    }

    /// The class of a unit that is in this cell, too.
    pub(crate) fn refined(&mut self, class: usize) -> usize {
        if self.last.0 != class {
            let (before, part) = (&mut self.before, self.part);
            let refined = *self.refined.entry(class).or_insert_with(|| {
                before.push((class, part));
                before.len() - 1
            });
            self.last = (class, refined);
        }
        self.last.1
    }

    /// Numbers the classes that units are in anew, and gives their cells.
    pub(crate) fn used<'a>(&self, of: impl Iterator<Item = &'a mut usize>) -> Vec<Vec<usize>> {
        let mut used: HashMap<usize, usize> = HashMap::new();
        let mut members: Vec<Vec<usize>> = Vec::new();
        for class in of {
            *class = *used.entry(*class).or_insert_with(|| {
                members.push(path(&self.before, *class));
                members.len() - 1
            });
        }
        members
    }
}

/// The cells of a class, ascending.
fn path(classes: &[(usize, usize)], mut class: usize) -> Vec<usize> {
    let mut parts = Vec::new();
    while class != 0 {
        let (before, part) = classes[class];
        parts.push(part);
        class = before;
    }
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_near_and_far_numbers_are_found() {
        let numbers: Vec<u32> = (0..1_000).map(|n| n * n / 3 + n).collect();
        for step in [1, 2, 7, 300, 999] {
            let mut places = Places::of(&numbers);
            for place in (0..numbers.len()).step_by(step) {
                assert_eq!(places.next(numbers[place]), place);
            }
        }
    }

    #[test]
    fn units_in_the_same_cells_are_one_class() {
        let mut class_of = [0usize; 4];
        let mut classes = Classes::default();
        for (cell, units) in [[0, 1, 2].as_slice(), &[1, 2, 3], &[2]].iter().enumerate() {
            classes.begin(cell);
            for &unit in *units {
                class_of[unit] = classes.refined(class_of[unit]);
            }
        }
        let members = classes.used(class_of.iter_mut());
        assert_eq!(members, [vec![0], vec![0, 1], vec![0, 1, 2], vec![1]]);
        assert_eq!(class_of, [0, 1, 2, 3]);
    }
}
