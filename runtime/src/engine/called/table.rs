//! A table function of a module: called once while the query is planned, its rows are a table in memory.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray,
};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use serde::Deserialize;
use serde_json::Value;

use super::ended;
use crate::guest::{FunctionPlace, Functions};
use crate::manifest::ModuleFunction;
use crate::order::{ColumnType, OutputField, output_schema};
use crate::staged_file::StagedFile;

/// How a call of a table function stands in a plan; admission writes it.
pub(in crate::engine) const CALL_PREFIX: &str = "egret-call:";

/// What follows the prefix.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// `module.function`
    function: String,
    /// Inputs of the run, as many as are declared.
    tables: Vec<String>,
    /// Constants, as many as are declared; null is null.
    constants: Vec<Value>,
}

/// A call as a table of the engine.
#[derive(Debug)]
pub(in crate::engine) struct CalledRows {
    functions: Arc<Functions>,
    place: FunctionPlace,
    tables: Vec<(StagedFile, Vec<OutputField>)>,
    constants: RecordBatch,
    schema: SchemaRef,
}

/// The call in these bytes; none where there is no such function, or the call is not one of it.
pub(in crate::engine) fn rows_of(
    bytes: &[u8],
    functions: &Arc<Functions>,
    inputs: &[(String, StagedFile)],
    declared: &SchemaRef,
) -> Option<CalledRows> {
    let call: Call = serde_json::from_slice(bytes).ok()?;
    let (_, place, function) = functions
        .all()
        .find(|(name, _, _)| *name == call.function)?;
    let ModuleFunction::Table {
        inputs: read,
        arguments,
        columns,
        ..
    } = function
    else {
        return None;
    };
    let schema = output_schema(columns);
    if call.tables.len() != read.len() || schema.fields() != declared.fields() {
        return None;
    }
    let tables = call.tables.iter().zip(read).map(|(table, read)| {
        let (_, file) = inputs.iter().find(|(name, _)| name == table)?;
        Some((file.clone(), read.columns.clone()))
    });
    Some(CalledRows {
        functions: Arc::clone(functions),
        place,
        tables: tables.collect::<Option<Vec<_>>>()?,
        constants: constants(&call.constants, arguments)?,
        schema,
    })
}

/// One row of constants.
fn constants(values: &[Value], arguments: &[OutputField]) -> Option<RecordBatch> {
    if values.len() != arguments.len() {
        return None;
    }
    let columns = values
        .iter()
        .zip(arguments)
        .map(|(value, argument)| constant(value, argument.data_type))
        .collect::<Option<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(output_schema(arguments), columns, &options).ok()
}

fn constant(value: &Value, data_type: ColumnType) -> Option<ArrayRef> {
    /// The value that `read` finds; null where there is none.
    fn one<'v, T>(value: &'v Value, read: impl Fn(&'v Value) -> Option<T>) -> Option<Option<T>> {
        match value {
            Value::Null => Some(None),
            value => read(value).map(Some),
        }
    }
    Some(match data_type {
        ColumnType::Boolean => Arc::new(BooleanArray::from(vec![one(value, Value::as_bool)?])),
        ColumnType::Int32 => {
            let read = |value: &Value| value.as_i64().and_then(|whole| i32::try_from(whole).ok());
            Arc::new(Int32Array::from(vec![one(value, read)?]))
        }
        ColumnType::Int64 => Arc::new(Int64Array::from(vec![one(value, Value::as_i64)?])),
        ColumnType::Float64 => Arc::new(Float64Array::from(vec![one(value, Value::as_f64)?])),
        ColumnType::Utf8 => Arc::new(StringArray::from(vec![one(value, Value::as_str)?])),
        ColumnType::Date32 | ColumnType::TimestampMicros => return None,
    })
}

#[async_trait]
impl TableProvider for CalledRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let batches = self
            .functions
            .table(self.place, self.tables.clone(), &self.constants)
            .map_err(ended)?;
        let schema = Arc::clone(&self.schema);
        Ok(MemorySourceConfig::try_new_exec(
            &[batches],
            schema,
            projection.cloned(),
        )?)
    }
}
