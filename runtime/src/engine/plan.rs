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

use super::files::StagedFile;
use super::table::StagedTable;
use crate::outcome::Fault;

/// How a scan names its table; admission writes it.
const SCAN_PREFIX: &str = "egret-scan:";

/// Decodes a governed plan against the inputs of the run, and looks at every part of it.
pub(super) fn decode(
    bytes: &[u8],
    inputs: Vec<(String, StagedFile)>,
    context: &TaskContext,
) -> std::result::Result<LogicalPlan, Fault> {
    let codec = ScansByName {
        inputs,
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

fn node_listed(node: &LogicalPlan) -> bool {
    match node {
        LogicalPlan::TableScan(scan) => source_as_provider(&scan.source).is_ok_and(|provider| {
            let provider: &dyn std::any::Any = provider.as_ref();
            provider.is::<StagedTable>()
        }),
        LogicalPlan::Distinct(distinct) => matches!(distinct, Distinct::All(_)),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_) => true,
        LogicalPlan::Window(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_) => false,
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

fn expression_listed(expression: &Expr) -> bool {
    match expression {
        Expr::BinaryExpr(binary) => operator_listed(binary.op),
        Expr::Alias(_)
        | Expr::Column(_)
        | Expr::Literal(_, _)
        | Expr::Like(_)
        | Expr::Not(_)
        | Expr::IsNotNull(_)
        | Expr::IsNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Negative(_)
        | Expr::Between(_)
        | Expr::Case(_)
        | Expr::Cast(_)
        | Expr::TryCast(_)
        | Expr::ScalarFunction(_)
        | Expr::AggregateFunction(_)
        | Expr::InList(_)
        | Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::ScalarSubquery(_)
        | Expr::OuterReferenceColumn(_, _) => true,
        _ => false,
    }
}

fn operator_listed(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::Plus
            | Operator::Minus
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo
            | Operator::And
            | Operator::Or
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
            | Operator::StringConcat
    )
}

/// Turns the name in a scan into the input of that name.
#[derive(Debug)]
struct ScansByName {
    inputs: Vec<(String, StagedFile)>,
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
