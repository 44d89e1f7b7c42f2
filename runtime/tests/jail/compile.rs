//! Compiling: once per owner and module, in a worker of its own, under limits of its own.

use libtest_mimic::Trial;
use runtime::{Completed, Fault, Layer, Limit, Limits, Order, Outcome, Program, Supervisor};

use crate::command_parts::command_order;
use crate::commands::{columns, copy, table};
use crate::parts::{ALLOC, field, module, order, small_guest};
use crate::support::{never, pool, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("compile::kept_code_runs_as_fresh_code_does", kept),
        test("compile::owners_share_nothing", owners),
        test("compile::faults_are_told_and_not_kept", faults),
        test("compile::bombs_end_at_the_limit_that_they_meet", bombs),
        test("compile::can_be_called_off", called_off),
        test("compile::figures", figures),
    ]
}

fn owned(mut order: Order, name: &str) -> Order {
    if let Program::Wasm { owner, .. } = &mut order.program {
        name.clone_into(owner);
    }
    order
}

async fn run(pool: &Supervisor, order: Order) -> Completed {
    pool.run(order, never()).await.unwrap()
}

async fn kept() {
    let (one, other) = (pool(2).await, pool(1).await);
    for order in [
        small_guest(),
        command_order(&copy(0, 1), columns(), Some(&table(1_000))),
    ] {
        let before = one.code_cache();
        let fresh = run(&one, order.clone()).await;
        let kept = run(&one, order.clone()).await;
        let elsewhere = run(&other, order).await;
        let view = one.code_cache();
        assert_eq!(view.misses, before.misses + 1);
        assert_eq!(view.hits, before.hits + 1);
        assert_eq!(view.entries, before.entries + 1);
        assert_eq!(fresh.outcome, Outcome::Finished);
        for again in [&kept, &elsewhere] {
            assert_eq!(again.output, fresh.output);
            assert_eq!(again.meter.fuel, fresh.meter.fuel);
            assert_eq!(again.meter.rows_in, fresh.meter.rows_in);
        }
        for layer in Layer::ALL {
            let told = |completed: &Completed| {
                let report = completed.layers.iter().find(|report| report.layer == layer);
                report.map(|report| report.state)
            };
            assert_eq!(told(&kept), told(&fresh), "{layer}");
        }
    }
    one.shutdown().await;
    other.shutdown().await;
}

async fn owners() {
    let pool = pool(1).await;
    for (owner, hits, misses) in [("a", 0, 1), ("b", 0, 2), ("a", 1, 2), ("b", 2, 2)] {
        let completed = run(&pool, owned(small_guest(), owner)).await;
        assert_eq!(completed.outcome, Outcome::Finished);
        let view = pool.code_cache();
        assert_eq!((view.hits, view.misses), (hits, misses), "{owner}");
    }
    assert_eq!(pool.code_cache().entries, 2);
    pool.shutdown().await;
}

async fn faults() {
    let pool = pool(1).await;
    let columns = || vec![field("a", runtime::ColumnType::Int64)];
    for (module, fault) in [
        (b"\0asm\x01\0\0\0".to_vec(), Fault::ProgramRefused),
        (b"no module".to_vec(), Fault::ProgramInvalid),
    ] {
        for _ in 0..2 {
            let completed = run(&pool, order(module.clone(), columns(), None)).await;
            assert_eq!(completed.outcome, Outcome::Faulted(fault));
            assert_eq!(completed.meter.fuel, 0);
            // The compile worker was sealed before it looked at the module.
            let sealed = completed
                .layers
                .iter()
                .find(|report| report.layer == Layer::ExecutableMemory);
            assert!(sealed.unwrap().enforced());
        }
    }
    let view = pool.code_cache();
    assert_eq!((view.entries, view.hits, view.misses), (0, 0, 4));
    pool.shutdown().await;
}

/// A guest whose one function is so long and so entangled that compiling it takes seconds: every
/// step takes part in a loop, and every local lives throughout.
pub(crate) fn bomb(functions: usize) -> Vec<u8> {
    let locals = "(local i64) ".repeat(64);
    let step: String = (0..64)
        .map(|at| {
            let (a, b) = (at % 64, (at * 7 + 3) % 64);
            format!(
                "(block (loop (br_if 1 (i64.eqz (local.get {a})))
                (local.set {a} (i64.add (i64.mul (local.get {a}) (local.get {b})) (i64.rotl (local.get {b}) (local.get {a}))))
                (br_if 0 (i64.lt_s (local.get {b}) (local.get {a})))))"
            )
        })
        .collect();
    let body = step.repeat(40);
    let functions: String = (0..functions)
        .map(|_| format!("(func {locals} {body})"))
        .collect();
    let run = r#"(func (export "run") (result i32) (i32.const 0))"#;
    module(&[ALLOC, &functions, run])
}

async fn bombs() {
    let pool = pool(1).await;
    let bomb = bomb(16);
    println!("  a bomb of {} bytes", bomb.len());
    let columns = vec![field("a", runtime::ColumnType::Int64)];
    for (limits, limit) in [
        (
            Limits {
                compile_wall_ms: 300,
                ..Limits::default()
            },
            Limit::CompileWall,
        ),
        (
            Limits {
                compile_cpu_s: 1,
                ..Limits::default()
            },
            Limit::CompileCpu,
        ),
        (
            Limits {
                compile_memory_bytes: 64 << 20,
                ..Limits::default()
            },
            Limit::CompileMemory,
        ),
    ] {
        let order = order(bomb.clone(), columns.clone(), None);
        let completed = run(&pool, Order { limits, ..order }).await;
        assert_eq!(completed.outcome, Outcome::LimitExceeded(limit));
        assert!(completed.output.is_none());
        println!(
            "  {limit:?}: wall {} ms, CPU {} ms, memory {} MiB",
            completed.meter.wall_us / 1000,
            completed.meter.cpu_us / 1000,
            completed.meter.memory_peak_bytes >> 20
        );
    }
    assert_eq!(pool.code_cache().entries, 0);
    pool.shutdown().await;
}

async fn called_off() {
    let pool = pool(1).await;
    let (call_off, cancel) = tokio::sync::watch::channel(false);
    let order = order(bomb(16), vec![field("a", runtime::ColumnType::Int64)], None);
    let (completed, ()) = tokio::join!(pool.run(order, cancel), async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        call_off.send(true).unwrap();
    });
    assert_eq!(completed.unwrap().outcome, Outcome::Cancelled);
    pool.shutdown().await;
}

/// Not a benchmark, but what compiling costs stays in sight.
async fn figures() {
    let pool = pool(1).await;
    for (what, order) in [
        ("a small guest", small_guest()),
        (
            "a command",
            command_order(&copy(0, 1), columns(), Some(&table(1_000))),
        ),
        (
            "a large guest",
            order(bomb(1), vec![field("a", runtime::ColumnType::Int64)], None),
        ),
    ] {
        let mut took = Vec::new();
        for _ in 0..3 {
            let started = std::time::Instant::now();
            let completed = run(&pool, order.clone()).await;
            assert_eq!(completed.outcome, Outcome::Finished);
            took.push(started.elapsed());
        }
        println!(
            "  {what}: compiled {:?}, kept {:?} {:?}",
            took[0], took[1], took[2]
        );
    }
    println!("  {:?}", pool.code_cache());
    pool.shutdown().await;
}
