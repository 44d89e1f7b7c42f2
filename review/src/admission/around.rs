//! Whom a cell would hold without its sensitive conditions.
//!
//! A sensitive column selects rows by a filter, by a group, or by an equality with a column of another table. Whoever knows
//! that somebody is among the people around such a cell learns of them when nearly all or all but a few of these are in it.
//! So the governed plan counts the people around each cell, too: the same scans, joins, filters and groups, with the sensitive
//! ones left out. A table that is tied to the rest by sensitive equalities alone is left out with all that is asked of it.
//!
//! The fewer are around a cell, the less is told. Each part of a program therefore is either sensitive or not: a condition or
//! a group over columns of both kinds is refused (see [`super::prove`]), for leaving it out would let in people whom it keeps out.

use datafusion::common::{Column, DataFusionError, NullEquality, Result};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder};

use super::query::{Equality, Group, Query};
use crate::scope::{Scope, Table};

/// The names of the two sides of the last join.
const CELLS: &str = "cells";
const AROUND: &str = "around";

/// Which parts of a program are not sensitive.
pub(super) struct Around {
    scans: Vec<bool>,
}

impl Around {
    /// The parts; none when nothing sensitive selects rows.
    pub(super) fn of(query: &Query, scope: &Scope) -> Option<Self> {
        let table = |scan: usize| &scope.tables[query.scans[scan].table];
        let filtered = (0..query.scans.len()).any(|scan| {
            let mut filters = query.scans[scan].filters.iter();
            filters.any(|filter| is_sensitive(filter, table(scan)))
        });
        let joined = query.joins.iter().any(|join| join.sensitive);
        let grouped = query.groups.iter().any(|group| group.sensitive);
        if !filtered && !joined && !grouped {
            return None;
        }
        let first = (0..query.scans.len()).find(|&scan| table(scan).unit.is_some())?;
        let mut scans = vec![false; query.scans.len()];
        scans[first] = true;
        let mut grew = true;
        while grew {
            grew = false;
            for Equality { left, right, .. } in query.joins.iter().filter(|join| !join.sensitive) {
                if scans[left.0] != scans[right.0] {
                    (scans[left.0], scans[right.0]) = (true, true);
                    grew = true;
                }
            }
        }
        Some(Self { scans })
    }

    /// Whether a scan is read.
    pub(super) fn reads(&self, scan: usize) -> bool {
        self.scans[scan]
    }

    /// Whether two scans are joined by an equality.
    pub(super) fn joins(&self, join: &Equality) -> bool {
        !join.sensitive && self.scans[join.left.0] && self.scans[join.right.0]
    }

    /// Whether people are told apart by a group.
    pub(super) fn groups_by(&self, group: &Group) -> bool {
        !group.sensitive && self.scans[group.scan]
    }
}

/// Whether an expression over one table uses a sensitive column.
pub(super) fn is_sensitive(expr: &Expr, table: &Table) -> bool {
    let columns = expr.column_refs();
    columns.iter().any(|column| {
        table
            .column(&column.name)
            .is_some_and(|scope| scope.sensitive)
    })
}

/// Puts the people around each cell behind its columns: `groups` are the positions of the cells' groups that the columns of
/// `around` begin with, in order; what is behind them is counted.
pub(super) fn beside(
    cells: LogicalPlan,
    around: LogicalPlan,
    groups: &[usize],
) -> Result<LogicalPlan> {
    let names = |plan: &LogicalPlan| -> Vec<String> {
        let fields = plan.schema().fields().iter();
        fields.map(|field| field.name().clone()).collect()
    };
    let (of_cells, of_around) = (names(&cells), names(&around));
    let keys = |relation: &str, names: &mut dyn Iterator<Item = Option<&String>>| {
        names
            .map(|name| {
                let name = name.ok_or_else(|| DataFusionError::Plan("no such group".to_owned()))?;
                Ok(Column::new(Some(relation.to_owned()), name))
            })
            .collect::<Result<Vec<Column>>>()
    };
    let left = keys(CELLS, &mut groups.iter().map(|&group| of_cells.get(group)))?;
    let right = keys(
        AROUND,
        &mut (0..groups.len()).map(|place| of_around.get(place)),
    )?;
    let cells = LogicalPlanBuilder::from(cells).alias(CELLS)?;
    let around = LogicalPlanBuilder::from(around).alias(AROUND)?.build()?;
    let joined = if left.is_empty() {
        cells.cross_join(around)?
    } else {
        // Nulls are a group like others.
        let equal = NullEquality::NullEqualsNull;
        cells.join_detailed(around, JoinType::Inner, (left, right), None, equal)?
    };
    let column = |relation: &str, name: &String| {
        Expr::Column(Column::new(Some(relation.to_owned()), name)).alias(name)
    };
    let counted = of_around.iter().skip(groups.len());
    let exprs: Vec<Expr> = of_cells
        .iter()
        .map(|name| column(CELLS, name))
        .chain(counted.map(|name| column(AROUND, name)))
        .collect();
    joined.project(exprs)?.build()
}
