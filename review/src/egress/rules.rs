//! The rules of one cell: threshold, dominance, distinct values. And of cells beside each other:
//! class disclosure.

use std::collections::BTreeMap;

use arrow::array::{Array, RecordBatch};
use arrow::row::{OwnedRow, RowConverter, SortField};
use roaring::RoaringBitmap;

use super::cells::{Cell, Holdings};
use super::offset::Offsets;
use crate::admission::layout::MISSING;
use crate::admission::{AggregateKind, CellLayout, HoldingsColumn};
use crate::contract::OutputRules;

/// Share of one sensitive category in a group above which the group is disclosed.
const CLASS_SHARE_PERCENT: u64 = 90;
/// Distinct values that a mean must have at least.
const MEAN_DISTINCT_MIN: u64 = 3;
/// Distinct values that a sum must have at least: with one value, a sum and a count tell it.
const SUM_DISTINCT_MIN: u64 = 2;

/// Whether a cell passes for itself.
pub(crate) fn passes(
    cell: &Cell,
    layout: &CellLayout,
    rules: &OutputRules,
    offsets: Offsets<'_>,
) -> bool {
    let enough = cell
        .units
        .iter()
        .zip(&layout.universes)
        .all(|(units, column)| offsets.enough(&column.universe, units, rules.threshold));
    enough
        && around_holds(cell, layout, rules, offsets)
        && layout.aggregates.iter().all(|aggregate| {
            aggregate.holdings.iter().all(|&index| {
                let (Some(holdings), Some(column)) =
                    (cell.holdings.get(index), layout.holdings.get(index))
                else {
                    return false;
                };
                if column.held.starts_with(MISSING) {
                    return missing_hold(cell, index, column, (layout, rules, offsets));
                }
                let varied = if column.held.starts_with("value:") {
                    holdings.distinct >= distinct_min(aggregate.kind)
                } else {
                    true
                };
                varied && spread(holdings, rules)
            })
        })
}

/// Whether enough of the people around a cell are not in it, and not nearly all of them are. All but a few would tell of
/// the few, and all of all: with nobody left out a count says what everybody is. How many are around is nothing that has to
/// be asked, for who chooses a list of people knows it.
fn around_holds(
    cell: &Cell,
    layout: &CellLayout,
    rules: &OutputRules,
    offsets: Offsets<'_>,
) -> bool {
    // A threshold of one is that of samples, which everybody may see.
    rules.threshold <= 1
        || cell
            .left_out()
            .zip(&layout.universes)
            .zip(&cell.around)
            .all(|((left_out, column), around)| {
                offsets.enough(&column.universe, &left_out, rules.threshold)
                    && !(cell.print.narrowed
                        && nearly_all_of(around.len() - left_out.len(), around))
            })
}

/// Missing values are a category of their own: nobody's, or those of enough.
fn missing_hold(
    cell: &Cell,
    index: usize,
    column: &HoldingsColumn,
    (layout, rules, offsets): (&CellLayout, &OutputRules, Offsets<'_>),
) -> bool {
    let (Some(holdings), Some(shares)) = (cell.holdings.get(index), cell.shares.get(index)) else {
        return false;
    };
    let Some(of) = layout.universes.get(column.universe) else {
        return false;
    };
    holdings.units == 0
        || (offsets.enough(&of.universe, &shares.holders(), rules.threshold)
            && spread(holdings, rules))
}

fn distinct_min(kind: AggregateKind) -> u64 {
    match kind {
        AggregateKind::Avg | AggregateKind::Stddev | AggregateKind::Variance => MEAN_DISTINCT_MIN,
        AggregateKind::Sum => SUM_DISTINCT_MIN,
        AggregateKind::CountRows | AggregateKind::Count | AggregateKind::CountDistinct => 0,
    }
}

/// Enough units contribute, and none or two of them are nearly the whole.
pub(crate) fn spread(holdings: &Holdings, rules: &OutputRules) -> bool {
    let Holdings {
        units,
        x1,
        x2,
        total,
        ..
    } = *holdings;
    let finite = x1.is_finite() && x2.is_finite() && total.is_finite();
    if units < rules.threshold || !finite || total <= 0.0 || x1 < 0.0 || x2 < 0.0 {
        return false;
    }
    let share = |percent: u32| total * f64::from(percent) / 100.0;
    let one = x1 <= share(rules.dominance_1_percent);
    let two = x1 + x2 <= share(rules.dominance_2_percent);
    let rest = total - x1 - x2 >= x1 * f64::from(rules.p_percent) / 100.0;
    one && two && rest
}

/// Whether a class has so large a share of a group that who is in the group is in the class.
pub(crate) fn nearly_all(class: &RoaringBitmap, group: &RoaringBitmap) -> bool {
    nearly_all_of(class.len(), group) && nearly_all_of(class.intersection_len(group), group)
}

fn nearly_all_of(units: u64, group: &RoaringBitmap) -> bool {
    !group.is_empty() && units.saturating_mul(100) > group.len().saturating_mul(CLASS_SHARE_PERCENT)
}

/// Cells of groups in which nearly everybody has one sensitive category: whoever knows that a person
/// is in the group knows the category. Only within another dimension; of everybody it is a statistic.
pub(crate) fn class_disclosed(
    batch: &RecordBatch,
    cells: &[Cell],
    layout: &CellLayout,
) -> Option<Vec<bool>> {
    let mut disclosed = vec![false; cells.len()];
    let others: Vec<usize> = (0..layout.groups.len())
        .filter(|&index| !layout.groups[index].sensitive)
        .collect();
    let sensitive = layout.groups.iter().any(|group| group.sensitive);
    // Without another dimension all cells are one group: everybody, or those whom something else selects.
    if !sensitive || (others.is_empty() && !layout.narrowed) {
        return Some(disclosed);
    }
    let keys = match others.is_empty() {
        true => Vec::new(),
        false => group_keys(batch, &others)?,
    };
    let mut members: BTreeMap<Option<&OwnedRow>, Vec<usize>> = BTreeMap::new();
    for (index, cell) in cells.iter().enumerate() {
        members.entry(keys.get(cell.row)).or_default().push(index);
    }
    for group in members.values() {
        for universe in 0..layout.universes.len() {
            let all: RoaringBitmap = group
                .iter()
                .map(|&index| &cells[index].units[universe])
                .fold(RoaringBitmap::new(), |all, units| all | units);
            let around = |index: usize| cells[index].around.get(universe);
            for &index in group {
                let class = &cells[index].units[universe];
                let of_all = around(index).is_some_and(|around| nearly_all(class, around));
                if of_all || nearly_all(class, &all) {
                    // The others of the group would tell it by subtraction.
                    group.iter().for_each(|&index| disclosed[index] = true);
                }
            }
        }
    }
    Some(disclosed)
}

fn group_keys(batch: &RecordBatch, columns: &[usize]) -> Option<Vec<OwnedRow>> {
    let fields = columns
        .iter()
        .map(|&c| SortField::new(batch.column(c).data_type().clone()))
        .collect();
    let converter = RowConverter::new(fields).ok()?;
    let arrays: Vec<_> = columns.iter().map(|&c| batch.column(c).clone()).collect();
    let rows = converter.convert_columns(&arrays).ok()?;
    debug_assert!(arrays.iter().all(|array| array.len() == batch.num_rows()));
    Some(rows.iter().map(|row| row.owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holdings(units: u64, x1: f64, x2: f64, total: f64) -> Holdings {
        Holdings {
            units,
            x1,
            x2,
            total,
            distinct: 3,
            negative: 0.0,
        }
    }

    #[test]
    fn thresholds_and_dominance() {
        let rules = OutputRules::default();
        for (case, expect) in [
            (holdings(10, 10.0, 10.0, 100.0), true),
            (holdings(9, 10.0, 10.0, 90.0), false),
            (holdings(100, 50.0, 1.0, 100.0), true),
            (holdings(100, 50.1, 1.0, 100.0), false),
            (holdings(100, 40.0, 27.0, 100.0), true),
            (holdings(100, 40.0, 27.1, 100.0), false),
            (holdings(100, 0.0, 0.0, 0.0), false),
            (holdings(100, f64::INFINITY, 1.0, f64::INFINITY), false),
            (holdings(100, f64::NAN, 1.0, 10.0), false),
            (holdings(100, -1.0, 1.0, 10.0), false),
        ] {
            assert_eq!(spread(&case, &rules), expect, "{case:?}");
        }
        // The p % rule binds where dominance is set loosely.
        let loose = OutputRules {
            dominance_1_percent: 90,
            dominance_2_percent: 95,
            ..OutputRules::default()
        };
        assert!(spread(&holdings(10, 80.0, 5.0, 100.0), &loose));
        assert!(!spread(&holdings(10, 88.0, 2.0, 100.0), &loose));
    }
}
