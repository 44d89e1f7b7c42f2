//! The row filter of a contract's table: a predicate that staging applies before a run sees a row.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{Expr as SyntaxExpr, Visit, Visitor};

use crate::expression::{self, Fault};
use crate::names::Names;
use crate::text::{self, TextError, TextLimits};

/// A filter is written by people who propose a scenario: a page at most.
const LIMITS: TextLimits = TextLimits {
    bytes: 4_096,
    tokens: 512,
    depth: 16,
};

/// Why a text is no row filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFilterError {
    /// Not an expression.
    #[error("no SQL expression: {0}")]
    Syntax(String),
    /// A column that the data set does not have, or types that do not fit.
    #[error("does not fit the columns: {0}")]
    Columns(String),
    /// A form that is not row-local, not immutable, or can fail on data.
    #[error("not admitted in a row filter: {0}")]
    NotAdmitted(String),
    /// Not true or false.
    #[error("a row filter is true or false, this is {0}")]
    NotBoolean(String),
    /// Evaluation failed.
    #[error("cannot evaluate the row filter")]
    Evaluation,
}

/// Reads a row filter over a data set's columns: comparisons, `IN`, `BETWEEN`, `LIKE`, `IS NULL`,
/// `AND`, `OR`, `NOT` and a few functions. The expression is bound to the schema, row-local,
/// immutable, and cannot fail on data. Rows where it is not true are left out.
pub fn parse_row_filter(filter: &str, schema: &Schema) -> Result<Expr, RowFilterError> {
    text::on_big_stack(|| parse(filter, schema)).unwrap_or_else(|| {
        Err(RowFilterError::NotAdmitted(
            "the filter cannot be read".to_owned(),
        ))
    })
}

/// The rows of a batch that a filter keeps, without nulls. The batch has the columns that the filter
/// was bound to, by name.
pub fn row_filter_mask(filter: &Expr, batch: &RecordBatch) -> Result<BooleanArray, RowFilterError> {
    let schema = DFSchema::try_from(batch.schema().as_ref().clone())
        .map_err(|_| RowFilterError::Evaluation)?;
    let physical = expression::physical(filter, &schema).map_err(|_| RowFilterError::Evaluation)?;
    let values = expression::evaluate(&physical, batch).map_err(|_| RowFilterError::Evaluation)?;
    let mask = values
        .as_any()
        .downcast_ref::<BooleanArray>()
        .ok_or(RowFilterError::Evaluation)?;
    Ok(if mask.null_count() > 0 {
        prep_null_mask_filter(mask)
    } else {
        mask.clone()
    })
}

/// Whether the text is an expression with known functions only; columns are not known here.
pub(crate) fn check_syntax(filter: &str) -> Result<(), RowFilterError> {
    text::on_big_stack(|| syntax(filter).map(|_| ())).unwrap_or_else(|| {
        Err(RowFilterError::NotAdmitted(
            "the filter cannot be read".to_owned(),
        ))
    })
}

fn syntax(filter: &str) -> Result<SyntaxExpr, RowFilterError> {
    let parsed = text::expression(filter, LIMITS)
        .map_err(|error: TextError| RowFilterError::Syntax(error.to_string()))?;
    let names = Names::new([]);
    match parsed.visit(&mut Forms { names: &names }) {
        std::ops::ControlFlow::Continue(()) => Ok(parsed),
        std::ops::ControlFlow::Break(form) => Err(RowFilterError::NotAdmitted(form)),
    }
}

/// Refuses what can be refused by its look: subqueries and functions that are not listed.
struct Forms<'a> {
    names: &'a Names,
}

impl Visitor for Forms<'_> {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &SyntaxExpr) -> std::ops::ControlFlow<String> {
        use std::ops::ControlFlow::{Break, Continue};
        match expr {
            SyntaxExpr::Subquery(_) | SyntaxExpr::Exists { .. } | SyntaxExpr::InSubquery { .. } => {
                Break("a subquery".to_owned())
            }
            SyntaxExpr::Function(function) => {
                let name = function.name.to_string().to_lowercase();
                let plain = function.over.is_none() && function.filter.is_none();
                if self.names.knows_function(&name) && !self.names.knows_aggregate(&name) && plain {
                    Continue(())
                } else {
                    Break(name.chars().take(64).collect())
                }
            }
            _ => Continue(()),
        }
    }
}

fn parse(filter: &str, schema: &Schema) -> Result<Expr, RowFilterError> {
    let parsed = syntax(filter)?;
    let bound_schema = Arc::new(
        DFSchema::try_from(schema.clone())
            .map_err(|error| RowFilterError::Columns(expression::first_line(&error)))?,
    );
    let names = Names::new([]);
    let planned = SqlToRel::new(&names)
        .sql_to_expr(parsed, &bound_schema, &mut PlannerContext::new())
        .map_err(|error| RowFilterError::Columns(expression::first_line(&error)))?;
    let bound = expression::bind(planned, &bound_schema).map_err(refused)?;
    expression::check_row_local(&bound, &bound_schema).map_err(refused)?;
    match bound.get_type(bound_schema.as_ref()) {
        Ok(DataType::Boolean) => Ok(bound),
        Ok(other) => Err(RowFilterError::NotBoolean(other.to_string())),
        Err(error) => Err(RowFilterError::Columns(expression::first_line(&error))),
    }
}

fn refused(fault: Fault) -> RowFilterError {
    match fault {
        Fault::Types(text) => RowFilterError::Columns(text),
        Fault::Constant(text) => RowFilterError::NotAdmitted(text),
        Fault::Function(name) => RowFilterError::NotAdmitted(name),
        Fault::Cast(from, to) => {
            RowFilterError::NotAdmitted(format!("a cast from {from} to {to} can fail"))
        }
        Fault::Form(form) => RowFilterError::NotAdmitted(form),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use arrow::array::{Date32Array, Int32Array, StringArray};
    use arrow::datatypes::Field;
    use proptest::prelude::*;

    use super::*;

    fn batch() -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("year", DataType::Int32, true),
            Field::new("region", DataType::Utf8, true),
            Field::new("day", DataType::Date32, true),
        ]);
        RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(Int32Array::from(vec![Some(1), Some(2), None, Some(3)])),
                Arc::new(StringArray::from(vec![
                    Some("思明"),
                    None,
                    Some("b"),
                    Some("思北"),
                ])),
                Arc::new(Date32Array::from(vec![
                    Some(0),
                    Some(18_262),
                    Some(18_263),
                    None,
                ])),
            ],
        )
        .unwrap()
    }

    fn kept(filter: &str) -> Vec<bool> {
        let batch = batch();
        let expr = parse_row_filter(filter, &batch.schema()).unwrap();
        let mask = row_filter_mask(&expr, &batch).unwrap();
        assert_eq!(mask.null_count(), 0);
        mask.iter().map(|value| value.unwrap()).collect()
    }

    #[test]
    fn rows_that_are_not_true_are_left_out() {
        assert_eq!(kept("year >= 2"), [false, true, false, true]);
        assert_eq!(kept("not (year >= 2)"), [true, false, false, false]);
        assert_eq!(
            kept("region like '思%' and year in (1, 3)"),
            [true, false, false, true]
        );
        assert_eq!(
            kept("region is null or region = 'b'"),
            [false, true, true, false]
        );
        assert_eq!(kept("day >= '2020-01-01'"), [false, true, true, false]);
        assert_eq!(
            kept("date_part('year', day) = 2020"),
            [false, true, true, false]
        );
        assert_eq!(kept("year between 1 and 2"), [true, true, false, false]);
        assert_eq!(kept("true"), [true; 4]);
        assert_eq!(kept("year > 1.5"), [false, true, false, true]);
    }

    #[test]
    fn what_can_fail_or_look_elsewhere_is_refused() {
        let schema = batch().schema();
        for (filter, part) in [
            ("1 / (year - 2) > 0", "/"),
            ("cast(region as int) = 1", "can fail"),
            ("random() < 0.5", "random"),
            ("now() > day", "now"),
            ("year in (select 1)", "subquery"),
            ("exists (select 1)", "subquery"),
            ("sum(year) > 1", "sum"),
            ("salary > 1", "salary"),
            ("year", "Int32"),
            ("year > 1; drop table t", "unexpected"),
            ("year >", "no SQL expression"),
            ("", "no SQL expression"),
            ("region ~ 'a+'", "~"),
            ("day > 'not a day'", "not a day"),
            ("repeat(region, 2000000000) = 'a'", "repeat"),
        ] {
            let error = parse_row_filter(filter, &schema).unwrap_err().to_string();
            assert!(error.contains(part), "{filter}: {error}");
        }
    }

    #[test]
    fn long_and_deep_filters_are_refused_quietly() {
        let schema = batch().schema();
        let long = vec!["year = 1"; 5_000].join(" or ");
        assert!(matches!(
            parse_row_filter(&long, &schema),
            Err(RowFilterError::Syntax(_))
        ));
        let deep = format!("{}year = 1{}", "(".repeat(200), ")".repeat(200));
        assert!(matches!(
            parse_row_filter(&deep, &schema),
            Err(RowFilterError::Syntax(_))
        ));
        let nots = format!("{} true", "not ".repeat(400));
        assert!(parse_row_filter(&nots, &schema).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_is_answered(filter in r#"(year|region|day|and|or|not|=|<|in|like|\(|\)|'a'|1|2\.5|null|is|case|when| |,|::int|\+|%){0,24}"#) {
            let batch = batch();
            if let Ok(expr) = parse_row_filter(&filter, &batch.schema()) {
                let mask = row_filter_mask(&expr, &batch).unwrap();
                prop_assert_eq!(mask.len(), 4);
            }
        }
    }
}
