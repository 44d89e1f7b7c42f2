//! The pool: workers are used once, replaced, reaped; queues are bounded; ends are clean.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use runtime::{
    Fault, InputFormat, Layer, LayerState, Limits, Order, Outcome, RunError, Supervisor,
};
use tokio::sync::watch;

use crate::support::{
    answer, children, config, eventually, input, never, parent, pool, run_alone, task, test,
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("pool::every_layer_is_reported_and_holds", layers),
        test("pool::inputs_are_read_only", inputs),
        test(
            "pool::a_bad_order_is_refused_before_a_worker_has_it",
            bad_orders,
        ),
        test("pool::the_queue_is_bounded", queue),
        test("pool::a_run_can_be_called_off", cancel),
        test("pool::a_dropped_run_leaves_nothing", dropped_run),
        test("pool::a_killed_worker_is_a_crash", killed),
        test("pool::idle_workers_that_died_are_replaced", idle_death),
        test("pool::dropping_it_kills_every_worker", drop_pool),
        test("pool::shutting_it_down_answers_runs", shutdown),
        test("pool::aborting_its_last_run_ends_it", last_holder),
        test("pool::runs_leave_no_descriptor_and_no_process", leaks),
        test("pool::a_program_that_is_no_worker_is_an_error", no_worker),
        test("pool::figures", figures),
    ]
}

async fn layers() {
    let pool = pool(1).await;
    let reported: Vec<_> = pool.layers().iter().map(|report| report.layer).collect();
    assert_eq!(reported, Layer::ALL);
    for report in pool.layers() {
        println!("  {report}");
        assert!(!report.layer.required() || report.enforced(), "{report}");
    }
    let completed = pool.run(task("echo", b""), never()).await.unwrap();
    for layer in Layer::ALL {
        let report = completed
            .layers
            .iter()
            .find(|report| report.layer == layer)
            .unwrap();
        let pool_report = pool
            .layers()
            .iter()
            .find(|report| report.layer == layer)
            .unwrap();
        assert_eq!(report.state, pool_report.state, "{report}");
    }
    pool.shutdown().await;
    let probed = runtime::probe(config(1).executable, config(1).args)
        .await
        .unwrap();
    assert_eq!(probed.len(), Layer::ALL.len());
    let root = rustix::process::geteuid().is_root();
    let identity = probed
        .iter()
        .find(|report| report.layer == Layer::Identity)
        .unwrap();
    assert_eq!(identity.state == LayerState::Enforced, root, "{identity}");
}

async fn inputs() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    std::fs::write(&one, b"first ").unwrap();
    std::fs::write(&two, b"second").unwrap();
    let mut order = task("read", b"");
    order.inputs = vec![
        input("a", &one, InputFormat::Opaque),
        input("b", &two, InputFormat::Opaque),
    ];
    let completed = run_alone(order).await;
    assert_eq!(answer(&completed), "first second");
    assert_eq!(completed.meter.bytes_in, 12);
    assert_eq!(completed.meter.bytes_out, 12);
}

async fn bad_orders() {
    let pool = pool(1).await;
    let mut order = task("echo", b"");
    order.limits.wall_ms = 0;
    assert!(matches!(
        pool.run(order, never()).await,
        Err(RunError::Order(_))
    ));
    let mut order = task("echo", &[0; 100]);
    order.limits.program_bytes_max = 99;
    assert!(matches!(
        pool.run(order, never()).await,
        Err(RunError::Order(_))
    ));
    assert_eq!(pool.queue().running, 0);
    pool.shutdown().await;
}

fn spinning(wall_ms: u64) -> Order {
    Order {
        limits: Limits {
            wall_ms,
            ..Limits::default()
        },
        ..task("spin", b"")
    }
}

async fn queue() {
    let mut config = config(1);
    config.queue_max = 1;
    let pool = std::sync::Arc::new(Supervisor::start(config).await.unwrap());
    let run = |order| {
        let pool = std::sync::Arc::clone(&pool);
        tokio::spawn(async move { pool.run(order, never()).await })
    };
    let first = run(spinning(600));
    eventually("one runs", || pool.queue().running == 1).await;
    let second = run(task("echo", b"second"));
    eventually("one waits", || pool.queue().waiting == 1).await;
    let refused = pool.run(task("echo", b"third"), never()).await;
    assert!(
        matches!(refused, Err(RunError::Busy { queue_max: 1 })),
        "{refused:?}"
    );
    // Whoever waits can be called off without ever having a worker.
    assert_eq!(first.await.unwrap().unwrap().outcome, Outcome::TimedOut);
    assert_eq!(answer(&second.await.unwrap().unwrap()), "second");
    assert_eq!((pool.queue().running, pool.queue().waiting), (0, 0));
    std::sync::Arc::into_inner(pool).unwrap().shutdown().await;
}

async fn cancel() {
    let pool = pool(1).await;
    let (call_off, cancel) = watch::channel(false);
    let waiting = cancel.clone();
    let started = Instant::now();
    let (running, queued, ()) = tokio::join!(
        pool.run(spinning(30_000), cancel),
        async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            pool.run(spinning(30_000), waiting).await
        },
        async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            call_off.send(true).unwrap();
        },
    );
    assert_eq!(running.unwrap().outcome, Outcome::Cancelled);
    assert_eq!(queued.unwrap().outcome, Outcome::Cancelled);
    assert!(started.elapsed() < Duration::from_secs(5));
    pool.shutdown().await;
}

async fn dropped_run() {
    let pool = pool(1).await;
    let run = tokio::time::timeout(
        Duration::from_millis(200),
        pool.run(spinning(60_000), never()),
    );
    assert!(run.await.is_err());
    let completed = pool.run(task("echo", b"next"), never()).await.unwrap();
    assert_eq!(answer(&completed), "next");
    pool.shutdown().await;
    eventually("no process is left", || children().is_empty()).await;
}

/// The inner process of each worker: the child of a child.
fn grandchildren() -> Vec<i32> {
    let outer: Vec<String> = children().iter().map(ToString::to_string).collect();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok())
        .filter(|pid| parent(*pid).is_some_and(|parent| outer.contains(&parent)))
        .collect()
}

fn kill(pid: i32) {
    // SAFETY: sends a signal to a process that this test started.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

async fn killed() {
    let pool = pool(1).await;
    for inner in [true, false] {
        let victims = if inner { grandchildren() } else { children() };
        let run = pool.run(spinning(30_000), never());
        let kill_all = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            // The warm one that replaces it dies too, if it is there already.
            victims.into_iter().for_each(kill);
        };
        let (completed, ()) = tokio::join!(run, kill_all);
        let completed = completed.unwrap();
        assert_eq!(
            completed.outcome,
            Outcome::Faulted(Fault::Crashed),
            "inner {inner}"
        );
        assert!(completed.output.is_none());
        let after = pool.run(task("echo", b"on"), never()).await.unwrap();
        assert_eq!(answer(&after), "on");
        eventually("a worker is warm", || pool.queue().idle == 1).await;
    }
    pool.shutdown().await;
}

async fn idle_death() {
    let pool = pool(2).await;
    eventually("both are warm", || pool.queue().idle == 2).await;
    grandchildren().into_iter().for_each(kill);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let completed = pool.run(task("echo", b"alive"), never()).await.unwrap();
    assert_eq!(answer(&completed), "alive");
    pool.shutdown().await;
    eventually("no process is left", || children().is_empty()).await;
}

async fn drop_pool() {
    let pool = pool(2).await;
    eventually("both are warm", || pool.queue().idle == 2).await;
    assert!(children().len() >= 2);
    drop(pool);
    eventually("no process is left", || children().is_empty()).await;
}

async fn shutdown() {
    let pool = std::sync::Arc::new(pool(1).await);
    let running = {
        let pool = std::sync::Arc::clone(&pool);
        tokio::spawn(async move { pool.run(spinning(60_000), never()).await })
    };
    eventually("it runs", || pool.queue().running == 1).await;
    let waiting = {
        let pool = std::sync::Arc::clone(&pool);
        tokio::spawn(async move { pool.run(spinning(60_000), never()).await })
    };
    eventually("another waits", || pool.queue().waiting == 1).await;
    pool.close();
    assert!(matches!(running.await.unwrap(), Err(RunError::Closed)));
    assert!(matches!(waiting.await.unwrap(), Err(RunError::Closed)));
    assert!(matches!(
        pool.run(task("echo", b""), never()).await,
        Err(RunError::Closed)
    ));
    std::sync::Arc::into_inner(pool).unwrap().shutdown().await;
    assert!(
        children().is_empty(),
        "shutting down waits until all are reaped"
    );
}

async fn last_holder() {
    let pool = std::sync::Arc::new(pool(1).await);
    let running = {
        let pool = std::sync::Arc::clone(&pool);
        tokio::spawn(async move { pool.run(spinning(60_000), never()).await })
    };
    eventually("it runs", || pool.queue().running == 1).await;
    // The last holder of the pool is the run itself: dropping the run ends it.
    drop(pool);
    running.abort();
    assert!(running.await.is_err());
    eventually("no process is left", || children().is_empty()).await;
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn leaks() {
    let before = {
        run_alone(task("echo", b"")).await;
        eventually("no process is left", || children().is_empty()).await;
        open_descriptors()
    };
    let pool = pool(2).await;
    for round in 0..6 {
        let (name, wall_ms) = [("echo", 5_000), ("abort", 5_000), ("spin", 50)][round % 3];
        let limits = Limits {
            wall_ms,
            ..Limits::default()
        };
        let _ = pool
            .run(
                Order {
                    limits,
                    ..task(name, b"")
                },
                never(),
            )
            .await
            .unwrap();
    }
    pool.shutdown().await;
    eventually("no process is left", || children().is_empty()).await;
    eventually("descriptors are closed", || open_descriptors() <= before).await;
    let own = format!("egret-{}-", std::process::id());
    for controller in ["memory", "pids"] {
        let left = std::fs::read_dir(format!("/sys/fs/cgroup/{controller}"))
            .into_iter()
            .flatten();
        let left: Vec<_> = left
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with(&own))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

async fn no_worker() {
    for executable in ["/bin/true", "/nonexistent"] {
        let mut config = config(1);
        config.executable = executable.into();
        config.args.clear();
        let error = Supervisor::start(config).await.unwrap_err();
        assert!(
            error.to_string().contains("start a worker"),
            "{executable}: {error}"
        );
    }
    let mut config = config(1);
    config.size = 0;
    assert!(
        Supervisor::start(config)
            .await
            .unwrap_err()
            .to_string()
            .contains("pool size is 0")
    );
    eventually("no process is left", || children().is_empty()).await;
}

/// Not a benchmark, but where the time of a run goes stays in sight.
async fn figures() {
    let pool = pool(1).await;
    let (job, guest) = (
        crate::staged::small_job().await,
        crate::parts::small_guest(),
    );
    for (name, order) in [("task", task("echo", b"")), ("SQL", job), ("WASM", guest)] {
        let mut warm = Vec::new();
        for _ in 0..11 {
            eventually("a worker is warm", || pool.queue().idle == 1).await;
            let started = Instant::now();
            let completed = pool.run(order.clone(), never()).await.unwrap();
            warm.push(started.elapsed());
            assert_eq!(completed.outcome, Outcome::Finished);
        }
        warm.sort_unstable();
        println!("  warm {name}: p50 {:?}, max {:?}", warm[5], warm[10]);
        // A run on a warm worker does not pay for starting one.
        assert!(warm[5] < Duration::from_millis(100), "{name}: {warm:?}");
    }
    pool.shutdown().await;
    let started = Instant::now();
    let cold = Supervisor::start(config(1)).await.unwrap();
    println!("  start of a pool, jail tried: {:?}", started.elapsed());
    cold.shutdown().await;
}
