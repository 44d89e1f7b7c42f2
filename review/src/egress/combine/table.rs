//! All units of some cells, by what they hold of which.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use super::{OFF_MAX, Part, ROUNDING, settled, to_u64};
use crate::contract::OutputRules;
use crate::egress::cells::Holdings;
use crate::egress::classes::{Classes, Places};
use crate::egress::rules;

/// Units that are columns of their own at most, beside one for each cell, while there is room; and those that always are.
const LONE_COLUMNS: usize = 4_096;
const LONE_COLUMNS_MIN: usize = 64;
/// How far a holding in single precision may be from what it stands for, of its size.
const PRECISION: f64 = 1.2e-7;

/// Units that are in the same cells and hold the same of each.
#[derive(Default)]
struct Class {
    /// Cells that hold them, ascending.
    parts: Vec<usize>,
    folded: Folded,
    /// What the listed hold together, with their signs.
    net: f64,
    /// Units that some cell does not list, and how much each holds at most.
    hidden: u64,
    bound: f64,
    /// Whether the hidden hold the same of each cell.
    same: bool,
}

impl Class {
    /// Takes a unit in; or says that it is a column of its own.
    fn take(&mut self, unit: &Unit) -> bool {
        // A unit that one cell lists and another does not holds the same of both, where both have the same row.
        let told = !unit.hidden || (self.same && unit.held != 0.0);
        match (told, unit.differs) {
            (true, false) => {
                self.folded.add(f64::from(unit.held.abs()));
                self.net += f64::from(unit.held);
            }
            (true, true) if !unit.hidden => return true,
            (_, differs) => {
                self.hidden += 1;
                self.same &= !differs;
            }
        }
        false
    }
}

/// What units contribute to a combination.
#[derive(Clone, Copy, Default)]
struct Folded {
    units: u64,
    x1: f64,
    x2: f64,
    total: f64,
}

impl Folded {
    fn add(&mut self, held: f64) {
        self.merge(&Self {
            units: 1,
            x1: held,
            x2: 0.0,
            total: held,
        });
    }

    fn merge(&mut self, other: &Self) {
        self.units += other.units;
        self.total += other.total;
        self.x2 = self.x1.min(other.x1).max(self.x2).max(other.x2);
        self.x1 = self.x1.max(other.x1);
    }

    fn holdings(&self, total: f64) -> Holdings {
        Holdings {
            units: self.units,
            x1: self.x1,
            x2: self.x2,
            total,
            distinct: 0,
            negative: 0.0,
        }
    }

    fn times(&self, factor: f64) -> Self {
        Self {
            units: self.units,
            x1: self.x1 * factor,
            x2: self.x2 * factor,
            total: self.total * factor,
        }
    }
}

/// A column of the basis.
pub(super) struct Column {
    /// Cell and entry, ascending; none is larger than one.
    entries: Vec<(usize, f64)>,
    /// What the units of the column hold where the entry is one.
    folded: Folded,
    /// By weight without the largest holder, then by weight.
    weight: (f64, f64),
}

/// The columns, and whether every unit is in one.
pub(super) struct Columns {
    pub(super) all: Vec<Column>,
    pub(super) complete: bool,
}

impl Column {
    pub(super) fn of(&self, part: usize) -> f64 {
        self.entries
            .binary_search_by_key(&part, |(part, _)| *part)
            .map_or(0.0, |place| self.entries[place].1)
    }

    /// The entries as numbers that have one order.
    fn bits(&self) -> Vec<(usize, u64)> {
        let entries = self.entries.iter();
        entries
            .map(|(part, value)| (*part, value.to_bits()))
            .collect()
    }
}

/// All units, by what they hold of which cell.
pub(super) struct Table {
    classes: Vec<Class>,
    /// Per cell what units hold that hold different amounts, by a number among them.
    lone: Vec<Vec<(usize, f64)>>,
    lone_units: usize,
    totals: Vec<f64>,
    /// What a unit holds of each cell at most.
    largest: Vec<f64>,
    /// Per such unit the sum of a combination and its size; zero between combinations.
    scratch: Vec<(f64, f64)>,
    /// The classes of each cell.
    classes_of: Vec<Vec<usize>>,
    /// Per class the factor of a combination, and how much a unit holds of it at most; zero between combinations.
    factors: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, Default)]
struct Unit {
    class: usize,
    held: f32,
    differs: bool,
    hidden: bool,
}

impl Table {
    pub(super) fn of(parts: &[Part<'_>]) -> Self {
        let (numbers, units, classes) = by_membership(parts);
        let same = SameRows::of(parts);
        let mut classes: Vec<Class> = classes
            .into_iter()
            .map(|of| same.class(parts, of))
            .collect();
        let mut lone: Vec<Option<usize>> = vec![None; units.len()];
        let mut lone_units = 0;
        for (unit, lone) in units.iter().zip(&mut lone) {
            if classes[unit.class].take(unit) {
                *lone = Some(lone_units);
                lone_units += 1;
            }
        }
        let held = |part: &Part<'_>| -> Vec<(usize, f64)> {
            let mut places = Places::of(&numbers);
            let listed = part.shares.listed();
            let listed = listed.map(|(unit, value)| (lone[places.next(unit)], f64::from(value)));
            listed
                .filter_map(|(place, value)| Some((place?, value)))
                .collect()
        };
        let mut classes_of = vec![Vec::new(); parts.len()];
        for (place, class) in classes.iter().enumerate() {
            class
                .parts
                .iter()
                .for_each(|&part| classes_of[part].push(place));
        }
        Self {
            lone: match lone_units {
                0 => vec![Vec::new(); parts.len()],
                _ => parts.iter().map(held).collect(),
            },
            lone_units,
            totals: parts.iter().map(|part| part.total).collect(),
            largest: parts.iter().map(|part| part.shares.largest()).collect(),
            scratch: vec![(0.0, 0.0); lone_units],
            factors: vec![(0.0, 0.0); classes.len()],
            classes_of,
            classes,
        }
    }

    /// Whether some unit is not listed by a cell that holds it.
    pub(super) fn hides(&self) -> bool {
        self.classes.iter().any(|class| class.hidden > 0)
    }

    /// The columns of the basis, the heaviest first, about so many.
    pub(super) fn columns(&self, room: u64) -> Columns {
        let classes = self.classes.iter();
        let classes = classes.filter(|class| class.folded.units + class.hidden > 0);
        let mut columns: Vec<Column> = classes.map(class_column).collect();
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let lone = room
            .saturating_sub(columns.len())
            .min(self.totals.len() + LONE_COLUMNS)
            .max(self.totals.len() + LONE_COLUMNS_MIN);
        let complete = self.lone_columns(lone, &mut columns);
        columns.sort_by(|a, b| {
            let weight = |column: &Column| column.weight;
            let (a_rest, a_all) = weight(a);
            let (b_rest, b_all) = weight(b);
            b_rest
                .total_cmp(&a_rest)
                .then(b_all.total_cmp(&a_all))
                .then_with(|| a.bits().cmp(&b.bits()))
        });
        Columns {
            all: columns,
            complete,
        }
    }

    /// Adds columns of the units that hold different amounts, of the heaviest where there are more than may be; units that
    /// hold the same of the same cells are one. Says whether all are there.
    fn lone_columns(&self, columns_max: usize, columns: &mut Vec<Column>) -> bool {
        let mut held: Vec<Vec<(usize, f64)>> = vec![Vec::new(); self.lone_units];
        for (part, lone) in self.lone.iter().enumerate() {
            for (place, value) in lone {
                held[*place].push((part, *value));
            }
        }
        let mut alike: HashMap<Vec<(usize, u64)>, u64> = HashMap::new();
        for held in held {
            let bits = held
                .into_iter()
                .map(|(part, value)| (part, value.to_bits()));
            *alike.entry(bits.collect()).or_default() += 1;
        }
        let found = alike.len();
        let lone = alike
            .into_iter()
            .filter_map(|(held, units)| lone_column(&held, units));
        let mut lone: Vec<Column> = lone.collect();
        let complete = lone.len() == found && found <= columns_max;
        if lone.len() > columns_max {
            lone.sort_by(|a, b| {
                let largest = b.folded.x1.total_cmp(&a.folded.x1);
                largest.then_with(|| a.bits().cmp(&b.bits()))
            });
            lone.truncate(columns_max);
        }
        columns.append(&mut lone);
        complete
    }

    /// What looking at a combination takes.
    pub(super) fn cost(&self, combination: &[f64]) -> u64 {
        // Each is added, and looked at once.
        let used = combination
            .iter()
            .zip(self.lone.iter().zip(&self.classes_of))
            .filter(|(factor, _)| **factor != 0.0);
        let visits: usize = used
            .map(|(_, (lone, classes))| lone.len() + classes.len())
            .sum();
        to_u64(visits * 2 + combination.len())
    }

    /// Whether what a row leaves of each column says too much of a few, with numbers that are so far off. Everybody is in
    /// some column.
    pub(super) fn leaves(
        &self,
        columns: &[Column],
        left: &[f64],
        off: f64,
        rules: &OutputRules,
    ) -> bool {
        let mut folded = Folded::default();
        for (column, factor) in columns.iter().zip(left) {
            if *factor != 0.0 {
                folded.merge(&column.folded.times(factor.abs()));
            }
        }
        let tells = folded.units > 0 && off <= OFF_MAX * folded.x1;
        tells && !rules::spread(&folded.holdings(folded.total), rules)
    }

    /// Whether a combination says too much of a few.
    pub(super) fn exposes(&mut self, combination: &[f64], rules: &OutputRules) -> bool {
        let mut folded = Folded::default();
        let (mut bound, mut swapped) = (0.0f64, None::<f64>);
        let mut unsure = false;
        // What is known of the whole with its sign, and how far off that may be.
        let (mut net, mut doubt) = (0.0, 0.0);
        for class in self.touched(combination) {
            let (factor, most) = std::mem::take(&mut self.factors[class]);
            let (class, factor) = (&self.classes[class], settled(factor));
            if factor != 0.0 {
                folded.merge(&class.folded.times(factor.abs()));
                net += factor * class.net;
                doubt += PRECISION * factor.abs() * class.folded.total;
            }
            if class.hidden == 0 {
                continue;
            }
            if !class.same {
                unsure = true;
                bound = bound.max(most);
                continue;
            }
            swapped = Some(swapped.unwrap_or_default().max(most));
            if factor != 0.0 {
                folded.units += class.hidden;
                bound = bound.max(factor.abs() * class.bound);
                #[allow(clippy::cast_precision_loss, reason = "units are numbered by 32 bits")]
                let hidden = class.hidden as f64;
                doubt += hidden * factor.abs() * class.bound;
            }
        }
        let (lone, lone_size) = self.add_lone(combination, &mut folded);
        let parts = combination.iter().zip(&self.totals);
        let (whole, size) = parts.fold((0.0, 0.0), |(whole, size), (factor, total)| {
            (whole + factor * total, size + (factor * total).abs())
        });
        let told = f64::abs(whole) > ROUNDING * size;
        // Who is not listed was taken to hold the same of each cell: the numbers say otherwise.
        let off = f64::abs(whole - net - lone);
        let explained = off <= doubt + PRECISION * lone_size + ROUNDING * size;
        if let Some(swapped) = swapped
            && !explained
        {
            unsure = true;
            bound = bound.max(swapped);
        }
        if folded.units == 0 {
            return unsure && told;
        }
        let total = folded.total.max(if told { whole.abs() } else { 0.0 });
        let holdings = Holdings {
            x1: folded.x1.max(bound),
            x2: folded.x2.max(folded.x1.min(bound)),
            ..folded.holdings(total)
        };
        !rules::spread(&holdings, rules)
    }

    /// The classes that a combination touches; their factors, and what a unit of them holds at most.
    fn touched(&mut self, combination: &[f64]) -> Vec<usize> {
        let mut touched = Vec::new();
        for (part, factor) in combination.iter().enumerate() {
            if *factor != 0.0 {
                for &class in &self.classes_of[part] {
                    let (sum, most) = &mut self.factors[class];
                    if *most == 0.0 {
                        touched.push(class);
                    }
                    *sum += factor;
                    *most += factor.abs() * self.largest[part];
                }
            }
        }
        touched
    }

    /// Adds what is left of units that hold different amounts; gives their sum with its sign, and its size.
    fn add_lone(&mut self, combination: &[f64], folded: &mut Folded) -> (f64, f64) {
        let (mut net, mut sizes) = (0.0, 0.0);
        let mut touched = Vec::new();
        for (factor, held) in combination.iter().zip(&self.lone) {
            if *factor != 0.0 {
                for (place, value) in held {
                    let (sum, size) = &mut self.scratch[*place];
                    if *size == 0.0 {
                        touched.push(*place);
                    }
                    *sum += factor * value;
                    *size += (factor * value).abs();
                }
            }
        }
        for place in touched {
            let (sum, size) = std::mem::take(&mut self.scratch[place]);
            // What is not finite is not known to cancel.
            if !sum.is_finite() || sum.abs() > ROUNDING * size {
                folded.add(sum.abs());
            }
            net += sum;
            sizes += size;
        }
        (net, sizes)
    }
}

/// Which cells hold the same of a unit that is in both, for each that does not list all.
struct SameRows(HashMap<usize, Vec<bool>>);

impl SameRows {
    fn of(parts: &[Part<'_>]) -> Self {
        let hiding = parts
            .iter()
            .enumerate()
            .filter(|(_, part)| !part.shares.others().is_empty());
        let rows = hiding.map(|(place, part)| {
            let same = parts.iter().enumerate();
            let same = same.map(|(other, part_of)| other == place || part.same_rows(part_of));
            (place, same.collect())
        });
        Self(rows.collect())
    }

    fn class(&self, parts: &[Part<'_>], of: Vec<usize>) -> Class {
        let hiding = || {
            of.iter()
                .filter_map(|place| Some((*place, self.0.get(place)?)))
        };
        let same = hiding().all(|(_, same)| of.iter().all(|&other| same[other]));
        let bounds = hiding().map(|(place, _)| parts[place].shares.bound());
        Class {
            bound: if same {
                bounds.fold(f64::INFINITY, f64::min)
            } else {
                bounds.fold(0.0, f64::max)
            },
            same,
            parts: of,
            ..Class::default()
        }
    }
}

/// The column of some units that hold this of these cells; none where that is no number.
fn lone_column(held: &[(usize, u64)], units: u64) -> Option<Column> {
    let held: Vec<(usize, f64)> = held
        .iter()
        .map(|(part, bits)| (*part, f64::from_bits(*bits)))
        .collect();
    let sizes = held.iter().map(|(_, value)| value.abs());
    let largest = sizes.fold(0.0f64, |most, size| {
        if size > most || size.is_nan() {
            size
        } else {
            most
        }
    });
    if !largest.is_finite() || largest == 0.0 {
        return None;
    }
    // By a power of two, so that whole numbers stay exact.
    let scale = largest.log2().ceil().exp2();
    let mut folded = Folded::default();
    folded.add(scale);
    #[allow(clippy::cast_precision_loss, reason = "units are numbered by 32 bits")]
    let many = units as f64;
    if units > 1 {
        folded = Folded {
            units,
            x2: scale,
            total: scale * many,
            ..folded
        };
    }
    let entries = held.into_iter().map(|(part, value)| (part, value / scale));
    Some(Column {
        entries: entries.collect(),
        weight: (largest * (many - 1.0), largest * many),
        folded,
    })
}

fn class_column(class: &Class) -> Column {
    #[allow(clippy::cast_precision_loss, reason = "an order, not a figure")]
    let hidden = if class.hidden > 0 {
        class.hidden as f64 * class.bound
    } else {
        0.0
    };
    let total = class.folded.total + hidden;
    Column {
        entries: class.parts.iter().map(|&part| (part, 1.0)).collect(),
        folded: class.folded,
        weight: (total - class.folded.x1, total),
    }
}

/// Who holds something of which cells: the numbers of all units, ascending, each unit's class and holding, and
/// the cells of each class. Cells are read one after the other; a unit's class is refined by each.
fn by_membership(parts: &[Part<'_>]) -> (Vec<u32>, Vec<Unit>, Vec<Vec<usize>>) {
    let mut all = RoaringBitmap::new();
    for part in parts {
        all |= part.shares.holders();
    }
    let numbers: Vec<u32> = all.iter().collect();
    let mut units = vec![Unit::default(); numbers.len()];
    let mut classes = Classes::default();
    for (part, Part { shares, .. }) in parts.iter().enumerate() {
        classes.begin(part);
        let mut places = Places::of(&numbers);
        for (number, value) in shares.listed() {
            let unit = &mut units[places.next(number)];
            unit.class = classes.refined(unit.class);
            if unit.held == 0.0 {
                unit.held = value;
            }
            unit.differs |= unit.held.to_bits() != value.to_bits();
        }
        let mut places = Places::of(&numbers);
        for number in shares.others() {
            let unit = &mut units[places.next(number)];
            unit.class = classes.refined(unit.class);
            unit.hidden = true;
        }
    }
    let members = classes.used(units.iter_mut().map(|unit| &mut unit.class));
    (numbers, units, members)
}
