//! Admission of a query that calls functions of modules.
//!
//! What a module answers proves nothing: it may keep what it saw of one row and tell it with another. So such a query
//! is held to the scenario's tables and columns and to the engine's list, not to the rules of the proved lane, and its
//! result always waits for people, as that of a module that is a whole job does. It reads staged files without the
//! control column.

mod names;
mod qualified;
mod scans;
mod types;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, LogicalPlanBuilder, cast, col};
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::{Optimizer, OptimizerContext};
use datafusion::sql::planner::SqlToRel;
use datafusion_proto::bytes::{
    logical_plan_from_bytes_with_extension_codec, logical_plan_to_bytes_with_extension_codec,
};
use ring::digest::{SHA256, digest};

use self::names::ReviewedNames;
pub use self::types::{QueryFunction, QueryModule, ReviewedAdmission, ReviewedQuery};
use super::survey::Survey;
use super::types::{ColumnType, OutputColumn, SqlLimits};
use super::{growth, planning, refusal, single_select, unplannable};
use crate::egress::control::ScansByName;
use crate::expression;
use crate::finding::Finding;
use crate::scope::Scope;
use crate::text;

/// Bytes of an output column's name at most.
const NAME_BYTES_MAX: usize = 128;

/// Says whether one SQL text that calls functions of these modules stays inside a scope.
///
/// The answer depends on the text, the scope, the modules' manifests and the limits alone. Any text is answered.
pub fn admit_reviewed(
    sql: &str,
    scope: &Scope,
    modules: &[QueryModule],
    limits: &SqlLimits,
) -> ReviewedAdmission {
    let operations = &scope.contract.operations;
    for (allowed, what) in [(operations.sql, "SQL"), (operations.wasm, "WASM")] {
        if !allowed {
            let finding = refusal::form("operation_not_allowed", what, None);
            return ReviewedAdmission::Refused(vec![finding]);
        }
    }
    let admitted = text::on_big_stack(|| admit(sql, scope, modules, limits));
    match admitted {
        Some(Ok(query)) => ReviewedAdmission::Admitted(Box::new(query)),
        Some(Err(findings)) => ReviewedAdmission::Refused(findings),
        None => {
            let finding = refusal::form("planner_failed", "SELECT", None);
            ReviewedAdmission::Refused(vec![finding])
        }
    }
}

fn admit(
    sql: &str,
    scope: &Scope,
    modules: &[QueryModule],
    limits: &SqlLimits,
) -> Result<ReviewedQuery, Vec<Finding>> {
    let boxed = |finding: Box<Finding>| vec![*finding];
    let mut statement = single_select(sql, limits).map_err(boxed)?;
    qualified::join_names(&mut statement);
    let names = ReviewedNames::new(scope, modules);
    let survey = Survey::of(&statement, scope, &names, limits.tables);
    if !survey.findings.is_empty() {
        return Err(survey.findings);
    }
    growth::check(&statement, limits).map_err(boxed)?;
    let planned = SqlToRel::new(&names).sql_statement_to_plan(statement);
    let refused = names.refused();
    if !refused.is_empty() {
        return Err(refused);
    }
    let plan = planned.map_err(|error| {
        let misused = names.misused(&error);
        vec![misused.unwrap_or_else(|| planning(&error, scope, &survey))]
    })?;
    listed(&plan).map_err(boxed)?;
    let (plan, output) = widened(plan, limits).map_err(boxed)?;
    let cannot = |error: DataFusionError| vec![unplannable(&error)];
    let coerced = Analyzer::new()
        .execute_and_check(plan, &names.analyzer_options(), |_, _| {})
        .map_err(cannot)?;
    let narrow = Optimizer::with_rules(vec![Arc::new(OptimizeProjections::new())])
        .optimize(coerced, &OptimizerContext::new(), |_, _| {})
        .map_err(cannot)?;
    let named = scans::by_name(narrow, scope, limits.tables, names.calls())?;
    let functions = names.called(&named.plan);
    if functions.is_empty() {
        return Err(vec![no_function(modules)]);
    }
    let plan = encode(&named.plan, &names).map_err(cannot)?;
    Ok(ReviewedQuery {
        plan_digest: hex::encode(digest(&SHA256, &plan)),
        plan,
        tables: named.tables,
        functions,
        output,
    })
}

/// Nodes and forms that the engine takes. Subqueries would have to be planned away first, and a union's halves run at
/// the same time, in which order nobody knows.
fn listed(plan: &LogicalPlan) -> Result<(), Box<Finding>> {
    let mut fault = None;
    let walked = plan.apply(|node| {
        fault = node_fault(node).or_else(|| {
            let mut found = None;
            let walked = node.apply_expressions(|expr| {
                expr.apply(|part| {
                    found = expression_fault(part);
                    Ok(match found {
                        Some(_) => TreeNodeRecursion::Stop,
                        None => TreeNodeRecursion::Continue,
                    })
                })
            });
            found.or_else(|| {
                walked
                    .err()
                    .map(|_| refusal::form("planner_failed", "SELECT", None))
            })
        });
        Ok(match fault {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    });
    match (fault, walked) {
        (Some(fault), _) => refusal::err(fault),
        (None, Err(_)) => refusal::err(refusal::form("planner_failed", "SELECT", None)),
        (None, Ok(_)) => Ok(()),
    }
}

fn node_fault(node: &LogicalPlan) -> Option<Finding> {
    let (rule, subject) = match node {
        LogicalPlan::Aggregate(_)
        | LogicalPlan::Distinct(Distinct::All(_))
        | LogicalPlan::Filter(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Projection(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::Window(_) => return None,
        LogicalPlan::Union(_) => ("set_operation", "UNION"),
        LogicalPlan::RecursiveQuery(_) => ("recursive_query", "WITH RECURSIVE"),
        LogicalPlan::Subquery(_) => ("subquery", "SELECT"),
        _ => ("form_not_admitted", "SELECT"),
    };
    Some(refusal::form(rule, subject, None))
}

fn expression_fault(expr: &Expr) -> Option<Finding> {
    let refused = match expr {
        Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::ScalarSubquery(_)
        | Expr::SetComparison(_) => refusal::form("subquery", expr.variant_name(), None),
        Expr::AggregateFunction(function)
            if function.params.distinct && function.func.name().contains('.') =>
        {
            refusal::form("aggregate_modifier", function.func.name(), None)
        }
        Expr::Alias(_)
        | Expr::AggregateFunction(_)
        | Expr::Between(_)
        | Expr::BinaryExpr(_)
        | Expr::Case(_)
        | Expr::Cast(_)
        | Expr::Column(_)
        | Expr::GroupingSet(_)
        | Expr::InList(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotNull(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotUnknown(_)
        | Expr::IsNull(_)
        | Expr::IsTrue(_)
        | Expr::IsUnknown(_)
        | Expr::Like(_)
        | Expr::Literal(_, _)
        | Expr::Negative(_)
        | Expr::Not(_)
        | Expr::ScalarFunction(_)
        | Expr::TryCast(_)
        | Expr::WindowFunction(_) => return None,
        _ => refusal::form("form_not_admitted", expression::form_name(expr), None),
    };
    Some(refused)
}

/// The plan with its columns in the types that may leave, each under a name of its own.
fn widened(
    plan: LogicalPlan,
    limits: &SqlLimits,
) -> Result<(LogicalPlan, Vec<OutputColumn>), Box<Finding>> {
    let mut output: Vec<OutputColumn> = Vec::new();
    let mut columns = Vec::new();
    for (qualifier, field) in plan.schema().iter() {
        let name = field.name();
        if name.len() > NAME_BYTES_MAX || output.iter().any(|column| column.name == *name) {
            return refusal::err(column_name(name));
        }
        let data_type = match field.data_type() {
            DataType::Null => ColumnType::Utf8,
            other => ColumnType::releasing(other)
                .ok_or_else(|| refusal::form("form_not_admitted", name, None))?,
        };
        let column = Expr::Column((qualifier, field).into());
        columns.push(cast(column, data_type.arrow()).alias(name));
        output.push(OutputColumn {
            name: name.clone(),
            data_type,
        });
    }
    let max = limits.columns_out;
    if output.is_empty() || output.len() > max {
        return refusal::err(refusal::limit(
            "SELECT",
            format!("结果最多 {max} 列"),
            format!("a result has at most {max} columns"),
            None,
        ));
    }
    let plan = LogicalPlanBuilder::from(plan)
        .project(columns)
        .and_then(|plan| plan.project(output.iter().map(|column| col(quoted(&column.name)))))
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| unplannable(&error))?;
    Ok((plan, output))
}

/// A name as `col` takes it: as it is, whatever is in it.
fn quoted(name: &str) -> datafusion::common::Column {
    datafusion::common::Column::new_unqualified(name)
}

fn column_name(name: &str) -> Finding {
    let shown: String = name.chars().take(32).collect();
    Finding::refuse(
        "column_name",
        shown,
        (
            format!("结果列名须各不相同，最长 {NAME_BYTES_MAX} 字节"),
            format!(
                "the columns of a result have names of their own, of at most {NAME_BYTES_MAX} bytes"
            ),
        ),
        ("请用 AS 命名", "name it with AS"),
    )
}

fn no_function(modules: &[QueryModule]) -> Finding {
    let names: Vec<String> = modules.iter().flat_map(QueryModule::qualified).collect();
    let names = names.join(", ");
    Finding::refuse(
        "module_not_called",
        "modules",
        (
            "查询没有调用模块的任何函数",
            "the query calls no function of its modules",
        ),
        (
            format!("调用其中之一：{names}；或不带模块提交，结果可自动出域"),
            format!(
                "call one of them: {names}; or submit it without modules, which can be released at once"
            ),
        ),
    )
}

/// Encodes a plan, and reads it back: what a jailed engine could not read must not be admitted.
fn encode(plan: &LogicalPlan, names: &ReviewedNames<'_>) -> Result<Vec<u8>, DataFusionError> {
    let bytes = logical_plan_to_bytes_with_extension_codec(plan, &ScansByName)?;
    logical_plan_from_bytes_with_extension_codec(&bytes, &names.engine_names(), &ScansByName)?;
    Ok(bytes.to_vec())
}

#[cfg(test)]
mod tests;
