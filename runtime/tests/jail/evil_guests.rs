//! WASM guests that trap, grow, lie about their memory, or never end.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use libtest_mimic::Trial;
use runtime::{ColumnType, Fault, Limit, Limits, Order, Outcome};

use crate::parts::{ALLOC, field, module, order};
use crate::support::{never, pool, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("evil_guests::each_way_to_break_the_interface", evil),
        test("evil_guests::endless_loops_end", endless),
    ]
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
