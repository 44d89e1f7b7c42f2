//! Short ways to tests and orders.

use std::ffi::OsString;
use std::fs::File;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use libtest_mimic::Trial;
use runtime::{
    Completed, Input, InputFormat, Limits, Order, Outcome, PoolConfig, Program, Supervisor,
};
use tokio::sync::watch;

/// A test in a runtime of its own.
pub(crate) fn test<F>(name: impl Into<String>, body: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()> + Send + 'static,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(body());
        Ok(())
    })
}

pub(crate) fn config(size: usize) -> PoolConfig {
    PoolConfig {
        executable: std::env::current_exe().unwrap(),
        args: vec![OsString::from("worker-jail")],
        size,
        queue_max: 8,
        spill: None,
        allow_degraded: false,
    }
}

pub(crate) async fn pool(size: usize) -> Supervisor {
    Supervisor::start(config(size)).await.unwrap()
}

/// A signal that nobody gives.
pub(crate) fn never() -> watch::Receiver<bool> {
    watch::channel(false).1
}

pub(crate) fn task(name: &str, request: &[u8]) -> Order {
    let program = Program::Task {
        name: name.to_owned(),
        request: request.to_vec(),
    };
    Order {
        program,
        inputs: vec![],
        limits: Limits::default(),
    }
}

pub(crate) fn input(name: &str, path: &Path, format: InputFormat) -> Input {
    let file = File::open(path).unwrap();
    let bytes = file.metadata().unwrap().len();
    Input {
        name: name.to_owned(),
        file: Arc::new(file),
        bytes,
        format,
    }
}

pub(crate) async fn run_alone(order: Order) -> Completed {
    let pool = pool(1).await;
    let completed = pool.run(order, never()).await.unwrap();
    pool.shutdown().await;
    completed
}

/// The text that a task answered.
pub(crate) fn answer(completed: &Completed) -> String {
    assert_eq!(completed.outcome, Outcome::Finished);
    String::from_utf8(completed.output.clone().unwrap()).unwrap()
}

/// Numbers of the processes whose parent is this one, zombies too.
pub(crate) fn children() -> Vec<i32> {
    let own = std::process::id().to_string();
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        if parent(pid).as_deref() == Some(own.as_str()) {
            children.push(pid);
        }
    }
    children
}

/// Number of a process's parent, as text.
pub(crate) fn parent(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name is in brackets and may hold anything.
    let after = stat.rsplit_once(')')?.1;
    after.split_whitespace().nth(1).map(str::to_owned)
}

/// Waits for a condition that must come true soon.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed().as_secs() < 10, "{what}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
