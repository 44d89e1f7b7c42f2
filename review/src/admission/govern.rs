//! From a proved program to the plan that runs: unit numbers are threaded from the scans to the
//! aggregate, control aggregates are added, and everything is renamed into one fixed layout.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::{Column, DataFusionError, Result};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder};

use super::around::{self, Around};
use super::layout::Cells;
use super::query::{Equality, Query};
use super::source::{scan_name, scan_of};
use super::types::{CellLayout, TableUse};
use crate::UNIT_COLUMN;
use crate::egress::control::{self, NamedTable};
use crate::scope::Scope;

/// A governed plan before it is encoded.
pub(super) struct Rewritten {
    pub(super) plan: LogicalPlan,
    pub(super) tables: Vec<TableUse>,
    pub(super) cells: CellLayout,
}

/// Builds the governed plan of a proved program.
pub(super) fn rewrite(query: &Query, scope: &Scope) -> Result<Rewritten> {
    let inputs = Inputs::of(query, scope);
    let scans = (0..query.scans.len()).map(|scan| inputs.scan(scan, None).map(Some));
    let joins: Vec<&Equality> = query.joins.iter().collect();
    let joined = join_all(&joins, scans.collect::<Result<_>>()?)?;
    let around = Around::of(query, scope);
    let mut cells = Cells::new(query, scope, around.as_ref());
    let aggregate = cells.aggregate(joined, &inputs)?;
    let (mut plan, layout) = cells.project(aggregate)?;
    if let Some(around) = &around {
        let people = cells.people_around(people_around(query, &inputs, around)?, &inputs)?;
        plan = around::beside(plan, people, &cells.groups_around())?;
    }
    Ok(Rewritten {
        plan,
        tables: inputs.uses(),
        cells: layout,
    })
}

/// What the program reads without its sensitive conditions.
fn people_around(query: &Query, inputs: &Inputs<'_>, around: &Around) -> Result<LogicalPlan> {
    let scans = (0..query.scans.len()).map(|scan| match around.reads(scan) {
        true => inputs.scan(scan, Some(around)).map(Some),
        false => Ok(None),
    });
    let joins = query.joins.iter().filter(|join| around.joins(join));
    join_all(&joins.collect::<Vec<_>>(), scans.collect::<Result<_>>()?)
}

/// What is read of each scan.
pub(super) struct Inputs<'a> {
    query: &'a Query,
    scope: &'a Scope,
    /// Columns of each scan that anything uses.
    columns: Vec<Vec<String>>,
}

impl<'a> Inputs<'a> {
    fn of(query: &'a Query, scope: &'a Scope) -> Self {
        let mut used: Vec<BTreeMap<usize, String>> = vec![BTreeMap::new(); query.scans.len()];
        let mut note = |expr: &Expr| {
            for column in expr.column_refs() {
                if let Some(scan) = scan_of(column) {
                    let schema = &scope.tables[query.scans[scan].table].schema;
                    let position = schema.index_of(&column.name).unwrap_or(usize::MAX);
                    used[scan].insert(position, column.name.clone());
                }
            }
        };
        query
            .scans
            .iter()
            .flat_map(|scan| &scan.filters)
            .for_each(&mut note);
        query.groups.iter().for_each(|group| note(&group.expr));
        query
            .aggregates
            .iter()
            .filter_map(|a| a.argument.as_ref())
            .for_each(|a| note(&a.expr));
        for join in &query.joins {
            note(&join.left.1);
            note(&join.right.1);
        }
        let columns = used
            .into_iter()
            .map(|names| names.into_values().collect())
            .collect();
        Self {
            query,
            scope,
            columns,
        }
    }

    fn has_units(&self, scan: usize) -> bool {
        self.scope.tables[self.query.scans[scan].table]
            .unit
            .is_some()
    }

    fn is_private(&self, scan: usize) -> bool {
        self.scope.tables[self.query.scans[scan].table].private
    }

    /// The expression that a group has above its scan: private groups are computed below.
    pub(super) fn group(&self, index: usize) -> Expr {
        let group = &self.query.groups[index];
        if self.is_private(group.scan) {
            Expr::Column(Column::new_unqualified(private_group(index)))
        } else {
            group.expr.clone()
        }
    }

    /// A scan with its filters; a private one is made distinct over what the rest of the plan sees,
    /// so that it selects and labels rows but never repeats them within a cell. Around cells sensitive filters are left out.
    fn scan(&self, scan: usize, around: Option<&Around>) -> Result<LogicalPlan> {
        let table = &self.scope.tables[self.query.scans[scan].table];
        let schema =
            control::staged_schema(&table.schema, &self.columns[scan], self.has_units(scan));
        let mut projection = self.columns[scan]
            .iter()
            .map(|name| schema.index_of(name).map_err(DataFusionError::from))
            .collect::<Result<Vec<_>>>()?;
        if self.has_units(scan) {
            projection.push(schema.index_of(UNIT_COLUMN)?);
        }
        let provider = Arc::new(NamedTable { schema });
        let source = provider_as_source(provider);
        let mut builder = LogicalPlanBuilder::scan(table.name.as_str(), source, Some(projection))?
            .alias(scan_name(scan))?;
        if let Some(filter) = self.query.scans[scan]
            .filters
            .iter()
            .filter(|filter| around.is_none() || !around::is_sensitive(filter, table))
            .cloned()
            .reduce(Expr::and)
        {
            builder = builder.filter(filter)?;
        }
        if self.is_private(scan) {
            builder = builder.project(self.seen_of_private(scan))?.distinct()?;
        }
        builder.build()
    }

    fn seen_of_private(&self, scan: usize) -> Vec<Expr> {
        let mut names = BTreeMap::new();
        for join in &self.query.joins {
            for (side, expr) in [&join.left, &join.right] {
                if *side == scan {
                    for column in expr.column_refs() {
                        names.insert(column.name.clone(), Expr::Column(column.clone()));
                    }
                }
            }
        }
        let mut exprs: Vec<Expr> = names.into_values().collect();
        for (index, group) in self.query.groups.iter().enumerate() {
            if group.scan == scan {
                exprs.push(group.expr.clone().alias(private_group(index)));
            }
        }
        exprs
    }

    /// Tables by name, each once.
    fn uses(&self) -> Vec<TableUse> {
        let mut uses: Vec<TableUse> = Vec::new();
        for (scan, columns) in self.columns.iter().enumerate() {
            let name = &self.scope.tables[self.query.scans[scan].table].name;
            match uses.iter_mut().find(|used| used.table == *name) {
                Some(used) => {
                    for column in columns {
                        if !used.columns.contains(column) {
                            used.columns.push(column.clone());
                        }
                    }
                }
                None => uses.push(TableUse {
                    table: name.clone(),
                    columns: columns.clone(),
                    control: self.has_units(scan),
                }),
            }
        }
        uses
    }
}

fn private_group(index: usize) -> String {
    format!("private_group_{index}")
}

/// Joins the scans that there are in an order in which each next one is tied to those before it.
fn join_all(joins: &[&Equality], mut plans: Vec<Option<LogicalPlan>>) -> Result<LogicalPlan> {
    let missing = || DataFusionError::Plan("scans are not connected".to_owned());
    let first = plans.iter().position(Option::is_some).ok_or_else(missing)?;
    let mut inside = vec![first];
    let first = plans
        .get_mut(first)
        .and_then(Option::take)
        .ok_or_else(missing)?;
    let mut builder = LogicalPlanBuilder::from(first);
    while plans.iter().any(Option::is_some) {
        let next = joins
            .iter()
            .find_map(|join| {
                match (
                    inside.contains(&join.left.0),
                    inside.contains(&join.right.0),
                ) {
                    (true, false) => Some(join.right.0),
                    (false, true) => Some(join.left.0),
                    _ => None,
                }
            })
            .ok_or_else(missing)?;
        let (mut left_keys, mut right_keys) = (Vec::new(), Vec::new());
        for join in joins {
            let sides = if join.right.0 == next && inside.contains(&join.left.0) {
                Some((&join.left.1, &join.right.1))
            } else if join.left.0 == next && inside.contains(&join.right.0) {
                Some((&join.right.1, &join.left.1))
            } else {
                None
            };
            if let Some((left, right)) = sides {
                left_keys.push(left.clone());
                right_keys.push(right.clone());
            }
        }
        let right = plans
            .get_mut(next)
            .and_then(Option::take)
            .ok_or_else(missing)?;
        builder =
            builder.join_with_expr_keys(right, JoinType::Inner, (left_keys, right_keys), None)?;
        inside.push(next);
    }
    builder.build()
}
