//! What lies under the aggregate: a join of scans and a conjunction of predicates, nothing else.
//!
//! Inner joins, filters, plain projections and aliases are all the same thing in the end: a product
//! of tables under one conjunction. Reducing them to that leaves one small form to be judged, whatever
//! way the query was written. Tables are named `t0`, `t1`, … in the order of the text.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, NullEquality};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{BinaryExpr, Expr, JoinType, LogicalPlan, Operator};

use super::growth::{self, Growth};
use super::refusal;
use super::survey::Survey;
use super::types::SqlLimits;
use crate::finding::{Finding, Span};
use crate::scope::Scope;

/// Scans under one conjunction.
pub(super) struct Source {
    /// Tables, as positions in the scope.
    pub(super) scans: Vec<usize>,
    /// Predicates that must all be true, over columns `t0.x`.
    pub(super) conjuncts: Vec<Expr>,
    /// One expression over `t0.x` for each output column of the plan.
    pub(super) columns: Columns,
    /// What may still be made of them.
    pub(super) growth: Growth,
}

/// Expressions in the order of a plan's columns, each with its number of nodes.
pub(super) struct Columns(Vec<(Expr, usize)>);

impl Columns {
    /// The expressions with their sizes.
    pub(super) fn new(exprs: impl IntoIterator<Item = Expr>) -> Self {
        Self(
            exprs
                .into_iter()
                .map(|expr| {
                    let nodes = growth::nodes(&expr);
                    (expr, nodes)
                })
                .collect(),
        )
    }

    /// These, then others.
    fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }
}

/// The name of a scan.
pub(super) fn scan_name(position: usize) -> String {
    format!("t{position}")
}

/// The position of the scan that a column belongs to.
pub(super) fn scan_of(column: &Column) -> Option<usize> {
    column
        .relation
        .as_ref()?
        .table()
        .strip_prefix('t')?
        .parse()
        .ok()
}

/// Reduces a plan, or says which node does not belong.
pub(super) fn reduce(
    plan: &LogicalPlan,
    scope: &Scope,
    survey: &Survey,
    limits: &SqlLimits,
) -> Result<Source, Box<Finding>> {
    let mut reducer = Reducer {
        scope,
        survey,
        tables_max: limits.tables,
        growth: Growth::new(limits.nodes),
        scans: Vec::new(),
    };
    let (columns, conjuncts) = reducer.node(plan)?;
    Ok(Source {
        scans: reducer.scans,
        conjuncts,
        columns,
        growth: reducer.growth,
    })
}

struct Reducer<'a> {
    scope: &'a Scope,
    survey: &'a Survey,
    tables_max: usize,
    growth: Growth,
    scans: Vec<usize>,
}

type Reduced = (Columns, Vec<Expr>);

impl Reducer<'_> {
    fn node(&mut self, plan: &LogicalPlan) -> Result<Reduced, Box<Finding>> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let plain =
                    scan.projection.is_none() && scan.filters.is_empty() && scan.fetch.is_none();
                if !plain {
                    return refusal::err(refusal::form("form_not_admitted", "FROM", None));
                }
                self.scan(scan.table_name.table(), &scan.projected_schema)
            }
            LogicalPlan::SubqueryAlias(alias) => self.node(&alias.input),
            LogicalPlan::Filter(filter) => {
                let (columns, mut conjuncts) = self.node(&filter.input)?;
                let predicate =
                    self.substitute(&filter.predicate, filter.input.schema(), &columns)?;
                conjuncts.extend(split_conjunction_owned(predicate));
                Ok((columns, conjuncts))
            }
            LogicalPlan::Projection(projection) => {
                let (columns, conjuncts) = self.node(&projection.input)?;
                let computed = projection
                    .expr
                    .iter()
                    .map(|expr| self.substitute(expr, projection.input.schema(), &columns))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok((Columns::new(computed), conjuncts))
            }
            LogicalPlan::Join(join) => {
                let inner = join.join_type == JoinType::Inner
                    && join.null_equality == NullEquality::NullEqualsNothing
                    && !join.null_aware;
                if !inner {
                    return refusal::err(refusal::form("outer_join", "JOIN", None));
                }
                let (left, mut conjuncts) = self.node(&join.left)?;
                let (right, more) = self.node(&join.right)?;
                conjuncts.extend(more);
                for (on_left, on_right) in &join.on {
                    let on_left = self.substitute(on_left, join.left.schema(), &left)?;
                    let on_right = self.substitute(on_right, join.right.schema(), &right)?;
                    conjuncts.push(on_left.eq(on_right));
                }
                let columns = left.and(right);
                if let Some(filter) = &join.filter {
                    let predicate = self.substitute(filter, &join.schema, &columns)?;
                    conjuncts.extend(split_conjunction_owned(predicate));
                }
                Ok((columns, conjuncts))
            }
            other => refusal::err(self.foreign(other)),
        }
    }

    fn scan(&mut self, name: &str, schema: &DFSchema) -> Result<Reduced, Box<Finding>> {
        let place = self.survey.place_of_table(name);
        let Some(table) = self
            .scope
            .tables
            .iter()
            .position(|table| table.name == name)
        else {
            return refusal::err(refusal::table_outside(name, self.scope, place));
        };
        if self.scans.len() >= self.tables_max {
            let max = self.tables_max;
            return refusal::err(refusal::limit(
                "FROM",
                format!("最多连接 {max} 张表"),
                format!("at most {max} tables are joined"),
                place,
            ));
        }
        // Two tables of one data set are the same rows.
        let named = &self.scope.tables[table];
        let again = self
            .scans
            .iter()
            .any(|&scan| self.scope.tables[scan].dataset == named.dataset);
        if again && !named.private {
            return refusal::err(refusal::form("self_join", name, place));
        }
        let relation = scan_name(self.scans.len());
        self.scans.push(table);
        let columns = schema
            .fields()
            .iter()
            .map(|field| Expr::Column(Column::new(Some(relation.clone()), field.name())));
        Ok((Columns::new(columns), Vec::new()))
    }

    fn substitute(
        &mut self,
        expr: &Expr,
        schema: &DFSchema,
        columns: &Columns,
    ) -> Result<Expr, Box<Finding>> {
        substitute(expr, schema, columns, &mut self.growth)
    }

    /// A node that has no place under an aggregate.
    fn foreign(&self, plan: &LogicalPlan) -> Finding {
        let rule = match plan {
            LogicalPlan::Aggregate(_) => "nested_aggregate",
            LogicalPlan::Distinct(_) => "distinct_rows",
            LogicalPlan::Window(_) => "window_function",
            LogicalPlan::Union(_) => "set_operation",
            LogicalPlan::RecursiveQuery(_) => "recursive_query",
            LogicalPlan::Subquery(_) => "subquery",
            _ => "form_not_admitted",
        };
        let subject = plan.display().to_string();
        let subject = subject.split([':', ' ']).next().unwrap_or("FROM");
        refusal::form(rule, subject, None)
    }
}

/// Puts expressions in the place of a plan's columns, keeping where each column was written. What it
/// makes is counted first.
pub(super) fn substitute(
    expr: &Expr,
    schema: &DFSchema,
    columns: &Columns,
    growth: &mut Growth,
) -> Result<Expr, Box<Finding>> {
    growth.take(substituted_nodes(expr, schema, columns).map_err(|_| unplannable())?)?;
    let replaced = expr.clone().transform_up(|node| {
        Ok(match node {
            Expr::Alias(alias) => Transformed::yes(*alias.expr),
            Expr::Column(column) => {
                let replacement = columns.0[schema.index_of_column(&column)?].0.clone();
                Transformed::yes(match replacement {
                    Expr::Column(base) if !column.spans.0.is_empty() => Expr::Column(Column {
                        spans: column.spans,
                        ..base
                    }),
                    other => other,
                })
            }
            other => Transformed::no(other),
        })
    });
    replaced
        .map(|transformed| transformed.data)
        .map_err(|_| unplannable())
}

/// Nodes that an expression has once its columns are put in place.
fn substituted_nodes(
    expr: &Expr,
    schema: &DFSchema,
    columns: &Columns,
) -> datafusion::common::Result<usize> {
    let mut nodes = 0usize;
    expr.apply(|node| {
        let made = match node {
            Expr::Column(column) => columns.0[schema.index_of_column(column)?].1,
            _ => 1,
        };
        nodes = nodes.saturating_add(made);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(nodes)
}

fn unplannable() -> Box<Finding> {
    Box::new(refusal::form("planner_failed", "FROM", None))
}

/// The sides of an equality of two columns of different scans.
pub(super) fn equality(expr: &Expr) -> Option<(&Column, &Column)> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = expr
    else {
        return None;
    };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(left), Expr::Column(right)) if scan_of(left) != scan_of(right) => {
            Some((left, right))
        }
        _ => None,
    }
}

/// Where an expression's first column was written.
pub(super) fn place_of(
    expr: &Expr,
    scope: &Scope,
    scans: &[usize],
    survey: &Survey,
) -> Option<Span> {
    let refs = expr.column_refs();
    let spanned = refs
        .iter()
        .filter_map(|column| column.spans.first())
        .min_by_key(|span| (span.start.line, span.start.column));
    if let Some(span) = spanned {
        return Some(Span {
            line: span.start.line,
            column: span.start.column,
            end_line: span.end.line,
            end_column: span.end.column,
        });
    }
    let column = refs.iter().min()?;
    let table = scan_of(column)
        .and_then(|scan| scans.get(scan))
        .map(|&t| &scope.tables[t]);
    survey.place_of_column(table.map(|table| table.name.as_str()), &column.name)
}
