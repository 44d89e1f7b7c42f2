#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::ops::Range;

use super::*;
use crate::egress::audit::WORK_MAX;
use crate::egress::shares::tests::shares;

/// A cell of its own: what the units of a range hold.
struct Cell {
    units: RoaringBitmap,
    print: Print,
    shares: Shares,
    total: f64,
}

impl Cell {
    fn of(range: Range<u32>, held: impl Fn(u32) -> f32) -> Self {
        Self::listing(range, held, u32::MAX)
    }

    fn set(units: impl IntoIterator<Item = u32>, held: impl Fn(u32) -> f32) -> Self {
        let units: RoaringBitmap = units.into_iter().collect();
        let values: Vec<(u32, f32)> = units.iter().map(|unit| (unit, held(unit))).collect();
        let total = values.iter().map(|(_, value)| f64::from(*value)).sum();
        Self {
            print: Print {
                rows: units.len(),
                ..Print::default()
            },
            shares: shares(values.into_iter().filter(|(_, value)| *value != 0.0)),
            units,
            total,
        }
    }

    /// Lists the holders below a number alone.
    fn listing(range: Range<u32>, held: impl Fn(u32) -> f32, below: u32) -> Self {
        let mut cell = Self::set(range.clone(), &held);
        if below < u32::MAX {
            let others = range.filter(|unit| *unit >= below && held(*unit) != 0.0);
            let bound = others.clone().map(&held).fold(0.0, f32::max);
            cell.shares = cell.shares.without(others.collect(), bound);
        }
        cell
    }

    fn year(mut self, year: &str) -> Self {
        self.print
            .pinned
            .insert("t.year".to_owned(), vec![year.to_owned()]);
        self
    }

    fn part(&self) -> Part<'_> {
        Part {
            name: "value:t.income",
            units: &self.units,
            print: &self.print,
            shares: &self.shares,
            total: self.total,
        }
    }
}

#[track_caller]
fn check(earlier: &[&Cell], new: &[&Cell], expect: &[bool]) {
    let earlier: Vec<Part<'_>> = earlier.iter().map(|cell| cell.part()).collect();
    let new: Vec<Part<'_>> = new.iter().map(|cell| cell.part()).collect();
    let ask = Ask {
        rules: &OutputRules::default(),
        whole: false,
        new_alone_is_safe: false,
    };
    assert_eq!(
        withheld(&earlier, &new, ask, &mut WORK_MAX.clone()),
        Ok(expect.to_vec())
    );
}

fn plain(unit: u32) -> f32 {
    100.0 + (unit * 37 % 101) as f32
}

/// One of fifty holds nearly all of what they hold, and little of what everybody holds.
fn one_rich(unit: u32) -> f32 {
    if unit == 107 { 10_000.0 } else { plain(unit) }
}

#[test]
fn a_difference_of_two_cells_is_held_against_dominance() {
    let all = Cell::of(0..150, one_rich);
    let rest = Cell::of(0..100, one_rich);
    check(&[&all], &[&rest], &[true]);
    check(&[&rest], &[&all], &[true]);
    check(&[], &[&all, &rest], &[false, true]);
    let (all, rest) = (Cell::of(0..150, plain), Cell::of(0..100, plain));
    check(&[&all], &[&rest], &[false]);
}

#[test]
fn what_a_total_less_two_parts_leaves_is_held_against_dominance() {
    let all = Cell::of(0..150, one_rich);
    let (a, b) = (Cell::of(0..60, one_rich), Cell::of(60..100, one_rich));
    check(&[&all, &a], &[&b], &[true]);
    check(&[&a, &b], &[&all], &[true]);
    check(&[], &[&all, &a, &b], &[false, false, true]);
    let parts = [Cell::of(0..60, plain), Cell::of(60..100, plain)];
    check(
        &[&Cell::of(0..150, plain), &parts[0]],
        &[&parts[1]],
        &[false],
    );
}

#[test]
fn a_tracker_is_held_against_dominance() {
    // A + B − (A ∪ B) = A ∩ B, of which one holds most.
    let (a, b) = (Cell::of(0..150, one_rich), Cell::of(100..300, one_rich));
    let both = Cell::of(0..300, one_rich);
    check(&[&a, &b], &[&both], &[true]);
    check(&[&a, &both], &[&b], &[true]);
}

#[test]
fn few_that_hold_anything_are_too_few() {
    // Fifty more people, of whom three have the benefit.
    let benefit = |unit: u32| {
        if unit < 100 || unit.is_multiple_of(17) {
            plain(unit)
        } else {
            0.0
        }
    };
    let (all, most) = (Cell::of(0..150, benefit), Cell::of(0..100, benefit));
    check(&[&most], &[&all], &[true]);
}

#[test]
fn the_same_again_tells_nothing() {
    let all = Cell::of(0..150, one_rich);
    check(&[&all], &[&all, &all], &[false, false]);
}

#[test]
fn years_are_compared_by_what_each_holds() {
    let year =
        |year: u32| Cell::of(0..100, move |unit| plain(unit) + year as f32).year(&year.to_string());
    check(&[], &[&year(1), &year(2), &year(3)], &[false, false, false]);
    // Nothing changed from one year to the next but for one person.
    let changed = Cell::of(
        0..100,
        |unit| if unit == 7 { 150.5 } else { plain(unit) + 1.0 },
    )
    .year("2");
    check(&[&year(1)], &[&changed], &[true]);
    // Everybody had two per cent more, but for one person.
    let raised = Cell::of(
        0..100,
        |unit| if unit == 7 { 150.5 } else { plain(unit) * 1.5 },
    )
    .year("2");
    check(&[&Cell::of(0..100, plain).year("1")], &[&raised], &[true]);
}

#[test]
fn who_is_not_listed_counts_with_the_bound() {
    let all = Cell::listing(0..3_000, one_rich, 1_000);
    let rest = |from: u32| Cell::of(0..from, one_rich);
    // The two thousand that are taken away are known to be two thousand, and none holds much.
    check(&[&all], &[&rest(1_000)], &[false]);
    // Ten of them may hold as much as the bound and are known to hold no more than that together.
    check(&[&all], &[&Cell::of(0..2_990, one_rich)], &[false]);
    check(&[&all], &[&Cell::of(0..2_995, one_rich)], &[true]);
    // A history without shares: the largest holding may be anybody's.
    let mut before = Cell::of(0..150, one_rich);
    before.shares = Shares::hidden(&before.units, 10_000.0);
    check(&[&before], &[&rest(100)], &[true]);
}

#[test]
fn rows_that_are_taken_to_be_the_same_have_to_agree_with_the_numbers() {
    // Two halves of four thousand people, of whom few are listed, and then all of them with another row of one.
    let of = |range: Range<u32>| Cell::listing(range, plain, 1_000);
    let (first, second) = (of(0..2_000), of(2_000..4_000));
    let other = |unit: u32| {
        if unit == 3_500 { 700.0 } else { plain(unit) }
    };
    let swapped = Cell::listing(0..4_000, other, 1_000);
    check(&[&first, &second], &[&swapped], &[true]);
    check(&[&first, &swapped], &[&second], &[true]);
    check(&[&first, &second], &[&of(0..4_000)], &[false]);
}

#[test]
fn many_random_cells_do_not_close_the_history() {
    let mut seed = 7u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        u32::try_from(seed >> 33).unwrap()
    };
    let cells: Vec<Cell> = (0..12)
        .map(|_| {
            let from = random() % 2_000;
            let to = from + 400 + random() % 2_000;
            Cell::of(from / 50 * 50..to / 50 * 50, plain)
        })
        .collect();
    let cells: Vec<&Cell> = cells.iter().collect();
    check(&[], &cells, &vec![false; cells.len()]);
}

#[test]
fn what_is_too_large_is_said() {
    let cells: Vec<Cell> = (0..20).map(|at| Cell::of(at..at + 100, plain)).collect();
    let parts: Vec<Part<'_>> = cells.iter().map(Cell::part).collect();
    let ask = Ask {
        rules: &OutputRules::default(),
        whole: false,
        new_alone_is_safe: false,
    };
    assert_eq!(withheld(&parts, &parts[..1], ask, &mut 10), Err(TooLarge));
}
