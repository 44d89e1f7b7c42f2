//! From bytes to a plan, and the second look at it. Admission has proved the plan; this look does
//! not depend on that: only listed nodes, listed expressions, listed functions, and scans that name
//! an input.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Distinct, Expr, Extension, LogicalPlan, Operator};
use datafusion_proto::bytes::logical_plan_from_bytes_with_extension_codec;
use datafusion_proto::logical_plan::LogicalExtensionCodec;

use super::called::{CALL_PREFIX, CalledRows, rows_of};
use super::table::StagedTable;
use crate::guest::Functions;
use crate::outcome::Fault;
use crate::staged_file::StagedFile;

/// How a scan names its table; admission writes it.
const SCAN_PREFIX: &str = "egret-scan:";

/// Decodes a governed plan against the inputs of the run, and looks at every part of it.
pub(super) fn decode(
    bytes: &[u8],
    inputs: Vec<(String, StagedFile)>,
    functions: Option<Arc<Functions>>,
    context: &TaskContext,
) -> std::result::Result<LogicalPlan, Fault> {
    let codec = ScansByName {
        inputs,
        functions,
        input_fault: AtomicBool::new(false),
    };
    let decoded = logical_plan_from_bytes_with_extension_codec(bytes, context, &codec);
    if codec.input_fault.load(Ordering::Relaxed) {
        return Err(Fault::InputInvalid);
    }
    let plan = decoded.map_err(|error| match error.find_root() {
        // Names of functions that the engine does not have.
        DataFusionError::NotImplemented(_) => Fault::ProgramRefused,
        _ => Fault::ProgramInvalid,
    })?;
    if listed(&plan) {
        Ok(plan)
    } else {
        Err(Fault::ProgramRefused)
    }
}

/// Whether every node and every expression is on the list.
fn listed(plan: &LogicalPlan) -> bool {
    let mut all = true;
    let walked = plan.apply_with_subqueries(|node| {
        all = all && node_listed(node) && expressions_listed(node);
        Ok(if all {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    });
    all && walked.is_ok()
}

/// The nodes that a plan may have; scans are of inputs and of table functions alone, `Distinct` of whole rows.
pub(super) const NODES: &[&str] = &[
    "Aggregate",
    "Distinct",
    "EmptyRelation",
    "Filter",
    "Join",
    "Limit",
    "Projection",
    "Sort",
    "Subquery",
    "SubqueryAlias",
    "TableScan",
    "Union",
    "Values",
    "Window",
];

fn node_listed(node: &LogicalPlan) -> bool {
    let may_be = match node {
        LogicalPlan::TableScan(scan) => source_as_provider(&scan.source).is_ok_and(|provider| {
            let provider: &dyn std::any::Any = provider.as_ref();
            provider.is::<StagedTable>() || provider.is::<CalledRows>()
        }),
        LogicalPlan::Distinct(distinct) => matches!(distinct, Distinct::All(_)),
        _ => true,
    };
    may_be && NODES.contains(&node_name(node))
}

/// Without a wildcard: a node of a later engine has to be thought about.
fn node_name(node: &LogicalPlan) -> &'static str {
    match node {
        LogicalPlan::Aggregate(_) => "Aggregate",
        LogicalPlan::Analyze(_) => "Analyze",
        LogicalPlan::Copy(_) => "Copy",
        LogicalPlan::Ddl(_) => "Ddl",
        LogicalPlan::DescribeTable(_) => "DescribeTable",
        LogicalPlan::Distinct(_) => "Distinct",
        LogicalPlan::Dml(_) => "Dml",
        LogicalPlan::EmptyRelation(_) => "EmptyRelation",
        LogicalPlan::Explain(_) => "Explain",
        LogicalPlan::Extension(_) => "Extension",
        LogicalPlan::Filter(_) => "Filter",
        LogicalPlan::Join(_) => "Join",
        LogicalPlan::Limit(_) => "Limit",
        LogicalPlan::Projection(_) => "Projection",
        LogicalPlan::RecursiveQuery(_) => "RecursiveQuery",
        LogicalPlan::Repartition(_) => "Repartition",
        LogicalPlan::Sort(_) => "Sort",
        LogicalPlan::Statement(_) => "Statement",
        LogicalPlan::Subquery(_) => "Subquery",
        LogicalPlan::SubqueryAlias(_) => "SubqueryAlias",
        LogicalPlan::TableScan(_) => "TableScan",
        LogicalPlan::Union(_) => "Union",
        LogicalPlan::Unnest(_) => "Unnest",
        LogicalPlan::Values(_) => "Values",
        LogicalPlan::Window(_) => "Window",
    }
}

fn expressions_listed(node: &LogicalPlan) -> bool {
    let mut all = true;
    let walked = node.apply_expressions(|expression| {
        expression.apply(|part| {
            all = all && expression_listed(part);
            Ok(if all {
                TreeNodeRecursion::Continue
            } else {
                TreeNodeRecursion::Stop
            })
        })
    });
    all && walked.is_ok()
}

/// The expressions that a plan may have, as the engine calls them; functions are looked at by name in `functions`.
pub(super) const EXPRESSIONS: &[&str] = &[
    "AggregateFunction",
    "Alias",
    "Between",
    "BinaryExpr",
    "Case",
    "Cast",
    "Column",
    "Exists",
    "GroupingSet",
    "InList",
    "InSubquery",
    "IsFalse",
    "IsNotFalse",
    "IsNotNull",
    "IsNotTrue",
    "IsNotUnknown",
    "IsNull",
    "IsTrue",
    "IsUnknown",
    "Like",
    "Literal",
    "Negative",
    "Not",
    "Outer",
    "ScalarFunction",
    "ScalarSubquery",
    "TryCast",
    "WindowFunction",
];

/// The operators of `BinaryExpr` that a plan may have.
pub(super) const OPERATORS: &[Operator] = &[
    Operator::Eq,
    Operator::NotEq,
    Operator::Lt,
    Operator::LtEq,
    Operator::Gt,
    Operator::GtEq,
    Operator::Plus,
    Operator::Minus,
    Operator::Multiply,
    Operator::Divide,
    Operator::Modulo,
    Operator::And,
    Operator::Or,
    Operator::IsDistinctFrom,
    Operator::IsNotDistinctFrom,
    Operator::StringConcat,
    // What the engine makes of `grouping()`.
    Operator::BitwiseAnd,
    Operator::BitwiseShiftRight,
];

fn expression_listed(expression: &Expr) -> bool {
    let may_be = match expression {
        Expr::BinaryExpr(binary) => OPERATORS.contains(&binary.op),
        _ => true,
    };
    may_be && EXPRESSIONS.contains(&expression.variant_name())
}

/// Turns the name in a scan into the input of that name.
#[derive(Debug)]
struct ScansByName {
    inputs: Vec<(String, StagedFile)>,
    functions: Option<Arc<Functions>>,
    /// An input was missing or held something else: not the plan's fault.
    input_fault: AtomicBool,
}

impl LogicalExtensionCodec for ScansByName {
    fn try_decode(&self, _: &[u8], _: &[LogicalPlan], _: &TaskContext) -> Result<Extension> {
        Err(DataFusionError::NotImplemented("extension node".to_owned()))
    }

    fn try_encode(&self, _: &Extension, _: &mut Vec<u8>) -> Result<()> {
        Err(DataFusionError::NotImplemented("extension node".to_owned()))
    }

    fn try_decode_table_provider(
        &self,
        bytes: &[u8],
        _: &TableReference,
        schema: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        if let Some(call) = bytes.strip_prefix(CALL_PREFIX.as_bytes()) {
            let no_call = || DataFusionError::NotImplemented("table function".to_owned());
            let functions = self.functions.as_ref().ok_or_else(no_call)?;
            let rows = rows_of(call, functions, &self.inputs, &schema).ok_or_else(no_call)?;
            return Ok(Arc::new(rows));
        }
        let name = bytes
            .strip_prefix(SCAN_PREFIX.as_bytes())
            .and_then(|name| std::str::from_utf8(name).ok())
            .ok_or_else(|| DataFusionError::Plan("not a scan by name".to_owned()))?;
        let position = self.inputs.iter().position(|(input, _)| input == name);
        let table = position
            .and_then(|position| StagedTable::open(&self.inputs[position].1, position, schema));
        match table {
            Some(table) => Ok(Arc::new(table)),
            None => {
                self.input_fault.store(true, Ordering::Relaxed);
                Err(DataFusionError::Plan("no such input".to_owned()))
            }
        }
    }

    fn try_encode_table_provider(
        &self,
        _: &TableReference,
        _: Arc<dyn TableProvider>,
        _: &mut Vec<u8>,
    ) -> Result<()> {
        Err(DataFusionError::NotImplemented("encoding".to_owned()))
    }
}
