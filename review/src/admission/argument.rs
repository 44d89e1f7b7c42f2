//! The aggregates of a program: which function, of which column.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable};

use super::prove::Prover;
use super::query::{Aggregated, Argument};
use super::refusal;
use super::source::{self, Source};
use super::types::AggregateKind;
use crate::contract::ColumnRole;
use crate::expression;
use crate::finding::{Finding, Span};

impl Prover<'_> {
    /// All aggregates; findings are noted for those that are not admitted.
    pub(super) fn aggregates(&mut self, aggregate: &Aggregate) -> Vec<Aggregated> {
        aggregate
            .aggr_expr
            .iter()
            .filter_map(|expr| self.aggregate(expr, aggregate.input.schema()))
            .collect()
    }

    fn aggregate(&mut self, expr: &Expr, input: &DFSchema) -> Option<Aggregated> {
        let Expr::AggregateFunction(function) = strip_alias(expr) else {
            self.findings.push(refusal::form(
                "form_not_admitted",
                expression::form_name(expr),
                None,
            ));
            return None;
        };
        let name = function.func.name().to_owned();
        let place = self.survey.place_of_function(&name);
        let params = &function.params;
        if params.filter.is_some() || !params.order_by.is_empty() || params.null_treatment.is_some()
        {
            self.findings
                .push(refusal::form("aggregate_modifier", &name, place));
            return None;
        }
        let [argument] = params.args.as_slice() else {
            self.findings.push(refusal::function(&name, place));
            return None;
        };
        let Source {
            columns, growth, ..
        } = &mut self.source;
        let argument = match source::substitute(argument, input, columns, growth) {
            Ok(argument) => argument,
            Err(finding) => {
                self.findings.push(*finding);
                return None;
            }
        };
        let counted_rows = matches!(&argument, Expr::Literal(value, _) if !value.is_null());
        let (kind, population) = match (name.as_str(), params.distinct) {
            ("count", false) if counted_rows => {
                let kind = AggregateKind::CountRows;
                return Some(Aggregated {
                    kind,
                    population: false,
                    argument: None,
                });
            }
            ("count", false) => (AggregateKind::Count, false),
            ("count", true) => (AggregateKind::CountDistinct, false),
            ("sum", false) => (AggregateKind::Sum, false),
            ("avg", false) => (AggregateKind::Avg, false),
            ("stddev", false) => (AggregateKind::Stddev, false),
            ("stddev_pop", false) => (AggregateKind::Stddev, true),
            ("var", false) => (AggregateKind::Variance, false),
            ("var_pop", false) => (AggregateKind::Variance, true),
            _ => {
                self.findings.push(refusal::function(&name, place));
                return None;
            }
        };
        let argument = self.argument(argument, kind, place)?;
        Some(Aggregated {
            kind,
            population,
            argument: Some(argument),
        })
    }

    /// An aggregate takes one plain column: any arithmetic could pack or point.
    fn argument(
        &mut self,
        expr: Expr,
        kind: AggregateKind,
        function_place: Option<Span>,
    ) -> Option<Argument> {
        let place = self.place(&expr).or(function_place);
        let Expr::Column(column) = &expr else {
            let case = contains_case(&expr);
            let place = if case {
                self.survey.place_of_case().or(place)
            } else {
                place
            };
            let rule = if case {
                "case_in_aggregate"
            } else {
                "expression_in_aggregate"
            };
            self.findings
                .push(refusal::form(rule, expression::form_name(&expr), place));
            return None;
        };
        let subject = self.subject(column);
        let Some((scan, scope)) = self
            .column(column)
            .map(|(scan, scope)| (scan, scope.clone()))
        else {
            self.findings
                .push(refusal::form("planner_failed", &subject, place));
            return None;
        };
        if self.table(scan).private {
            self.findings
                .push(refusal::form("private_aggregated", &subject, place));
            return None;
        }
        let fits = match kind {
            AggregateKind::CountRows | AggregateKind::Count => true,
            AggregateKind::CountDistinct => scope.role == ColumnRole::Key,
            _ => scope.role == ColumnRole::Measure,
        };
        if !fits {
            let rule = "role_not_aggregated";
            self.findings
                .push(refusal::role(rule, &subject, scope.role, place));
            return None;
        }
        let data_type = expr.get_type(self.schemas[scan].as_ref()).ok()?;
        let countable = matches!(kind, AggregateKind::Count | AggregateKind::CountDistinct);
        if !countable && !summable(&data_type) {
            self.findings.push(
                Finding::refuse(
                    "argument_not_numeric",
                    subject,
                    ("聚合参数不是数值列", "the argument is not a number"),
                    ("对该列使用 count", "count the column instead"),
                )
                .at(place),
            );
            return None;
        }
        let unit_key = self.table(scan).is_unit_key(&scope);
        Some(Argument {
            expr,
            data_type,
            source: subject,
            unit_key,
        })
    }
}

/// Types that are summed: everything that widens into a 64-bit float.
fn summable(data_type: &DataType) -> bool {
    data_type.is_numeric() && expression::widens(data_type, &DataType::Float64)
}

fn strip_alias(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => strip_alias(&alias.expr),
        other => other,
    }
}

fn contains_case(expr: &Expr) -> bool {
    expr.exists(|node| Ok(matches!(node, Expr::Case(_))))
        .unwrap_or(false)
}
