//! WASM guests that behave, and inputs and modules that are refused.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt32Array,
    UInt64Array,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use libtest_mimic::Trial;
use runtime::{ColumnType, Fault, InputFormat, Outcome, module_from_text};

use crate::parts::{ALLOC, ECHO, PRELUDE, SUM, field, module, order, read};
use crate::support::{input, never, pool, run_alone, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("guests::every_type_goes_in_and_comes_out", echo_all_types),
        test(
            "guests::a_sum_over_many_batches_burns_the_same_fuel_twice",
            sum,
        ),
        test("guests::the_seed_and_the_log", seed_and_log),
        test("guests::inputs_that_do_not_cross_are_refused", inputs),
        test("guests::modules_that_are_refused_are_not_run", modules),
    ]
}

async fn echo_all_types() {
    let n = 1000;
    let some = |at: usize| !at.is_multiple_of(7);
    let whole = |at: usize| i64::try_from(at).unwrap() - 300;
    let columns: Vec<(&str, ArrayRef, ColumnType, DataType)> = vec![
        (
            "bool",
            Arc::new(
                (0..n)
                    .map(|at| some(at).then_some(at % 3 == 0))
                    .collect::<BooleanArray>(),
            ),
            ColumnType::Boolean,
            DataType::Boolean,
        ),
        (
            "i16",
            Arc::new(
                (0..n)
                    .map(|at| some(at).then_some(i16::try_from(whole(at)).unwrap()))
                    .collect::<Int16Array>(),
            ),
            ColumnType::Int32,
            DataType::Int32,
        ),
        (
            "u32",
            Arc::new(
                (0..n)
                    .map(|at| Some(u32::try_from(at).unwrap()))
                    .collect::<UInt32Array>(),
            ),
            ColumnType::Int64,
            DataType::Int64,
        ),
        (
            "i64",
            Arc::new(
                (0..n)
                    .map(|at| some(at).then_some(whole(at)))
                    .collect::<Int64Array>(),
            ),
            ColumnType::Int64,
            DataType::Int64,
        ),
        (
            "f32",
            Arc::new(
                (0..n)
                    .map(|at| some(at).then_some(at as f32 / 8.0))
                    .collect::<Float32Array>(),
            ),
            ColumnType::Float64,
            DataType::Float64,
        ),
        (
            "f64",
            Arc::new(
                (0..n)
                    .map(|at| some(at).then_some(at as f64 / 3.0))
                    .collect::<Float64Array>(),
            ),
            ColumnType::Float64,
            DataType::Float64,
        ),
        (
            "text",
            Arc::new(
                (0..n)
                    .map(|at| some(at).then(|| format!("白鹭{at}")))
                    .collect::<StringArray>(),
            ),
            ColumnType::Utf8,
            DataType::Utf8,
        ),
        (
            "date",
            Arc::new(
                (0..n)
                    .map(|at| some(at).then_some(i32::try_from(at).unwrap()))
                    .collect::<Date32Array>(),
            ),
            ColumnType::Date32,
            DataType::Date32,
        ),
        (
            "time",
            Arc::new(
                (0..n)
                    .map(|at| some(at).then_some(whole(at)))
                    .collect::<TimestampMillisecondArray>(),
            ),
            ColumnType::TimestampMicros,
            ColumnType::TimestampMicros.arrow_for_tests(),
        ),
    ];
    let batch = RecordBatch::try_from_iter(
        columns
            .iter()
            .map(|(name, array, _, _)| (*name, Arc::clone(array))),
    )
    .unwrap();
    let output = columns
        .iter()
        .map(|(name, _, crossing, _)| field(name, *crossing))
        .collect();
    let mut order = order(module(&[ALLOC, ECHO]), output, Some(&batch));
    order.limits.batch_rows = 77;
    let completed = run_alone(order).await;
    let out = read(&completed);
    assert_eq!(
        (completed.meter.rows_in, completed.meter.rows_out),
        (1000, 1000)
    );
    for (name, array, _, expected) in &columns {
        let expected = arrow::compute::cast(array, expected).unwrap();
        assert_eq!(&out[*name], &expected, "{name}");
    }
}

trait ArrowForTests {
    fn arrow_for_tests(self) -> DataType;
}

impl ArrowForTests for ColumnType {
    fn arrow_for_tests(self) -> DataType {
        DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None)
    }
}

async fn sum() {
    let rows = 100_000;
    let values: Float64Array = (0..rows).map(|at| Some(f64::from(at) / 2.0)).collect();
    let batch = RecordBatch::try_from_iter([("v", Arc::new(values) as ArrayRef)]).unwrap();
    let output = vec![
        field("sum", ColumnType::Float64),
        field("rows", ColumnType::Int64),
    ];
    let pool = pool(2).await;
    let mut fuel = Vec::new();
    for _ in 0..2 {
        let order = order(module(&[ALLOC, SUM]), output.clone(), Some(&batch));
        let completed = pool.run(order, never()).await.unwrap();
        let out = read(&completed);
        assert_eq!(
            out["sum"].as_primitive::<Float64Type>().value(0),
            2_499_975_000.0
        );
        assert_eq!(out["rows"].as_primitive::<Int64Type>().value(0), 100_000);
        assert_eq!(completed.meter.rows_in, 100_000);
        fuel.push(completed.meter.fuel);
    }
    assert_eq!(fuel[0], fuel[1]);
    assert!(fuel[0] > 1_000_000, "{fuel:?}");
    pool.shutdown().await;
}

async fn seed_and_log() {
    let guest = r#"
        (global $seed (mut i32) (i32.const 0))
        (func (export "egret_seed") (param i32) (global.set $seed (local.get 0)))
        (func (export "run") (result i32)
            (call $log (global.get $seed) (i32.const 32))
            (call $log (i32.const 0) (i32.const 4000))
            (call $log (i32.const 0) (i32.const 4000))
            (i32.const 0))"#;
    let mut order = order(
        module(&[ALLOC, guest]),
        vec![field("a", ColumnType::Int32)],
        None,
    );
    order.limits.guest_log_bytes = 5000;
    let completed = run_alone(order).await;
    assert_eq!(read(&completed).num_rows(), 0);
    assert_eq!(completed.guest_log[..32], [42; 32]);
    assert_eq!(
        completed.guest_log.len(),
        5000,
        "the log is cut, the guest goes on"
    );
}

async fn inputs() {
    let pool = pool(2).await;
    let one = |name: &str, array: ArrayRef| RecordBatch::try_from_iter([(name, array)]).unwrap();
    let unsupported = Outcome::Faulted(Fault::InputUnsupported);
    for (batch, expected) in [
        (
            one("d", Arc::new(Decimal128Array::from(vec![1]))),
            unsupported,
        ),
        (
            one("u", Arc::new(UInt64Array::from(vec![u64::MAX]))),
            unsupported,
        ),
        (
            one("__egret_unit", Arc::new(UInt32Array::from(vec![1]))),
            Outcome::Faulted(Fault::InputInvalid),
        ),
    ] {
        let order = order(
            module(&[ALLOC, ECHO]),
            vec![field("a", ColumnType::Int64)],
            Some(&batch),
        );
        let completed = pool.run(order, never()).await.unwrap();
        assert_eq!(completed.outcome, expected);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"PAR1 no it is not PAR1").unwrap();
    let mut order = order(
        module(&[ALLOC, ECHO]),
        vec![field("a", ColumnType::Int64)],
        None,
    );
    order.inputs = vec![input("in", file.path(), InputFormat::Parquet)];
    let completed = pool.run(order, never()).await.unwrap();
    assert_eq!(completed.outcome, Outcome::Faulted(Fault::InputInvalid));
    pool.shutdown().await;
}

async fn modules() {
    let pool = pool(2).await;
    let other_version = PRELUDE.replace("(i32.const 1))", "(i32.const 2))");
    let run = r#"(func (export "run") (result i32) (i32.const 0))"#;
    let wasi = r#"(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))"#;
    let text =
        |prelude: &str| module_from_text(&format!("(module {prelude} {ALLOC} {run})")).unwrap();
    let mut cut = text(PRELUDE);
    cut.truncate(cut.len() - 3);
    for (what, module, fault) in [
        (
            "another version",
            text(&other_version),
            Fault::ProgramRefused,
        ),
        (
            "another import",
            text(&format!("{wasi} {PRELUDE}")),
            Fault::ProgramRefused,
        ),
        (
            "no exports",
            module_from_text("(module)").unwrap(),
            Fault::ProgramRefused,
        ),
        ("cut", cut, Fault::ProgramInvalid),
        (
            "text",
            format!("(module {PRELUDE} {ALLOC} {run})").into_bytes(),
            Fault::ProgramInvalid,
        ),
        ("nothing", vec![], Fault::ProgramInvalid),
    ] {
        let order = order(module, vec![field("a", ColumnType::Int64)], None);
        let completed = pool.run(order, never()).await.unwrap();
        assert_eq!(completed.outcome, Outcome::Faulted(fault), "{what}");
    }
    pool.shutdown().await;
}
