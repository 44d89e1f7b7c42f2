//! The aggregate of a governed plan: what is computed per cell, what is counted for egress, and the
//! one layout in which both come out.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DataFusionError, Result, ScalarValue};
use datafusion::functions_aggregate::{average, count, stddev, sum, variance};
use datafusion::logical_expr::expr::{Case, Cast, TryCast};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::around::Around;
use super::govern::Inputs;
use super::query::{Aggregated, Argument, Group, Query};
use super::source::scan_name;
use super::types::{
    AggregateColumn, AggregateKind, CellLayout, ColumnType, GroupColumn, HoldingsColumn,
    UniverseColumn,
};
use crate::UNIT_COLUMN;
use crate::egress::control;
use crate::scope::Scope;

/// What the names of missing values begin with.
pub(crate) const MISSING: &str = "missing:";

/// The aggregate under construction: expressions without repetition, and the layout over them.
pub(super) struct Cells<'a> {
    query: &'a Query,
    scope: &'a Scope,
    aggregates: Vec<Expr>,
    /// Group expressions without repetition, and where each group of the program is among them.
    groups: Vec<Expr>,
    group_positions: Vec<usize>,
    /// Scans with units, in order: the universes.
    universes: Vec<usize>,
    /// What is not sensitive, where something is.
    around: Option<&'a Around>,
}

/// A column of the raw output: position of an aggregate expression, and the type it leaves as.
struct Raw {
    expression: usize,
    cast: Option<ColumnType>,
}

impl<'a> Cells<'a> {
    /// The cells of a program.
    pub(super) fn new(query: &'a Query, scope: &'a Scope, around: Option<&'a Around>) -> Self {
        let universes = (0..query.scans.len())
            .filter(|&scan| scope.tables[query.scans[scan].table].unit.is_some())
            .collect();
        Self {
            query,
            scope,
            aggregates: Vec::new(),
            groups: Vec::new(),
            group_positions: Vec::new(),
            universes,
            around,
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

    /// First pass: registers every group and aggregate expression and builds the node.
    pub(super) fn aggregate(
        &mut self,
        input: LogicalPlan,
        inputs: &Inputs<'_>,
    ) -> Result<LogicalPlan> {
        self.layout();
        for index in 0..self.query.groups.len() {
            let expr = inputs.group(index);
            let position = self.groups.iter().position(|known| *known == expr);
            self.group_positions
                .push(position.unwrap_or(self.groups.len()));
            if position.is_none() {
                self.groups.push(expr);
            }
        }
        let plan = LogicalPlanBuilder::from(input)
            .aggregate(self.groups.clone(), self.aggregates.clone())?
            .build()?;
        if plan.schema().fields().len() != self.groups.len() + self.aggregates.len() {
            return Err(DataFusionError::Plan(
                "the aggregate has other columns".to_owned(),
            ));
        }
        Ok(plan)
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
            let table = &self.scope.tables[query.scans[scan].table];
            universes.push(UniverseColumn {
                universe: table
                    .universe
                    .clone()
                    .unwrap_or_else(|| table.dataset.clone()),
                dataset: table.dataset.clone(),
                position,
            });
        }
        let mut holdings: Vec<HoldingsColumn> = Vec::new();
        for (index, aggregated) in query.aggregates.iter().enumerate() {
            for (held, value) in held_values(aggregated, self.scope) {
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
            sensitive: self.sensitive(),
            narrowed: self.narrowed(),
            around: match self.around {
                Some(_) => (1..=self.universes.len())
                    .map(|behind| rows_position + behind)
                    .collect(),
                None => Vec::new(),
            },
        };
        (raw, cells)
    }

    /// Columns of filters, with whether their categories are sensitive.
    fn filtered(&self) -> impl Iterator<Item = (String, bool)> + '_ {
        self.query.scans.iter().flat_map(|scan| {
            let table = &self.scope.tables[scan.table];
            let columns = scan.filters.iter().flat_map(|filter| filter.column_refs());
            columns.map(|column| {
                let sensitive = table
                    .column(&column.name)
                    .is_some_and(|scope| scope.sensitive);
                (format!("{}.{}", table.dataset, column.name), sensitive)
            })
        })
    }

    fn sensitive(&self) -> Vec<String> {
        let groups = self.query.groups.iter().filter(|group| group.sensitive);
        let joins = self.query.joins.iter().filter(|join| join.sensitive);
        let joined = joins.flat_map(|join| {
            [&join.left, &join.right]
                .into_iter()
                .flat_map(|(scan, expr)| {
                    let table = &self.scope.tables[self.query.scans[*scan].table];
                    let columns = expr.column_refs().into_iter();
                    let sensitive = columns.filter(|column| {
                        table
                            .column(&column.name)
                            .is_some_and(|scope| scope.sensitive)
                    });
                    sensitive.map(|column| format!("{}.{}", table.dataset, column.name))
                })
        });
        let mut columns: Vec<String> = groups
            .map(|group| of_dataset(&group.source, self.scope))
            .chain(joined)
            .chain(
                self.filtered()
                    .filter(|(_, sensitive)| *sensitive)
                    .map(|(name, _)| name),
            )
            .collect();
        columns.sort();
        columns.dedup();
        columns
    }

    fn narrowed(&self) -> bool {
        self.query.scans.len() > 1 || self.filtered().any(|(_, sensitive)| !sensitive)
    }

    /// Whether a group tells of sensitive categories: it is of them, or of a table that only they lead to.
    fn is_sensitive(&self, group: &Group) -> bool {
        self.around.is_some_and(|around| !around.groups_by(group))
    }

    /// The groups that people around cells are told apart by.
    pub(super) fn groups_around(&self) -> Vec<usize> {
        let groups = 0..self.query.groups.len();
        groups
            .filter(|&group| !self.is_sensitive(&self.query.groups[group]))
            .collect()
    }

    /// The units around the cells, from the rows around them: groups, then one set per universe.
    pub(super) fn people_around(
        &self,
        rows: LogicalPlan,
        inputs: &Inputs<'_>,
    ) -> Result<LogicalPlan> {
        let of = self.groups_around();
        let mut groups: Vec<Expr> = Vec::new();
        let mut places = Vec::new();
        for &group in &of {
            let expr = inputs.group(group);
            let known = groups.iter().position(|known| *known == expr);
            places.push(known.unwrap_or(groups.len()));
            if known.is_none() {
                groups.push(expr);
            }
        }
        let (grouped, units) = (groups.len(), self.universes.iter());
        let units = units.map(|&scan| control::units_function().call(vec![unit(scan)]));
        let people = LogicalPlanBuilder::from(rows).aggregate(groups, units.collect::<Vec<_>>())?;
        let schema = Arc::clone(people.schema());
        if schema.fields().len() != grouped + self.universes.len() {
            return Err(DataFusionError::Plan("around are other columns".to_owned()));
        }
        let column = |at: usize| Expr::Column(Column::from(schema.qualified_field(at)));
        let keys = of.iter().zip(places).map(|(&group, at)| {
            let (from, to) = (
                schema.field(at).data_type(),
                self.query.groups[group].data_type,
            );
            group_cast(column(at), from, to).alias(format!("k{group}"))
        });
        let sets = (0..self.universes.len())
            .map(|universe| column(grouped + universe).alias(format!("a{universe}")));
        people
            .project(keys.chain(sets).collect::<Vec<_>>())?
            .build()
    }

    fn group_columns(&self) -> Vec<GroupColumn> {
        self.query
            .groups
            .iter()
            .map(|group| GroupColumn {
                source: group.source.clone(),
                data_type: group.data_type,
                sensitive: self.is_sensitive(group),
                private: self.scope.tables[self.query.scans[group.scan].table].private,
                pins: group.pins.clone(),
            })
            .collect()
    }

    /// Last pass: renames and widens into the raw layout.
    pub(super) fn project(&mut self, aggregate: LogicalPlan) -> Result<(LogicalPlan, CellLayout)> {
        let (raw, cells) = self.layout();
        let groups = self.query.groups.len();
        let schema = Arc::clone(aggregate.schema());
        let mut exprs = Vec::with_capacity(groups + raw.len());
        for (index, group) in self.query.groups.iter().enumerate() {
            let position = self.group_positions[index];
            let column = Expr::Column(Column::from(schema.qualified_field(position)));
            let from = schema.field(position).data_type().clone();
            exprs.push(group_cast(column, &from, group.data_type).alias(format!("g{index}")));
        }
        for (index, raw) in raw.iter().enumerate() {
            let position = self.groups.len() + raw.expression;
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

/// One when the argument is missing, null otherwise.
fn missing(argument: &Argument) -> Expr {
    Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(
            Box::new(Expr::IsNull(Box::new(argument.expr.clone()))),
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
/// because one far value makes a deviation long before it makes a sum. A mean and a deviation tell beside a sum how many
/// rows there are, so rows are held of them, too. Missing values are held of every argument: a sum
/// and a mean tell exactly how many are known.
///
/// The names are of the data set's columns and not of a scenario's tables: prints of two scenarios are compared by them.
fn held_values(aggregated: &Aggregated, scope: &Scope) -> Vec<(String, Expr)> {
    let one = || Expr::Literal(ScalarValue::Float64(Some(1.0)), None);
    let Some(argument) = &aggregated.argument else {
        return vec![("rows".to_owned(), one())];
    };
    let source = of_dataset(&argument.source, scope);
    let mut held = match aggregated.kind {
        AggregateKind::CountRows => return vec![("rows".to_owned(), one())],
        // Each unit is one key: the threshold says it all.
        AggregateKind::CountDistinct if argument.unit_key => return Vec::new(),
        AggregateKind::Count | AggregateKind::CountDistinct => {
            vec![(format!("known:{source}"), known(argument))]
        }
        AggregateKind::Sum => vec![(format!("value:{source}"), float(argument))],
        AggregateKind::Avg => vec![
            ("rows".to_owned(), one()),
            (format!("value:{source}"), float(argument)),
        ],
        AggregateKind::Stddev | AggregateKind::Variance => {
            let square = float(argument) * float(argument);
            vec![
                ("rows".to_owned(), one()),
                (format!("value:{source}"), float(argument)),
                (format!("square:{source}"), square),
            ]
        }
    };
    held.push((format!("{MISSING}{source}"), missing(argument)));
    held
}

/// `table.column` with the data set in the place of the scenario's name for it.
fn of_dataset(source: &str, scope: &Scope) -> String {
    let Some((table, column)) = source.split_once('.') else {
        return source.to_owned();
    };
    let found = scope.tables.iter().find(|known| known.name == table);
    format!(
        "{}.{column}",
        found.map_or(table, |known| known.dataset.as_str())
    )
}
