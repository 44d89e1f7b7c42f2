//! Plans as admission writes them, and files as staging makes them.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Fields, SchemaRef};
use arrow::ipc::reader::StreamReader;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::datasource::TableType;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Extension, LogicalPlan, Signature,
    Volatility,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_proto::bytes::logical_plan_to_bytes_with_extension_codec;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use parquet::arrow::ArrowWriter;
use runtime::{Completed, InputFormat, Limits, Order, Outcome, Program};
use tempfile::TempDir;

use crate::support::input;

/// Writes scans by name, as admission does.
#[derive(Debug)]
pub(crate) struct ByName;

impl LogicalExtensionCodec for ByName {
    fn try_decode(&self, _: &[u8], _: &[LogicalPlan], _: &TaskContext) -> Result<Extension> {
        Err(DataFusionError::NotImplemented(String::new()))
    }

    fn try_encode(&self, _: &Extension, _: &mut Vec<u8>) -> Result<()> {
        Err(DataFusionError::NotImplemented(String::new()))
    }

    fn try_decode_table_provider(
        &self,
        _: &[u8],
        _: &TableReference,
        _: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        Err(DataFusionError::NotImplemented(String::new()))
    }

    fn try_encode_table_provider(
        &self,
        table: &TableReference,
        _: Arc<dyn TableProvider>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        bytes.extend_from_slice(format!("egret-scan:{}", table.table()).as_bytes());
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct Named(SchemaRef);

#[async_trait]
impl TableProvider for Named {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Err(DataFusionError::NotImplemented(String::new()))
    }
}

/// The control aggregates, declared as admission declares them.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Declared(&'static str, Signature, DataType);

impl AggregateUDFImpl for Declared {
    fn name(&self) -> &str {
        self.0
    }

    fn signature(&self) -> &Signature {
        &self.1
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.2.clone())
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Err(DataFusionError::NotImplemented(String::new()))
    }
}

pub(crate) fn context(tables: &[(&str, SchemaRef)]) -> SessionContext {
    let config =
        SessionConfig::new().set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false);
    let context = SessionContext::new_with_config(config);
    for (name, schema) in tables {
        context
            .register_table(*name, Arc::new(Named(Arc::clone(schema))))
            .unwrap();
    }
    let units = Signature::exact(vec![DataType::UInt32], Volatility::Immutable);
    context.register_udaf(AggregateUDF::from(Declared(
        "egret_units",
        units,
        DataType::Binary,
    )));
    let arguments = vec![DataType::UInt32, DataType::Float64];
    let holdings = Signature::exact(arguments, Volatility::Immutable);
    let number = |name: &str, data_type| Field::new(name, data_type, true);
    let fields = Fields::from(vec![
        number("units", DataType::UInt64),
        number("x1", DataType::Float64),
        number("x2", DataType::Float64),
        number("total", DataType::Float64),
        number("distinct", DataType::UInt64),
        number("negative", DataType::Float64),
        number("each", DataType::Binary),
    ]);
    let holdings = Declared("egret_holdings", holdings, DataType::Struct(fields));
    context.register_udaf(AggregateUDF::from(holdings));
    context
}

pub(crate) async fn plan(sql: &str, tables: &[(&str, SchemaRef)]) -> Vec<u8> {
    let frame = context(tables).sql(sql).await.unwrap();
    let plan = frame.into_unoptimized_plan();
    logical_plan_to_bytes_with_extension_codec(&plan, &ByName)
        .unwrap()
        .to_vec()
}

const PERSONS: u32 = 500;
pub(crate) const ROWS: usize = 20_000;

/// Claims of persons, with the control column that staging adds.
pub(crate) fn claims() -> RecordBatch {
    let unit = |row: usize| u32::try_from(row * 7919 % PERSONS as usize).unwrap();
    let rows = 0..ROWS;
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "district",
            Arc::new(
                rows.clone()
                    .map(|row| Some(["思明", "湖里", "集美", "海沧"][unit(row) as usize % 4]))
                    .collect::<StringArray>(),
            ),
        ),
        (
            "visits",
            Arc::new(
                rows.clone()
                    .map(|row| (row % 9 != 0).then_some(i64::try_from(row % 13).unwrap()))
                    .collect::<Int64Array>(),
            ),
        ),
        (
            "cost",
            Arc::new(
                rows.clone()
                    .map(|row| {
                        (row % 11 != 0)
                            .then_some(f64::from(u32::try_from(row % 1000).unwrap()) / 4.0)
                    })
                    .collect::<Float64Array>(),
            ),
        ),
        (
            "day",
            Arc::new(
                rows.clone()
                    .map(|row| Some(i32::try_from(row % 365).unwrap() + 19_000))
                    .collect::<Date32Array>(),
            ),
        ),
        (
            "__egret_unit",
            Arc::new(
                rows.map(unit)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .map(Some)
                    .collect::<UInt32Array>(),
            ),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

pub(crate) fn districts() -> RecordBatch {
    RecordBatch::try_from_iter([
        (
            "district",
            Arc::new(StringArray::from(vec!["思明", "湖里", "集美"])) as ArrayRef,
        ),
        (
            "zone",
            Arc::new(StringArray::from(vec!["island", "island", "mainland"])) as ArrayRef,
        ),
    ])
    .unwrap()
}

pub(crate) struct Staged {
    folder: TempDir,
}

impl Staged {
    pub(crate) fn new() -> Self {
        let staged = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        staged.write("claims", &claims());
        staged.write("districts", &districts());
        staged
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, batch: &RecordBatch) {
        let file = std::fs::File::create(self.path(name)).unwrap();
        let properties = parquet::file::properties::WriterProperties::builder()
            .set_max_row_group_row_count(Some(3000))
            .build();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
    }

    pub(crate) fn order(&self, plan: Vec<u8>) -> Order {
        let input = |name: &str| input(name, &self.path(name), InputFormat::Parquet);
        Order {
            program: Program::sql(plan),
            inputs: vec![input("claims"), input("districts")],
            limits: Limits::default(),
        }
    }
}

pub(crate) fn tables() -> Vec<(&'static str, SchemaRef)> {
    vec![
        ("claims", claims().schema()),
        ("districts", districts().schema()),
    ]
}

pub(crate) fn read(completed: &Completed) -> RecordBatch {
    assert_eq!(completed.outcome, Outcome::Finished);
    let bytes = completed.output.as_deref().unwrap();
    let reader = StreamReader::try_new(bytes, None).unwrap();
    let schema = reader.schema();
    let batches: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// An order as a small governed job makes it.
pub(crate) async fn small_job() -> Order {
    let sql = "SELECT district, count(*) AS n, sum(visits) AS v, egret_units(__egret_unit) AS u, \
               egret_holdings(__egret_unit, cost) AS h FROM claims GROUP BY district";
    Staged::new().order(plan(sql, &tables()).await)
}
