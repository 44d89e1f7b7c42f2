//! What earlier releases reveal beside a new cell.
//!
//! Two cells whose sets of units differ by a few tell about those few. Two cells with the same units
//! tell as much when they select different rows of them (`year = 1` and `year in (1, 2)` where one
//! person alone has a second year), so each cell keeps a print of what it selected, and what each unit holds.

use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use super::audit::PRIME;
use super::combine::Part;
use super::rules;
use super::shares::Shares;
use super::types::EarlierCell;

/// Cells of history that are compared at most; beyond it, people decide.
pub(crate) const CELLS_MAX: usize = 200_000;

/// What tells a selection of rows from another with the same units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Print {
    /// Rows of the cell.
    pub(crate) rows: u64,
    /// Per argument the exact signed total and the two largest holdings, as bits.
    pub(crate) held: BTreeMap<String, [u64; 3]>,
    /// Columns whose possible values are known for every row.
    pub(crate) pinned: BTreeMap<String, Vec<String>>,
    /// Data sets with units that its rows are from; none in a print that is older than this.
    #[serde(default)]
    pub(crate) datasets: BTreeSet<String>,
    /// Sensitive columns that select its rows, by filter or by group.
    #[serde(default)]
    pub(crate) sensitive: BTreeSet<String>,
    /// Whether anything else selects its rows.
    #[serde(default)]
    pub(crate) narrowed: bool,
    /// Whether the number of its units was told, by a count of their keys; a print that is older than this may have.
    #[serde(default = "may_be")]
    pub(crate) people: bool,
}

fn may_be() -> bool {
    true
}

impl Print {
    /// Whether some unit has several rows.
    pub(crate) fn several(&self, units: &RoaringBitmap) -> bool {
        self.rows != units.len()
    }

    /// Whether the numbers of the cell tell its set of units: each has one row, or they were counted. Of any other cell
    /// what each unit holds is compared instead (see [`super::combine`]).
    pub(crate) fn tells_set(&self, units: &RoaringBitmap) -> bool {
        self.people || !self.several(units)
    }

    /// The exact total of an argument in millionths, as an element of the audit's field. Totals of values with more
    /// decimals, or beyond 2⁵³ millionths, do not add up there, and what does not add up is withheld.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let [total, ..] = self.held.get(name)?;
        let total = f64::from_bits(*total);
        let millionths = (total.abs() * 1e6).round();
        // The remainder of a finite number is below the prime; of any other it is none.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a remainder between zero and 2³¹"
        )]
        let rest = (millionths % (PRIME as f64)) as u64;
        // What is given and taken back cancels.
        Some(if total < 0.0 {
            (PRIME - rest) % PRIME
        } else {
            rest
        })
    }

    /// Whether no row can be in both: they are from other data sets, or some column has no value in common.
    pub(crate) fn disjoint(&self, other: &Self) -> bool {
        let named = !self.datasets.is_empty() && !other.datasets.is_empty();
        if named && self.datasets.is_disjoint(&other.datasets) {
            return true;
        }
        self.pinned.iter().any(|(column, values)| {
            other
                .pinned
                .get(column)
                .is_some_and(|others| !values.iter().any(|value| others.contains(value)))
        })
    }

    /// Whether both select the same rows as far as any common number can tell.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.rows == other.rows
            && self
                .held
                .iter()
                .all(|(name, held)| other.held.get(name).is_none_or(|others| others == held))
    }
}

/// A set of units, its print, and what each unit holds of which argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) units: RoaringBitmap,
    pub(crate) print: Print,
    pub(crate) shares: BTreeMap<String, Shares>,
    /// Who is around the cell and not in it, where something sensitive selects.
    pub(crate) left_out: Option<RoaringBitmap>,
}

/// What stands behind the bitmap: the print alone, which is JSON, or a version.
const PRINT_ALONE: u8 = b'{';
const WITH_SHARES: u8 = 2;
const WITH_LEFT_OUT: u8 = 3;

/// Writes a cell for the history: the bitmap first, so that it can be read as one; then a version, the print, perhaps who is
/// left out, and for each argument its name and shares, all with their lengths.
pub(crate) fn encode(cell: &Known) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(cell.units.serialized_size() + 256);
    cell.units.serialize_into(&mut bytes).ok()?;
    bytes.push(match cell.left_out {
        Some(_) => WITH_LEFT_OUT,
        None => WITH_SHARES,
    });
    write_part(&mut bytes, &serde_json::to_vec(&cell.print).ok()?)?;
    if let Some(left_out) = &cell.left_out {
        let mut set = Vec::with_capacity(left_out.serialized_size());
        left_out.serialize_into(&mut set).ok()?;
        write_part(&mut bytes, &set)?;
    }
    for (name, shares) in &cell.shares {
        let mut each = Vec::new();
        shares.write(&cell.units, &mut each)?;
        write_part(&mut bytes, name.as_bytes())?;
        write_part(&mut bytes, &each)?;
    }
    Some(bytes)
}

/// Reads a cell of the history; none when it is damaged or of a version that is not known.
pub(crate) fn decode(mut bytes: &[u8]) -> Option<Known> {
    let rest = &mut bytes;
    let units = RoaringBitmap::deserialize_from(&mut *rest).ok()?;
    match rest.first() {
        Some(&PRINT_ALONE) => Some(without_shares(units, serde_json::from_slice(rest).ok()?)),
        Some(&version) if version == WITH_SHARES || version == WITH_LEFT_OUT => {
            *rest = &rest[1..];
            let print: Print = serde_json::from_slice(read_part(rest)?).ok()?;
            let left_out = match version {
                WITH_LEFT_OUT => Some(read_set(read_part(rest)?)?),
                _ => None,
            };
            let mut shares = BTreeMap::new();
            while !rest.is_empty() {
                let name = std::str::from_utf8(read_part(rest)?).ok()?;
                let each = Shares::read(read_part(rest)?, &units)?;
                if shares.insert(name.to_owned(), each).is_some() {
                    return None;
                }
            }
            Some(Known {
                units,
                print,
                shares,
                left_out,
            })
        }
        _ => None,
    }
}

/// A cell that was kept before shares were: of an argument its largest holding is known.
fn without_shares(units: RoaringBitmap, print: Print) -> Known {
    let shares = print
        .held
        .iter()
        .map(|(name, [_, largest, _])| {
            let hidden = Shares::hidden(&units, f64::from_bits(*largest));
            (name.clone(), hidden)
        })
        .collect();
    Known {
        units,
        print,
        shares,
        left_out: None,
    }
}

fn read_set(mut bytes: &[u8]) -> Option<RoaringBitmap> {
    let set = RoaringBitmap::deserialize_from(&mut bytes).ok()?;
    bytes.is_empty().then_some(set)
}

fn write_part(bytes: &mut Vec<u8>, part: &[u8]) -> Option<()> {
    bytes.extend_from_slice(&u32::try_from(part.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(part);
    Some(())
}

fn read_part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (part, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}

impl Known {
    /// Everybody around the cell.
    fn around(&self) -> RoaringBitmap {
        match &self.left_out {
            Some(left_out) => &self.units | left_out,
            None => self.units.clone(),
        }
    }

    /// What the cell holds of the arguments of a family.
    pub(crate) fn parts(&self, family: &str) -> impl Iterator<Item = Part<'_>> {
        self.shares
            .iter()
            .filter(move |(name, shares)| self::family(name) == family && shares.len() > 0)
            .filter_map(|(name, shares)| {
                let [total, ..] = self.print.held.get(name)?;
                Some(Part {
                    name,
                    units: &self.units,
                    print: &self.print,
                    shares,
                    total: f64::from_bits(*total),
                })
            })
    }
}

/// The name of an argument without its data set: two extracts of one register hold the same.
pub(crate) fn family(held: &str) -> String {
    match (held.split_once(':'), held.rsplit_once('.')) {
        (Some((kind, _)), Some((_, column))) => format!("{kind}:{column}"),
        _ => held.to_owned(),
    }
}

/// The history of one universe, sorted by the number of units.
pub(crate) struct History {
    cells: Vec<Known>,
}

impl History {
    /// Reads the cells of one universe that say anything of these units: those that hold some of them, or some of a cell that
    /// does, and so on. What is of other people alone takes part in no combination. None when a cell cannot be read. Equal
    /// cells are kept once.
    pub(crate) fn of(
        universe: &str,
        earlier: &[EarlierCell],
        about: &RoaringBitmap,
    ) -> Option<Self> {
        let mut apart = earlier
            .iter()
            .filter(|cell| cell.universe == universe)
            .map(|cell| decode(&cell.units))
            .collect::<Option<Vec<_>>>()?;
        let (mut cells, mut met) = (Vec::new(), about.clone());
        loop {
            let (mut near, rest): (Vec<Known>, Vec<Known>) = apart
                .into_iter()
                .partition(|cell| !cell.around().is_disjoint(&met));
            apart = rest;
            if near.is_empty() {
                break;
            }
            near.iter().for_each(|cell| met |= cell.around());
            cells.append(&mut near);
        }
        cells.sort_by_key(|cell| cell.units.len());
        cells.dedup_by(|a, b| a == b);
        Some(Self { cells })
    }

    /// The sets of units that cells told, each once.
    pub(crate) fn sets(&self) -> Vec<&RoaringBitmap> {
        let mut sets: Vec<&RoaringBitmap> = Vec::new();
        let mut of_length = 0;
        for cell in &self.cells {
            let units = &cell.units;
            if !cell.print.tells_set(units) {
                continue;
            }
            if sets.last().is_some_and(|last| last.len() != units.len()) {
                of_length = sets.len();
            }
            if !sets[of_length..].contains(&units) {
                sets.push(units);
            }
        }
        sets
    }

    /// All cells, as the row audit sees them.
    pub(crate) fn known(&self) -> Vec<&Known> {
        self.cells.iter().collect()
    }

    /// Whether a cell says nothing that earlier ones did not: the same of the same units, to the last of them.
    pub(crate) fn repeats(&self, cell: &Known) -> bool {
        let told: Vec<&Known> = self
            .cells
            .iter()
            .filter(|known| {
                known.units == cell.units
                    && known.print.rows == cell.print.rows
                    && known.print.sensitive == cell.print.sensitive
                    && known.print.narrowed == cell.print.narrowed
                    && known.left_out == cell.left_out
            })
            .collect();
        let holds = |known: &Known, name: &String, shares: &Shares| {
            known.shares.get(name) == Some(shares)
                && known.print.held.get(name) == cell.print.held.get(name)
        };
        !told.is_empty()
            && (!cell.print.people || told.iter().any(|known| known.print.people))
            && cell
                .shares
                .iter()
                .all(|(name, shares)| told.iter().any(|known| holds(known, name, shares)))
    }

    /// Whether this cell and an earlier one, both selected by something sensitive, tell of who is around the one and not
    /// around the other: that hardly any of these is left out, or none. With the same people left out of two groups, all by
    /// which the groups differ are in the class; and so with those left out of the one that are in the class of the other.
    pub(crate) fn leaves_out(&self, cell: &Known, threshold: u64) -> bool {
        let Some(left_out) = &cell.left_out else {
            return false;
        };
        self.cells.iter().any(|known| {
            let Some(before) = &known.left_out else {
                return false;
            };
            let opposite = *before == cell.units || known.units == *left_out;
            match before.symmetric_difference_len(left_out) {
                0 => known.units != cell.units,
                few if few < threshold => true,
                _ => opposite && known.around() != cell.around(),
            }
        })
    }

    /// Whether this cell and an earlier one tell that nearly everybody of a group is of one class: one of them is
    /// selected by a sensitive column that the other is not, and nearly as large. A cell is held against the people around it
    /// first; this is for groups that another program made. Where units have several rows they are in several classes.
    pub(crate) fn classes(&self, units: &RoaringBitmap, print: &Print) -> bool {
        self.cells.iter().any(|known| {
            if print.several(units) || known.print.several(&known.units) {
                return false;
            }
            let more = (&known.print.sensitive, &print.sensitive);
            let ((class, group), narrowed) = match more {
                (before, now) if before == now => return false,
                (before, now) if before.is_subset(now) => {
                    ((units, &known.units), known.print.narrowed)
                }
                (before, now) if now.is_subset(before) => ((&known.units, units), print.narrowed),
                _ => return false,
            };
            narrowed && rules::nearly_all(class, group)
        })
    }

    /// Takes a cell in as if it had been released before.
    pub(crate) fn take(&mut self, cell: Known) {
        let place = self
            .cells
            .partition_point(|known| known.units.len() <= cell.units.len());
        self.cells.insert(place, cell);
    }

    /// Whether the sets of some earlier cell and of this one together tell about fewer units than the threshold.
    /// Sets that differ by fewer have sizes that differ by fewer, so only those are compared.
    pub(crate) fn differences(&self, units: &RoaringBitmap, print: &Print, threshold: u64) -> bool {
        let low = units.len().saturating_sub(threshold.saturating_sub(1));
        let high = units.len().saturating_add(threshold.saturating_sub(1));
        if !print.tells_set(units) {
            return false;
        }
        let from = self.cells.partition_point(|cell| cell.units.len() < low);
        self.cells[from..]
            .iter()
            .take_while(|cell| cell.units.len() <= high)
            .filter(|cell| cell.print.tells_set(&cell.units))
            .any(|cell| match cell.units.symmetric_difference_len(units) {
                // The same units with other rows; of several rows what each holds is compared.
                0 => {
                    !print.several(units)
                        && !cell.print.several(&cell.units)
                        && !cell.print.same(print)
                        && !cell.print.disjoint(print)
                }
                differing => differing < threshold,
            })
    }
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
    use crate::egress::shares::tests::shares;
    use proptest::prelude::*;

    fn print(rows: u64, year: &[&str]) -> Print {
        Print {
            rows,
            held: BTreeMap::from([("rows".to_owned(), [rows, 1, 1])]),
            pinned: BTreeMap::from([(
                "claims.year".to_owned(),
                year.iter().map(|y| (*y).to_owned()).collect(),
            )]),
            people: true,
            ..Print::default()
        }
    }

    fn known(range: std::ops::Range<u32>, print: Print) -> Known {
        Known {
            units: range.collect(),
            print,
            shares: BTreeMap::new(),
            left_out: None,
        }
    }

    fn everybody() -> RoaringBitmap {
        (0..10_000).collect()
    }

    #[test]
    fn cells_of_other_people_are_left_out() {
        let cells = [0..40u32, 30..60, 60..90, 50..61, 200..240, 230..260].map(|range| {
            let units = encode(&known(range, print(40, &[]))).unwrap();
            EarlierCell {
                release: "r".to_owned(),
                universe: "claims".to_owned(),
                units,
            }
        });
        let of = |range: std::ops::Range<u32>| {
            let history = History::of("claims", &cells, &range.collect()).unwrap();
            history.known().len()
        };
        assert_eq!(of(0..10), 4, "by one cell to the next");
        assert_eq!(of(255..300), 2);
        assert_eq!(of(100..150), 0);
        assert_eq!(of(0..300), 6);
    }

    fn history(cells: &[(std::ops::Range<u32>, Print)]) -> History {
        let earlier: Vec<EarlierCell> = cells
            .iter()
            .map(|(range, print)| EarlierCell {
                release: "r".to_owned(),
                universe: "claims".to_owned(),
                units: encode(&known(range.clone(), print.clone())).unwrap(),
            })
            .collect();
        History::of("claims", &earlier, &everybody()).unwrap()
    }

    #[test]
    fn sets_that_differ_by_a_few_are_told() {
        let history = history(&[(0..100, print(100, &[])), (0..500, print(500, &[]))]);
        let told = |range: std::ops::Range<u32>| {
            let units: RoaringBitmap = range.collect();
            let print = print(units.len(), &[]);
            history.differences(&units, &print, 10)
        };
        assert!(told(0..99));
        assert!(told(0..109));
        assert!(told(1..101));
        assert!(!told(0..110));
        assert!(!told(0..90));
        assert!(!told(0..100));
        assert!(told(5..504));
        assert!(!told(1_000..1_100));
    }

    #[test]
    fn what_was_told_of_the_same_units_is_a_repetition() {
        let cell = |held: f32, people: bool| Known {
            units: (0..40).collect(),
            print: Print {
                people,
                ..print(80, &["1"])
            },
            shares: BTreeMap::from([("rows".to_owned(), shares((0..40).map(|u| (u, held))))]),
            left_out: None,
        };
        let history = |cell: &Known| {
            History::of(
                "claims",
                &[EarlierCell {
                    release: "r".to_owned(),
                    universe: "claims".to_owned(),
                    units: encode(cell).unwrap(),
                }],
                &everybody(),
            )
            .unwrap()
        };
        let told = history(&cell(2.0, false));
        assert!(told.repeats(&cell(2.0, false)));
        assert!(!told.repeats(&cell(3.0, false)), "another holding");
        assert!(
            !told.repeats(&cell(2.0, true)),
            "the people were not counted"
        );
        assert!(history(&cell(2.0, true)).repeats(&cell(2.0, false)));
        let mut other = cell(2.0, false);
        other.print.sensitive.insert("claims.disease".to_owned());
        assert!(!told.repeats(&other), "another class");
    }

    #[test]
    fn sets_that_no_number_tells_are_not_compared() {
        let several = |people: bool, rows: u64| Print {
            people,
            ..print(rows, &[])
        };
        let history = |print: Print| history(&[(0..100, print)]);
        let told =
            |history: &History, print: Print| history.differences(&(0..97).collect(), &print, 10);
        assert!(told(&history(several(true, 200)), several(true, 190)));
        assert!(!told(&history(several(false, 200)), several(true, 190)));
        assert!(!told(&history(several(true, 200)), several(false, 190)));
        assert!(
            told(&history(several(true, 200)), several(false, 97)),
            "one row each"
        );
        assert_eq!(history(several(false, 200)).sets().len(), 0);
    }

    #[test]
    fn a_class_nearly_as_large_as_its_group_is_told() {
        let of = |sensitive: &[&str], narrowed| Print {
            sensitive: sensitive.iter().map(|name| (*name).to_owned()).collect(),
            narrowed,
            ..print(100, &[])
        };
        let group = history(&[(0..100, of(&[], true))]);
        let class = |history: &History, to: u32, print: Print| {
            let rows = u64::from(to);
            history.classes(&(0..to).collect(), &Print { rows, ..print })
        };
        assert!(class(&group, 100, of(&["c.disease"], true)));
        assert!(class(&group, 91, of(&["c.disease"], true)));
        assert!(!class(&group, 90, of(&["c.disease"], true)));
        assert!(!class(&group, 100, of(&[], true)), "the group again");
        let class_of_95 = Print {
            rows: 95,
            ..of(&["c.disease"], true)
        };
        let first = history(&[(0..95, class_of_95)]);
        assert!(class(&first, 100, of(&[], true)), "the class first");
        assert!(
            !class(&first, 100, of(&[], false)),
            "of everybody it is a statistic"
        );
        assert!(!class(&first, 100, of(&["c.work"], true)), "two classes");
    }

    #[test]
    fn a_class_of_the_difference_of_two_groups_is_told() {
        let cell = |units: std::ops::Range<u32>, left: std::ops::Range<u32>| Known {
            left_out: Some(left.collect()),
            ..known(units, print(40, &[]))
        };
        // Of the groups A and B, those of B have it who are not left out.
        let both = cell(0..50, 100..140);
        let history = History {
            cells: vec![both.clone(), known(300..340, print(40, &[]))],
        };
        let told = |cell: &Known| history.leaves_out(cell, 10);
        assert!(told(&cell(25..50, 100..140)), "all of A have it");
        assert!(told(&cell(25..50, 103..140)), "all but three");
        assert!(told(&cell(100..140, 25..50)), "asked the other way");
        assert!(!told(&cell(25..50, 120..140)), "A is mixed");
        assert!(
            !told(&cell(100..140, 0..50)),
            "who does not have it, of the same"
        );
        assert!(!told(&both), "the same again");
        assert!(!told(&known(25..50, print(25, &[]))), "nothing sensitive");
    }

    #[test]
    fn equal_sets_are_audited_once() {
        let all = || print(100, &[]);
        let history = history(&[
            (0..100, all()),
            (100..200, all()),
            (0..100, print(200, &[])),
            (0..50, all()),
            (100..200, print(300, &[])),
        ]);
        let sizes: Vec<u64> = history.sets().iter().map(|set| set.len()).collect();
        assert_eq!(sizes, [50, 100, 100]);
    }

    #[test]
    fn the_same_units_with_other_rows_are_told() {
        let history = history(&[(0..100, print(100, &["1"]))]);
        let units: RoaringBitmap = (0..100).collect();
        assert!(
            !history.differences(&units, &print(100, &["1"]), 10),
            "the same again"
        );
        let other = Print {
            held: BTreeMap::from([("rows".to_owned(), [99, 1, 1])]),
            ..print(100, &["1", "2"])
        };
        assert!(history.differences(&units, &other, 10), "other rows");
        assert!(
            !history.differences(&units, &print(101, &["1", "2"]), 10),
            "one row more: what each holds is compared"
        );
        assert!(
            !history.differences(&units, &print(100, &["2"]), 10),
            "no row in common"
        );
    }

    fn any_cell() -> impl Strategy<Value = Known> {
        let held = prop::collection::btree_map(0u32..500, (1u8..40).prop_map(f32::from), 1..80);
        prop::collection::btree_map("[a-z]{1,6}:[a-z]{1,4}\\.[a-z]{1,4}", held, 0..4).prop_map(
            |held| {
                let units: RoaringBitmap = held
                    .values()
                    .flat_map(|held| held.keys().copied())
                    .collect();
                let print = Print {
                    rows: 7,
                    held: held.keys().map(|name| (name.clone(), [1, 2, 3])).collect(),
                    datasets: BTreeSet::from(["claims".to_owned()]),
                    ..Print::default()
                };
                let shares = held
                    .into_iter()
                    .map(|(name, held)| (name, shares(held)))
                    .collect();
                let left_out = units.contains(7).then(|| (900..940).collect());
                Known {
                    units,
                    print,
                    shares,
                    left_out,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_cell_survives_its_bytes(cell in any_cell()) {
            let bytes = encode(&cell).unwrap();
            prop_assert_eq!(decode(&bytes), Some(cell.clone()));
            prop_assert_eq!(encode(&decode(&bytes).unwrap()).unwrap(), bytes);
        }

        #[test]
        fn damaged_cells_are_none_and_no_panic(
            cell in any_cell(),
            at in any::<prop::sample::Index>(),
            to in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = encode(&cell).unwrap();
            let cut = &bytes[..cut.index(bytes.len())];
            prop_assert!(decode(cut).is_none_or(|read| read.shares.len() < cell.shares.len()));
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Some(read) = decode(&bytes) {
                prop_assert_eq!(decode(&encode(&read).unwrap()), Some(read));
            }
        }

        #[test]
        fn cells_from_anywhere_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn a_cell_from_before_shares_hides_who_holds_what() {
        let units: RoaringBitmap = (0..50).collect();
        let mut bytes = Vec::new();
        units.serialize_into(&mut bytes).unwrap();
        let total = [900f64, 40.0, 30.0].map(f64::to_bits);
        let print = serde_json::json!({
            "rows": 50, "held": { "value:c.income": total }, "pinned": {},
        });
        serde_json::to_writer(&mut bytes, &print).unwrap();
        let known = decode(&bytes).unwrap();
        let shares = &known.shares["value:c.income"];
        assert_eq!((shares.len(), shares.listed().count()), (50, 0));
        assert!(shares.bound() >= 40.0 && shares.bound() < 40.1);
        assert_eq!(known.parts("value:income").count(), 1);
    }

    #[test]
    fn families_are_names_without_data_sets() {
        assert_eq!(
            family("value:residents.income"),
            family("value:extract.income")
        );
        assert_ne!(family("value:a.income"), family("square:a.income"));
        assert_eq!(family("rows"), "rows");
    }

    #[test]
    fn history_that_cannot_be_read_is_not_skipped() {
        let broken = EarlierCell {
            release: "r".to_owned(),
            universe: "claims".to_owned(),
            units: vec![1, 2, 3],
        };
        assert!(History::of("claims", std::slice::from_ref(&broken), &everybody()).is_none());
        assert!(History::of("other", &[broken], &everybody()).is_some());
    }
}
