//! What stands above the aggregate: steps on the released table.
//!
//! `HAVING`, projections, `ORDER BY` and `LIMIT` see rounded values of cells that passed, so they may
//! calculate freely. Expressions are rewritten onto columns `c0`, `c1`, … of their input, and every
//! cast and division is made total, so that a step cannot fail halfway.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DFSchemaRef, ScalarValue};
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::expr::TryCast;
use datafusion::logical_expr::{Aggregate, BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::prelude::SessionConfig;
use datafusion_proto::bytes::Serializeable;

use super::refusal;
use super::survey::Survey;
use super::types::{ColumnType, OutputColumn, PostColumn, PostStep, SortKey};
use crate::expression;
use crate::finding::Finding;

/// Digits of the widest whole number that can be calculated with.
const WHOLE_DIGITS: u8 = 38;
/// Bytes of an output column's name at most.
const NAME_BYTES_MAX: usize = 128;

/// The steps of a program, and the columns that come out of them.
pub(super) struct Post {
    pub(super) steps: Vec<PostStep>,
    pub(super) output: Vec<OutputColumn>,
    /// For each output column the positions of raw columns (groups, then aggregates) in it.
    pub(super) inputs: Vec<BTreeSet<usize>>,
}

/// Splits a plan into the aggregate and what stands above it, outermost first.
pub(super) fn above_aggregate(
    plan: &LogicalPlan,
) -> Result<(Vec<&LogicalPlan>, &Aggregate), Box<Finding>> {
    let mut above = Vec::new();
    let mut at = plan;
    loop {
        let input = match at {
            LogicalPlan::Aggregate(aggregate) => return Ok((above, aggregate)),
            LogicalPlan::Projection(node) => &node.input,
            LogicalPlan::Filter(node) => &node.input,
            LogicalPlan::Sort(node) => &node.input,
            LogicalPlan::Limit(node) => &node.input,
            LogicalPlan::SubqueryAlias(node) => &node.input,
            other => return refusal::err(no_aggregate(other)),
        };
        above.push(at);
        at = input;
    }
}

fn no_aggregate(plan: &LogicalPlan) -> Finding {
    let (rule, subject) = match plan {
        LogicalPlan::Distinct(_) => ("distinct_rows", "DISTINCT"),
        LogicalPlan::Window(_) => ("window_function", "OVER"),
        LogicalPlan::Union(_) => ("set_operation", "UNION"),
        LogicalPlan::TableScan(_) | LogicalPlan::Join(_) => ("row_level_output", "SELECT"),
        _ => ("form_not_admitted", "SELECT"),
    };
    refusal::form(rule, subject, None)
}

/// Rewrites the nodes above an aggregate into steps. `released` are the types of its columns.
pub(super) fn steps(
    above: &[&LogicalPlan],
    released: &[ColumnType],
    aggregate: &Aggregate,
    survey: &Survey,
) -> Result<Post, Box<Finding>> {
    let mut builder = Builder {
        types: released.to_vec(),
        inputs: (0..released.len())
            .map(|index| BTreeSet::from([index]))
            .collect(),
        steps: Vec::new(),
        survey,
    };
    let mut schema = &aggregate.schema;
    for node in above.iter().rev() {
        builder.node(node, schema)?;
        schema = node.schema();
    }
    let names: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    if let Some(long) = names.iter().find(|name| name.len() > NAME_BYTES_MAX) {
        let short: String = long.chars().take(32).collect();
        return refusal::err(refusal::limit(
            &short,
            format!("列名最长 {NAME_BYTES_MAX} 字节，请用 AS 命名"),
            format!("a column's name has at most {NAME_BYTES_MAX} bytes; name it with AS"),
            None,
        ));
    }
    let output = names
        .into_iter()
        .zip(&builder.types)
        .map(|(name, &data_type)| OutputColumn { name, data_type })
        .collect();
    Ok(Post {
        steps: builder.steps,
        output,
        inputs: builder.inputs,
    })
}

struct Builder<'a> {
    types: Vec<ColumnType>,
    inputs: Vec<BTreeSet<usize>>,
    steps: Vec<PostStep>,
    survey: &'a Survey,
}

impl Builder<'_> {
    fn node(&mut self, node: &LogicalPlan, input: &DFSchemaRef) -> Result<(), Box<Finding>> {
        match node {
            LogicalPlan::SubqueryAlias(_) => Ok(()),
            LogicalPlan::Filter(filter) => {
                let (expr, data_type) = self.expression(&filter.predicate, input)?;
                if data_type != DataType::Boolean {
                    return refusal::err(refusal::form("filter_constant", "HAVING", None));
                }
                self.steps.push(PostStep::Filter {
                    predicate: encode(&expr)?,
                });
                Ok(())
            }
            LogicalPlan::Projection(projection) => self.project(&projection.expr, input),
            LogicalPlan::Sort(sort) => {
                let keys = sort
                    .expr
                    .iter()
                    .map(|key| {
                        let (expr, _) = self.expression(&key.expr, input)?;
                        Ok(SortKey {
                            expression: encode(&expr)?,
                            ascending: key.asc,
                            nulls_first: key.nulls_first,
                        })
                    })
                    .collect::<Result<_, Box<Finding>>>()?;
                let fetch = sort.fetch.and_then(|fetch| u64::try_from(fetch).ok());
                self.steps.push(PostStep::Sort { keys, fetch });
                Ok(())
            }
            LogicalPlan::Limit(limit) => {
                let skip = bound(limit.skip.as_deref())?.unwrap_or(0);
                let fetch = bound(limit.fetch.as_deref())?;
                self.steps.push(PostStep::Limit { skip, fetch });
                Ok(())
            }
            other => refusal::err(no_aggregate(other)),
        }
    }

    fn project(&mut self, exprs: &[Expr], input: &DFSchemaRef) -> Result<(), Box<Finding>> {
        let mut columns = Vec::with_capacity(exprs.len());
        let mut types = Vec::with_capacity(exprs.len());
        let mut inputs = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let (bound, data_type) = self.expression(expr, input)?;
            let data_type = match &data_type {
                DataType::Null => ColumnType::Utf8,
                other => ColumnType::releasing(other).ok_or_else(|| {
                    refusal::form("form_not_admitted", expression::form_name(expr), None)
                })?,
            };
            let used = bound
                .column_refs()
                .iter()
                .filter_map(|c| position(c))
                .collect::<Vec<_>>();
            let set = used
                .iter()
                .filter_map(|&p| self.inputs.get(p))
                .flatten()
                .copied()
                .collect();
            columns.push(PostColumn {
                expression: encode(&bound)?,
                data_type,
            });
            types.push(data_type);
            inputs.push(set);
        }
        self.types = types;
        self.inputs = inputs;
        self.steps.push(PostStep::Project { columns });
        Ok(())
    }

    /// An expression over the current columns, bound and made total.
    fn expression(
        &self,
        expr: &Expr,
        input: &DFSchemaRef,
    ) -> Result<(Expr, DataType), Box<Finding>> {
        let renamed = expr
            .clone()
            .transform_up(|node| {
                Ok(match node {
                    Expr::Alias(alias) => Transformed::yes(*alias.expr),
                    Expr::Column(column) => {
                        let index = input.index_of_column(&column)?;
                        Transformed::yes(Expr::Column(Column::new_unqualified(format!("c{index}"))))
                    }
                    other => Transformed::no(other),
                })
            })
            .map_err(|_| refusal::form("planner_failed", "SELECT", None))?
            .data;
        self.listed(&renamed)?;
        let schema = numbered_schema(&self.types)
            .map_err(|_| refusal::form("planner_failed", "SELECT", None))?;
        let bound = expression::bind(renamed, &schema).map_err(|f| refusal::fault(f, None))?;
        let total = bound
            .transform_up(|node| make_total(node, &schema))
            .map_err(|_| refusal::form("planner_failed", "SELECT", None))?
            .data;
        let data_type = total
            .get_type(schema.as_ref())
            .map_err(|_| refusal::form("planner_failed", "SELECT", None))?;
        Ok((total, data_type))
    }

    /// The positive list above the aggregate.
    fn listed(&self, expr: &Expr) -> Result<(), Box<Finding>> {
        let mut found = None;
        let walked = expr.apply(|node| {
            let listed = match node {
                Expr::Column(_)
                | Expr::Literal(_, _)
                | Expr::BinaryExpr(_)
                | Expr::Like(_)
                | Expr::Not(_)
                | Expr::IsNull(_)
                | Expr::IsNotNull(_)
                | Expr::IsTrue(_)
                | Expr::IsFalse(_)
                | Expr::IsUnknown(_)
                | Expr::IsNotTrue(_)
                | Expr::IsNotFalse(_)
                | Expr::IsNotUnknown(_)
                | Expr::Negative(_)
                | Expr::Between(_)
                | Expr::InList(_)
                | Expr::Case(_) => true,
                Expr::Cast(cast) => ColumnType::releasing(cast.field.data_type()).is_some(),
                Expr::TryCast(cast) => ColumnType::releasing(cast.field.data_type()).is_some(),
                Expr::ScalarFunction(function) => expression::row_functions()
                    .iter()
                    .any(|known| known.name() == function.name()),
                _ => false,
            };
            if listed {
                return Ok(TreeNodeRecursion::Continue);
            }
            found = Some(match node {
                Expr::ScalarFunction(function) => {
                    let name = function.name();
                    refusal::function(name, self.survey.place_of_function(name))
                }
                other => refusal::form("form_not_admitted", expression::form_name(other), None),
            });
            Ok(TreeNodeRecursion::Stop)
        });
        match (found, walked) {
            (Some(finding), _) => refusal::err(finding),
            (None, Err(_)) => refusal::err(refusal::form("planner_failed", "SELECT", None)),
            (None, Ok(_)) => Ok(()),
        }
    }
}

/// Division by zero gives null, and so does a cast or a whole number that does not fit.
fn make_total(node: Expr, schema: &DFSchema) -> datafusion::common::Result<Transformed<Expr>> {
    Ok(match node {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(op, Operator::Divide | Operator::Modulo) =>
        {
            // Named once: a divisor that divides would double with each layer otherwise.
            let zero = Expr::Literal(ScalarValue::new_zero(&right.get_type(schema)?)?, None);
            let guarded = datafusion::functions::core::nullif().call(vec![*right, zero]);
            Transformed::yes(Expr::BinaryExpr(BinaryExpr {
                left,
                op,
                right: Box::new(guarded),
            }))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply)
                && left.get_type(schema)? == DataType::Int64
                && right.get_type(schema)? == DataType::Int64 =>
        {
            Transformed::yes(whole(*left, op, *right))
        }
        Expr::Negative(inner) if inner.get_type(schema)? == DataType::Int64 => {
            let zero = Expr::Literal(ScalarValue::Int64(Some(0)), None);
            Transformed::yes(whole(zero, Operator::Minus, *inner))
        }
        Expr::Cast(cast) => Transformed::yes(Expr::TryCast(TryCast {
            expr: cast.expr,
            field: cast.field,
        })),
        other => Transformed::no(other),
    })
}

/// Arithmetic on whole numbers that does not wrap: 19 digits times 19 digits are 38 at most.
fn whole(left: Expr, op: Operator, right: Expr) -> Expr {
    let cast = |expr: Expr, to: DataType| Expr::TryCast(TryCast::new(Box::new(expr), to));
    let wide = DataType::Decimal128(WHOLE_DIGITS, 0);
    let result = Expr::BinaryExpr(BinaryExpr {
        left: Box::new(cast(left, wide.clone())),
        op,
        right: Box::new(cast(right, wide)),
    });
    cast(result, DataType::Int64)
}

/// No table has more rows. Plans are kept as JSON, whose larger numbers are not exact (RFC 8785).
const BOUND_MAX: u64 = (1 << 53) - 1;

/// A literal `LIMIT` or `OFFSET`.
fn bound(expr: Option<&Expr>) -> Result<Option<u64>, Box<Finding>> {
    let Some(expr) = expr else { return Ok(None) };
    let refused = || refusal::form("limit_not_literal", "LIMIT", None);
    let bound = expression::bind(expr.clone(), &Arc::new(DFSchema::empty()));
    match bound {
        Ok(Expr::Literal(ScalarValue::Int64(None) | ScalarValue::Null, _)) => Ok(None),
        Ok(Expr::Literal(value, _)) => match value.cast_to(&DataType::UInt64) {
            Ok(ScalarValue::UInt64(Some(value))) => Ok(Some(value.min(BOUND_MAX))),
            _ => refusal::err(refused()),
        },
        _ => refusal::err(refused()),
    }
}

fn position(column: &Column) -> Option<usize> {
    column.name.strip_prefix('c')?.parse().ok()
}

/// The schema `c0`, `c1`, … of some types.
pub(crate) fn numbered_schema(types: &[ColumnType]) -> datafusion::common::Result<Arc<DFSchema>> {
    let fields: Vec<Field> = types
        .iter()
        .enumerate()
        .map(|(index, data_type)| Field::new(format!("c{index}"), data_type.arrow(), true))
        .collect();
    DFSchema::try_from(Schema::new(fields)).map(Arc::new)
}

fn encode(expr: &Expr) -> Result<Vec<u8>, Box<Finding>> {
    let refused = || {
        refusal::limit(
            "SELECT",
            "表达式嵌套过深".to_owned(),
            "an expression is nested too deeply".to_owned(),
            None,
        )
    };
    let bytes = expr.to_bytes().map_err(|_| refused())?;
    // What cannot be read back must not be admitted.
    decode(&bytes).map_err(|_| refused())?;
    Ok(bytes.to_vec())
}

/// Reads an encoded expression of a step.
pub(crate) fn decode(bytes: &[u8]) -> datafusion::common::Result<Expr> {
    let functions: HashMap<_, _> = expression::row_functions()
        .into_iter()
        .map(|function| (function.name().to_owned(), function))
        .collect();
    let context = TaskContext::new(
        None,
        String::new(),
        SessionConfig::new(),
        functions,
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        Arc::new(RuntimeEnv::default()),
    );
    Expr::from_bytes_with_ctx(bytes, &context)
}
