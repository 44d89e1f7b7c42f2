//! What a function of a module costs a row when SQL calls it: the same query with the call and without it, in turn.

use std::{fs::File, sync::Arc, time::Instant};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema},
};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use review::{
    ColumnType, PrivateTable, QueryFunction, QueryModule, ReviewedAdmission, Scope, SqlLimits,
    admit_reviewed,
};
use runtime::{
    Input, InputFormat, Limits, Order, Program, SqlModule, Supervisor, module_from_text,
    with_manifest,
};
use tokio::sync::watch;

use crate::{
    record::{Figure, quantile, record},
    worker,
};

const ROWS: i64 = 16_000_000;
const ROUNDS: usize = 7;

const MANIFEST: &str = r#"{"name": "m", "version": "1", "functions": [{"kind": "scalar", "name": "add_one",
    "arguments": [{"name": "x", "data_type": "int64"}], "returns": "int64"}]}"#;

/// Adds one in the block that it is given, as a compiler would write it without vector instructions.
const TEXT: &str = r#"(module (memory (export "memory") 16)
    (func (export "egret_abi_version") (result i32) (i32.const 1))
    (func (export "alloc") (param i32 i32) (result i32) (i32.const 4096))
    (func (export "add_one") (param $batch i32) (result i32)
        (local $at i32) (local $end i32)
        (local.set $at (i32.load offset=16 (i32.load offset=8 (local.get $batch))))
        (local.set $end (i32.add (local.get $at) (i32.shl (i32.load (local.get $batch)) (i32.const 3))))
        (block $done (loop $row
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            (i64.store (local.get $at) (i64.add (i64.const 1) (i64.load (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br $row)))
        (local.get $batch)))"#;

pub(crate) async fn run() {
    let file = rows();
    let with = order("SELECT sum(m.add_one(x)) AS s FROM t", &file);
    // The constant is computed once, so that everything else is the same.
    let without = order("SELECT sum(x + m.add_one(0)) AS s FROM t", &file);
    let pool = worker::pool(1).await;
    let mut differences = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let called = timed(&pool, &with).await;
        let plain = timed(&pool, &without).await;
        differences.push((called - plain) * 1e9 / ROWS as f64);
    }
    pool.shutdown().await;
    differences.sort_by(f64::total_cmp);
    record(&Figure {
        name: "wasm_add_one_ns",
        ours: quantile(&differences, 0.5),
        peer: None,
        unit: "ns a row",
        note: "i64 add one called from SQL over 16 M rows, with fuel, copies in and out and validation; median of 7 \
               differences to the same query in which the engine adds",
    });
}

async fn timed(pool: &Supervisor, order: &Order) -> f64 {
    while pool.queue().idle < 1 {
        tokio::task::yield_now().await;
    }
    let (_keep, cancel) = watch::channel(false);
    let start = Instant::now();
    let completed = pool
        .run(order.clone(), cancel)
        .await
        .expect("the pool runs");
    assert!(completed.output.is_some(), "{}", completed.outcome);
    start.elapsed().as_secs_f64()
}

fn rows() -> File {
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
    let mut file = tempfile::tempfile().expect("a temporary file");
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .build();
    let mut writer =
        ArrowWriter::try_new(&mut file, Arc::clone(&schema), Some(properties)).expect("a writer");
    for start in (0..ROWS).step_by(1 << 20) {
        let end = (start + (1 << 20)).min(ROWS);
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(start..end));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]).expect("a batch");
        writer.write(&batch).expect("rows");
    }
    writer.close().expect("a file");
    file
}

fn order(sql: &str, file: &File) -> Order {
    let scope = Scope::of_own_tables([PrivateTable {
        name: "t".to_owned(),
        schema: Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)])),
        keys: Default::default(),
    }]);
    let offered = QueryModule {
        name: "m".to_owned(),
        functions: vec![QueryFunction::Scalar {
            name: "add_one".to_owned(),
            arguments: vec![ColumnType::Int64],
            returns: ColumnType::Int64,
        }],
    };
    let query = match admit_reviewed(sql, &scope, &[offered], &SqlLimits::default()) {
        ReviewedAdmission::Admitted(query) => query,
        ReviewedAdmission::Refused(findings) => panic!("{}", findings[0].reason.en),
    };
    let binary = module_from_text(TEXT).expect("a module");
    let (module, facts) = with_manifest(&binary, MANIFEST.as_bytes()).expect("a manifest");
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    let readable = File::open(path).expect("the file once more");
    Order {
        program: Program::Sql {
            plan: query.plan,
            modules: vec![SqlModule {
                name: "m".to_owned(),
                module,
                owner: "bench".to_owned(),
                functions: facts.manifest.expect("a manifest").functions,
            }],
            seed: [0; 32],
        },
        inputs: vec![Input {
            name: "t".to_owned(),
            bytes: readable.metadata().expect("its size").len(),
            file: Arc::new(readable),
            format: InputFormat::Parquet,
        }],
        limits: Limits::default(),
    }
}
