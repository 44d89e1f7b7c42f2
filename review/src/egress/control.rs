//! Control columns: what the engine counts per cell so that egress need not guess.
//!
//! The two control aggregates are only declared here; the runtime implements them. A governed plan
//! that reached an engine without them would not run.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Extension, LogicalPlan, Signature,
    TableType, Volatility,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::logical_plan::LogicalExtensionCodec;

use serde::{Deserialize, Serialize};

use crate::{CALL_PREFIX, HOLDINGS_FUNCTION, SCAN_PREFIX, UNITS_FUNCTION};

/// Fields of the folded holdings of a cell.
pub(crate) fn holdings_fields() -> Fields {
    Fields::from(vec![
        Field::new("units", DataType::UInt64, true),
        Field::new("x1", DataType::Float64, true),
        Field::new("x2", DataType::Float64, true),
        Field::new("total", DataType::Float64, true),
        Field::new("distinct", DataType::UInt64, true),
        Field::new("negative", DataType::Float64, true),
        Field::new("each", DataType::Binary, true),
    ])
}

/// `egret_units(unit) -> Binary`, by name.
pub(crate) fn units_function() -> Arc<AggregateUDF> {
    let signature = Signature::exact(vec![DataType::UInt32], Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(Declared::new(
        UNITS_FUNCTION,
        signature,
        DataType::Binary,
    )))
}

/// `egret_holdings(unit, value) -> Struct`, by name.
pub(crate) fn holdings_function() -> Arc<AggregateUDF> {
    let arguments = vec![DataType::UInt32, DataType::Float64];
    let signature = Signature::exact(arguments, Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(Declared::new(
        HOLDINGS_FUNCTION,
        signature,
        DataType::Struct(holdings_fields()),
    )))
}

/// An aggregate that is declared here and run in the jail.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Declared {
    name: String,
    signature: Signature,
    returns: DataType,
}

impl Declared {
    pub(crate) fn new(name: &str, signature: Signature, returns: DataType) -> Self {
        Self {
            name: name.to_owned(),
            signature,
            returns,
        }
    }
}

impl AggregateUDFImpl for Declared {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn accumulator(&self, _arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Err(DataFusionError::NotImplemented(format!(
            "{} is declared only",
            self.name
        )))
    }
}

/// A table that can be named in a plan but not read.
#[derive(Debug)]
pub(crate) struct NamedTable {
    /// Granted columns, then the control column where there is one.
    pub(crate) schema: SchemaRef,
}

#[async_trait]
impl TableProvider for NamedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(DataFusionError::NotImplemented(
            "a named table is not read here".to_owned(),
        ))
    }
}

/// A call of a table function, as it stands in a plan behind [`CALL_PREFIX`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableCall {
    /// `module.function`
    pub(crate) function: String,
    /// The tables that it reads.
    pub(crate) tables: Vec<String>,
    /// Constants of the declared types.
    pub(crate) constants: Vec<serde_json::Value>,
}

/// A call that can be named in a plan but not made.
#[derive(Debug)]
pub(crate) struct CalledTable {
    pub(crate) call: TableCall,
    pub(crate) schema: SchemaRef,
}

#[async_trait]
impl TableProvider for CalledTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(DataFusionError::NotImplemented(
            "a function is not called here".to_owned(),
        ))
    }
}

/// Writes a scan as its table's name, and reads it back as a table that is only named.
#[derive(Debug)]
pub(crate) struct ScansByName;

impl LogicalExtensionCodec for ScansByName {
    fn try_decode(
        &self,
        _bytes: &[u8],
        _inputs: &[LogicalPlan],
        _context: &TaskContext,
    ) -> Result<Extension> {
        Err(DataFusionError::NotImplemented(
            "no extension nodes".to_owned(),
        ))
    }

    fn try_encode(&self, _node: &Extension, _bytes: &mut Vec<u8>) -> Result<()> {
        Err(DataFusionError::NotImplemented(
            "no extension nodes".to_owned(),
        ))
    }

    fn try_decode_table_provider(
        &self,
        bytes: &[u8],
        table: &TableReference,
        schema: SchemaRef,
        _context: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        if let Some(call) = bytes.strip_prefix(CALL_PREFIX.as_bytes()) {
            let call = serde_json::from_slice(call)
                .map_err(|_| DataFusionError::Plan("not a call".to_owned()))?;
            return Ok(Arc::new(CalledTable { call, schema }));
        }
        if bytes != format!("{SCAN_PREFIX}{}", table.table()).as_bytes() {
            return Err(DataFusionError::Plan("not a scan by name".to_owned()));
        }
        Ok(Arc::new(NamedTable { schema }))
    }

    fn try_encode_table_provider(
        &self,
        table: &TableReference,
        provider: Arc<dyn TableProvider>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        if let Some(called) = (&*provider as &dyn std::any::Any).downcast_ref::<CalledTable>() {
            bytes.extend_from_slice(CALL_PREFIX.as_bytes());
            return serde_json::to_writer(bytes, &called.call)
                .map_err(|_| DataFusionError::Plan("not a call".to_owned()));
        }
        bytes.extend_from_slice(SCAN_PREFIX.as_bytes());
        bytes.extend_from_slice(table.table().as_bytes());
        Ok(())
    }
}

/// The columns of a table that a plan reads, with the control column where it is wanted: what a
/// staged file has to hold, and nothing else that the table has.
pub(crate) fn staged_schema(schema: &Schema, read: &[String], control: bool) -> SchemaRef {
    let mut fields: Vec<Field> = schema
        .fields()
        .iter()
        .filter(|field| read.contains(field.name()))
        .map(|field| field.as_ref().clone())
        .collect();
    if control {
        fields.push(Field::new(crate::UNIT_COLUMN, DataType::UInt32, false));
    }
    Arc::new(Schema::new(fields))
}
