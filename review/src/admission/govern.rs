//! From a proved program to the plan that runs: unit numbers are threaded from the scans to the
//! aggregate, control aggregates are added, and everything is renamed into one fixed layout.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DataFusionError, Result, ScalarValue};
use datafusion::datasource::provider_as_source;
use datafusion::functions_aggregate::{average, count, stddev, sum, variance};
use datafusion::logical_expr::expr::{Case, Cast, TryCast};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder};

use super::query::{Aggregated, Argument, Query};
use super::source::{scan_name, scan_of};
use super::types::{
    AggregateColumn, AggregateKind, CellLayout, ColumnType, GroupColumn, HoldingsColumn, TableUse,
    UniverseColumn,
};
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
    let mut plans = Vec::with_capacity(query.scans.len());
    for position in 0..query.scans.len() {
        plans.push(Some(inputs.scan(position)?));
    }
    let joined = join_all(query, plans)?;
    let mut cells = Cells::new(query, scope);
    let aggregate = cells.aggregate(joined, &inputs)?;
    let (plan, cells) = cells.project(aggregate)?;
    Ok(Rewritten {
        plan,
        tables: inputs.uses(),
        cells,
    })
}

/// What is read of each scan.
struct Inputs<'a> {
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
    fn group(&self, index: usize) -> Expr {
        let group = &self.query.groups[index];
        if self.is_private(group.scan) {
            Expr::Column(Column::new_unqualified(private_group(index)))
        } else {
            group.expr.clone()
        }
    }

    /// A scan with its filters; a private one is made distinct over what the rest of the plan sees,
    /// so that it selects and labels rows but never repeats them within a cell.
    fn scan(&self, scan: usize) -> Result<LogicalPlan> {
        let table = &self.scope.tables[self.query.scans[scan].table];
        let schema = control::staged_schema(&table.schema, self.has_units(scan));
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

/// Joins scans in an order in which each next one is tied to those before it.
fn join_all(query: &Query, mut plans: Vec<Option<LogicalPlan>>) -> Result<LogicalPlan> {
    let missing = || DataFusionError::Plan("scans are not connected".to_owned());
    let first = plans
        .first_mut()
        .and_then(Option::take)
        .ok_or_else(missing)?;
    let mut builder = LogicalPlanBuilder::from(first);
    let mut inside = vec![0usize];
    while inside.len() < plans.len() {
        let next = query
            .joins
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
        for join in &query.joins {
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

/// The aggregate under construction: expressions without repetition, and the layout over them.
struct Cells<'a> {
    query: &'a Query,
    scope: &'a Scope,
    aggregates: Vec<Expr>,
    /// Scans with units, in order: the universes.
    universes: Vec<usize>,
}

/// A column of the raw output: position of an aggregate expression, and the type it leaves as.
struct Raw {
    expression: usize,
    cast: Option<ColumnType>,
}

impl<'a> Cells<'a> {
    fn new(query: &'a Query, scope: &'a Scope) -> Self {
        let universes = (0..query.scans.len())
            .filter(|&scan| scope.tables[query.scans[scan].table].unit.is_some())
            .collect();
        Self {
            query,
            scope,
            aggregates: Vec::new(),
            universes,
        }
    }

    /// The position of an aggregate expression; equal ones are computed once.
    fn position(&mut self, expr: Expr) -> usize {
        match self.aggregates.iter().position(|known| *known == expr) {
            Some(position) => position,
            None => {
                self.aggregates.push(expr);
                self.aggregates.len() - 1
            }
        }
    }

    /// First pass: registers every aggregate expression and builds the node.
    fn aggregate(&mut self, input: LogicalPlan, inputs: &Inputs<'_>) -> Result<LogicalPlan> {
        self.layout();
        let groups: Vec<Expr> = (0..self.query.groups.len())
            .map(|i| inputs.group(i))
            .collect();
        LogicalPlanBuilder::from(input)
            .aggregate(groups, self.aggregates.clone())?
            .build()
    }

    /// Registers all expressions and says where each raw column comes from. Registering is
    /// idempotent: a second call gives the same layout.
    fn layout(&mut self) -> (Vec<Raw>, CellLayout) {
        let query = self.query;
        let groups = query.groups.len();
        let mut raw = Vec::new();
        let mut aggregates = Vec::new();
        for aggregated in &query.aggregates {
            let expression = self.position(value_expr(aggregated));
            raw.push(Raw {
                expression,
                cast: Some(aggregated.kind.column_type()),
            });
            aggregates.push(AggregateColumn {
                kind: aggregated.kind,
                argument: match &aggregated.argument {
                    Some(argument) => argument.source.clone(),
                    None => "*".to_owned(),
                },
                holdings: Vec::new(),
            });
        }
        let mut universes = Vec::new();
        for scan in self.universes.clone() {
            let expression = self.position(control::units_function().call(vec![unit(scan)]));
            let position = groups + raw.len();
            raw.push(Raw {
                expression,
                cast: None,
            });
            let universe = self.scope.tables[query.scans[scan].table].dataset.clone();
            universes.push(UniverseColumn { universe, position });
        }
        let mut holdings: Vec<HoldingsColumn> = Vec::new();
        for (index, aggregated) in query.aggregates.iter().enumerate() {
            for (held, value) in held_values(aggregated) {
                for universe in 0..self.universes.len() {
                    let known = holdings
                        .iter()
                        .position(|h| h.held == held && h.universe == universe);
                    let known = known.unwrap_or_else(|| {
                        let arguments = vec![unit(self.universes[universe]), value.clone()];
                        let call = control::holdings_function().call(arguments);
                        let expression = self.position(call);
                        let position = groups + raw.len();
                        raw.push(Raw {
                            expression,
                            cast: None,
                        });
                        holdings.push(HoldingsColumn {
                            held: held.clone(),
                            universe,
                            position,
                        });
                        holdings.len() - 1
                    });
                    aggregates[index].holdings.push(known);
                }
            }
        }
        let rows_position = groups + raw.len();
        let expression = self.position(count_rows());
        raw.push(Raw {
            expression,
            cast: Some(ColumnType::Int64),
        });
        let cells = CellLayout {
            groups: self.group_columns(),
            aggregates,
            universes,
            holdings,
            rows_position,
            pinned: query.pinned.clone(),
        };
        (raw, cells)
    }

    fn group_columns(&self) -> Vec<GroupColumn> {
        self.query
            .groups
            .iter()
            .map(|group| GroupColumn {
                source: group.source.clone(),
                data_type: group.data_type,
                sensitive: group.sensitive,
                private: self.scope.tables[self.query.scans[group.scan].table].private,
                pins: group.pins.clone(),
            })
            .collect()
    }

    /// Last pass: renames and widens into the raw layout.
    fn project(&mut self, aggregate: LogicalPlan) -> Result<(LogicalPlan, CellLayout)> {
        let (raw, cells) = self.layout();
        let groups = self.query.groups.len();
        let schema = Arc::clone(aggregate.schema());
        let mut exprs = Vec::with_capacity(groups + raw.len());
        for (index, group) in self.query.groups.iter().enumerate() {
            let column = Expr::Column(Column::from(schema.qualified_field(index)));
            let from = schema.field(index).data_type().clone();
            exprs.push(group_cast(column, &from, group.data_type).alias(format!("g{index}")));
        }
        for (index, raw) in raw.iter().enumerate() {
            let position = groups + raw.expression;
            let column = Expr::Column(Column::from(schema.qualified_field(position)));
            let from = schema.field(position).data_type();
            let cast = match raw.cast {
                Some(to) if *from != to.arrow() => {
                    Expr::Cast(Cast::new(Box::new(column), to.arrow()))
                }
                _ => column,
            };
            exprs.push(cast.alias(format!("v{index}")));
        }
        let plan = LogicalPlanBuilder::from(aggregate)
            .project(exprs)?
            .build()?;
        Ok((plan, cells))
    }
}

/// Group values in the types that leave. Only a timestamp can lie outside the wider unit; it becomes
/// null instead of an error.
fn group_cast(column: Expr, from: &DataType, to: ColumnType) -> Expr {
    let to = to.arrow();
    if *from == to {
        return column;
    }
    if matches!(from, DataType::Timestamp(_, _)) {
        return Expr::TryCast(TryCast::new(Box::new(column), to));
    }
    Expr::Cast(Cast::new(Box::new(column), to))
}

fn unit(scan: usize) -> Expr {
    Expr::Column(Column::new(Some(scan_name(scan)), UNIT_COLUMN))
}

fn count_rows() -> Expr {
    count::count_udaf().call(vec![Expr::Literal(ScalarValue::Int64(Some(1)), None)])
}

fn float(argument: &Argument) -> Expr {
    if argument.data_type == DataType::Float64 {
        argument.expr.clone()
    } else {
        Expr::Cast(Cast::new(
            Box::new(argument.expr.clone()),
            DataType::Float64,
        ))
    }
}

/// One when the argument is known, null otherwise.
fn known(argument: &Argument) -> Expr {
    Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(
            Box::new(Expr::IsNotNull(Box::new(argument.expr.clone()))),
            Box::new(Expr::Literal(ScalarValue::Float64(Some(1.0)), None)),
        )],
        else_expr: None,
    })
}

/// The argument of a sum. Integers are summed as decimals of 20 digits into 30, which no number of
/// rows that fits a disk can exceed; a plain sum of 64-bit integers would wrap.
fn summand(argument: &Argument) -> Expr {
    let exact = match &argument.data_type {
        DataType::Decimal128(precision, _) if *precision <= 28 => return argument.expr.clone(),
        data_type if data_type.is_integer() => DataType::Decimal128(20, 0),
        _ => return float(argument),
    };
    Expr::Cast(Cast::new(Box::new(argument.expr.clone()), exact))
}

fn value_expr(aggregated: &Aggregated) -> Expr {
    let Some(argument) = &aggregated.argument else {
        return count_rows();
    };
    match aggregated.kind {
        AggregateKind::CountRows => count_rows(),
        AggregateKind::Count => count::count_udaf().call(vec![argument.expr.clone()]),
        AggregateKind::CountDistinct => count::count_distinct(argument.expr.clone()),
        AggregateKind::Sum => sum::sum_udaf().call(vec![summand(argument)]),
        AggregateKind::Avg => average::avg_udaf().call(vec![float(argument)]),
        AggregateKind::Stddev if aggregated.population => {
            stddev::stddev_pop_udaf().call(vec![float(argument)])
        }
        AggregateKind::Stddev => stddev::stddev_udaf().call(vec![float(argument)]),
        AggregateKind::Variance if aggregated.population => {
            variance::var_pop_udaf().call(vec![float(argument)])
        }
        AggregateKind::Variance => variance::var_samp_udaf().call(vec![float(argument)]),
    }
}

/// What each unit holds of an aggregate, by name. A count of rows is held in rows: one unit with
/// most of a cell's rows must not be read from the count either. Deviations are held in squares too,
/// because one far value makes a deviation long before it makes a sum.
fn held_values(aggregated: &Aggregated) -> Vec<(String, Expr)> {
    let one = || Expr::Literal(ScalarValue::Float64(Some(1.0)), None);
    let Some(argument) = &aggregated.argument else {
        return vec![("rows".to_owned(), one())];
    };
    let source = &argument.source;
    match aggregated.kind {
        AggregateKind::CountRows => vec![("rows".to_owned(), one())],
        // Each unit is one key: the threshold says it all.
        AggregateKind::CountDistinct if argument.unit_key => Vec::new(),
        AggregateKind::Count | AggregateKind::CountDistinct => {
            vec![(format!("known:{source}"), known(argument))]
        }
        AggregateKind::Sum | AggregateKind::Avg => {
            vec![(format!("value:{source}"), float(argument))]
        }
        AggregateKind::Stddev | AggregateKind::Variance => {
            let square = float(argument) * float(argument);
            vec![
                (format!("value:{source}"), float(argument)),
                (format!("square:{source}"), square),
            ]
        }
    }
}
