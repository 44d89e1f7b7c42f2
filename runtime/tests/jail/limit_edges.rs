//! Every field of the limits: what stays under it or at it goes on, what goes over it ends with an
//! outcome that names it. Times have no exact edge: they are tried well under and over.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use libtest_mimic::Trial;
use runtime::{
    ColumnType, Completed, Input, InputFormat, Limit, Limits, Order, OrderFault, Outcome, RunError,
    Supervisor,
};

use crate::command_parts::command_order;
use crate::commands::{columns, copy, table};
use crate::compile::bomb;
use crate::parts::{ALLOC, ECHO, PRELUDE, field, module, order, small_guest};
use crate::support::{never, pool, task, test};

const PAGE_BYTES: u64 = 65_536;
const FINISHED: Outcome = Outcome::Finished;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("limit_edges::times", times),
        test("limit_edges::memory", memory),
        test("limit_edges::output", output),
        test("limit_edges::fuel", fuel),
        test("limit_edges::linear_memory", linear_memory),
        test("limit_edges::tables", tables),
        test("limit_edges::guest_log", guest_log),
        test("limit_edges::orders", orders),
        test("limit_edges::batches", batches),
        test("limit_edges::machine_code", machine_code),
    ]
}

async fn run(pool: &Supervisor, order: &Order, change: impl FnOnce(&mut Limits)) -> Completed {
    let mut order = order.clone();
    change(&mut order.limits);
    pool.run(order, never()).await.unwrap()
}

/// Runs an order with values of one limit around what it needs, and compares each end.
async fn around(
    pool: &Supervisor,
    order: &Order,
    needed: u64,
    limit: Limit,
    set: impl Fn(&mut Limits, u64),
) {
    let over = Outcome::LimitExceeded(limit);
    for (value, outcome) in [
        (needed + 1, FINISHED),
        (needed, FINISHED),
        (needed - 1, over),
    ] {
        let completed = run(pool, order, |limits| set(limits, value)).await;
        assert_eq!(completed.outcome, outcome, "{limit:?} {value}");
        assert_eq!(completed.output.is_some(), outcome == FINISHED);
    }
}

fn integers(rows: i64) -> RecordBatch {
    let values: Int64Array = (0..rows).map(Some).collect();
    RecordBatch::try_from_iter([("a", Arc::new(values) as ArrayRef)]).unwrap()
}

fn echo(rows: i64) -> Order {
    order(
        module(&[ALLOC, ECHO]),
        vec![field("a", ColumnType::Int64)],
        Some(&integers(rows)),
    )
}

/// A guest that does this and emits nothing.
fn doing(text: &str) -> Order {
    let run = format!(r#"(func (export "run") (result i32) {text} (i32.const 0))"#);
    order(
        module(&[ALLOC, &run]),
        vec![field("a", ColumnType::Int64)],
        None,
    )
}

async fn times() {
    let pool = pool(1).await;
    let spin = task("spin", b"");
    let quick = task("echo", b"");
    for (order, outcome) in [(&quick, FINISHED), (&spin, Outcome::TimedOut)] {
        let completed = run(&pool, order, |limits| limits.wall_ms = 1_500).await;
        assert_eq!(completed.outcome, outcome);
    }
    let cpu = Outcome::LimitExceeded(Limit::Cpu);
    for (order, outcome) in [(&quick, FINISHED), (&spin, cpu)] {
        let completed = run(&pool, order, |limits| limits.cpu_s = 1).await;
        assert_eq!(completed.outcome, outcome);
    }
    let large = order(bomb(16), vec![field("a", ColumnType::Int64)], None);
    let wall = Outcome::LimitExceeded(Limit::CompileWall);
    for (order, outcome) in [(&small_guest(), FINISHED), (&large, wall)] {
        let completed = run(&pool, order, |limits| limits.compile_wall_ms = 1_500).await;
        assert_eq!(completed.outcome, outcome);
    }
    let cpu = Outcome::LimitExceeded(Limit::CompileCpu);
    let another = doing("(drop (i32.const 1))");
    for (order, outcome) in [(&another, FINISHED), (&large, cpu)] {
        let completed = run(&pool, order, |limits| limits.compile_cpu_s = 1).await;
        assert_eq!(completed.outcome, outcome);
    }
    pool.shutdown().await;
}

async fn memory() {
    let pool = pool(1).await;
    let over = Outcome::LimitExceeded(Limit::Memory);
    for (mib, outcome) in [("100", FINISHED), ("400", over)] {
        let order = task("memory", mib.as_bytes());
        let completed = run(&pool, &order, |limits| limits.memory_bytes = 300 << 20).await;
        assert_eq!(completed.outcome, outcome, "{mib} MiB");
    }
    let over = Outcome::LimitExceeded(Limit::CompileMemory);
    let large = order(bomb(16), vec![field("a", ColumnType::Int64)], None);
    for (order, outcome) in [(&small_guest(), FINISHED), (&large, over)] {
        let completed = run(&pool, order, |limits| {
            limits.compile_memory_bytes = 64 << 20;
        })
        .await;
        assert_eq!(completed.outcome, outcome);
    }
    pool.shutdown().await;
}

async fn output() {
    let pool = pool(1).await;
    let copying = command_order(&copy(0, 1), columns(), Some(&table(100)));
    for order in [echo(100), copying] {
        around(&pool, &order, 100, Limit::OutputRows, |limits, value| {
            limits.output_rows_max = value;
        })
        .await;
    }
    let order = echo(100);
    let bytes = run(&pool, &order, |_| {}).await.meter.bytes_out;
    around(&pool, &order, bytes, Limit::OutputBytes, |limits, value| {
        limits.output_bytes_max = value;
    })
    .await;
    // The answer of a task.
    let order = task("answer", b"1000");
    around(&pool, &order, 1_000, Limit::OutputBytes, |limits, value| {
        limits.output_bytes_max = value;
    })
    .await;
    pool.shutdown().await;
}

async fn fuel() {
    let pool = pool(1).await;
    let copying = command_order(&copy(0, 1), columns(), Some(&table(100)));
    for order in [echo(1_000), copying] {
        let needed = run(&pool, &order, |_| {}).await.meter.fuel;
        assert!(needed > 20, "{needed}");
        // The engine looks at calls and loops, not at every instruction: one unit less may not be seen.
        let over = Outcome::LimitExceeded(Limit::Fuel);
        for (value, outcome) in [
            (needed + 1, FINISHED),
            (needed, FINISHED),
            (needed / 2, over),
            (1, over),
        ] {
            let completed = run(&pool, &order, |limits| limits.fuel = value).await;
            assert_eq!(completed.outcome, outcome, "{value} of {needed}");
            assert!(completed.meter.fuel <= value);
        }
    }
    pool.shutdown().await;
}

async fn linear_memory() {
    let pool = pool(1).await;
    // One page at the start and nine more, in both interfaces.
    let growing = "(drop (memory.grow (i32.const 9)))";
    let in_command = "(drop (memory.grow (i32.const 8)))";
    for order in [
        doing(growing),
        command_order(in_command, columns(), None),
        // Ten pages at the start.
        order(
            runtime::module_from_text(&format!(
                r#"(module {} {ALLOC} (func (export "run") (result i32) (i32.const 0)))"#,
                PRELUDE.replace("\"memory\") 1)", "\"memory\") 10)")
            ))
            .unwrap(),
            vec![field("a", ColumnType::Int64)],
            None,
        ),
    ] {
        around(
            &pool,
            &order,
            10 * PAGE_BYTES,
            Limit::WasmMemory,
            |limits, value| {
                limits.wasm_memory_bytes = value;
            },
        )
        .await;
    }
    pool.shutdown().await;
}

async fn tables() {
    let pool = pool(1).await;
    let growing = r#"(table $t 10 funcref)
        (func (export "run") (result i32)
            (drop (table.grow $t (ref.null func) (i32.const 90))) (i32.const 0))"#;
    let at_start = r#"(table 100 funcref) (func (export "run") (result i32) (i32.const 0))"#;
    for text in [growing, at_start] {
        let order = order(
            module(&[ALLOC, text]),
            vec![field("a", ColumnType::Int64)],
            None,
        );
        around(&pool, &order, 100, Limit::WasmMemory, |limits, value| {
            limits.wasm_table_elements = value;
        })
        .await;
    }
    pool.shutdown().await;
}

/// What does not fit is dropped, and the run goes on: the only limit that ends nothing.
async fn guest_log() {
    let pool = pool(1).await;
    let order = doing("(call $log (i32.const 0) (i32.const 1000))");
    for (value, kept) in [(0, 0), (999, 999), (1_000, 1_000), (1_001, 1_000)] {
        let completed = run(&pool, &order, |limits| limits.guest_log_bytes = value).await;
        assert_eq!(completed.outcome, FINISHED);
        assert_eq!(completed.guest_log.len(), kept);
    }
    pool.shutdown().await;
}

/// Limits on the order itself are met before a worker has it.
async fn orders() {
    let pool = pool(1).await;
    let request = task("echo", &[7; 1_000]);
    let with = |order: &Order, limits: Limits| {
        let mut order = order.clone();
        order.limits = limits;
        pool.run(order, never())
    };
    let program = |program_bytes_max| Limits {
        program_bytes_max,
        ..Limits::default()
    };
    let inputs = |inputs_max| Limits {
        inputs_max,
        ..Limits::default()
    };
    for bytes in [1_001, 1_000] {
        let completed = with(&request, program(bytes)).await;
        assert_eq!(completed.unwrap().outcome, FINISHED);
    }
    let refused = with(&request, program(999)).await;
    assert!(matches!(
        refused,
        Err(RunError::Order(OrderFault::ProgramTooLarge {
            bytes: 1_000,
            max: 999
        }))
    ));
    let mut reading = task("read", b"");
    let file = tempfile::NamedTempFile::new().unwrap();
    reading.inputs = (0..3)
        .map(|number| Input {
            name: format!("input {number}"),
            file: Arc::new(File::open(file.path()).unwrap()),
            bytes: 0,
            format: InputFormat::Opaque,
        })
        .collect();
    for count in [4, 3] {
        let completed = with(&reading, inputs(count)).await;
        assert_eq!(completed.unwrap().outcome, FINISHED);
    }
    let refused = with(&reading, inputs(2)).await;
    assert!(matches!(
        refused,
        Err(RunError::Order(OrderFault::TooManyInputs {
            count: 3,
            max: 2
        }))
    ));
    pool.shutdown().await;
}

/// How many rows come at a time: the guest logs one byte a batch.
async fn batches() {
    let counting = r#"(func (export "run") (result i32)
        (loop $more
            (if (call $next (i32.const 0)) (then
                (call $log (i32.const 0) (i32.const 1))
                (br $more))))
        (i32.const 0))"#;
    let pool = pool(1).await;
    let order = order(
        module(&[ALLOC, counting]),
        vec![field("a", ColumnType::Int64)],
        Some(&integers(100)),
    );
    for (value, batches) in [(1, 100), (99, 2), (100, 1), (101, 1)] {
        let completed = run(&pool, &order, |limits| limits.batch_rows = value).await;
        assert_eq!(completed.outcome, FINISHED);
        assert_eq!(completed.guest_log.len(), batches, "{value}");
        assert_eq!(completed.meter.rows_in, 100);
    }
    pool.shutdown().await;
}

/// The size of the code is the compiler's business: it is found by halving, and is a sharp edge.
async fn machine_code() {
    let pool = pool(1).await;
    let order = small_guest();
    let over = Outcome::LimitExceeded(Limit::CodeBytes);
    let (mut fails, mut fits) = (1, 1 << 20);
    while fits - fails > 1 {
        let middle = fails + (fits - fails) / 2;
        let completed = run(&pool, &order, |limits| limits.code_bytes_max = middle).await;
        if completed.outcome == FINISHED {
            fits = middle;
        } else {
            assert_eq!(completed.outcome, over);
            fails = middle;
        }
    }
    around(&pool, &order, fits, Limit::CodeBytes, |limits, value| {
        limits.code_bytes_max = value;
    })
    .await;
    pool.shutdown().await;
}
