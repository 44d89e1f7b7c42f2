//! An engine for tests: runs a governed plan over tables in memory, with plain control aggregates.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, StructArray,
    TimestampSecondArray, UInt32Array, UInt64Array,
};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, SchemaRef, UInt32Type};
use arrow::ipc::writer::StreamWriter;
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result, ScalarValue, TableReference};
use datafusion::datasource::MemTable;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Extension, LogicalPlan, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use datafusion_proto::bytes::logical_plan_from_bytes_with_extension_codec;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use roaring::RoaringBitmap;

use super::control::holdings_fields;
use super::{Decision, EarlierCell, InspectKind, InspectRequest, Inspection, inspect};
use crate::admission::Governed;
use crate::contract::OutputRules;
use crate::sample::admitted;
use crate::{HOLDINGS_FUNCTION, SCAN_PREFIX, UNIT_COLUMN, UNITS_FUNCTION};

/// One row of the claims table.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) person: u32,
    pub(crate) plan: &'static str,
    pub(crate) region: &'static str,
    pub(crate) disease: &'static str,
    pub(crate) year: i32,
    pub(crate) day: i32,
    pub(crate) charges: f64,
    pub(crate) visits: i64,
}

/// Tables by their name in SQL.
#[derive(Clone, Debug, Default)]
pub(crate) struct Data(pub(crate) BTreeMap<String, RecordBatch>);

impl Data {
    /// The claims table with its control column.
    pub(crate) fn claims(mut self, rows: &[Claim]) -> Self {
        let text = |f: &dyn Fn(&Claim) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(rows.iter().map(f)))
        };
        let batch = RecordBatch::try_from_iter(vec![
            ("person", text(&|c| format!("p{}", c.person))),
            ("hospital", text(&|c| format!("h{}", c.person % 7))),
            ("plan", text(&|c| c.plan.to_owned())),
            ("region", text(&|c| c.region.to_owned())),
            ("disease", text(&|c| c.disease.to_owned())),
            (
                "year",
                Arc::new(Int32Array::from_iter_values(rows.iter().map(|c| c.year))) as ArrayRef,
            ),
            (
                "day",
                Arc::new(Date32Array::from_iter_values(rows.iter().map(|c| c.day))),
            ),
            (
                "at",
                Arc::new(TimestampSecondArray::from_iter_values(
                    rows.iter().map(|c| i64::from(c.day) * 86_400),
                )),
            ),
            (
                "charges",
                Arc::new(Float64Array::from_iter_values(
                    rows.iter().map(|c| c.charges),
                )),
            ),
            (
                "visits",
                Arc::new(Int64Array::from_iter_values(rows.iter().map(|c| c.visits))),
            ),
            (
                "price",
                Arc::new(
                    Decimal128Array::from_iter_values(rows.iter().map(|c| i128::from(c.visits)))
                        .with_precision_and_scale(12, 2)
                        .unwrap(),
                ),
            ),
            (UNIT_COLUMN, units(rows.iter().map(|c| c.person))),
        ])
        .unwrap();
        self.0.insert("claims".to_owned(), batch);
        self
    }

    /// The labs table: person, kind, value.
    pub(crate) fn labs(mut self, rows: &[(u32, &str, f64)]) -> Self {
        let batch = RecordBatch::try_from_iter(vec![
            ("person", texts(rows.iter().map(|r| format!("p{}", r.0)))),
            ("kind", texts(rows.iter().map(|r| r.1.to_owned()))),
            ("region", texts(rows.iter().map(|_| "r".to_owned()))),
            (
                "value",
                Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.2))) as ArrayRef,
            ),
            (UNIT_COLUMN, units(rows.iter().map(|r| r.0))),
        ])
        .unwrap();
        self.0.insert("labs".to_owned(), batch);
        self
    }

    /// The tenant's clients: person, segment.
    pub(crate) fn clients(mut self, rows: &[(u32, &str)]) -> Self {
        let batch = RecordBatch::try_from_iter(vec![
            ("person", texts(rows.iter().map(|r| format!("p{}", r.0)))),
            ("segment", texts(rows.iter().map(|r| r.1.to_owned()))),
            ("city", texts(rows.iter().map(|_| "c".to_owned()))),
            (
                "weight",
                Arc::new(Int64Array::from_iter_values(rows.iter().map(|_| 1))) as ArrayRef,
            ),
        ])
        .unwrap();
        self.0.insert("clients".to_owned(), batch);
        self
    }

    /// The same data without one person: D′.
    pub(crate) fn without(&self, person: u32) -> Self {
        let name = format!("p{person}");
        Self(
            self.0
                .iter()
                .map(|(table, batch)| {
                    if table == "clients" {
                        return (table.clone(), batch.clone());
                    }
                    let persons = batch.column_by_name("person").unwrap().as_string::<i32>();
                    let keep: BooleanArray =
                        persons.iter().map(|p| Some(p != Some(&name))).collect();
                    (table.clone(), filter_record_batch(batch, &keep).unwrap())
                })
                .collect(),
        )
    }

    /// The same rows in another order.
    pub(crate) fn shuffled(&self) -> Self {
        let batch = |batch: &RecordBatch| {
            let rows = u32::try_from(batch.num_rows()).unwrap();
            let mut order: Vec<u32> = (0..rows).collect();
            order.sort_by_key(|row| (row.wrapping_mul(2_654_435_761), *row));
            take_record_batch(batch, &UInt32Array::from(order)).unwrap()
        };
        Self(
            self.0
                .iter()
                .map(|(name, table)| (name.clone(), batch(table)))
                .collect(),
        )
    }
}

fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn units(values: impl Iterator<Item = u32>) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(values))
}

/// Runs a governed plan and gives its raw output.
pub(crate) fn run(governed: &Governed, data: &Data) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let context = SessionContext::new();
        context.register_udaf(AggregateUDF::new_from_impl(Counting::units()));
        context.register_udaf(AggregateUDF::new_from_impl(Counting::holdings()));
        let codec = InMemory(data.clone());
        let names = context.task_ctx();
        let plan =
            logical_plan_from_bytes_with_extension_codec(&governed.plan, &names, &codec).unwrap();
        let frame = context.execute_logical_plan(plan).await.unwrap();
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        for batch in &batches {
            let batch =
                RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()).unwrap();
            writer.write(&batch).unwrap();
        }
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    })
}

/// A tenant with a history: asks, is answered, and what it got is remembered.
#[derive(Default)]
pub(crate) struct Tenant {
    pub(crate) history: Vec<EarlierCell>,
    pub(crate) rules: OutputRules,
    pub(crate) offsets: Option<BTreeMap<String, u64>>,
}

impl Tenant {
    /// Asks without remembering the answer.
    pub(crate) fn look(&self, sql: &str, data: &Data) -> Inspection {
        let governed = admitted(sql);
        let output = run(&governed, data);
        let request = InspectRequest {
            kind: InspectKind::Sql {
                governed: Box::new(governed),
            },
            rules: self.rules.clone(),
            history: self.history.clone(),
            offsets: self.offsets.clone(),
            rows_max: 100_000,
            bytes_max: 64 << 20,
        };
        let through_json: InspectRequest =
            serde_json::from_slice(&serde_json::to_vec(&request).unwrap()).unwrap();
        assert_eq!(request, through_json);
        inspect(&request, &output)
    }

    /// Asks, and remembers what is released.
    pub(crate) fn ask(&mut self, sql: &str, data: &Data) -> Inspection {
        let inspection = self.look(sql, data);
        if matches!(
            inspection.decision,
            Decision::Release | Decision::PartialRelease
        ) {
            let release = format!("release_{}", self.history.len());
            self.history
                .extend(inspection.cells.iter().map(|cell| EarlierCell {
                    release: release.clone(),
                    universe: cell.universe.clone(),
                    units: cell.units.clone(),
                }));
        }
        inspection
    }
}

/// The released text, line by line, without the header.
pub(crate) fn lines(inspection: &Inspection) -> Vec<String> {
    let Some(bytes) = &inspection.released else {
        return Vec::new();
    };
    let text = String::from_utf8(bytes.clone()).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

#[derive(Debug)]
struct InMemory(Data);

impl LogicalExtensionCodec for InMemory {
    fn try_decode(&self, _: &[u8], _: &[LogicalPlan], _: &TaskContext) -> Result<Extension> {
        Err(DataFusionError::NotImplemented(String::new()))
    }

    fn try_encode(&self, _: &Extension, _: &mut Vec<u8>) -> Result<()> {
        Err(DataFusionError::NotImplemented(String::new()))
    }

    fn try_decode_table_provider(
        &self,
        bytes: &[u8],
        _: &TableReference,
        schema: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let name = std::str::from_utf8(bytes)
            .unwrap()
            .strip_prefix(SCAN_PREFIX)
            .unwrap();
        let table = &self.0.0[name];
        let columns = schema
            .fields()
            .iter()
            .map(|field| Arc::clone(table.column_by_name(field.name()).expect("a staged column")))
            .collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }

    fn try_encode_table_provider(
        &self,
        _: &TableReference,
        _: Arc<dyn TableProvider>,
        _: &mut Vec<u8>,
    ) -> Result<()> {
        Err(DataFusionError::NotImplemented(String::new()))
    }
}

/// Both control aggregates: one keeps units, the other what they hold.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Counting {
    name: &'static str,
    signature: Signature,
    returns: DataType,
}

impl Counting {
    fn units() -> Self {
        let signature = Signature::exact(vec![DataType::UInt32], Volatility::Immutable);
        Self {
            name: UNITS_FUNCTION,
            signature,
            returns: DataType::Binary,
        }
    }

    fn holdings() -> Self {
        let types = vec![DataType::UInt32, DataType::Float64];
        let signature = Signature::exact(types, Volatility::Immutable);
        Self {
            name: HOLDINGS_FUNCTION,
            signature,
            returns: DataType::Struct(holdings_fields()),
        }
    }
}

impl AggregateUDFImpl for Counting {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn state_fields(&self, _: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new("rows", DataType::Binary, true))])
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let holdings = self.name == HOLDINGS_FUNCTION;
        Ok(Box::new(Rows {
            holdings,
            rows: Vec::new(),
        }))
    }
}

#[derive(Debug)]
struct Rows {
    holdings: bool,
    rows: Vec<(u32, Option<f64>)>,
}

impl Accumulator for Rows {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let units = values[0].as_primitive::<UInt32Type>();
        for row in 0..units.len() {
            let value = values.get(1).and_then(|values| {
                let values = values.as_primitive::<Float64Type>();
                (!values.is_null(row)).then(|| values.value(row))
            });
            self.rows.push((units.value(row), value));
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in states[0].as_binary::<i32>().iter().flatten() {
            let rows: Vec<(u32, Option<u64>)> = serde_json::from_slice(state).unwrap();
            self.rows
                .extend(rows.into_iter().map(|(u, v)| (u, v.map(f64::from_bits))));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let rows: Vec<(u32, Option<u64>)> = self
            .rows
            .iter()
            .map(|(u, v)| (*u, v.map(f64::to_bits)))
            .collect();
        Ok(vec![ScalarValue::Binary(Some(
            serde_json::to_vec(&rows).unwrap(),
        ))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if !self.holdings {
            let set: RoaringBitmap = self.rows.iter().map(|(unit, _)| *unit).collect();
            let mut bytes = Vec::new();
            set.serialize_into(&mut bytes).unwrap();
            return Ok(ScalarValue::Binary(Some(bytes)));
        }
        let mut sums: BTreeMap<u32, f64> = BTreeMap::new();
        let mut nets: BTreeMap<u32, f64> = BTreeMap::new();
        let mut distinct = BTreeSet::new();
        let mut negative = 0.0;
        for (unit, value) in &self.rows {
            if let Some(value) = value {
                *sums.entry(*unit).or_default() += value.abs();
                *nets.entry(*unit).or_default() += value;
                distinct.insert(value.to_bits());
                negative += (-value).max(0.0);
            }
        }
        let mut held: Vec<f64> = sums.into_values().filter(|sum| *sum != 0.0).collect();
        held.sort_by(|a, b| b.total_cmp(a));
        let at = |index: usize| held.get(index).copied().unwrap_or(0.0);
        let whole = |value: usize| -> ArrayRef {
            Arc::new(UInt64Array::from(vec![u64::try_from(value).unwrap()]))
        };
        let real = |value: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![value])) };
        let columns = vec![
            whole(held.len()),
            real(at(0)),
            real(at(1)),
            real(held.iter().sum()),
            whole(distinct.len().min(3)),
            real(negative),
            Arc::new(BinaryArray::from_vec(vec![&each(&nets)])),
        ];
        let folded = StructArray::new(holdings_fields(), columns, None);
        ScalarValue::try_from_array(&folded, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// What each unit holds, as the runtime writes it.
fn each(nets: &BTreeMap<u32, f64>) -> Vec<u8> {
    let held = nets.iter().filter(|(_, net)| **net != 0.0);
    #[allow(clippy::cast_possible_truncation, reason = "as the runtime does")]
    let held = held.map(|(unit, net)| (*unit, *net as f32));
    let held: Vec<(u32, f32)> = held.filter(|(_, net)| !net.is_nan()).collect();
    let shares = super::shares::tests::shares(held);
    let mut bytes = Vec::new();
    shares.write(&RoaringBitmap::full(), &mut bytes).unwrap();
    bytes
}

#[test]
fn the_control_column_of_the_test_engine_is_binary() {
    // A guard for the engine itself: its state is what `state_fields` says.
    let mut rows = Rows {
        holdings: false,
        rows: vec![(1, None), (1, None), (2, None)],
    };
    let state = rows.state().unwrap();
    let ScalarValue::Binary(Some(bytes)) = &state[0] else {
        panic!("binary")
    };
    let mut other = Rows {
        holdings: false,
        rows: vec![(3, None)],
    };
    let array: ArrayRef = Arc::new(BinaryArray::from_vec(vec![bytes.as_slice()]));
    other.merge_batch(&[array]).unwrap();
    let ScalarValue::Binary(Some(bytes)) = other.evaluate().unwrap() else {
        panic!("binary")
    };
    let set = RoaringBitmap::deserialize_from(bytes.as_slice()).unwrap();
    assert_eq!(set.iter().collect::<Vec<_>>(), [1, 2, 3]);
}
