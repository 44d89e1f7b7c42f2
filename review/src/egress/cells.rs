//! The cells of a raw result: group values, aggregates, and what the engine counted per cell.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, UInt64Type};
use roaring::RoaringBitmap;

use super::control::holdings_fields;
use super::history::{Known, Print};
use super::shares::Shares;
use crate::admission::layout::MISSING;
use crate::admission::{AggregateKind, CellLayout, ColumnType};

/// What units hold of one cell, folded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Holdings {
    /// Units with a contribution that is neither null nor zero.
    pub(crate) units: u64,
    /// The largest holding.
    pub(crate) x1: f64,
    /// The second largest.
    pub(crate) x2: f64,
    /// All holdings together.
    pub(crate) total: f64,
    /// Distinct values, saturating at three.
    pub(crate) distinct: u64,
    /// What of the total are absolute values of negative ones.
    pub(crate) negative: f64,
}

impl Holdings {
    /// The sum of the values with their signs.
    fn net(&self) -> f64 {
        self.total - 2.0 * self.negative
    }
}

/// One cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Its row in the raw result.
    pub(crate) row: usize,
    /// One set of units per universe.
    pub(crate) units: Vec<RoaringBitmap>,
    /// Whom the cell would hold without its sensitive conditions, per universe; none when it has no such conditions.
    pub(crate) around: Vec<RoaringBitmap>,
    /// One per [`CellLayout::holdings`].
    pub(crate) holdings: Vec<Holdings>,
    /// One per [`CellLayout::holdings`]: what each unit holds.
    pub(crate) shares: Vec<Shares>,
    /// What tells this selection of rows from another with the same units.
    pub(crate) print: Print,
}

impl Cell {
    /// Who is around the cell and not in it, per universe.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = RoaringBitmap> + '_ {
        let both = self.around.iter().zip(&self.units);
        both.map(|(around, units)| around - units)
    }

    /// Universes and those of their units of which some argument is missing.
    pub(crate) fn missing<'a>(
        &'a self,
        layout: &'a CellLayout,
    ) -> impl Iterator<Item = (usize, RoaringBitmap)> + 'a {
        let held = layout.holdings.iter().zip(&self.shares);
        held.filter(|(column, _)| column.held.starts_with(MISSING))
            .map(|(column, shares)| (column.universe, shares.holders()))
            .filter(|(_, units)| !units.is_empty())
    }

    /// The cell as a universe's history keeps it.
    pub(crate) fn known(&self, layout: &CellLayout, universe: usize) -> Known {
        Known {
            units: self.units[universe].clone(),
            print: self.print.clone(),
            left_out: self.left_out().nth(universe),
            shares: layout
                .holdings
                .iter()
                .zip(&self.shares)
                .filter(|(column, _)| column.universe == universe)
                .map(|(column, shares)| (column.held.clone(), shares.clone()))
                .collect(),
        }
    }
}

/// The types of the raw output of a layout.
pub(crate) fn raw_types(layout: &CellLayout) -> Vec<DataType> {
    let mut types: Vec<DataType> = layout
        .groups
        .iter()
        .map(|group| group.data_type.arrow())
        .collect();
    types.extend(
        layout
            .aggregates
            .iter()
            .map(|a| a.kind.column_type().arrow()),
    );
    types.extend(layout.universes.iter().map(|_| DataType::Binary));
    types.extend(
        layout
            .holdings
            .iter()
            .map(|_| DataType::Struct(holdings_fields())),
    );
    types.push(DataType::Int64);
    types.extend(layout.around.iter().map(|_| DataType::Binary));
    types
}

/// Whether the positions of a layout are those of its raw types: a request is data, too.
pub(crate) fn layout_holds(layout: &CellLayout) -> bool {
    let values = layout.groups.len() + layout.aggregates.len();
    let universes = layout
        .universes
        .iter()
        .enumerate()
        .all(|(i, u)| u.position == values + i);
    let base = values + layout.universes.len();
    let holdings = layout
        .holdings
        .iter()
        .enumerate()
        .all(|(i, h)| h.position == base + i && h.universe < layout.universes.len());
    let of_aggregates = layout
        .aggregates
        .iter()
        .flat_map(|aggregate| &aggregate.holdings)
        .all(|&holding| holding < layout.holdings.len());
    let rows = layout.rows_position == base + layout.holdings.len();
    let around = layout
        .around
        .iter()
        .enumerate()
        .all(|(i, position)| *position == layout.rows_position + 1 + i);
    // Something sensitive selects, so people around the cells are counted in every universe.
    let counted = match layout.sensitive.is_empty() {
        true => 0,
        false => layout.universes.len(),
    };
    universes
        && holdings
        && of_aggregates
        && rows
        && around
        && layout.around.len() == counted
        && !layout.universes.is_empty()
}

/// Reads the cells of a batch whose columns are those of [`raw_types`]; none when a control column
/// does not hold what it must.
pub(crate) fn cells(batch: &RecordBatch, layout: &CellLayout) -> Option<Vec<Cell>> {
    let rows = batch
        .column(layout.rows_position)
        .as_primitive_opt::<Int64Type>()?;
    let mut cells = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let units = layout
            .universes
            .iter()
            .map(|universe| units(batch.column(universe.position), row))
            .collect::<Option<Vec<_>>>()?;
        let holdings = layout
            .holdings
            .iter()
            .map(|held| holdings(batch.column(held.position), row))
            .collect::<Option<Vec<_>>>()?;
        if rows.is_null(row) {
            return None;
        }
        let around = layout
            .around
            .iter()
            .map(|position| self::units(batch.column(*position), row))
            .collect::<Option<Vec<_>>>()?;
        let shares = layout
            .holdings
            .iter()
            .map(|held| shares(batch.column(held.position), row, &units[held.universe]))
            .collect::<Option<Vec<_>>>()?;
        let print = Print {
            rows: u64::try_from(rows.value(row)).ok()?,
            held: held(layout, &holdings),
            pinned: pinned(batch, layout, row),
            datasets: layout.universes.iter().map(|u| u.dataset.clone()).collect(),
            sensitive: layout.sensitive.iter().cloned().collect(),
            narrowed: layout.narrowed || layout.groups.iter().any(|group| !group.sensitive),
            people: layout.aggregates.iter().any(|aggregate| {
                aggregate.kind == AggregateKind::CountDistinct && aggregate.holdings.is_empty()
            }),
        };
        cells.push(Cell {
            row,
            units,
            around,
            holdings,
            shares,
            print,
        });
    }
    Some(cells)
}

fn units(column: &ArrayRef, row: usize) -> Option<RoaringBitmap> {
    let column = column.as_binary_opt::<i32>()?;
    if column.is_null(row) {
        return Some(RoaringBitmap::new());
    }
    let bytes = column.value(row);
    let mut rest = bytes;
    let set = RoaringBitmap::deserialize_from(&mut rest).ok()?;
    rest.is_empty().then_some(set)
}

fn holdings(column: &ArrayRef, row: usize) -> Option<Holdings> {
    let column = column.as_struct_opt()?;
    if column.is_null(row) {
        return Some(Holdings {
            units: 0,
            x1: 0.0,
            x2: 0.0,
            total: 0.0,
            distinct: 0,
            negative: 0.0,
        });
    }
    let whole = |index: usize| {
        let values = column.column(index).as_primitive_opt::<UInt64Type>()?;
        Some(if values.is_null(row) {
            0
        } else {
            values.value(row)
        })
    };
    let number = |index: usize| {
        let values = column.column(index).as_primitive_opt::<Float64Type>()?;
        Some(if values.is_null(row) {
            0.0
        } else {
            values.value(row)
        })
    };
    Some(Holdings {
        units: whole(0)?,
        x1: number(1)?,
        x2: number(2)?,
        total: number(3)?,
        distinct: whole(4)?,
        negative: number(5)?,
    })
}

fn shares(column: &ArrayRef, row: usize, units: &RoaringBitmap) -> Option<Shares> {
    let column = column.as_struct_opt()?;
    if column.is_null(row) {
        return Some(Shares::default());
    }
    let each = column.column(6).as_binary_opt::<i32>()?;
    if each.is_null(row) {
        return None;
    }
    Shares::read(each.value(row), units)
}

/// What is held, by name, as exact bits: the signed total, which a sum tells, and the two largest holdings. One universe is
/// enough.
fn held(layout: &CellLayout, holdings: &[Holdings]) -> BTreeMap<String, [u64; 3]> {
    layout
        .holdings
        .iter()
        .zip(holdings)
        .filter(|(column, _)| column.universe == 0)
        .map(|(column, h)| {
            (
                column.held.clone(),
                [h.net().to_bits(), h.x1.to_bits(), h.x2.to_bits()],
            )
        })
        .collect()
}

/// Columns whose values are known for every row of the cell: by filter, or by group.
fn pinned(batch: &RecordBatch, layout: &CellLayout, row: usize) -> BTreeMap<String, Vec<String>> {
    let mut pinned: BTreeMap<String, Vec<String>> = layout
        .pinned
        .iter()
        .map(|pin| (pin.column.clone(), pin.values.clone()))
        .collect();
    for (position, group) in layout.groups.iter().enumerate() {
        if let Some(column) = &group.pins
            && let Some(value) = pin_value(batch.column(position), group.data_type, row)
        {
            pinned.insert(column.clone(), vec![value]);
        }
    }
    pinned
}

fn pin_value(column: &ArrayRef, data_type: ColumnType, row: usize) -> Option<String> {
    if column.is_null(row) {
        return Some("NULL".to_owned());
    }
    Some(match data_type {
        ColumnType::Int64 => format!("i{}", column.as_primitive_opt::<Int64Type>()?.value(row)),
        ColumnType::Utf8 => format!("s{}", column.as_string_opt::<i32>()?.value(row)),
        ColumnType::Boolean => format!("b{}", column.as_boolean_opt()?.value(row)),
        ColumnType::Date32 => format!("d{}", column.as_primitive_opt::<Date32Type>()?.value(row)),
        _ => return None,
    })
}
