//! WASM guests, good and evil, over real Parquet files.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt32Array,
    UInt64Array,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::ipc::reader::StreamReader;
use parquet::arrow::ArrowWriter;
use runtime::{
    ColumnType, Completed, Fault, InputFormat, Limit, Limits, Order, Outcome, OutputField, Program,
    module_from_text,
};

use crate::support::{Test, input, never, pool, run_alone, test};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test("guests::every_type_goes_in_and_comes_out", echo_all_types),
        test(
            "guests::a_sum_over_many_batches_burns_the_same_fuel_twice",
            sum,
        ),
        test("guests::the_seed_and_the_log", seed_and_log),
        test("guests::evil", evil),
        test("guests::endless_loops_end", endless),
        test("guests::inputs_that_do_not_cross_are_refused", inputs),
        test("guests::modules_that_are_refused_are_not_run", modules),
    ]
}

/// What every guest here shares: imports, memory, a bump allocator that grows.
const PRELUDE: &str = r#"
    (import "egret" "next_batch" (func $next (param i32) (result i32)))
    (import "egret" "emit" (func $emit (param i32) (result i32)))
    (import "egret" "log" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 4096))
    (func (export "egret_abi_version") (result i32) (i32.const 1))"#;

const ALLOC: &str = r#"
    (func $alloc (export "alloc") (param $size i32) (param $align i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
        (global.set $top (i32.add (local.get $at) (local.get $size)))
        (block $fits
            (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
            (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $size) (i32.const 65536))))))
        (local.get $at))"#;

/// Emits each batch as it came, then gives its memory back.
const ECHO: &str = r#"
    (func (export "run") (result i32)
        (local $batch i32)
        (loop $more
            (global.set $top (i32.const 4096))
            (local.set $batch (call $next (i32.const 0)))
            (if (local.get $batch) (then
                (drop (call $emit (local.get $batch)))
                (br $more))))
        (i32.const 0))"#;

fn module(parts: &[&str]) -> Vec<u8> {
    module_from_text(&format!("(module {PRELUDE} {})", parts.join("\n"))).unwrap()
}

fn field(name: &str, data_type: ColumnType) -> OutputField {
    OutputField {
        name: name.to_owned(),
        data_type,
    }
}

fn order(module: Vec<u8>, output: Vec<OutputField>, batch: Option<&RecordBatch>) -> Order {
    let inputs = batch.map(|batch| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer =
            ArrowWriter::try_new(file.reopen().unwrap(), batch.schema(), None).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        input("in", file.path(), InputFormat::Parquet)
    });
    let program = Program::Wasm {
        module,
        output,
        seed: [42; 32],
    };
    Order {
        program,
        inputs: inputs.into_iter().collect(),
        limits: Limits::default(),
    }
}

fn read(completed: &Completed) -> RecordBatch {
    assert_eq!(completed.outcome, Outcome::Finished);
    let reader = StreamReader::try_new(completed.output.as_deref().unwrap(), None).unwrap();
    let schema = reader.schema();
    let batches: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
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

/// Sums the first column and emits one row: the sum, and how many rows there were.
const SUM: &str = r#"
    (func (export "run") (result i32)
        (local $batch i32) (local $rows i32) (local $data i32) (local $at i32)
        (local $sum f64) (local $count i64)
        (block $end (loop $more
            (global.set $top (i32.const 4096))
            (local.set $batch (call $next (i32.const 0)))
            (br_if $end (i32.eqz (local.get $batch)))
            (local.set $rows (i32.load (local.get $batch)))
            (local.set $data (i32.load offset=16 (i32.load offset=8 (local.get $batch))))
            (local.set $at (i32.const 0))
            (block $done (loop $row
                (br_if $done (i32.ge_u (local.get $at) (local.get $rows)))
                (local.set $sum (f64.add (local.get $sum)
                    (f64.load (i32.add (local.get $data) (i32.shl (local.get $at) (i32.const 3))))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (br $row)))
            (local.set $count (i64.add (local.get $count) (i64.extend_i32_u (local.get $rows))))
            (br $more)))
        (i32.store (i32.const 1024) (i32.const 1))
        (i32.store (i32.const 1028) (i32.const 2))
        (i32.store (i32.const 1032) (i32.const 1040))
        (i32.store (i32.const 1040) (i32.const 4))
        (i32.store (i32.const 1056) (i32.const 1100))
        (i32.store (i32.const 1060) (i32.const 8))
        (i32.store (i32.const 1064) (i32.const 3))
        (i32.store (i32.const 1080) (i32.const 1108))
        (i32.store (i32.const 1084) (i32.const 8))
        (f64.store (i32.const 1100) (local.get $sum))
        (i64.store (i32.const 1108) (local.get $count))
        (call $emit (i32.const 1024)))"#;

/// An order that sums numbers in a guest.
pub(crate) fn small_guest() -> Order {
    let values: Float64Array = (0..1000).map(|at| Some(f64::from(at))).collect();
    let batch = RecordBatch::try_from_iter([("v", Arc::new(values) as ArrayRef)]).unwrap();
    let output = vec![
        field("sum", ColumnType::Float64),
        field("rows", ColumnType::Int64),
    ];
    order(module(&[ALLOC, SUM]), output, Some(&batch))
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

async fn evil() {
    let out = |text: &str| format!(r#"(func (export "run") (result i32) {text})"#);
    let bad = Outcome::Faulted(Fault::GuestOutputInvalid);
    let trap = Outcome::Faulted(Fault::GuestTrapped);
    let memory = Outcome::LimitExceeded(Limit::WasmMemory);
    let descriptor = |rows: i64, columns: i64, pointer: i64| {
        format!(
            "(i32.store (i32.const 8) (i32.const {rows})) (i32.store (i32.const 12) (i32.const {columns})) (i32.store (i32.const 16) (i32.const {pointer})) (call $emit (i32.const 8))"
        )
    };
    let cases: Vec<(&str, String, Outcome)> = vec![
        (
            "says that it failed",
            out("(i32.const 7)"),
            Outcome::Faulted(Fault::GuestFailed),
        ),
        ("unreachable", out("unreachable"), trap),
        (
            "divides by zero",
            out("(i32.div_u (i32.const 1) (i32.const 0))"),
            trap,
        ),
        (
            "reads beyond its memory",
            out("(i32.load (i32.const -4))"),
            trap,
        ),
        (
            "recurses without end",
            r#"(func $f (export "run") (result i32) (i32.add (call $f) (i32.const 1)))"#.into(),
            trap,
        ),
        (
            "grows without end",
            out("(loop $l (drop (memory.grow (i32.const 64))) (br $l)) (i32.const 0)"),
            memory,
        ),
        (
            "grows at once",
            out("(memory.grow (i32.const 65535))"),
            memory,
        ),
        (
            "emits from nowhere",
            out("(call $emit (i32.const -8))"),
            bad,
        ),
        (
            "emits a descriptor at the edge",
            out("(call $emit (i32.const 65530))"),
            bad,
        ),
        ("emits no columns", out(&descriptor(1, 0, 64)), bad),
        (
            "emits columns from nowhere",
            out(&descriptor(1, 1, -16)),
            bad,
        ),
        ("emits rows without end", out(&descriptor(-1, 1, 64)), bad),
        ("emits an empty type", out(&descriptor(1, 1, 64)), bad),
        (
            "asks for an input that is not there",
            out("(call $next (i32.const 5))"),
            bad,
        ),
        (
            "asks for a negative input",
            out("(call $next (i32.const -1))"),
            bad,
        ),
        (
            "logs from nowhere",
            out("(call $log (i32.const 65000) (i32.const 70000)) (i32.const 0)"),
            bad,
        ),
        (
            "logs with a length without end",
            out("(call $log (i32.const 0) (i32.const -1)) (i32.const 0)"),
            bad,
        ),
    ];
    let pool = pool(2).await;
    for (what, text, expected) in cases {
        let order = order(
            module(&[ALLOC, &text]),
            vec![field("a", ColumnType::Int64)],
            None,
        );
        let completed = pool.run(order, never()).await.unwrap();
        assert_eq!(completed.outcome, expected, "{what}");
        assert!(completed.output.is_none(), "{what}");
    }
    let alloc = |body: &str| {
        format!(
            r#"(func (export "alloc") (param i32 i32) (result i32) {body}) (func (export "run") (result i32) (call $next (i32.const 0)))"#
        )
    };
    let values: Int64Array = (0..5000).map(Some).collect();
    let batch = RecordBatch::try_from_iter([("v", Arc::new(values) as ArrayRef)]).unwrap();
    for (what, body, expected) in [
        ("allocates at null", "(i32.const 0)", bad),
        ("allocates crooked", "(i32.const 4099)", bad),
        ("allocates nowhere", "(i32.const -8)", bad),
        ("allocates too little", "(i32.const 65528)", bad),
        ("traps in allocating", "unreachable", trap),
        (
            "asks for batches while allocating",
            "(call $next (i32.const 0))",
            bad,
        ),
        (
            "asks while allocating, deeper and deeper",
            "(drop (call $next (i32.const 0))) (i32.const 4096)",
            trap,
        ),
    ] {
        let mut order = order(
            module(&[&alloc(body)]),
            vec![field("a", ColumnType::Int64)],
            Some(&batch),
        );
        order.limits.batch_rows = if expected == trap { 1 } else { 1000 };
        let completed = pool.run(order, never()).await.unwrap();
        // How deep is too deep is the engine's business; that it ends in the guest is ours.
        let ended = completed.outcome == expected || completed.outcome == bad;
        assert!(ended, "{what}: {}", completed.outcome);
    }
    pool.shutdown().await;
}

async fn endless() {
    let endless = r#"(func (export "run") (result i32) (loop $l (br $l)) (i32.const 0))"#;
    let copying = r#"(func (export "run") (result i32)
        (drop (memory.grow (i32.const 2000)))
        (loop $l (memory.copy (i32.const 0) (i32.const 8) (i32.const 100000000)) (br $l)) (i32.const 0))"#;
    let starting = r#"(func $s (loop $l (br $l))) (start $s) (func (export "run") (result i32) (i32.const 0))"#;
    let pool = pool(2).await;
    for text in [endless, copying, starting] {
        let run = async |limits| {
            let order = order(
                module(&[ALLOC, text]),
                vec![field("a", ColumnType::Int64)],
                None,
            );
            pool.run(Order { limits, ..order }, never()).await.unwrap()
        };
        let slow = Limits {
            wall_ms: 500,
            fuel: u64::MAX / 2,
            ..Limits::default()
        };
        assert_eq!(run(slow).await.outcome, Outcome::TimedOut);
        if text == copying {
            continue;
        }
        let completed = run(Limits {
            fuel: 1_000_000,
            ..Limits::default()
        })
        .await;
        assert_eq!(completed.outcome, Outcome::LimitExceeded(Limit::Fuel));
        assert_eq!(completed.meter.fuel, 1_000_000);
    }
    // Emitting for ever meets the output's limits.
    let values: Int64Array = (0..1000).map(Some).collect();
    let batch = RecordBatch::try_from_iter([("v", Arc::new(values) as ArrayRef)]).unwrap();
    let flood = r#"(func (export "run") (result i32) (local $b i32)
        (local.set $b (call $next (i32.const 0)))
        (loop $l (drop (call $emit (local.get $b))) (br $l)) (i32.const 0))"#;
    for (limits, limit) in [
        (
            Limits {
                output_rows_max: 10_000,
                ..Limits::default()
            },
            Limit::OutputRows,
        ),
        (
            Limits {
                output_bytes_max: 100_000,
                ..Limits::default()
            },
            Limit::OutputBytes,
        ),
    ] {
        let order = order(
            module(&[ALLOC, flood]),
            vec![field("a", ColumnType::Int64)],
            Some(&batch),
        );
        let completed = pool.run(Order { limits, ..order }, never()).await.unwrap();
        assert_eq!(completed.outcome, Outcome::LimitExceeded(limit));
        assert!(completed.output.is_none());
    }
    pool.shutdown().await;
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
