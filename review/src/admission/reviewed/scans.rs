//! Scans by name, of the columns that are used: what is not used is not staged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, TableScan};

use super::super::types::TableUse;
use super::super::{refusal, unplannable};
use super::names::Reads;
use crate::egress::control::NamedTable;
use crate::finding::Finding;
use crate::scope::{Scope, Table};

/// A plan that a jailed engine can read.
pub(super) struct Named {
    pub(super) plan: LogicalPlan,
    pub(super) tables: Vec<TableUse>,
}

/// Used columns by table, as positions in the scope's schema.
type Used = BTreeMap<String, BTreeSet<usize>>;

/// Names the scans of a plan.
pub(super) fn by_name(
    plan: LogicalPlan,
    scope: &Scope,
    tables_max: usize,
    calls: Vec<Reads>,
) -> std::result::Result<Named, Vec<Finding>> {
    let cannot = |error: DataFusionError| vec![unplannable(&error)];
    let mut scans = calls.len();
    let mut used = Used::new();
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && source_as_provider(&scan.source).is_err()
        {
            scans += 1;
            let columns = used.entry(scan.table_name.table().to_owned()).or_default();
            let all = 0..scan.source.schema().fields().len();
            match &scan.projection {
                Some(positions) => columns.extend(positions),
                None => columns.extend(all),
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(cannot)?;
    if scans > tables_max {
        return Err(vec![refusal::limit(
            "FROM",
            format!("最多连接 {tables_max} 张表"),
            format!("at most {tables_max} tables are joined"),
            None,
        )]);
    }
    for columns in used.values_mut() {
        // A file needs a column to have rows.
        if columns.is_empty() {
            columns.insert(0);
        }
    }
    let plan = plan
        .transform_up(|node| match node {
            LogicalPlan::TableScan(scan) if source_as_provider(&scan.source).is_err() => {
                named(&scan, scope, &used).map(Transformed::yes)
            }
            other => Ok(Transformed::no(other)),
        })
        .map_err(cannot)?
        .data;
    // What table functions read, too: they find their columns by name.
    for (name, columns) in calls.into_iter().flatten() {
        if let Some(table) = scope.table(&name) {
            let positions = columns
                .iter()
                .filter_map(|column| table.schema.index_of(column).ok());
            used.entry(name).or_default().extend(positions);
        }
    }
    Ok(Named {
        plan,
        tables: uses(scope, &used),
    })
}

fn named(scan: &TableScan, scope: &Scope, used: &Used) -> Result<LogicalPlan> {
    let name = scan.table_name.table();
    let (Some(table), Some(columns)) = (scope.table(name), used.get(name)) else {
        return Err(DataFusionError::Plan(format!(
            "no table {name} in this scenario"
        )));
    };
    let schema = part(table, columns);
    let all: Vec<usize> = (0..table.schema.fields().len()).collect();
    let wanted = scan.projection.as_ref().unwrap_or(&all);
    let projection = wanted
        .iter()
        .map(|position| {
            columns
                .iter()
                .position(|column| column == position)
                .ok_or_else(|| DataFusionError::Plan("a column that is not used".to_owned()))
        })
        .collect::<Result<Vec<_>>>()?;
    let source = provider_as_source(Arc::new(NamedTable { schema }));
    LogicalPlanBuilder::scan(scan.table_name.clone(), source, Some(projection))?.build()
}

fn part(table: &Table, columns: &BTreeSet<usize>) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|position| table.schema.field(*position).clone());
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn uses(scope: &Scope, used: &Used) -> Vec<TableUse> {
    let tables = used.iter().filter_map(|(name, columns)| {
        let table = scope.table(name)?;
        let columns = columns.iter();
        let columns = columns.map(|position| table.schema.field(*position).name().clone());
        Some(TableUse {
            table: name.clone(),
            columns: columns.collect(),
            control: false,
        })
    });
    tables.collect()
}
