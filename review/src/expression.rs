//! Row-local expressions that cannot fail on data: the one positive list for filters and groups.
//!
//! A cast or a division that fails on some rows is a channel (`1 / (id - 42)`), so either an
//! expression is infallible whatever the data, or it is not admitted. Constants are computed here
//! once; if that fails, the program is at fault, not the data.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, ScalarValue};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{ColumnarValue, Expr, ExprSchemable, Operator, ScalarUDF};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

/// Bytes of a `LIKE` pattern at most: matching time grows with it.
const PATTERN_BYTES_MAX: usize = 1_024;
/// Parts of a date that `date_part` gives; each is defined for every date.
const DATE_PARTS: [&str; 6] = ["year", "quarter", "month", "week", "day", "dow"];

/// Why an expression is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its types do not fit, in the engine's words (which quote the program only).
    Types(String),
    /// A constant that cannot be computed, such as `CAST('x' AS DATE)`.
    Constant(String),
    /// A function that is not on the list, or with arguments that are not.
    Function(String),
    /// A cast that can fail on some value.
    Cast(String, String),
    /// An operator or form that is not on the list.
    Form(String),
}

/// Scalar functions that are on the list before aggregation: immutable, row-local, total.
pub(crate) fn row_functions() -> Vec<Arc<ScalarUDF>> {
    use datafusion::functions::{core, datetime, string, unicode};
    vec![
        core::nullif(),
        datetime::date_part(),
        string::lower(),
        string::upper(),
        string::btrim(),
        unicode::substr(),
    ]
}

/// Makes an expression ready to be judged: types are made equal by casts and constants are computed.
pub(crate) fn bind(expr: Expr, schema: &Arc<DFSchema>) -> Result<Expr, Fault> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::clone(schema))
        .with_config_options(Arc::new(ConfigOptions::default()))
        .build();
    let folded = strip_aliases(expr)?
        .transform_up(fold)
        .map_err(|error| Fault::Constant(first_line(&error)))?;
    let timed = folded
        .data
        .transform_up(|node| literals_like_columns(node, schema))
        .map_err(|error| Fault::Constant(first_line(&error)))?;
    let coerced = ExprSimplifier::new(context)
        .coerce(timed.data, schema)
        .map_err(|error| Fault::Types(first_line(&error)))?;
    // The type of the whole must be known; an unknown one would only surface in the jail.
    let folded = coerced
        .transform_up(fold)
        .map_err(|error| Fault::Constant(first_line(&error)))?;
    folded
        .data
        .get_type(schema.as_ref())
        .map_err(|error| Fault::Types(first_line(&error)))?;
    Ok(folded.data)
}

/// Whether a bound expression is row-local, immutable and cannot fail on data.
pub(crate) fn check_row_local(expr: &Expr, schema: &DFSchema) -> Result<(), Fault> {
    let mut fault = None;
    let walked = expr.apply(|node| match check_node(node, schema) {
        Ok(()) => Ok(TreeNodeRecursion::Continue),
        Err(found) => {
            fault = Some(found);
            Ok(TreeNodeRecursion::Stop)
        }
    });
    match (fault, walked) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(Fault::Types(first_line(&error))),
        (None, Ok(_)) => Ok(()),
    }
}

fn check_node(node: &Expr, schema: &DFSchema) -> Result<(), Fault> {
    match node {
        Expr::Column(_)
        | Expr::Literal(_, _)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Between(_)
        | Expr::InList(_) => Ok(()),
        Expr::BinaryExpr(binary) => match binary.op {
            Operator::And
            | Operator::Or
            | Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom => Ok(()),
            other => Err(Fault::Form(other.to_string())),
        },
        Expr::Like(like) => match like.pattern.as_ref() {
            Expr::Literal(value, _) => {
                let pattern = value.try_as_str().flatten().unwrap_or_default();
                if pattern.len() <= PATTERN_BYTES_MAX {
                    Ok(())
                } else {
                    Err(Fault::Form("LIKE".to_owned()))
                }
            }
            _ => Err(Fault::Form("LIKE".to_owned())),
        },
        Expr::Cast(cast) => {
            let from = cast
                .expr
                .get_type(schema)
                .map_err(|error| Fault::Types(first_line(&error)))?;
            if widens(&from, cast.field.data_type()) {
                Ok(())
            } else {
                Err(Fault::Cast(
                    from.to_string(),
                    cast.field.data_type().to_string(),
                ))
            }
        }
        Expr::ScalarFunction(function) => check_function(function.name(), &function.args, schema),
        other => Err(Fault::Form(form_name(other).to_owned())),
    }
}

fn check_function(name: &str, args: &[Expr], schema: &DFSchema) -> Result<(), Fault> {
    if !row_functions()
        .iter()
        .any(|function| function.name() == name)
    {
        return Err(Fault::Function(name.to_owned()));
    }
    match name {
        "date_part" => {
            let part = args.first().and_then(literal_text).map(str::to_lowercase);
            let dated = args
                .get(1)
                .and_then(|arg| arg.get_type(schema).ok())
                .is_some_and(|t| matches!(t, DataType::Date32 | DataType::Timestamp(_, None)));
            let known = part.is_some_and(|part| DATE_PARTS.contains(&part.as_str()));
            if dated && known {
                Ok(())
            } else {
                Err(Fault::Function(name.to_owned()))
            }
        }
        // A negative or enormous length fails; a literal one of this range does not.
        "substr" => {
            let bounded = args
                .iter()
                .skip(1)
                .all(|arg| matches!(arg, Expr::Literal(ScalarValue::Int64(Some(1..=1_000)), _)));
            if bounded {
                Ok(())
            } else {
                Err(Fault::Function(name.to_owned()))
            }
        }
        _ => Ok(()),
    }
}

fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

/// Whether every value of one type has a value of the other.
pub(crate) fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Binary, Date32, Date64, Decimal128, Dictionary, Float16, Float32, Float64, LargeUtf8, Null,
        Timestamp, Utf8, Utf8View,
    };
    if from == to || from == &Null {
        return true;
    }
    let integers = |t: &DataType| -> Option<(bool, u8)> {
        Some(match t {
            DataType::Int8 => (true, 8),
            DataType::Int16 => (true, 16),
            DataType::Int32 => (true, 32),
            DataType::Int64 => (true, 64),
            DataType::UInt8 => (false, 8),
            DataType::UInt16 => (false, 16),
            DataType::UInt32 => (false, 32),
            DataType::UInt64 => (false, 64),
            _ => return None,
        })
    };
    if let (Some((from_signed, from_bits)), Some((to_signed, to_bits))) =
        (integers(from), integers(to))
    {
        return match (from_signed, to_signed) {
            (true, false) => false,
            (false, true) => to_bits > from_bits,
            _ => to_bits >= from_bits,
        };
    }
    match (from, to) {
        (_, Float64) if integers(from).is_some() => true,
        (Float16 | Float32, Float64) | (Float16, Float32) => true,
        (Decimal128(_, _), Float64) => true,
        (_, Decimal128(precision, scale)) if integers(from).is_some() => {
            let digits = match integers(from).map_or(64, |(_, bits)| bits) {
                8 => 3,
                16 => 5,
                32 => 10,
                _ => 20,
            };
            *scale >= 0 && i32::from(*precision) - i32::from(*scale) >= digits
        }
        (Decimal128(p1, s1), Decimal128(p2, s2)) => {
            s2 >= s1 && i32::from(*p2) - i32::from(*s2) >= i32::from(*p1) - i32::from(*s1)
        }
        (Utf8 | Utf8View | LargeUtf8, Utf8 | Utf8View | LargeUtf8) => true,
        (Dictionary(_, value), to) => widens(value, to),
        (Date32, Date64 | Timestamp(TimeUnit::Second | TimeUnit::Millisecond, None)) => true,
        (Binary, _) | (_, Binary) => false,
        _ => false,
    }
}

/// The physical expression of a bound one.
pub(crate) fn physical(
    expr: &Expr,
    schema: &DFSchema,
) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    create_physical_expr(
        expr,
        schema,
        &ExecutionProps::new(),
        &PhysicalPlanningContext::default(),
    )
}

/// Evaluates an expression over a batch, always as an array of the batch's length.
pub(crate) fn evaluate(
    expr: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
) -> Result<ArrayRef, DataFusionError> {
    expr.evaluate(batch)?.into_array(batch.num_rows())
}

/// Replaces a node whose children are all literals by its value.
fn fold(node: Expr) -> Result<Transformed<Expr>, DataFusionError> {
    let foldable = matches!(
        node,
        Expr::BinaryExpr(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::Negative(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::Between(_)
            | Expr::InList(_)
            | Expr::Like(_)
            | Expr::ScalarFunction(_)
    );
    if !foldable || !known_function(&node) {
        return Ok(Transformed::no(node));
    }
    let mut constant = true;
    node.apply_children(|child| {
        constant &= matches!(child, Expr::Literal(_, _));
        Ok(if constant {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    })?;
    if !constant {
        return Ok(Transformed::no(node));
    }
    let schema = DFSchema::empty();
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)?;
    let value = match physical(&node, &schema)?.evaluate(&batch)? {
        ColumnarValue::Scalar(value) => value,
        ColumnarValue::Array(array) if array.len() == 1 => ScalarValue::try_from_array(&array, 0)?,
        ColumnarValue::Array(_) => return Ok(Transformed::no(node)),
    };
    Ok(Transformed::yes(Expr::Literal(value, None)))
}

/// Unlisted functions are never called, not even on constants: `repeat('a', 2e9)` takes memory.
fn known_function(node: &Expr) -> bool {
    match node {
        Expr::ScalarFunction(function) => row_functions()
            .iter()
            .any(|known| known.name() == function.name()),
        _ => true,
    }
}

/// Gives dates and times that a column is compared with the column's own unit. The engine would cast
/// the column into nanoseconds instead, which fails outside 1677 to 2262.
fn literals_like_columns(
    node: Expr,
    schema: &DFSchema,
) -> Result<Transformed<Expr>, DataFusionError> {
    let timed = |expr: &Expr| -> Option<DataType> {
        match expr {
            Expr::Literal(_, _) => None,
            other => other.get_type(schema).ok().filter(DataType::is_temporal),
        }
    };
    Ok(match node {
        Expr::BinaryExpr(mut binary) => {
            match (timed(&binary.left), timed(&binary.right)) {
                (Some(to), None) => binary.right = Box::new(in_unit(*binary.right, &to)?),
                (None, Some(to)) => binary.left = Box::new(in_unit(*binary.left, &to)?),
                _ => {}
            }
            Transformed::yes(Expr::BinaryExpr(binary))
        }
        Expr::Between(mut between) => {
            if let Some(to) = timed(&between.expr) {
                between.low = Box::new(in_unit(*between.low, &to)?);
                between.high = Box::new(in_unit(*between.high, &to)?);
            }
            Transformed::yes(Expr::Between(between))
        }
        Expr::InList(mut list) => {
            if let Some(to) = timed(&list.expr) {
                list.list = list
                    .list
                    .into_iter()
                    .map(|item| in_unit(item, &to))
                    .collect::<Result<_, _>>()?;
            }
            Transformed::yes(Expr::InList(list))
        }
        other => Transformed::no(other),
    })
}

/// A literal in another unit, when that is the same moment.
fn in_unit(expr: Expr, to: &DataType) -> Result<Expr, DataFusionError> {
    let Expr::Literal(value, metadata) = expr else {
        return Ok(expr);
    };
    let from = value.data_type();
    if from.is_temporal() {
        let same = value
            .cast_to(to)
            .ok()
            .filter(|cast| cast.cast_to(&from).is_ok_and(|back| back == value));
        return Ok(Expr::Literal(same.unwrap_or(value), metadata));
    }
    if from.is_string() {
        return Ok(Expr::Literal(value.cast_to(to)?, metadata));
    }
    Ok(Expr::Literal(value, metadata))
}

fn strip_aliases(expr: Expr) -> Result<Expr, Fault> {
    expr.transform_up(|node| {
        Ok(match node {
            Expr::Alias(alias) => Transformed::yes(*alias.expr),
            other => Transformed::no(other),
        })
    })
    .map(|transformed| transformed.data)
    .map_err(|error| Fault::Types(first_line(&error)))
}

/// The first line of an engine's message, bounded. Only for errors of planning, which quote the
/// program and never data.
pub(crate) fn first_line(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}

/// What a form is called in a finding.
pub(crate) fn form_name(expr: &Expr) -> &'static str {
    match expr {
        Expr::Case(_) => "CASE",
        Expr::TryCast(_) => "TRY_CAST",
        Expr::Cast(_) => "CAST",
        Expr::Negative(_) => "-",
        Expr::Like(_) => "LIKE",
        Expr::SimilarTo(_) => "SIMILAR TO",
        Expr::BinaryExpr(_) => "arithmetic",
        Expr::ScalarFunction(_) => "function",
        Expr::AggregateFunction(_) => "aggregate",
        Expr::WindowFunction(_) => "OVER",
        Expr::Exists(_) => "EXISTS",
        Expr::InSubquery(_) => "IN (SELECT)",
        Expr::ScalarSubquery(_) | Expr::SetComparison(_) => "subquery",
        Expr::GroupingSet(_) => "grouping sets",
        Expr::Placeholder(_) => "parameter",
        Expr::ScalarVariable(_, _) => "variable",
        Expr::Unnest(_) => "UNNEST",
        Expr::HigherOrderFunction(_) | Expr::Lambda(_) | Expr::LambdaVariable(_) => "lambda",
        _ => "expression",
    }
}
