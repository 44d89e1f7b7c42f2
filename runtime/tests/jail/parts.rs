//! Guests put together from parts in text form.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::ipc::reader::StreamReader;
use parquet::arrow::ArrowWriter;
use runtime::{
    ColumnType, Completed, InputFormat, Limits, Order, Outcome, OutputField, Program,
    module_from_text,
};

use crate::support::input;

/// What every guest here shares: imports, memory, a bump allocator that grows.
pub(crate) const PRELUDE: &str = r#"
    (import "egret" "next_batch" (func $next (param i32) (result i32)))
    (import "egret" "emit" (func $emit (param i32) (result i32)))
    (import "egret" "log" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 4096))
    (func (export "egret_abi_version") (result i32) (i32.const 1))"#;

pub(crate) const ALLOC: &str = r#"
    (func $alloc (export "alloc") (param $size i32) (param $align i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
        (global.set $top (i32.add (local.get $at) (local.get $size)))
        (block $fits
            (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
            (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $size) (i32.const 65536))))))
        (local.get $at))"#;

/// Emits each batch as it came, then gives its memory back.
pub(crate) const ECHO: &str = r#"
    (func (export "run") (result i32)
        (local $batch i32)
        (loop $more
            (global.set $top (i32.const 4096))
            (local.set $batch (call $next (i32.const 0)))
            (if (local.get $batch) (then
                (drop (call $emit (local.get $batch)))
                (br $more))))
        (i32.const 0))"#;

pub(crate) fn module(parts: &[&str]) -> Vec<u8> {
    module_from_text(&format!("(module {PRELUDE} {})", parts.join("\n"))).unwrap()
}

pub(crate) fn field(name: &str, data_type: ColumnType) -> OutputField {
    OutputField {
        name: name.to_owned(),
        data_type,
    }
}

pub(crate) fn order(
    module: Vec<u8>,
    output: Vec<OutputField>,
    batch: Option<&RecordBatch>,
) -> Order {
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
        owner: "tenant".to_owned(),
        output,
        seed: [42; 32],
    };
    Order {
        program,
        inputs: inputs.into_iter().collect(),
        limits: Limits::default(),
    }
}

pub(crate) fn read(completed: &Completed) -> RecordBatch {
    assert_eq!(completed.outcome, Outcome::Finished);
    let reader = StreamReader::try_new(completed.output.as_deref().unwrap(), None).unwrap();
    let schema = reader.schema();
    let batches: Vec<_> = reader.map(|batch| batch.unwrap()).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// Sums the first column and emits one row: the sum, and how many rows there were.
pub(crate) const SUM: &str = r#"
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
