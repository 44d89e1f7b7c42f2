//! Which columns a filter pins to literal values.

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, Operator};

use super::types::PinnedColumn;
use crate::scope::Table;

/// The values that a filter pins a column to.
pub(super) fn pin(filter: &Expr, table: &Table) -> Option<PinnedColumn> {
    let (column, values) = match filter {
        Expr::BinaryExpr(binary) if binary.op == Operator::Eq => {
            match (binary.left.as_ref(), binary.right.as_ref()) {
                (Expr::Literal(value, _), other) | (other, Expr::Literal(value, _)) => {
                    (widened_column(other)?, vec![value])
                }
                _ => return None,
            }
        }
        Expr::InList(list) if !list.negated => {
            let Expr::Column(column) = list.expr.as_ref() else {
                return None;
            };
            let values = list
                .list
                .iter()
                .map(|item| match item {
                    Expr::Literal(value, _) => Some(value),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()?;
            (column, values)
        }
        _ => return None,
    };
    let mut values = values
        .into_iter()
        .map(pin_value)
        .collect::<Option<Vec<_>>>()?;
    values.sort();
    values.dedup();
    Some(PinnedColumn {
        column: format!("{}.{}", table.dataset, column.name),
        values,
    })
}

/// A column, perhaps in a wider type: filters hold widening casts only.
fn widened_column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Cast(cast) => widened_column(&cast.expr),
        _ => None,
    }
}

/// A literal as the text that a group value of a cell has (see `egress::cells`); none for types whose
/// values have more than one text.
fn pin_value(value: &ScalarValue) -> Option<String> {
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(whole))) if value.data_type().is_integer() => {
            return Some(format!("i{whole}"));
        }
        _ => {}
    }
    match value {
        ScalarValue::Boolean(Some(flag)) => Some(format!("b{flag}")),
        ScalarValue::Date32(Some(day)) => Some(format!("d{day}")),
        other => other.try_as_str().flatten().map(|text| format!("s{text}")),
    }
}
